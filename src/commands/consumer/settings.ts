/** Durable consumers on the command line: from flags to settings, and from what a bus tells of them to people and programs. */

import type {Column} from '../../lib/cli/render/table.ts'
import {formatAgo, formatCount, formatMoment} from '../../lib/cli/render/units.ts'
import {BusError} from '../../lib/core/errors.ts'
import {formatPosition, type Position, parsePosition} from '../../lib/core/position.ts'
import {durationText} from '../../lib/core/time/duration.ts'
import {isoTime} from '../../lib/core/time/timestamp.ts'
import type {
  ConsumerConfig,
  ConsumerInfo,
  ConsumerSettings,
  DeliverPolicy,
} from '../../lib/transport/streams-contract.ts'

export interface ConsumerFlags {
  readonly filter?: readonly string[] | undefined
  readonly description?: string | undefined
  readonly ack?: 'explicit' | 'all' | 'none' | undefined
  readonly 'ack-wait'?: number | undefined
  readonly 'max-deliver'?: number | undefined
  readonly 'max-ack-pending'?: number | undefined
  readonly backoff?: readonly number[] | undefined
}

/** What `--json` prints of a consumer; see docs/json-output.md. Times are ISO 8601, durations milliseconds. */
export interface ConsumerDocument extends Omit<ConsumerInfo, 'created' | 'lastActive' | 'config'> {
  readonly config: Omit<ConsumerConfig, 'deliver'> & {
    readonly deliver: Exclude<DeliverPolicy, {timeMs: number}> | {readonly time: string}
  }
  readonly created: string
  readonly lastActive?: string | undefined
  /** All that it has still to do: `pending` and `ackPending`. */
  readonly lag: number
}

export function consumerSettings(name: string, deliver: DeliverPolicy | undefined, flags: ConsumerFlags) {
  return {
    name,
    deliver,
    description: flags.description,
    filters: flags.filter?.length ? flags.filter : undefined,
    ack: flags.ack,
    ackWaitMs: flags['ack-wait'],
    maxDeliver: flags['max-deliver'],
    maxAckPending: flags['max-ack-pending'],
    backoffMs: flags.backoff,
  } satisfies ConsumerSettings
}

/** `all`, `new`, `last`, `last-per-subject`, or a position. Throws `usage`. */
export function parseDeliver(text: string): DeliverPolicy {
  if (text === 'all' || text === 'new' || text === 'last') return text
  if (text === 'last-per-subject') return 'lastPerSubject'
  try {
    const position = parsePosition(text)
    if (typeof position !== 'string') return position
    return position === 'first' ? 'all' : 'new'
  } catch (cause) {
    if (!(cause instanceof BusError)) throw cause
    throw new BusError('usage', `--deliver: ${cause.message}`, {
      cause,
      try: ['all, new, last or last-per-subject', ...cause.try.slice(1)],
    })
  }
}

export function consumerDocument(info: ConsumerInfo): ConsumerDocument {
  const {created, lastActive, config, ...facts} = info
  const {deliver} = config
  return {
    ...facts,
    config: {
      ...config,
      deliver: typeof deliver === 'object' && 'timeMs' in deliver ? {time: isoTime(deliver.timeMs)} : deliver,
    },
    created: isoTime(created),
    ...(lastActive !== undefined && {lastActive: isoTime(lastActive)}),
    lag: lagOf(info),
  }
}

export const consumerColumns: readonly Column[] = [
  {head: 'stream'},
  {head: 'consumer'},
  {head: 'lag', align: 'right'},
  {head: 'pending', align: 'right'},
  {head: 'ack pending', align: 'right'},
  {head: 'redelivered', align: 'right'},
  {head: 'ack floor', align: 'right'},
  {head: 'last active'},
]

export function consumerRow(info: ConsumerInfo): string[] {
  const {stream, config, pending, ackPending, redelivered, ackFloor, lastActive} = info
  return [
    stream,
    config.name,
    ...[lagOf(info), pending, ackPending, redelivered].map(formatCount),
    `#${ackFloor}`,
    lastActive === undefined ? 'never' : formatAgo(lastActive),
  ]
}

export function consumerFacts(info: ConsumerInfo): Record<string, string | undefined> {
  const {stream, config, created, pending, ackPending, redelivered, deliveredSeq, ackFloor, lastActive} = info
  return {
    consumer: config.name,
    stream,
    description: config.description,
    lag: formatCount(lagOf(info)),
    pending: formatCount(pending),
    'ack pending': formatCount(ackPending),
    redelivered: formatCount(redelivered),
    delivered: `#${deliveredSeq}`,
    'ack floor': `#${ackFloor}`,
    'last active': lastActive === undefined ? 'never' : formatMoment(lastActive),
    filters: config.filters.join(' ') || 'none',
    'began at': deliverText(config.deliver),
    acknowledge: ackText(config),
    backoff: config.backoffMs.length === 0 ? undefined : config.backoffMs.map(durationText).join(', '),
    push: pushText(info),
    durable: config.durable ? undefined : 'no: it goes when nobody uses it',
    created: formatMoment(created),
  }
}

function lagOf({pending, ackPending}: ConsumerInfo): number {
  return pending + ackPending
}

function deliverText(deliver: DeliverPolicy): string {
  if (deliver === 'lastPerSubject') return 'the last of each subject'
  return typeof deliver === 'string' ? deliver : formatPosition(deliver)
}

function ackText({ack, ackWaitMs, maxDeliver, maxAckPending}: ConsumerConfig): string {
  if (ack === 'none') return 'none'
  const deliveries = maxDeliver === undefined ? [] : [`${formatCount(maxDeliver)} deliveries at most`]
  return [ack, `within ${durationText(ackWaitMs)}`, `${formatCount(maxAckPending)} waiting`, ...deliveries].join(' · ')
}

function pushText({config: {push}, bound}: ConsumerInfo): string | undefined {
  if (push === undefined) return undefined
  const queue = push.queue === undefined ? '' : ` in queue ${push.queue}`
  return `to ${push.subject}${queue}, ${bound ? 'somebody listens' : 'nobody listens'}`
}

/** `move consumer billing of stream ORDERS from #1043 to @-15m, which is #980`; `seq` is of the message there, if there is one. */
export function moveText({stream, config, ackFloor}: ConsumerInfo, to: Position, seq: number | undefined): string {
  const place = formatPosition(to)
  const found = seq === undefined ? 'after the last message' : `#${seq}`
  const target = place === String(seq) ? `#${seq}` : `${place}, which is ${found}`
  return `move consumer ${config.name} of stream ${stream} from #${ackFloor + 1} to ${target}`
}

/** `consumer billing of stream ORDERS: ack floor #1042 → #979, lag 2 → 65` */
export function movedText(before: ConsumerInfo, after: ConsumerInfo): string {
  const floors = `ack floor #${before.ackFloor} → #${after.ackFloor}`
  const lags = `lag ${formatCount(lagOf(before))} → ${formatCount(lagOf(after))}`
  return `consumer ${after.config.name} of stream ${after.stream}: ${floors}, ${lags}`
}
