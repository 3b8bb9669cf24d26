/** Streams on the command line: from flags to settings, and from what a bus tells of them to people and programs. */

import {excluding} from '../../lib/cli/base/flag-rules.ts'
import type {Column} from '../../lib/cli/render/table.ts'
import {counted, formatAgo, formatBytes, formatCount, formatMoment} from '../../lib/cli/render/units.ts'
import {durationText} from '../../lib/core/time/duration.ts'
import {isoTime} from '../../lib/core/time/timestamp.ts'
import type {StreamConfig, StreamInfo, StreamSettings, StreamState} from '../../lib/transport/streams-contract.ts'

export interface StreamFlags {
  readonly description?: string | undefined
  readonly 'max-age'?: number | undefined
  readonly 'max-msgs'?: number | undefined
  readonly 'max-bytes'?: number | undefined
  readonly 'max-msgs-per-subject'?: number | undefined
  readonly 'max-msg-size'?: number | undefined
  readonly discard?: 'old' | 'new' | undefined
  readonly storage?: 'file' | 'memory' | undefined
  readonly replicas?: number | undefined
  readonly dedupe?: number | undefined
}

/** What `--json` prints of a stream; see docs/json-output.md. Times are ISO 8601, durations milliseconds. */
export interface StreamDocument extends Omit<StreamInfo, 'created' | 'state'> {
  readonly created: string
  readonly state: Omit<StreamState, 'firstTime' | 'lastTime'> & {
    readonly firstTime?: string | undefined
    readonly lastTime?: string | undefined
  }
}

export function streamSettings(name: string, subjects: readonly string[] | undefined, flags: StreamFlags) {
  return {
    name,
    subjects: subjects?.length ? subjects : undefined,
    description: flags.description,
    storage: flags.storage,
    discard: flags.discard,
    maxAgeMs: flags['max-age'],
    maxMsgs: flags['max-msgs'],
    maxBytes: flags['max-bytes'],
    maxMsgsPerSubject: flags['max-msgs-per-subject'],
    maxMsgSize: flags['max-msg-size'],
    dedupeMs: flags.dedupe,
    replicas: flags.replicas,
  } satisfies StreamSettings
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
    config.subjects.join(' '),
    formatCount(state.messages),
    formatBytes(state.bytes),
    formatCount(state.consumers),
    state.lastTime === undefined || state.messages === 0 ? 'none' : formatAgo(state.lastTime),
  ]
}

export function streamFacts({config, created, state, leader}: StreamInfo): Record<string, string | undefined> {
  const place = (seq: number, timeMs: number | undefined) =>
    timeMs === undefined ? `#${seq}` : `#${seq} · ${formatMoment(timeMs)}`
  return {
    stream: config.name,
    subjects: config.subjects.join(' '),
    description: config.description,
    messages: formatCount(state.messages),
    size: formatBytes(state.bytes),
    first: state.messages === 0 ? undefined : place(state.firstSeq, state.firstTime),
    last: state.lastSeq === 0 ? undefined : place(state.lastSeq, state.lastTime),
    'different subjects': formatCount(state.subjects),
    consumers: formatCount(state.consumers),
    limits: limitsText(config),
    'when full': config.discard === 'old' ? 'the oldest goes' : 'the new one is refused',
    'ids remembered': durationText(config.dedupeMs),
    retention: config.retention === 'limits' ? undefined : config.retention,
    storage: config.replicas > 1 ? `${config.storage}, ${config.replicas} replicas` : config.storage,
    leader,
    created: formatMoment(created),
  }
}

function limitsText(config: StreamConfig): string {
  const {maxAgeMs, maxMsgs, maxBytes, maxMsgsPerSubject, maxMsgSize} = config
  const limits = [
    maxAgeMs && durationText(maxAgeMs),
    maxMsgs && `${formatCount(maxMsgs)} messages`,
    maxBytes && formatBytes(maxBytes),
    maxMsgsPerSubject && `${formatCount(maxMsgsPerSubject)} of each subject`,
    maxMsgSize && `${formatBytes(maxMsgSize)} a message`,
  ]
  return limits.filter(Boolean).join(' · ') || 'none'
}

/** `1,234 messages (1.2 MiB) and 2 consumers` */
export function holding({state}: StreamInfo): string {
  const messages = `${counted(state.messages, 'message')} (${formatBytes(state.bytes)})`
  return state.consumers === 0 ? messages : `${messages} and ${counted(state.consumers, 'consumer')}`
}

export interface PurgeFlags {
  readonly filter?: readonly string[] | undefined
  readonly before?: number | undefined
  readonly keep?: number | undefined
}

/** Throws `usage` for flags that do not go together. */
export function checkPurge(flags: PurgeFlags): void {
  excluding(flags, 'before', 'keep')
}

/** `remove from stream ORDERS all but the last 10 messages of orders.test (it has 1,234 in all)` */
export function purgeText(stream: string, messages: number, {filter, before, keep}: PurgeFlags): string {
  const which =
    keep === undefined
      ? before === undefined
        ? 'all messages'
        : `all messages before #${before}`
      : `all but the last ${counted(keep, 'message')}`
  const of = filter?.length ? ` of ${filter.join(' and ')}` : ''
  return `remove from stream ${stream} ${which}${of} (it has ${formatCount(messages)} in all)`
}
