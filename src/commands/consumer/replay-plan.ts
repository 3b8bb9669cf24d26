/** From the flags of `consumer replay` to a source, a sink and a pace, and what is said about them. */

import {excluding, needing} from '../../lib/cli/base/flag-rules.ts'
import {checkProgram} from '../../lib/cli/base/program.ts'
import type {RangeEnd} from '../../lib/cli/flags/flags.ts'
import type {Output} from '../../lib/cli/io/output.ts'
import {summaryLine} from '../../lib/cli/render/summary.ts'
import {formatCount} from '../../lib/cli/render/units.ts'
import type {View, ViewFlags} from '../../lib/cli/render/view.ts'
import {BusError} from '../../lib/core/errors.ts'
import {type Position, parseRange, type Range} from '../../lib/core/position.ts'
import {type Pace, recordedPace, steadyPace} from '../../lib/core/time/pace.ts'
import type {Policy, Replayed} from '../../lib/messaging/replay/replay.ts'
import {findConsumer} from '../../lib/messaging/replay/source.ts'
import type {Sink} from '../../lib/messaging/sinks/sink.ts'
import {resetAt, startAt} from '../../lib/messaging/stored/places.ts'
import type {ConsumerInfo, ReadOptions, Streams} from '../../lib/transport/streams-contract.ts'

export interface ReplayFlags extends ViewFlags {
  readonly stream: string
  readonly consumer?: string | undefined
  readonly from?: Position | undefined
  readonly to?: RangeEnd | undefined
  readonly range?: string | undefined
  readonly filter?: readonly string[] | undefined
  readonly 'last-per-subject'?: boolean | undefined
  readonly match?: string | undefined
  readonly where?: string | undefined
  readonly follow?: boolean | undefined
  readonly count?: number | undefined
  readonly peek?: boolean | undefined
  readonly reset?: Position | undefined
  readonly create?: boolean | undefined
  readonly speed?: number | undefined
  readonly rate?: number | undefined
  readonly 'max-gap'?: number | undefined
  readonly exec?: boolean | undefined
  readonly 'exec-lines'?: boolean | undefined
  readonly 'exec-timeout'?: number | undefined
  readonly webhook?: string | undefined
  readonly republish?: string | undefined
  readonly into?: string | undefined
  readonly step?: boolean | undefined
  readonly 'dry-run'?: boolean | undefined
  readonly concurrency?: number | undefined
  readonly 'on-error'?: Policy['onError'] | undefined
  readonly 'max-deliver'?: number | undefined
  readonly dead?: string | undefined
}

/** Throws `usage` for flags that do not go together. */
export function checkReplayFlags(flags: ReplayFlags, argv: readonly string[], path: string): void {
  const {consumer, peek} = flags
  const sinks = ['exec', 'exec-lines', 'webhook', 'republish', 'into', 'step', 'dry-run'] as const
  for (const [i, sink] of sinks.entries()) excluding(flags, sink, ...sinks.slice(i + 1))
  const views = ['raw', 'format', 'headers-only', 'subjects-only', 'select'] as const
  for (const sink of sinks) excluding(flags, sink, ...views)
  excluding(flags, 'rate', 'speed', 'max-gap')
  needing(flags, 'max-gap', 'speed')
  excluding(flags, 'range', 'from', 'to')
  excluding(flags, 'last-per-subject', 'from', 'range', 'follow', 'count')
  excluding(flags, 'follow', 'to', 'range', 'peek', 'dry-run')
  needing(flags, 'exec-timeout', 'exec')
  needing(flags, 'concurrency', 'exec', 'exec-lines', 'webhook')
  excluding(flags, 'peek', 'exec', 'exec-lines', 'webhook', 'republish', 'into', 'step', 'reset', 'create')
  if (flags.exec || flags['exec-lines']) checkProgram(argv, path)
  if (consumer === undefined) {
    onlyWith(flags, 'a CONSUMER', 'peek', 'reset', 'on-error')
    if (flags.create && flags.into === undefined) needing(flags, 'create', 'into')
  } else {
    onlyWith(flags, 'a range: without CONSUMER', 'from', 'to', 'range', 'filter', 'last-per-subject')
    if (!peek) onlyWith(flags, 'a range or --peek: what is left out would be acknowledged', 'match', 'where')
  }
}

function onlyWith<F extends object>(flags: F, what: string, ...names: (keyof F & string)[]): void {
  for (const name of names) {
    const value = flags[name]
    if (value === undefined || value === false || (Array.isArray(value) && value.length === 0)) continue
    throw new BusError('usage', `--${name} goes with ${what}`, {try: ['bus consumer replay --help']})
  }
}

/** The policy of the flags. With `--dead` there is a place for what is given up. */
export function policyOf(flags: ReplayFlags, consumer: ConsumerInfo | undefined): Policy {
  const onError = flags['on-error'] ?? 'retry'
  if (onError === 'skip' && consumer?.config.ack === 'all') {
    throw new BusError('usage', `"${consumer.config.name}" acknowledges all before a message: none can be skipped`, {
      try: ['--on-error retry', '--on-error stop'],
    })
  }
  return {onError, maxAttempts: flags['max-deliver'] ?? 5}
}

export function paceOf({rate, speed, 'max-gap': maxGap}: ReplayFlags): Pace | undefined {
  if (rate !== undefined) return steadyPace(1000 / rate)
  return speed === undefined || speed === Number.POSITIVE_INFINITY ? undefined : recordedPace(speed, maxGap)
}

/** What of the stream is read. */
export async function rangeOf(streams: Streams, flags: ReplayFlags): Promise<ReadOptions> {
  const {from, to}: {from?: Position | undefined; to?: Range['to']} =
    flags.range === undefined
      ? {from: flags.from, to: flags.to === 'end' ? undefined : flags.to}
      : parseRange(flags.range)
  return {
    from: from && (await startAt(streams, flags.stream, from)),
    to,
    filters: flags.filter,
    lastPerSubject: flags['last-per-subject'],
    follow: flags.follow,
  }
}

/** The consumer that is named: rewound with `--reset`, made with `--create`. Fails with `notFound`. */
export async function openConsumer(streams: Streams, flags: ReplayFlags): Promise<ConsumerInfo | undefined> {
  const {stream, consumer, create, reset} = flags
  if (consumer === undefined) return undefined
  if (create && flags.into === undefined) await streams.consumers.add(stream, {name: consumer}).catch(unlessThere)
  if (reset === undefined) return findConsumer(streams, stream, consumer)
  await findConsumer(streams, stream, consumer)
  return streams.consumers.reset(stream, consumer, resetAt(reset))
}

/** One with another configuration is the one that is meant. */
function unlessThere(error: unknown): void {
  if (!(error instanceof BusError) || error.kind !== 'usage') throw error
}

/** stdout as a sink: a message is taken when the system has what was written. */
export function viewSink(view: View, output: Output, {ordered}: {readonly ordered: boolean}): Sink {
  return {
    batch: 512,
    // A view that waits for an expression must not be overtaken by the next.
    depth: ordered ? 1 : 4,
    async take(messages) {
      const shown = view.show(messages, output)
      if (typeof shown !== 'number') await shown
      if (!(await output.written())) throw new BusError('interrupted', 'the reader of stdout has gone')
      return undefined
    },
    async [Symbol.asyncDispose]() {},
  }
}

/** The last line: `12 read · 12 handled · 12 acknowledged · 0 redelivered · floor 0 → 12 · 4.1 s · 2.9/s`. */
export function replayLine(
  {read, handled, failed, skipped, givenUp, ms}: Replayed,
  durable: {readonly redelivered: number; readonly before: number; readonly after: number} | undefined,
): string {
  const facts: string[] = []
  if (durable !== undefined) {
    facts.push(`${formatCount(durable.redelivered)} redelivered`, `floor ${durable.before} → ${durable.after}`)
  }
  const counts = {
    read,
    handled,
    ...(failed > 0 && {failed}),
    ...(skipped > 0 && {skipped}),
    ...(givenUp > 0 && {'given up': givenUp}),
  }
  return summaryLine(counts, ms, facts)
}
