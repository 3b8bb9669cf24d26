/** A stream as text and JSON. */

import type {Column} from '../../lib/cli/render/table.ts'
import {counted, formatAgo, formatBytes, formatCount, formatMoment} from '../../lib/cli/render/units.ts'
import {durationText} from '../../lib/core/time/duration.ts'
import {isoTime} from '../../lib/core/time/timestamp.ts'
import type {
  StreamConfig,
  StreamInfo,
  StreamOrigin,
  StreamPeer,
  StreamState,
} from '../../lib/transport/streams-contract.ts'

/** A stream in JSON output; see docs/json-output.md. Times are ISO 8601, durations milliseconds. */
export interface StreamDocument extends Omit<StreamInfo, 'created' | 'state'> {
  readonly created: string
  readonly state: Omit<StreamState, 'firstTime' | 'lastTime'> & {
    readonly firstTime?: string | undefined
    readonly lastTime?: string | undefined
  }
}

export function streamDocument(info: StreamInfo): StreamDocument {
  const {firstTime, lastTime, ...state} = info.state
  return {
    ...info,
    created: isoTime(info.created),
    state: {
      ...state,
      ...(firstTime !== undefined && {firstTime: isoTime(firstTime)}),
      ...(lastTime !== undefined && {lastTime: isoTime(lastTime)}),
    },
  }
}

export const streamColumns: readonly Column[] = [
  {head: 'stream'},
  {head: 'subjects'},
  {head: 'messages', align: 'right'},
  {head: 'size', align: 'right'},
  {head: 'consumers', align: 'right'},
  {head: 'last message'},
]

export function streamRow({config, state}: StreamInfo): string[] {
  return [
    config.name,
    config.subjects.join(' ') || copied(config),
    formatCount(state.messages),
    formatBytes(state.bytes),
    formatCount(state.consumers),
    state.lastTime === undefined || state.messages === 0 ? 'none' : formatAgo(state.lastTime),
  ]
}

/** `(mirror of ORDERS)`, `(copies of A, B)` or `none`. */
function copied({other}: StreamConfig): string {
  const {mirror, sources} = (other ?? {}) as {readonly mirror?: Named; readonly sources?: readonly Named[]}
  if (mirror !== undefined) return `(mirror of ${mirror.name})`
  return sources === undefined ? 'none' : `(copies of ${sources.map(({name}) => name).join(', ')})`
}

interface Named {
  readonly name: string
}

/** What a stream stores: `orders.> paid`, or `the messages of ORDERS`. */
export function storedText({subjects, other = {}}: StreamConfig): string {
  const origins = [other['mirror'] ?? [], other['sources'] ?? []].flat() as unknown as readonly Named[]
  const copies = origins.length === 0 ? [] : [`the messages of ${origins.map(({name}) => name).join(', ')}`]
  return [...(subjects.length === 0 ? [] : [subjects.join(' ')]), ...copies].join(' and ')
}

/** The settings that `streamFacts` does not show by itself. */
const options =
  'other metadata discardNewPerSubject allowRollup denyDelete denyPurge allowDirect allowAtomic allowTtl markerTtlMs sealed'.split(
    ' ',
  )

export function hasOptions(config: StreamConfig): boolean {
  return Object.keys(config).some((name) => options.includes(name))
}

/** `more` are the rows of its other options. */
export function streamFacts(
  {config, created, state, leader, peers, origins}: StreamInfo,
  more: Readonly<Record<string, string>> = {},
): Record<string, string | undefined> {
  const place = (seq: number, timeMs: number | undefined) =>
    timeMs === undefined ? `#${seq}` : `#${seq} · ${formatMoment(timeMs)}`
  return {
    stream: config.name,
    subjects: config.subjects.join(' ') || 'none',
    description: config.description,
    messages: formatCount(state.messages),
    size: formatBytes(state.bytes),
    first: state.messages === 0 ? undefined : place(state.firstSeq, state.firstTime),
    last: state.lastSeq === 0 ? undefined : place(state.lastSeq, state.lastTime),
    deleted: state.deleted === undefined ? undefined : counted(state.deleted, 'message'),
    reclaimable: reclaimableText(state),
    'distinct subjects': formatCount(state.subjects),
    consumers: formatCount(state.consumers),
    limits: limitsText(config),
    'discard policy': config.discard,
    'duplicate window': config.dedupeMs === 0 ? 'none' : durationText(config.dedupeMs),
    retention: retentionText(config, state),
    ...more,
    origins: origins?.map(originText).join(' · '),
    storage: config.replicas > 1 ? `${config.storage}, ${config.replicas} replicas` : config.storage,
    leader,
    'other replicas': peers?.map(peerText).join(' · '),
    created: formatMoment(created),
  }
}

function peerText({server, state, lag, silentMs}: StreamPeer): string {
  const behind = lag === undefined ? '' : `, ${formatCount(lag)} behind`
  return `${server}: ${state}${behind}${state === 'current' ? '' : `, heard from ${formatAgo(Date.now() - silentMs)}`}`
}

function originText({stream, lag, silentMs, error}: StreamOrigin): string {
  const heard = silentMs === undefined ? 'never heard from' : `heard from ${formatAgo(Date.now() - silentMs)}`
  return [`${stream}: ${formatCount(lag)} behind`, heard, ...(error === undefined ? [] : [error])].join(', ')
}

/** Retention on a bus file removes messages an hour after they were published. */
function reclaimableText({reclaimable}: StreamState): string | undefined {
  if (reclaimable === undefined) return undefined
  const {messages, bytes} = reclaimable
  return `about ${counted(messages, 'removed message')}, ${formatBytes(bytes)}; publishers free this space`
}

/** Messages that nobody needs are removed immediately, although they are acknowledged as stored. */
function retentionText({retention}: StreamConfig, {consumers}: StreamState): string | undefined {
  if (retention === 'limits') return undefined
  return retention === 'interest' && consumers === 0 ? 'interest: without a consumer no messages are kept' : retention
}

function limitsText(config: StreamConfig): string {
  const {maxAgeMs, maxMsgs, maxBytes, maxMsgsPerSubject, maxMsgSize} = config
  const limits = [
    maxAgeMs && durationText(maxAgeMs),
    maxMsgs && `${formatCount(maxMsgs)} messages`,
    maxBytes && formatBytes(maxBytes),
    maxMsgsPerSubject && `${formatCount(maxMsgsPerSubject)} per subject`,
    maxMsgSize && `${formatBytes(maxMsgSize)} per message`,
  ]
  return limits.filter(Boolean).join(' · ') || 'none'
}
