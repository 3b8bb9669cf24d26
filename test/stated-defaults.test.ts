/**
 * Defaults that help states in words: each with the code that makes it so. Help itself shows those that are declared as `default`
 * of a flag. A default that changes, or a new sentence about one, fails here.
 */
import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {describe, expect, test} from 'vitest'
import {root} from './bus.ts'

/** The flag or argument, its command if others differ, and what help says; then the file below src, and its code. */
const stated: Readonly<Record<string, readonly [file: string, code: string]>> = {
  '--connect-timeout: 5s': ['lib/transport/nats/dial.ts', 'defaultTimeoutMs = 5000'],
  '--max-reconnects: 0, or unlimited for commands that keep running': [
    'lib/cli/base/command.ts',
    '...(!stream && {maxReconnects: 0})',
  ],
  '--inbox-prefix: _INBOX': ['../node_modules/@nats-io/nats-core/lib/core.js', 'prefix || "_INBOX"'],

  '--clients: 1': ['commands/bench/plan.ts', 'clients = 1'],
  '--max-regression: 10%': ['commands/bench/run.ts', 'defaultRegression = 0.1'],
  'bench:open --msgs: 100, or as many as --for allows': ['commands/bench/plan.ts', 'open: 100,'],
  'bench:pub --msgs: 100000, or as many as --for allows': ['commands/bench/plan.ts', 'pub: 100_000'],
  'bench:req --msgs: 10000, or as many as --for allows': ['commands/bench/plan.ts', 'req: 10_000'],
  'bench:rpc --msgs: 10000, or as many as --for allows': ['commands/bench/plan.ts', 'rpc: 10_000'],
  'bench:replay --msgs: all; 100000 in a temporary stream': ['commands/bench/run.ts', 'temporaryCount = 100_000'],
  '--size: 128': ['commands/bench/plan.ts', 'defaultSize = 128'],
  '--frames: 1': ['commands/bench/plan.ts', 'flags.frames ?? 1'],
  '--subjects: 1': ['commands/bench/plan.ts', 'subjects = 1'],
  '--batch: 1000': ['commands/bench/plan.ts', 'defaultBatch = 1000'],
  '--batch: 1000, or 8 MiB of them': ['commands/bench/plan.ts', 'batchBytes = 8 * 1024 * 1024'],
  '--window: 1, with --rate 1000': ['commands/bench/plan.ts', 'isOneByOne && rate === undefined ? 1 : openWindow'],
  'bench:pub --window: 1000': ['commands/bench/plan.ts', 'openWindow = 1000'],
  'bench:replay --window: 1000': ['commands/bench/plan.ts', 'openWindow = 1000'],
  'bench:replay --max-reconnects: 0, or 15 with --durable': ['commands/bench/clients.ts', 'mostReconnects = 15'],
  'subject: bench': ['commands/bench/plan.ts', "subject = 'bench'"],

  '--jobs: 4': ['commands/check/command.ts', 'jobs = 4'],
  'check file: checks': ['commands/check/files.ts', "defaultFolder = 'checks'"],
  'check:init --name: the bus': ['commands/check/init-plan.ts', "defaultName = 'the bus'"],
  'check:init file: checks/bus.yaml': ['commands/check/init-plan.ts', "defaultPath = 'checks/bus.yaml'"],

  'consumer:add --ack: explicit': ['lib/transport/shared/stream-settings.ts', "settings.ack ?? 'explicit'"],
  '--ack-wait: 30s, or the first of --backoff': [
    'lib/transport/shared/stream-settings.ts',
    'backoffMs[0] ?? settings.ackWaitMs ?? ackWaitMs',
  ],
  '--max-ack-pending: 1000': ['lib/transport/shared/stream-settings.ts', 'maxAckPending = 1000'],
  '--deliver: all': ['commands/consumer/add.ts', "whole?.deliver ?? 'all'"],
  '--obey-headers: kept as data, under Bus- names': [
    'lib/messaging/replay/copy-storage.ts',
    'obeyHeaders ? directivesRestored(own) : directivesAsData(own)',
  ],
  '--on-error: retry': ['commands/consumer/replay-plan.ts', "values['on-error'] ?? 'retry'"],
  'consumer:replay --max-deliver: 5': ['commands/consumer/replay-plan.ts', "values['max-deliver'] ?? 5"],
  'consumer:next --count: 1': ['commands/consumer/next.ts', 'count = 1'],
  '--exec-timeout: 30s': ['lib/core/process/exec.ts', 'programTimeoutMs = 30_000'],
  'serve --exec-timeout: 30s; none with --stream': ['lib/cli/flags/reply-handler.ts', '?? programTimeoutMs'],
  'consumer:report stream: all': [
    'lib/messaging/stored/find.ts',
    'stream === undefined ? (await streams.list(options))',
  ],
  'consumer:report --sort: lag': ['commands/consumer/report.ts', "sort = 'lag'"],
  'stream:report --sort: lag': ['commands/stream/report.ts', "sort = 'lag'"],
  'consumer:ls stream: all': ['lib/messaging/stored/find.ts', 'stream === undefined ? (await streams.list(options))'],

  '--idle: 300ms': ['lib/messaging/service-discovery.ts', 'idleMs = 300'],
  '--every: 1s': ['lib/cli/render/redraw.ts', 'every: everyMs = 1000'],
  'name: all': ['lib/messaging/service-discovery.ts', 'name === undefined || instance === undefined ||'],

  'context:check name: the current bus': ['commands/context/check.ts', 'openBus({context: name})'],
  'context:show name: the selected one': ['commands/context/show.ts', "'no context is selected'"],

  '--first-event: newest': ['lib/protocols/event-delivery/subscription.ts', "return 'newest'"],
  '--read-ahead: 0, or 50 with --batch': ['lib/protocols/event-delivery/subscription.ts', '(isBatch ? 50 : 0)'],
  '--batch-timeout: 50ms': ['lib/protocols/event-delivery/subscription.ts', '? 50 : parseBatchTimeout'],
  '--with-data: for all transports except websockets': [
    'lib/protocols/event-delivery/described.ts',
    "{withData: transport !== 'websockets'}",
  ],
  '--max-rejects: never': ['lib/protocols/event-delivery/subscription.ts', 'Number.MAX_SAFE_INTEGER) ?? 0'],
  '--dead-letter: stop the subscription': [
    'lib/protocols/event-delivery/dispatcher.ts',
    'if (deadLetter !== undefined) this.#dead.giveUp',
  ],
  '--transport: websockets': ['commands/events/subscriptions.ts', "webhook === undefined ? 'websockets'"],
  '--token: the token of your own gateway on this machine': [
    'commands/events/listen.ts',
    "process.env['BUS_EVENTS_TOKEN'] ?? findToken(url",
  ],
  'events:listen --name: an ephemeral one': ['commands/events/listen.ts', 'ephemeral: true'],
  'url: ws://127.0.0.1:5599': ['commands/events/listen.ts', "args.url ?? 'ws://127.0.0.1:5599'"],
  'events:ls namespace: all': ['commands/events/ls.ts', 'args.namespace === undefined || namespace === args.namespace'],
  '--ws: 127.0.0.1:5599': ['commands/events/serve-plan.ts', "ws ?? '127.0.0.1:5599'"],
  '--max-connections: 1000': ['lib/protocols/event-delivery/websockets.ts', 'maxConnections: 1000'],
  '--max-frame: 1MiB': ['lib/protocols/event-delivery/websockets.ts', 'maxFrame: 1024 * 1024'],
  '--max-in-flight: 65536': ['lib/protocols/event-delivery/manager.ts', 'mostInFlight = 65_536'],
  '--max-in-flight-bytes: 16MiB': ['lib/protocols/event-delivery/manager.ts', 'mostInFlightBytes = 16 * 1024 * 1024'],
  '--idle-timeout: 1m': ['lib/protocols/event-delivery/websockets.ts', 'idleMs: 60_000'],

  'pub --window: 1000, on a slow network up to 8000': [
    'lib/transport/shared/publish-window.ts',
    'Math.max(latencyMs * windowPerMs, leastWindow), mostWindow)',
  ],
  'req --concurrency: 1': ['commands/req/command.ts', 'concurrency = 1'],
  'serve --concurrency: 16, or 1024 response streams': ['commands/serve/command.ts', 'concurrency = 1024'],
  'serve --queue: the subject, like servers of Messenger and libbus': [
    'commands/serve/plan.ts',
    'flags.queue ?? flags.subject',
  ],
  'serve --version: 0.0.0': ['commands/serve/plan.ts', "version = '0.0.0'"],

  '--prefix: loom.rpc': ['lib/protocols/loom-rpc/names.ts', "defaultPrefix = 'loom.rpc'"],
  '--caller: busline': ['commands/rpc/call-plan.ts', "caller: callerId = 'busline'"],
  '--trace-id: a new one': ['commands/rpc/call-plan.ts', "'trace-id': traceId = crypto.randomUUID()"],
  'rpc:serve --instance: a new id': ['commands/rpc/serve.ts', 'instance = crypto.randomUUID()'],
  'rpc:serve --queue: none': ['commands/rpc/serve.ts', 'queue, prefix} = flags'],

  '--history: 1': ['lib/messaging/kv/settings.ts', 'history = 1'],
  '--chunk-size: 128KiB': ['lib/messaging/objects/chunks.ts', 'usualChunk = 128 * 1024'],
  '--name: the name of the file': ['commands/object/put.ts', 'name = nameOf(args.file)'],
  '--ack: explicit': ['lib/transport/shared/stream-settings.ts', "settings.ack ?? 'explicit'"],
  '--retention: limits': ['lib/transport/shared/stream-settings.ts', "settings.retention ?? 'limits'"],
  '--discard: old': ['lib/transport/shared/stream-settings.ts', "settings.discard ?? 'old'"],
  '--dedupe: 2m, or --max-age if that is shorter': [
    'lib/transport/shared/stream-settings.ts',
    'Math.min(dedupeMs, maxAgeMs ?? dedupeMs)',
  ],
  '--storage: file': ['lib/transport/shared/stream-settings.ts', "settings.storage ?? 'file'"],
  '--replicas: 1': ['lib/transport/shared/stream-settings.ts', 'replicas = 1'],
  'stream:add subject: the name of the stream; none with --mirror or --source': [
    'lib/transport/shared/stream-settings.ts',
    'settings.subjects ?? [name]',
  ],
  '--open: 1': ['commands/stream/open-plan.ts', 'open = 1'],
  '--dialect: first': ['lib/protocols/response-streams/client.ts', "dialect = 'first'"],
  '--buffer: up to 64 MiB': ['lib/protocols/response-streams/response-stream.ts', 'mostHeldBytes = 64 * 1024 * 1024'],
}

interface Described {
  readonly description?: string
}
interface Manifest {
  readonly globalFlags: Readonly<Record<string, Described>>
  readonly commands: Readonly<Record<string, Record<'flags' | 'args', Readonly<Record<string, Described>>>>>
}
const manifest: Manifest = JSON.parse(readFileSync(join(root, 'oclif.manifest.json'), 'utf8'))

/** `COMMAND --flag: default` or `COMMAND argument: default`, for each description that states one. */
const all: Manifest['commands'] = {'': {flags: manifest.globalFlags, args: {}}, ...manifest.commands}
const found = Object.entries(all).flatMap(([id, {flags, args}]) =>
  [
    ...Object.entries(flags).map(([name, {description}]) => [`--${name}`, description ?? ''] as const),
    ...Object.entries(args).map(([name, {description}]) => [name, description ?? ''] as const),
  ].flatMap(([name, description]) =>
    [...description.matchAll(/\(default:? ([^()]*)\)/g)].map(([, value]) => `${id} ${name}: ${value}`.trim()),
  ),
)

/** Without its command, if that is how it is listed. */
const keyOf = (text: string) => (text in stated ? text : text.slice(text.indexOf(' ') + 1))

describe('a default that help states', () => {
  test('is listed here, and nothing else is', () => {
    expect(found.length).toBeGreaterThan(80)
    expect([...new Set(found.map(keyOf))].sort()).toEqual(Object.keys(stated).sort())
  })

  test.each(Object.entries(stated))('is what the code does: %s', (_, [file, code]) => {
    expect(
      readFileSync(join(root, 'src', file), 'utf8')
        .replace(/\s+/g, ' ')
        .includes(code),
      file,
    ).toBe(true)
  })
})
