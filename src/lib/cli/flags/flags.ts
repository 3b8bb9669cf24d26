/**
 * Every flag, once: a flag means the same on every command. Each export makes one flag, so that a command can add a
 * default or say more: `static flags = {header: header(), queue: queue({default: 'busline'})}`.
 */
import {boolean, custom} from '@oclif/core/flags'
import {BusError} from '../../core/errors.ts'
import {parseHeader} from '../../core/message.ts'
import {type Position, parseEnd, parsePosition, type Range} from '../../core/position.ts'
import {checkPattern} from '../../core/subject.ts'
import {
  type DurationRange,
  parseAge,
  parseDuration,
  parseDurationRange,
  parsePercent,
  parseRate,
  parseSize,
} from '../render/units.ts'

type Switch = NonNullable<Parameters<typeof boolean<boolean>>[0]>
const toggle =
  (description: string) =>
  (options: Partial<Switch> = {}) =>
    boolean({description, ...options})
const text = (description: string, helpValue: string) => custom<string>({description, helpValue})
const whole = (description: string) =>
  custom<number>({description, helpValue: '<n>', parse: async (input) => parseCount(input)})
const bytes = (description: string) =>
  custom<number>({description, helpValue: '<size>', parse: async (input) => parseSize(input)})
const age = (description: string) =>
  custom<number>({description, helpValue: '<duration>', parse: async (input) => parseAge(input)})
const duration = (description: string) =>
  custom<number>({description, helpValue: '<duration>', parse: async (input) => parseDuration(input)})

// On every command.
const global = {helpGroup: 'GLOBAL'}
const login = {helpGroup: 'LOGIN'}
const connection = {helpGroup: 'CONNECTION'}
export const globalFlags = {
  bus: text(
    'bus to use: a URL or the path of a bus file',
    '<url>',
  )({
    ...global,
    char: 'b',
    aliases: ['server'],
    charAliases: ['s'],
  }),
  context: text('saved context to use', '<name>')(global),
  json: boolean({...global, description: 'write results and errors as JSON'}),
  timeout: duration('how long to wait for replies and acknowledgements')({
    ...global,
    char: 't',
    default: 5000,
    defaultHelp: async () => '5s',
  }),
  quiet: boolean({...global, description: 'print only errors and security warnings to stderr'}),
  'no-color': boolean({...global, description: 'disable colour'}),

  user: text('user name; without a password it is a token', '<name>')(login),
  password: text('password; safer in NATS_PASSWORD or a context', '<text>')(login),
  token: text('token; safer in NATS_TOKEN or a context', '<text>')(login),
  creds: text('credentials file (JWT and seed)', '<file>')(login),
  nkey: text('file with an nkey seed', '<file>')(login),
  jwt: text('user JWT, or a file with it', '<file>')(login),
  seed: text('file with the seed that belongs to the JWT', '<file>')(login),
  'tls-ca': text(
    'trusted CA certificates, instead of those of the system: a PEM file',
    '<file>',
  )({
    ...connection,
    aliases: ['tlsca'],
  }),
  'tls-cert': text('client certificate: a PEM file', '<file>')({...connection, aliases: ['tlscert']}),
  'tls-key': text('key of the client certificate: a PEM file', '<file>')({...connection, aliases: ['tlskey']}),
  'tls-first': boolean({
    ...connection,
    aliases: ['tlsfirst'],
    description: 'start TLS before the greeting of the server',
  }),
  insecure: boolean({...connection, description: 'accept any server certificate'}),
  'connect-timeout': duration('how long to wait for each server (default: 5s)')(connection),
  'max-reconnects': custom<number>({
    ...connection,
    description: 'reconnect attempts per server (default: 0, or unlimited for subscriptions)',
    helpValue: '<n>',
    parse: async (input) => (input === '0' ? 0 : parseCount(input)),
  })(),
  'inbox-prefix': text('prefix of reply subjects (default: _INBOX)', '<subject>')(connection),
}

// What a message is made of.
export const header = custom<readonly [string, string]>({
  char: 'H',
  description: "header line 'Name: value'; may be repeated",
  helpValue: '<line>',
  multiple: true,
  multipleNonGreedy: true,
  parse: async (input) => parseHeader(input),
})
export const reply = text('subject for replies', '<subject>')
export const file = text('read the body from this file', '<path>')
export const encoding = custom<'base64' | 'hex'>({
  description: 'encoding of the given body',
  options: ['base64', 'hex'],
  parse: async (input) => input as 'base64' | 'hex',
})
export const size = custom<number>({
  description: 'a random body of this size',
  helpValue: '<size>',
  parse: async (input) => parseSize(input),
})
export const template = toggle('fill in {n} {id} {time} {unix} {random:1-100} in body, subject and headers')
export const lines = toggle('each line of stdin or --file is a message')
export const delimiter = text('delimiter after each message instead of a newline, such as \\t \\0 \\r\\n', '<text>')
export const records = text('publish the records (NDJSON) of this file; - for stdin', '<path>')

// How many, how long, how fast.
export const count = custom<number>({
  char: 'n',
  description: 'end after this many messages',
  helpValue: '<n>',
  parse: async (input) => parseCount(input),
})
export const concurrency = custom<number>({
  char: 'c',
  description: 'how many at the same time',
  helpValue: '<n>',
  parse: async (input) => parseCount(input),
})
const forDuration = duration('end after this long')

export {forDuration as for}
export const idle = duration('end after this long without output')
export const every = duration('publish a message at this interval')
export const rate = custom<number>({
  description: 'messages per second, minute or hour, such as 200/s',
  helpValue: '<n/s>',
  parse: async (input) => parseRate(input),
})
export const speed = custom<number>({
  description: 'replay at the recorded pace (1), a multiple of it (2.5), or max',
  helpValue: '<factor>',
  parse: async (input) => parseSpeed(input),
})
export const replies = whole('end after this many replies')
export const untilIdle = duration('end when no reply came for this long')
export const untilEmpty = toggle('end at the first empty reply')

// Which messages.
export const queue = custom<string>({
  char: 'q',
  description: 'queue group: each message goes to one of its members',
  helpValue: '<name>',
})
export const noQueue = toggle('join no queue group: every server gets every request')
export const match = text('keep messages whose payload matches this regular expression', '<regex>')
export const where = text('keep messages for which this JSONata expression is true', '<jsonata>')
export const ignore = custom<string>({
  description: 'exclude subjects that match; may be repeated',
  helpValue: '<subject>',
  multiple: true,
  multipleNonGreedy: true,
})
export const sample = custom<number>({
  description: 'keep this share of the messages, picked at random',
  helpValue: '<percent>',
  parse: async (input) => parsePercent(input),
})

// How messages are shown.
export const raw = (options: Partial<Switch> = {}) =>
  boolean({char: 'r', description: 'write the payload and nothing else, byte for byte', ...options})
export const format = custom<string>({
  char: 'f',
  description: "format each message with this template, such as '{time} {subject} {json.user.id}\\n'",
  helpValue: '<template>',
})
export const headersOnly = toggle('show subject and headers, not the payload')
export const subjectsOnly = toggle('show the subject only')
export const select = text('show the result of this JSONata expression', '<jsonata>')
export const pair = toggle('show each request with its reply')
export const record = text('also write what is shown to this new file as records (NDJSON)', '<path>')
export const expect = text(
  'exit with code 9 unless this JSONata expression is true for the reply; may be repeated',
  '<jsonata>',
)

// How requests are served.
export const echo = toggle('reply with the request')
export const expr = text('reply with the result of this JSONata expression, applied to the request', '<jsonata>')
export const exec = toggle('reply with the output of the program after --')
export const execTimeout = duration('time limit for the program')
export const delay = custom<DurationRange>({
  description: 'wait before each reply: a duration or a range',
  helpValue: '<duration>',
  parse: async (input) => parseDurationRange(input),
})
export const fail = custom<number>({
  description: 'fail this share of the requests, picked at random',
  helpValue: '<percent>',
  parse: async (input) => parsePercent(input),
})
export const service = text('announce a NATS service of this name', '<name>')
export const version = text('version of the service (default: 0.0.0)', '<semver>')

// Response streams.
export const stream = toggle('answer each request with a stream: every line is a frame')
export const chunk = custom<number>({
  description: 'send output as it arrives, in frames of at most this many bytes, instead of lines',
  helpValue: '<size>',
  parse: async (input) => parseSize(input),
})
export const open = custom<number>({
  description: 'response streams to open at the same time (default: 1)',
  helpValue: '<n>',
  parse: async (input) => parseCount(input),
})
export const dialect = custom<'first' | 'later'>({
  description:
    'version of the protocol: first sends the body alone, later sends JSON and uses heartbeats (default: first)',
  options: ['first', 'later'],
  parse: async (input) => input as 'first' | 'later',
})
export const buffer = whole('fail if more than this many frames are buffered (default: up to 64 MiB)')

// RPC methods.
export const rpcTimeout = duration('how long to wait for replies and acknowledgements')({
  ...global,
  char: 't',
  default: 30_000,
  defaultHelp: async () => '30s',
})
export const prefix = text('prefix of RPC subjects (default: loom.rpc)', '<subject>')
export const instance = text('id of the instance to call', '<id>')
export const any = toggle('discover an instance and call it')
export const all = toggle('call every available instance')
export const envelope = toggle('show the whole envelope, not only the payload')
export const caller = text('name of the caller (default: busline)', '<id>')
export const traceId = text('trace id of the call (default: a new one)', '<id>')
export const wildcard = toggle('also answer calls to other instances')

export const pause = toggle('wait for a key before each step')

// What is stored: positions and ranges in streams.
export const from = custom<Position>({
  description: 'where to start: first, last, new, 1042, -100 (the last 100), @2026-11-20T10:00Z or @-15m',
  helpValue: '<position>',
  parse: async (input) => parsePosition(input),
})
export const to = custom<RangeEnd>({
  description: 'stop after this sequence, at this time, or at the current end (end)',
  helpValue: '<position>',
  parse: async (input) => parseEnd(input) ?? 'end',
})
export const toPosition = custom<Position>({
  description: 'position of the next message: first, last, end, 1042, -100, @2026-11-20T10:00Z or @-15m',
  helpValue: '<position>',
  required: true,
  parse: async (input) => parsePosition(input),
})
export const end = toggle('stop at the current end of the stream, like --to end')
export const keptBy = text('which stream, if several store the subjects', '<name>')
export const durable = text('take from this durable consumer of the stream, and acknowledge what is written', '<name>')
export const filter = custom<string>({
  description: 'only messages whose subject matches; may be repeated',
  helpValue: '<subject>',
  multiple: true,
  multipleNonGreedy: true,
  parse: async (input) => checkPattern(input),
})

// What is stored: streams.
export const description = text('description in words', '<text>')
export const ifMissing = toggle('succeed if one of this name exists, whatever its configuration')
export const yes = toggle('do not ask')
export const maxAge = age('remove messages older than this')
export const maxMsgs = whole('largest number of messages')
export const maxBytes = bytes('largest total size')
export const maxMsgsPerSubject = whole('largest number of messages per subject')
export const maxMsgSize = bytes('refuse larger messages')
export const discard = custom<'old' | 'new'>({
  description: 'discard policy at a limit: remove the oldest messages, or refuse new ones (default: old)',
  options: ['old', 'new'],
  parse: async (input) => input as 'old' | 'new',
})
export const storage = custom<'file' | 'memory'>({
  description: 'where the server stores messages (default: file)',
  options: ['file', 'memory'],
  parse: async (input) => input as 'file' | 'memory',
})
export const replicas = whole('number of replicas in a cluster (default: 1)')
export const dedupe = age('how long message ids are remembered (default: 2m)')
export const before = whole('only messages before this sequence')
export const keep = whole('keep this many of the newest messages')
export const lastFor = text('the last message of this subject or pattern', '<subject>')

// What is stored: consumers.
export const deliver = text('deliver policy: all, new, last, last-per-subject, 1042, -100 or @-15m', '<position>')
export const ackPolicy = custom<'explicit' | 'all' | 'none'>({
  description: 'ack policy: every message, the last one for all before it, or none (default: explicit)',
  options: ['explicit', 'all', 'none'],
  parse: async (input) => input as 'explicit' | 'all' | 'none',
})
export const ackWait = age('redeliver messages that are not acknowledged in this time (default: 30s)')
export const maxDeliver = whole('deliver a message at most this many times')
export const maxAckPending = whole('largest number of unacknowledged messages (default: 1000)')
export const backoff = custom<readonly number[]>({
  description: 'ack wait of the first, second, … delivery, instead of --ack-wait: 1s,5s,30s',
  helpValue: '<durations>',
  parse: async (input) => input.split(',').map(parseAge),
})
export const ack = toggle('acknowledge each message once it is written (the default)')
export const nak = toggle('return each message for redelivery')
export const term = toggle('terminate each message: it is never redelivered')
export const peek = toggle('show unacknowledged messages without changing the consumer')

// What is stored: replaying.
export const range = text('a range, instead of --from and --to: 500..900, @-1h..@-30m, ..1042', '<from..to>')
export const lastPerSubject = toggle('only the last message of each subject')
export const follow = toggle('continue with new messages')
export const reset = custom<Position>({
  description: 'first move the consumer to this position',
  helpValue: '<position>',
  parse: async (input) => parsePosition(input),
})
export const create = toggle('create the consumer, or with --into the stream, if it does not exist')
export const maxGap = duration('longest pause between two messages')
export const execLines = toggle('send records to one long-running program after --, which answers each with a line')
export const webhook = text('send each message to this URL with HTTP POST', '<url>')
export const republish = text(
  'publish each message on this bus to another subject, such as copy.{subject}',
  '<subject>',
)
export const obeyHeaders = toggle(
  'let stores act on Nats-TTL, Nats-Rollup and similar headers (default: kept as data, under Bus- names)',
)
export const into = text('copy each message to another bus: a URL or a context', '<bus>')
export const step = toggle('ask what to do with each message')
export const dryRun = toggle('only show what would be replayed')
export const onError = custom<'retry' | 'skip' | 'term' | 'stop'>({
  description: 'what to do with a message that cannot be handled (default: retry)',
  options: ['retry', 'skip', 'term', 'stop'],
  parse: async (input) => input as 'retry' | 'skip' | 'term' | 'stop',
})
export const dead = text('write messages that could not be handled to this new file, as records (NDJSON)', '<path>')

// What is stored: publishing.
export const msgId = text('message id, which a stream uses to store a message only once', '<id>')
export const expectLastSeq = custom<number>({
  description: 'store the message only if this is the last sequence of the stream',
  helpValue: '<n>',
  parse: async (input) => (input === '0' ? 0 : parseCount(input)),
})
export const window = whole('largest number of unacknowledged messages (default: 1000)')

/** Where a range ends; `end` is that of the stream when it is asked. */
export type RangeEnd = NonNullable<Range['to']> | 'end'

// Events: the gateway.
export const ws = text('listen for WebSocket clients on this address (default: 127.0.0.1:5599)', '<address>')
export const webhooks = toggle('deliver the subscriptions that have a webhook')
export const stdout = toggle('deliver the subscriptions of transport stdout, as records')
/** On commands of events `--token` is this one; the login of the bus comes from NATS_TOKEN, the URL or a context. */
export const gatewayToken = text('bearer token that clients must present; safer in BUS_EVENTS_TOKEN', '<text>')
export const allowAnonymous = toggle('accept clients without a token')
export const allowOrigin = custom<string>({
  description: 'accept browser pages of this origin, such as https://app.example; may be repeated',
  helpValue: '<origin>',
  multiple: true,
  multipleNonGreedy: true,
})
export const maxConnections = whole('largest number of connected clients (default: 1000)')
export const maxFrame = bytes('largest WebSocket frame accepted from a client (default: 1MiB)')
export const maxInFlight = whole('largest number of unacknowledged events per subscription (default: 65536)')
export const idleTimeout = duration(
  'disconnect clients that start no subscription or do not respond for this long (default: 1m)',
)

// Events: subscriptions.
export const transport = custom<string>({
  description: 'how events are delivered (default: websockets)',
  options: ['websockets', 'webhooks', 'exec', 'stdout'],
})
export const topic = text('only events whose subject matches this regular expression', '<regex>')
export const eventTypes = text('only events whose type matches', '<regex>')
export const tag = text('only events whose header Bus-Tag matches', '<regex>')
export const group = text('only events whose header Bus-Group matches', '<regex>')
export const author = text('only events whose header Bus-Author matches', '<regex>')
export const transactionType = text('only events whose header Bus-Transaction-Type matches', '<regex>')
export const firstEvent = text('where to start: oldest, newest, or after a sequence (default: newest)', '<place>')
export const readAhead = custom<number>({
  description: 'events to send ahead of the first unacknowledged one (default: 0)',
  helpValue: '<n>',
  parse: async (input) => (input === '0' ? 0 : parseCount(input)),
})
export const withData = toggle('include payload and headers in events')
export const batch = toggle('deliver several events at a time')
export const batchTimeout = duration('how long to collect events for a batch (default: 50ms)')
export const maxRejects = whole('give an event up after this many rejections (default: never)')
export const deadLetter = text(
  'publish events that are given up to this subject, such as dead.{subject} (default: stop the subscription)',
  '<subject>',
)
export const fastack = toggle('acknowledge before the webhook is called')
export const withReply = toggle('publish the response of the webhook to the reply subject of the event')
export const replace = toggle('change an existing subscription and keep its offset')
export const namespace = text('the stream', '<name>')
export const name = text('name of the durable subscription (default: an ephemeral one)', '<name>')
export const autoAck = toggle(
  'let the gateway acknowledge each event as soon as it is sent; events in flight can be lost',
)

// Checks.
export const checkTag = custom<string>({
  description: 'only checks with this tag, or without it as !slow; may be repeated',
  helpValue: '<tag>',
  multiple: true,
  multipleNonGreedy: true,
})
export const only = custom<string>({
  description: 'run only checks whose name contains this; may be repeated',
  helpValue: '<name>',
  multiple: true,
  multipleNonGreedy: true,
})
export const variable = custom<string>({
  description: 'set the variable {name} of the files; may be repeated',
  helpValue: '<name=value>',
  multiple: true,
  multipleNonGreedy: true,
})
export const jobs = whole('files to run at the same time (default: 4)')
export const bail = toggle('stop after the first check that does not pass')
export const repeat = whole('run everything this many times')
export const watch = toggle('run again when a file changes')
export const report = custom<string>({
  description: 'also write a report: junit, tap, json, github or prometheus, to stdout or to a file; may be repeated',
  helpValue: '<kind[=file]>',
  multiple: true,
  multipleNonGreedy: true,
})
export const requestTo = custom<string>({
  description: 'subject to send an empty request to, and to check that it is answered; may be repeated',
  helpValue: '<subject>',
  multiple: true,
  multipleNonGreedy: true,
})
export const schema = toggle('print the JSON Schema of check files, for completion in editors')

// Measuring.
export const msgs = whole('how many in all')
export const clients = whole('number of clients, each in its own process (default: 1)')
export const subjects = whole('number of subjects: SUBJECT.1, SUBJECT.2, … (default: 1)')
/** On commands of bench `--batch` is this one: elsewhere it is a switch. */
export const batchSize = whole('messages to pass to the bus at a time (default: 1000)')
export const frames = whole('frames of each stream (default: 1)')
export const withSub = toggle('also subscribe, and measure delivery times')
export const withServe = toggle('also run the server side')
export const csv = toggle('print CSV with a header line and one line per side')
export const baseline = text(
  'compare with the --json output of an earlier run; exit code 9 if this run is slower',
  '<path>',
)
export const maxRegression = custom<number>({
  description: 'how much slower than the baseline it may be (default: 10%)',
  helpValue: '<percent>',
  parse: async (input) => parsePercent(input),
})

// What is wrong.
export const fix = toggle('make the safe repairs, and report each one')

// Contexts.
export const use = toggle('use this context by default from now on')
export const none = toggle('select no context: use your own bus file again')

/** A whole number of at least 1. Throws `usage`. */
function parseCount(input: string): number {
  const value = Number(input)
  if (/^\d+$/.test(input) && value >= 1 && Number.isSafeInteger(value)) return value
  throw new BusError('usage', `${JSON.stringify(input)} is not a whole number of at least 1`)
}

/** How much faster than recorded; `max` is Infinity. Throws `usage`. */
function parseSpeed(input: string): number {
  if (input === 'max') return Number.POSITIVE_INFINITY
  const value = /^\d+(\.\d+)?$/.test(input) ? Number(input) : 0
  if (value > 0) return value
  throw new BusError('usage', `${JSON.stringify(input)} is not a speed`, {try: ['write 1, 2.5 or max']})
}
