import {BusCommand} from '../../lib/cli/base/command.ts'
import {argument} from '../../lib/cli/flags/kinds.ts'
import {spread} from '../../lib/cli/render/summary.ts'
import {factSheet} from '../../lib/cli/render/table.ts'
import {formatBytes, formatCount, formatDuration} from '../../lib/cli/render/units.ts'
import {usedBytes, usedCount} from '../../lib/cli/render/usage.ts'
import {BusError} from '../../lib/core/errors.ts'
import type {Facts, JetStreamFacts, Transport} from '../../lib/transport/contract.ts'

/** What `context check --json` prints. */
interface Health extends Omit<Facts, 'roundTripsMs'> {
  readonly url: string
  readonly roundTripMs: {readonly min: number; readonly median: number}
  /** The largest payload in bytes. */
  readonly maxPayload: number
}

export default class ContextCheck extends BusCommand<Health> {
  static override summary = 'connect to a bus and show its state'
  static override description =
    'The command shows software and version, round-trip time and the largest payload; for a server also JetStream and the limits of the account, for a bus file its size. Exit codes: 3 cannot connect, 4 login refused.'
  static override examples = [
    {description: 'a context', command: '<%= config.bin %> context check prod'},
    {description: 'the current bus', command: '<%= config.bin %> context check'},
    {description: 'any bus', command: '<%= config.bin %> context check --bus nats://127.0.0.1:4222 --creds my.creds'},
  ]
  static override args = {name: argument({description: 'name of the context (default: the current bus)'})}

  async run(): Promise<Health> {
    const {args, flags} = await this.parse(ContextCheck)
    const {name} = args
    if (name !== undefined && flags.context !== undefined)
      throw new BusError('usage', 'NAME and --context cannot be used together')
    await using bus = await this.openBus({context: name})
    const health = await healthOf(bus)
    if (!this.jsonEnabled()) this.print(await factSheet(healthFacts(health), await this.paint(1)))
    return health
  }
}

async function healthOf(bus: Transport): Promise<Health> {
  const {roundTripsMs, ...facts} = await bus.facts()
  const {min, median} = spread(roundTripsMs)
  return {url: bus.url, ...facts, roundTripMs: {min, median}, maxPayload: bus.maxPayload}
}

/** The state of a bus as text: names and values. */
function healthFacts(health: Health): Record<string, string | undefined> {
  const {url, software, version, server, cluster, roundTripMs, maxPayload, bytes, messages, jetstream} = health
  const names = [server, cluster === undefined ? undefined : `cluster ${cluster}`].filter(Boolean).join(', ')
  return {
    bus: url,
    software: [software, version].filter(Boolean).join(' '),
    server: names === '' ? undefined : names,
    'round trip': `${formatDuration(roundTripMs.median)} (median), ${formatDuration(roundTripMs.min)} at best`,
    payload: `up to ${formatBytes(maxPayload)}`,
    file: bytes === undefined ? undefined : formatBytes(bytes),
    messages: messages === undefined ? undefined : formatCount(messages),
    'JetStream API': health.apiPrefix,
    ...(jetstream === undefined
      ? {}
      : 'missing' in jetstream
        ? {JetStream: jetstream.missing}
        : jetStreamLines(jetstream)),
  }
}

function jetStreamLines({streams, consumers, storage, memory}: JetStreamFacts): Record<string, string> {
  return {
    JetStream: `${usedCount(streams, 'stream')}, ${usedCount(consumers, 'consumer')}`,
    storage: `${usedBytes(storage)} on disk, ${usedBytes(memory)} in memory`,
  }
}
