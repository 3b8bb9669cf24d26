/** Checks what a stream or a consumer is asked to be, and fills in JetStream's defaults. */
import {BusError} from '../../../errors.ts'
import {checkPattern, overlaps} from '../../../subject.ts'
import type {ConsumerConfig, ConsumerSettings, DeliverPolicy, StreamConfig, StreamSettings} from '../../streams.ts'

const dedupeMs = 120_000
const shortestMs = 100
const ackWaitMs = 30_000
const maxAckPending = 1000

/** Always with its keys in one order, so that two can be compared as text. Throws `usage`. */
export function streamConfig(settings: StreamSettings): StreamConfig {
  const {name, description, maxAgeMs, maxMsgs, maxBytes, maxMsgsPerSubject, maxMsgSize, replicas = 1} = settings
  checkName('stream', name)
  checkCounts({maxAgeMs, maxMsgs, maxBytes, maxMsgsPerSubject, maxMsgSize, dedupeMs: settings.dedupeMs || undefined})
  if (replicas !== 1) throw new BusError('usage', `${replicas} replicas need a cluster: a bus file has 1`)
  for (const [what, ms] of Object.entries({maxAgeMs, dedupeMs: settings.dedupeMs || undefined})) {
    if (ms !== undefined && ms < shortestMs) throw new BusError('usage', `${what} is ${ms}, and ${shortestMs} at least`)
  }
  if (maxAgeMs !== undefined && (settings.dedupeMs ?? 0) > maxAgeMs) {
    throw new BusError('usage', 'message ids cannot be remembered for longer than messages are kept')
  }
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
  checkName('consumer', name)
  checkCounts({ackWaitMs: settings.ackWaitMs, maxDeliver, maxAckPending: settings.maxAckPending})
  for (const each of backoffMs) checkCounts({backoffMs: each})
  if (maxDeliver !== undefined && backoffMs.length > 0 && maxDeliver <= backoffMs.length) {
    throw new BusError('usage', `${backoffMs.length} steps of back-off need more than ${maxDeliver} deliveries`)
  }
  const filters = settings.filters === undefined ? [] : checkApart(settings.filters)
  const stray = filters.find((filter) => !subjects.some((subject) => overlaps(subject, filter)))
  if (stray !== undefined) {
    throw new BusError('usage', `the stream keeps nothing that ${JSON.stringify(stray)} matches`, {
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

function checkName(what: string, name: string): void {
  const bad = /[\s.*>/\\\p{Cc}]/u.exec(name)
  if (name !== '' && bad === null) return
  const fault = bad === null ? 'is empty' : `has ${JSON.stringify(bad[0])}`
  throw new BusError('usage', `the ${what} name ${JSON.stringify(name)} ${fault}`, {
    try: ['letters, digits, "-" and "_"'],
  })
}

function checkCounts(counts: Readonly<Record<string, number | undefined>>): void {
  for (const [what, count] of Object.entries(counts)) {
    if (count === undefined || (count >= 1 && Number.isSafeInteger(count))) continue
    throw new BusError('usage', `${what} is ${count}, and should be a whole number above 0`)
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

function checkDeliver(deliver: DeliverPolicy): DeliverPolicy {
  if (typeof deliver === 'string') return deliver
  if ('last' in deliver) throw new BusError('usage', 'a consumer cannot begin at the last so many messages')
  if ('seq' in deliver) checkCounts({seq: deliver.seq})
  return deliver
}

function given<T extends object>(values: T): {[K in keyof T]?: Exclude<T[K], undefined>} {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as {[K in keyof T]?: Exclude<T[K], undefined>}
}
