/** What is asked of streams and consumers, checked, with JetStream's defaults filled in: for buses that are their own server. */
import {BusError} from '../../core/errors.ts'
import {checkPattern, overlaps} from '../../core/subject.ts'
import type {
  ConsumerConfig,
  ConsumerSettings,
  DeliverPolicy,
  PurgeOptions,
  ReadOptions,
  StreamConfig,
  StreamSettings,
} from '../streams-contract.ts'
import {overlapping} from './stream-errors.ts'

const dedupeMs = 120_000
const ackWaitMs = 30_000
const maxAckPending = 1000
/** Shorter is no age and no window for JetStream. */
const leastMs = 100

/** Always with its keys in one order, so that two can be compared as text. Throws `usage`. */
export function streamConfig(settings: StreamSettings): StreamConfig {
  const {name, description, maxAgeMs, maxMsgs, maxBytes, maxMsgsPerSubject, maxMsgSize, replicas = 1} = settings
  checkStoreName('stream', name)
  checkCounts({maxMsgs, maxBytes, maxMsgsPerSubject, maxMsgSize})
  checkCounts({maxAgeMs, dedupeMs: settings.dedupeMs || undefined}, leastMs)
  if (replicas !== 1) throw new BusError('usage', `${replicas} replicas need a cluster`)
  if (maxAgeMs !== undefined && (settings.dedupeMs ?? 0) > maxAgeMs)
    throw new BusError('usage', 'message ids cannot be remembered for longer than messages are kept')
  return {
    name,
    subjects: checkApart(settings.subjects ?? [name]),
    ...given({description, maxAgeMs, maxMsgs, maxBytes, maxMsgsPerSubject, maxMsgSize}),
    storage: settings.storage ?? 'file',
    discard: settings.discard ?? 'old',
    dedupeMs: settings.dedupeMs ?? Math.min(dedupeMs, maxAgeMs ?? dedupeMs),
    replicas,
    retention: 'limits',
  }
}

/** Always with its keys in one order. `subjects` are the stream's. Throws `usage`. */
export function consumerConfig(settings: ConsumerSettings, subjects: readonly string[]): ConsumerConfig {
  const {name, description, maxDeliver, backoffMs = []} = settings
  checkStoreName('consumer', name)
  checkCounts({ackWaitMs: settings.ackWaitMs, maxDeliver, maxAckPending: settings.maxAckPending})
  for (const each of backoffMs) checkCounts({backoffMs: each})
  if (maxDeliver !== undefined && backoffMs.length > 0 && maxDeliver <= backoffMs.length)
    throw new BusError('usage', `${backoffMs.length} steps of back-off need more than ${maxDeliver} deliveries`)
  const filters = checkApart(settings.filters ?? [])
  const stray = filters.find((filter) => !subjects.some((subject) => overlaps(subject, filter)))
  if (stray !== undefined) {
    throw new BusError('usage', `the stream stores nothing that ${JSON.stringify(stray)} matches`, {
      try: [`its subjects: ${subjects.join(', ')}`],
    })
  }
  return {
    name,
    ...given({description}),
    filters,
    deliver: checkDeliver(settings.deliver ?? 'all'),
    ack: settings.ack ?? 'explicit',
    ackWaitMs: backoffMs[0] ?? settings.ackWaitMs ?? ackWaitMs,
    ...given({maxDeliver}),
    maxAckPending: settings.maxAckPending ?? maxAckPending,
    backoffMs,
    durable: true,
  }
}

/** Throws `usage` when a new stream has subjects of one of those that there are. */
export function checkApartFrom(url: string, {subjects}: StreamConfig, others: readonly StreamConfig[]): void {
  for (const other of others) {
    const clash = subjects.find((subject) => other.subjects.some((each) => overlaps(each, subject)))
    if (clash !== undefined) throw overlapping(url, clash, other.name)
  }
}

/** Milliseconds that a member has for a delivery, the first of which is 1. */
export function ackWaitOf({backoffMs, ackWaitMs}: ConsumerConfig, delivery: number): number {
  return backoffMs[Math.min(delivery, backoffMs.length) - 1] ?? ackWaitMs
}

/** Both made here, so that their keys have one order. */
export function isSameConfig<T extends StreamConfig | ConsumerConfig>(one: T, other: T): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}

/** Refuses what does not go together. Throws `usage`. */
export function checkRead({from, to, filters = [], lastPerSubject, follow}: ReadOptions): void {
  for (const filter of filters) checkPattern(filter)
  if (follow && to !== undefined) throw new BusError('usage', 'a reading that follows cannot have an end')
  if (lastPerSubject && (from !== undefined || follow || (to !== undefined && 'timeMs' in to)))
    throw new BusError('usage', 'the last message of each subject is read of the stream as it is')
}

/** Refuses what does not go together. Throws `usage`. */
export function checkPurge({pattern, beforeSeq, keep}: PurgeOptions): void {
  if (pattern !== undefined) checkPattern(pattern)
  if (beforeSeq !== undefined && keep !== undefined)
    throw new BusError('usage', 'a purge removes messages before a sequence or keeps a number of them, not both')
}

/** Answers the name of a stream or consumer. Throws `usage` for one that no bus takes. */
export function checkStoreName(what: 'stream' | 'consumer', name: string): string {
  const bad = /[\s.*>/\\\p{Cc}]/u.exec(name)
  if (name !== '' && bad === null) return name
  const fault = bad === null ? 'is empty' : `contains ${characterName(bad[0])}`
  throw new BusError('usage', `the ${what} name ${JSON.stringify(name)} ${fault}`, {
    try: ['letters, digits, "-" and "_"'],
  })
}

function characterName(char: string): string {
  if (/[\r\n\u2028\u2029]/.test(char)) return 'a line break'
  return /\s/.test(char) ? 'a space' : /\p{Cc}/u.test(char) ? 'a control character' : JSON.stringify(char)
}

function checkCounts(counts: Readonly<Record<string, number | undefined>>, least = 1): void {
  for (const [what, count] of Object.entries(counts)) {
    if (count === undefined || (count >= least && Number.isSafeInteger(count))) continue
    throw new BusError('usage', `${what} is ${count}, but must be a whole number of at least ${least}`)
  }
}

/** Patterns of which no two match the same subject. */
function checkApart(patterns: readonly string[]): readonly string[] {
  for (const [i, pattern] of patterns.entries()) {
    checkPattern(pattern)
    const other = patterns.slice(0, i).find((before) => overlaps(before, pattern))
    if (other === undefined) continue
    throw new BusError('usage', `${JSON.stringify(pattern)} overlaps with ${JSON.stringify(other)}`)
  }
  return patterns
}

/** Refuses what no consumer can begin at. Throws `usage`. */
export function checkDeliver(deliver: DeliverPolicy): DeliverPolicy {
  if (typeof deliver === 'string') return deliver
  if ('last' in deliver)
    throw new BusError('usage', 'a consumer cannot begin at a number of last messages', {try: ['a sequence or a time']})
  if ('seq' in deliver && deliver.seq < 1)
    throw new BusError('usage', `there is no sequence ${deliver.seq}: sequences start at 1`)
  return deliver
}

function given<T extends object>(values: T): {[K in keyof T]?: Exclude<T[K], undefined>} {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as {[K in keyof T]?: Exclude<T[K], undefined>}
}
