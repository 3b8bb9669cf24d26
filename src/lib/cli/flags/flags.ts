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
    'which bus: a URL, or the path of a bus file',
    '<url>',
  )({
    ...global,
    char: 'b',
    aliases: ['server'],
    charAliases: ['s'],
  }),
  context: text('which bus: the name of a saved context', '<name>')(global),
  json: boolean({...global, description: 'write results and errors as JSON'}),
  timeout: duration('how long to wait for the other side')({
    ...global,
    char: 't',
    default: 5000,
    defaultHelp: async () => '5s',
  }),
  quiet: boolean({...global, description: 'say nothing on stderr but errors and security warnings'}),
  'no-color': boolean({...global, description: 'no colour, even on a terminal'}),

  user: text('user name; without a password it is a token', '<name>')(login),
  password: text('password; safer in NATS_PASSWORD or a context', '<text>')(login),
  token: text('token; safer in NATS_TOKEN or a context', '<text>')(login),
  creds: text('credentials file (JWT and seed)', '<file>')(login),
  nkey: text('file with an nkey seed', '<file>')(login),
  jwt: text('user JWT, or a file with it', '<file>')(login),
  seed: text('file with the seed that belongs to the JWT', '<file>')(login),
  'tls-ca': text(
    'who may vouch for the server, instead of the system: a PEM file',
    '<file>',
  )({
    ...connection,
    aliases: ['tlsca'],
  }),
  'tls-cert': text('client certificate: a PEM file', '<file>')({...connection, aliases: ['tlscert']}),
  'tls-key': text('key of the client certificate: a PEM file', '<file>')({...connection, aliases: ['tlskey']}),
  'tls-first': boolean({...connection, aliases: ['tlsfirst'], description: 'begin with TLS at once'}),
  insecure: boolean({...connection, description: 'take any certificate of the server'}),
  'connect-timeout': duration('how long to wait for each server of a list (default: 5s)')(connection),
  'max-reconnects': custom<number>({
    ...connection,
    description: 'attempts to come back to each server (default: 0, a stream without end)',
    helpValue: '<n>',
    parse: async (input) => (input === '0' ? 0 : parseCount(input)),
  })(),
  'inbox-prefix': text('what reply subjects begin with (default: _INBOX)', '<subject>')(connection),
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
export const reply = text('subject that replies should go to', '<subject>')
export const file = text('take the body from this file', '<path>')
export const encoding = custom<'base64' | 'hex'>({
  description: 'how the given body is encoded',
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
export const delimiter = text('what ends each message instead of a newline, as \\t \\0 \\r\\n', '<text>')
export const records = text('publish the records (NDJSON) of this file; - for stdin', '<path>')

// How many, how long, how fast.
export const count = custom<number>({
  char: 'n',
  description: 'how many messages, then end',
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
export const idle = duration('end when nothing was shown for this long')
export const every = duration('one message each so often')
export const rate = custom<number>({
  description: 'so many messages a second, minute or hour',
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
  description: 'leave out subjects that match; may be repeated',
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
  description: "write each message by this template, as '{time} {subject} {json.user.id}\\n'",
  helpValue: '<template>',
})
export const headersOnly = toggle('show subject and headers, not the payload')
export const subjectsOnly = toggle('show the subject only')
export const select = text('show the result of this JSONata expression', '<jsonata>')
export const pair = toggle('show each request with its reply')
export const record = text('also write what is shown to this new file as records (NDJSON)', '<path>')
export const expect = text(
  'fail with exit code 9 unless this JSONata expression is true of the reply; may be repeated',
  '<jsonata>',
)

// How requests are served.
export const echo = toggle('reply with the request')
export const expr = text('reply with the result of this JSONata expression over the request', '<jsonata>')
export const exec = toggle('reply with what a program writes; the program stands after --')
export const execTimeout = duration('how long the program may take')
export const delay = custom<DurationRange>({
  description: 'wait so long before each reply, one duration or a range',
  helpValue: '<duration>',
  parse: async (input) => parseDurationRange(input),
})
export const fail = custom<number>({
  description: 'fail this share of the requests, picked at random',
  helpValue: '<percent>',
  parse: async (input) => parsePercent(input),
})
export const service = text('be found as a NATS service of this name', '<name>')
export const version = text('version of the service (default: 0.0.0)', '<semver>')

// Response streams.
export const stream = toggle('answer each request with a stream: every line is a frame')
export const chunk = custom<number>({
  description: 'frames of so many bytes at most, as they come, instead of lines',
  helpValue: '<size>',
  parse: async (input) => parseSize(input),
})
export const open = custom<number>({
  description: 'open so many streams at once (default: 1)',
  helpValue: '<n>',
  parse: async (input) => parseCount(input),
})
export const dialect = custom<'first' | 'later'>({
  description: 'how the request is written: the body alone, or JSON with heartbeats (default: first)',
  options: ['first', 'later'],
  parse: async (input) => input as 'first' | 'later',
})
export const buffer = whole('fail when so many frames wait to be shown (default: hold up to 64 MiB)')

// RPC methods.
export const rpcTimeout = duration('how long to wait for the other side')({
  ...global,
  char: 't',
  default: 30_000,
  defaultHelp: async () => '30s',
})
export const prefix = text('what subjects of RPC methods begin with (default: loom.rpc)', '<subject>')
export const instance = text('which instance of the service', '<id>')
export const any = toggle('find an instance that is there, and call that')
export const all = toggle('call every instance that is there')
export const envelope = toggle('show the whole envelope, not only the payload')
export const caller = text('who calls (default: busline)', '<id>')
export const traceId = text('what the call is traced by (default: a new one)', '<id>')
export const wildcard = toggle('also answer calls to instances that are not ours')

export const pause = toggle('wait for a key between the steps')

// What is stored: positions and ranges in streams.
export const from = custom<Position>({
  description: 'begin there: first, last, new, 1042, -100 (the last 100), @2026-11-20T10:00Z or @-15m',
  helpValue: '<position>',
  parse: async (input) => parsePosition(input),
})
export const to = custom<RangeEnd>({
  description: 'end there: a sequence, which is still shown, a time, or the end as it is now',
  helpValue: '<position>',
  parse: async (input) => parseEnd(input) ?? 'end',
})
export const toPosition = custom<Position>({
  description: 'the next message: first, last, end, 1042, -100, @2026-11-20T10:00Z or @-15m',
  helpValue: '<position>',
  required: true,
  parse: async (input) => parsePosition(input),
})
export const end = toggle('end where the stream ends now, as --to end')
export const keptBy = text('which stream, when several keep the subjects', '<name>')
export const durable = text('take from this durable consumer of the stream, and acknowledge what is written', '<name>')
export const filter = custom<string>({
  description: 'only messages whose subject matches; may be repeated',
  helpValue: '<subject>',
  multiple: true,
  multipleNonGreedy: true,
  parse: async (input) => checkPattern(input),
})

// What is stored: streams.
export const description = text('what it is for', '<text>')
export const ifMissing = toggle('leave one of this name as it is')
export const yes = toggle('do not ask')
export const maxAge = age('keep messages for so long')
export const maxMsgs = whole('keep so many messages')
export const maxBytes = bytes('keep so many bytes')
export const maxMsgsPerSubject = whole('keep so many messages of each subject')
export const maxMsgSize = bytes('refuse larger messages')
export const discard = custom<'old' | 'new'>({
  description: 'what goes when a limit is reached: the oldest, or the new one is refused (default: old)',
  options: ['old', 'new'],
  parse: async (input) => input as 'old' | 'new',
})
export const storage = custom<'file' | 'memory'>({
  description: 'where the server keeps it (default: file)',
  options: ['file', 'memory'],
  parse: async (input) => input as 'file' | 'memory',
})
export const replicas = whole('how many servers of a cluster keep it (default: 1)')
export const dedupe = age('how long message ids are remembered (default: 2m)')
export const before = whole('only messages before this sequence')
export const keep = whole('all but the last so many')
export const lastFor = text('the last message of this subject or pattern', '<subject>')

// What is stored: consumers.
export const deliver = text('where it begins: all, new, last, last-per-subject, 1042, -100 or @-15m', '<position>')
export const ackPolicy = custom<'explicit' | 'all' | 'none'>({
  description: 'what has to be acknowledged: each message, the last of several, or nothing (default: explicit)',
  options: ['explicit', 'all', 'none'],
  parse: async (input) => input as 'explicit' | 'all' | 'none',
})
export const ackWait = age('deliver again what is not acknowledged for so long (default: 30s)')
export const maxDeliver = whole('deliver a message so many times at most')
export const maxAckPending = whole('how many messages may wait for their acknowledgement (default: 1000)')
export const backoff = custom<readonly number[]>({
  description: 'instead of --ack-wait for the first, second, … delivery: 1s,5s,30s',
  helpValue: '<durations>',
  parse: async (input) => input.split(',').map(parseAge),
})
export const ack = toggle('acknowledge each message once it is written (the default)')
export const nak = toggle('give each message back, to be delivered again')
export const term = toggle('give each message up: it is never delivered again')
export const peek = toggle('show what is not acknowledged, and touch nothing')

// What is stored: replaying.
export const range = text('a range of both: 500..900, @-1h..@-30m, ..1042', '<from..to>')
export const lastPerSubject = toggle('only the last message of each subject')
export const follow = toggle('go on with what comes later')
export const reset = custom<Position>({
  description: 'first move the consumer there, whatever was acknowledged',
  helpValue: '<position>',
  parse: async (input) => parsePosition(input),
})
export const create = toggle('make the consumer, or with --into the stream, if it is missing')
export const maxGap = duration('wait so long between two messages at most')
export const execLines = toggle('hand records to one program, which answers a line for each; it stands after --')
export const webhook = text('send each message there by HTTP POST', '<url>')
export const republish = text('publish each message on this bus, as copy.{subject}', '<subject>')
export const obeyHeaders = toggle(
  'have stores carry out Nats-TTL, Nats-Rollup and the like (default: as data, under Bus- names)',
)
export const into = text('copy each message to the stream of another bus: a URL or a context', '<bus>')
export const step = toggle('decide on each message by hand')
export const dryRun = toggle('only count what there is')
export const onError = custom<'retry' | 'skip' | 'term' | 'stop'>({
  description: 'what to do with a message that cannot be handled (default: retry)',
  options: ['retry', 'skip', 'term', 'stop'],
  parse: async (input) => input as 'retry' | 'skip' | 'term' | 'stop',
})
export const dead = text('write messages that are given up to this new file as records (NDJSON)', '<path>')

// What is stored: publishing.
export const msgId = text('message id, by which a stream knows what it has already', '<id>')
export const expectLastSeq = custom<number>({
  description: 'refuse the message unless this is the last sequence of the stream',
  helpValue: '<n>',
  parse: async (input) => (input === '0' ? 0 : parseCount(input)),
})
export const window = whole('how many messages may wait for their acknowledgement (default: 1000)')

/** Where a range ends; `end` is that of the stream when it is asked. */
export type RangeEnd = NonNullable<Range['to']> | 'end'

// Events: the gateway.
export const ws = text('let WebSocket clients in at this address (default: 127.0.0.1:5599)', '<address>')
export const webhooks = toggle('deliver the subscriptions that have a webhook')
export const stdout = toggle('deliver the subscriptions of transport stdout, as records')
/** On commands of events `--token` is this one; the login of the bus comes from NATS_TOKEN, the URL or a context. */
export const gatewayToken = text('what clients must show as their bearer token; safer in BUS_EVENTS_TOKEN', '<text>')
export const allowAnonymous = toggle('let anybody in who reaches the address')
export const allowOrigin = custom<string>({
  description: 'pages that may connect from a browser, as https://app.example; may be repeated',
  helpValue: '<origin>',
  multiple: true,
  multipleNonGreedy: true,
})
export const maxConnections = whole('how many clients at the same time (default: 1000)')
export const maxFrame = bytes('the largest frame of a client (default: 1MiB)')
export const maxInFlight = whole('events without acknowledgement for each subscription, at most (default: 65536)')
export const idleTimeout = duration('let clients go that start nothing, or do not answer, for so long (default: 1m)')

// Events: subscriptions.
export const transport = custom<string>({
  description: 'who delivers it (default: websockets)',
  options: ['websockets', 'webhooks', 'exec', 'stdout'],
})
export const topic = text('only events whose subject matches this regular expression', '<regex>')
export const eventTypes = text('only events whose type matches', '<regex>')
export const tag = text('only events whose header Bus-Tag matches', '<regex>')
export const group = text('only events whose header Bus-Group matches', '<regex>')
export const author = text('only events whose header Bus-Author matches', '<regex>')
export const transactionType = text('only events whose header Bus-Transaction-Type matches', '<regex>')
export const firstEvent = text('where it begins: oldest, newest, or after a sequence (default: newest)', '<place>')
export const readAhead = custom<number>({
  description: 'events on their way beside the one that is not acknowledged (default: 0)',
  helpValue: '<n>',
  parse: async (input) => (input === '0' ? 0 : parseCount(input)),
})
export const withData = toggle('events have their payload and headers')
export const batch = toggle('several events in one delivery')
export const batchTimeout = duration('what came in this time is a batch (default: 50ms)')
export const maxRejects = whole('give an event up when it was rejected so many times (default: never)')
export const deadLetter = text(
  'publish what is given up there, as dead.{subject}; else the subscription stops',
  '<subject>',
)
export const fastack = toggle('acknowledge before the webhook is called')
export const withReply = toggle('publish what the webhook answers, where the event says')
export const replace = toggle('change one of this name, which goes on where it is')
export const namespace = text('the stream', '<name>')
export const name = text('the durable subscription (default: one that goes with the connection)', '<name>')
export const autoAck = toggle('events need no acknowledgement; what is lost on the way is lost')

// Checks.
export const checkTag = custom<string>({
  description: 'only checks with this tag, or without it as !slow; may be repeated',
  helpValue: '<tag>',
  multiple: true,
  multipleNonGreedy: true,
})
export const only = custom<string>({
  description: 'only checks with this in their name; may be repeated',
  helpValue: '<name>',
  multiple: true,
  multipleNonGreedy: true,
})
export const variable = custom<string>({
  description: 'a value for {name} in the files; may be repeated',
  helpValue: '<name=value>',
  multiple: true,
  multipleNonGreedy: true,
})
export const jobs = whole('how many files at the same time (default: 4)')
export const bail = toggle('begin nothing more once a check did not pass')
export const repeat = whole('run all of it so many times')
export const watch = toggle('run again when a file changes')
export const report = custom<string>({
  description: 'also report so: junit, tap, json, github or prometheus, to stdout or to a file; may be repeated',
  helpValue: '<kind[=file]>',
  multiple: true,
  multipleNonGreedy: true,
})
export const requestTo = custom<string>({
  description: 'also send an empty request there, and check that it is answered; may be repeated',
  helpValue: '<subject>',
  multiple: true,
  multipleNonGreedy: true,
})
export const schema = toggle('print the JSON Schema of check files, by which editors complete')

// Measuring.
export const msgs = whole('how many in all')
export const clients = whole('so many clients, each a process with a connection of its own (default: 1)')
export const subjects = whole('so many subjects, as SUBJECT.1 and on (default: 1)')
/** On commands of bench `--batch` is this one: elsewhere it is a switch. */
export const batchSize = whole('hand over so many at a time (default: 1000)')
export const frames = whole('frames of each stream (default: 1)')
export const withSub = toggle('also subscribe, and measure how long messages are on their way')
export const withServe = toggle('also serve what is asked for')
export const csv = toggle('print a line for each side, with the names of the columns above')
export const baseline = text(
  'compare with what an earlier run printed with --json; exit code 9 when it is slower',
  '<path>',
)
export const maxRegression = custom<number>({
  description: 'how much slower than the baseline it may be (default: 10%)',
  helpValue: '<percent>',
  parse: async (input) => parsePercent(input),
})

// What is wrong.
export const fix = toggle('repair what is safe to repair, and say each')

// Contexts.
export const use = toggle('mean this context whenever nothing else is said')
export const none = toggle('mean none: your own bus file again')

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
