/** The configuration of a durable consumer from flags, and a consumer as text and JSON. */

import {consumerFlags} from '../../lib/cli/flags/consumer.ts'
import {filterFlags} from '../../lib/cli/flags/filter.ts'
import type {FlagValues} from '../../lib/cli/flags/kinds.ts'
import {age, choice, count, value, values} from '../../lib/cli/flags/kinds.ts'
import {parsePair, streamFlags} from '../../lib/cli/flags/stream.ts'
import type {Column} from '../../lib/cli/render/table.ts'
import {formatAgo, formatCount, formatMoment, parseAge} from '../../lib/cli/render/units.ts'
import {BusError} from '../../lib/core/errors.ts'
import {formatPosition, type Position, parsePosition} from '../../lib/core/position.ts'
import {durationText} from '../../lib/core/time/duration.ts'
import {isoTime} from '../../lib/core/time/timestamp.ts'
import {pinnedTexts, type Stall, stallsOf, stallText} from '../../lib/messaging/stored/stall.ts'
import type {
  ConsumerConfig,
  ConsumerInfo,
  ConsumerSettings,
  DeliverPolicy,
} from '../../lib/transport/streams-contract.ts'
import {consumerServerFlags, consumerServerOptions} from './server-flags.ts'

/** The flags for the configuration of a consumer, apart from where it begins. */
export const consumerSettingFlags = {
  filter: filterFlags.filter,
  ack: choice(
    'ack policy: acknowledge each message (explicit), all up to a message (all), or nothing (none) (default: explicit)',
    ['explicit', 'all', 'none'],
  ),
  'ack-wait': age(
    'redeliver messages that are not acknowledged within this time (default: 30s, or the first of --backoff)',
  ),
  'max-deliver': consumerFlags['max-deliver'],
  'max-ack-pending': count('maximum number of unacknowledged messages (default: 1000)'),
  backoff: value(
    'ack wait of the first, second, … delivery, instead of --ack-wait: 1s,5s,30s',
    '<durations>',
    (text): readonly number[] => text.split(',').map(parseAge),
  ),
  description: streamFlags.description,
  metadata: values('a name and a value of your own', '<name=value>', parsePair),
  ...consumerServerFlags,
}

/** A consumer in JSON output; see docs/json-output.md. Times are ISO 8601, durations milliseconds. */
export interface ConsumerDocument extends Omit<ConsumerInfo, 'created' | 'lastActive' | 'pausedUntil' | 'config'> {
  readonly config: Omit<ConsumerConfig, 'deliver'> & {
    readonly deliver: Exclude<DeliverPolicy, {timeMs: number}> | {readonly time: string}
  }
  readonly created: string
  readonly lastActive?: string | undefined
  readonly pausedUntil?: string | undefined
  /** Why it delivers nothing: `paused`, `max-ack-pending`, `max-waiting`, `no-interest`. */
  readonly stalled?: readonly Stall['reason'][] | undefined
  /** The sum of `pending` and `ackPending`. */
  readonly lag: number
}

export function consumerSettings(
  name: string,
  deliver: DeliverPolicy | undefined,
  values: FlagValues<typeof consumerSettingFlags>,
) {
  return {
    name,
    deliver,
    description: values.description,
    filters: values.filter?.length ? values.filter : undefined,
    ack: values.ack,
    ackWaitMs: values['ack-wait'],
    maxDeliver: values['max-deliver'],
    maxAckPending: values['max-ack-pending'],
    backoffMs: values.backoff,
    metadata: values.metadata && Object.fromEntries(values.metadata),
    other: consumerServerOptions(values),
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
  const {created, lastActive, pausedUntil, config, raw, ...facts} = info
  const {deliver} = config
  const stalls = stallsOf(info)
  return {
    ...facts,
    config: {
      ...config,
      deliver: typeof deliver === 'object' && 'timeMs' in deliver ? {time: isoTime(deliver.timeMs)} : deliver,
    },
    created: isoTime(created),
    ...(lastActive !== undefined && {lastActive: isoTime(lastActive)}),
    ...(pausedUntil !== undefined && {pausedUntil: isoTime(pausedUntil)}),
    ...(stalls.length > 0 && {stalled: stalls.map(({reason}) => reason)}),
    lag: lagOf(info),
    ...(raw !== undefined && {raw}),
  }
}

const columns: readonly Column[] = [
  {head: 'stream'},
  {head: 'consumer'},
  {head: 'lag', align: 'right'},
  {head: 'ack pending', align: 'right'},
  {head: 'redelivered', align: 'right'},
  {head: 'ack floor', align: 'right'},
  {head: 'next', align: 'right'},
  {head: 'last active'},
]

/** The table of `consumer ls`. Only if a consumer delivers nothing, a last column says why. */
export function consumerTable(consumers: readonly ConsumerInfo[]): {
  readonly columns: readonly Column[]
  readonly rows: readonly (readonly string[])[]
} {
  const rows = consumers.map(consumerRow)
  const states = consumers.map(stateText)
  if (states.every((state) => state === undefined)) return {columns, rows}
  return {columns: [...columns, {head: 'state'}], rows: rows.map((row, at) => [...row, states[at] ?? ''])}
}

/** Why it delivers nothing, or only to one client; undefined if nothing is known that prevents it. */
function stateText(info: ConsumerInfo): string | undefined {
  return (
    [...stallsOf(info).map((stall) => stallText(stall, formatMoment)), ...pinnedTexts(info)].join('; ') || undefined
  )
}

function consumerRow(info: ConsumerInfo): string[] {
  const {stream, config, ackPending, redelivered, ackFloor, deliveredSeq, lastActive} = info
  return [
    stream,
    config.name,
    ...[lagOf(info), ackPending, redelivered].map(formatCount),
    `#${ackFloor}`,
    `#${deliveredSeq + 1}`,
    lastActive === undefined ? 'never' : formatAgo(lastActive),
  ]
}

/** `more` are the rows of its other options. */
export function consumerFacts(
  info: ConsumerInfo,
  more: Readonly<Record<string, string>> = {},
): Record<string, string | undefined> {
  const {stream, config, created, pending, ackPending, redelivered, deliveredSeq, ackFloor, lastActive} = info
  return {
    consumer: config.name,
    stream,
    description: config.description,
    state: stateText(info),
    lag: formatCount(lagOf(info)),
    pending: formatCount(pending),
    'ack pending': formatCount(ackPending),
    redelivered: formatCount(redelivered),
    'given up': info.givenUp === undefined ? undefined : formatCount(info.givenUp),
    delivered: `#${deliveredSeq}`,
    'ack floor': `#${ackFloor}`,
    next: pending === 0 ? `the first message after #${deliveredSeq}` : `#${deliveredSeq + 1} or later`,
    'last active': lastActive === undefined ? 'never' : formatMoment(lastActive),
    filters: config.filters.join(' ') || 'none',
    'deliver policy': deliverText(config.deliver),
    'ack policy': ackText(config),
    delivers: config.headersOnly ? 'headers only' : undefined,
    backoff: config.backoffMs.length === 0 ? undefined : config.backoffMs.map(durationText).join(', '),
    push: pushText(info),
    'priority policy': config.priority,
    groups: config.groups?.join(' '),
    'waiting pulls': info.waiting === undefined ? undefined : formatCount(info.waiting),
    ...more,
    durable: config.durable ? undefined : 'no: removed when unused',
    created: formatMoment(created),
  }
}

/** The largest lag first. */
export function byLag(consumers: readonly ConsumerInfo[]): ConsumerInfo[] {
  return [...consumers].sort((one, other) => lagOf(other) - lagOf(one))
}

function lagOf({pending, ackPending}: ConsumerInfo): number {
  return pending + ackPending
}

function deliverText(deliver: DeliverPolicy): string {
  if (deliver === 'lastPerSubject') return 'last per subject'
  return typeof deliver === 'string' ? deliver : formatPosition(deliver)
}

function ackText({ack, ackWaitMs, maxDeliver, maxAckPending}: ConsumerConfig): string {
  if (ack === 'none') return 'none'
  const deliveries =
    maxDeliver === undefined
      ? []
      : [`at most ${maxDeliver === 1 ? '1 delivery' : `${formatCount(maxDeliver)} deliveries`}`]
  const pending = `${maxAckPending === undefined ? 'any number' : `at most ${formatCount(maxAckPending)}`} unacknowledged`
  return [ack, `ack wait ${durationText(ackWaitMs)}`, pending, ...deliveries].join(' · ')
}

function pushText({config: {push}, bound}: ConsumerInfo): string | undefined {
  if (push === undefined) return undefined
  const queue = push.queue === undefined ? '' : ` in queue ${push.queue}`
  return `to ${push.subject}${queue}, ${bound ? 'subscribed' : 'not subscribed'}`
}

/** `move consumer billing of stream ORDERS from #1043 to @-15m, which is #980`; `seq` is the message at that position, if there is one. */
export function moveText(info: ConsumerInfo, to: Position, seq: number | undefined): string {
  const {stream, config, ackFloor, ackPending, deliveredSeq} = info
  const from = (ackPending === 0 ? deliveredSeq : ackFloor) + 1
  const place = formatPosition(to)
  const found = seq === undefined ? 'after the last message' : `#${seq}`
  const target = place === String(seq) ? `#${seq}` : `${place}, which is ${found}`
  const what = inFlightText(info)
  return `move consumer ${config.name} of stream ${stream} from #${from} to ${target}${what && `: ${what}`}`
}

/**
 * `consumer billing has 3 pending in ORDERS`, for a start that was asked for also where that is. That of the last message of each
 * subject is no single one.
 */
export function addedText(
  {stream, config, pending, deliveredSeq}: ConsumerInfo,
  {found, deliver}: {readonly found: boolean; readonly deliver: string | undefined},
): string {
  const has = `consumer ${config.name} ${found ? 'already exists and has' : 'has'} ${formatCount(pending)} pending in ${stream}`
  if (found || deliver === undefined || config.deliver === 'lastPerSubject') return has
  return `${has} and starts with the first message after #${deliveredSeq}`
}

/** The messages that a client may still be working on, as text; empty if there are none. */
export function inFlightText({config, ackPending, lastActive = 0}: ConsumerInfo): string {
  const isRecent = ackPending > 0 && lastActive + Math.max(config.ackWaitMs, ...config.backoffMs) > Date.now()
  if (!isRecent) return ''
  const messages = ackPending === 1 ? '1 message is' : `${formatCount(ackPending)} messages are`
  return `${messages} in flight, and a client may be working on them`
}

/**
 * `consumer billing of stream ORDERS: next #980, ack floor #1042 → #979, lag 2 → 65`; `seq` is the next message, if there is one
 * already.
 */
export function movedText(before: ConsumerInfo, after: ConsumerInfo, seq: number | undefined): string {
  const next = seq === undefined ? `the first message after #${after.deliveredSeq}` : `#${seq}`
  const floors = `ack floor #${before.ackFloor} → #${after.ackFloor}`
  const lags = `lag ${formatCount(lagOf(before))} → ${formatCount(lagOf(after))}`
  return `consumer ${after.config.name} of stream ${after.stream}: next ${next}, ${floors}, ${lags}`
}

/** A time as in `2030-01-01T06:00Z`, in Unix milliseconds. Throws `usage` if it is none, or over. */
export function pauseEnd(input: string): number {
  const position = parsePosition(input.startsWith('@') ? input : `@${input}`)
  const timeMs = typeof position === 'object' && 'timeMs' in position ? position.timeMs : 0
  if (timeMs > Date.now()) return timeMs
  throw new BusError('usage', `--until: ${JSON.stringify(input)} is over`, {try: ['2030-01-01T06:00Z', '--for 1h']})
}
