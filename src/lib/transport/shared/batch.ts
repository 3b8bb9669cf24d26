/** Atomic batches (ADR-50): what can be one, for every bus; and what a stream refuses in one, for buses that implement streams. */
import {BusError, type FailureDetails} from '../../core/errors.ts'
import {headerOf, type Outgoing} from '../../core/message.ts'
import {matches} from '../../core/subject.ts'
import {shellWord} from '../../core/text/shell-word.ts'
import {type Stored, type StoredBatch, type StreamConfig, storeHeaders} from '../streams-contract.ts'
import {refusal, rollupOf} from './expectations.ts'
import {jetStreamErrors} from './jetstream-errors.ts'
import {checkOutgoing} from './outgoing.ts'
import {notKept, placed} from './stream-errors.ts'

/** The largest number of messages, as on a server. */
export const mostInBatch = 1000

/** The messages with the headers of a batch. Throws `usage` if they cannot be one. */
export function asBatch(messages: readonly Outgoing[], maxPayload: number, url: string): readonly Outgoing[] {
  if (messages.length === 0) throw new BusError('usage', 'a batch has at least one message')
  if (messages.length > mostInBatch) throw batchTooLong()
  for (const [index, message] of messages.entries()) {
    try {
      checkOutgoing(message, maxPayload, url)
      const own = message.headers?.find(([name]) => /^nats-batch-/i.test(name))
      if (own !== undefined) throw new BusError('usage', `a message of a batch cannot have its own header ${own[0]}`)
    } catch (error) {
      throw placed(error, index)
    }
  }
  const id = crypto.randomUUID()
  return messages.map(({subject, data, headers = []}, index) => {
    const isLast = index === messages.length - 1
    const commit = isLast ? ([['Nats-Batch-Commit', '1']] as const) : []
    const added = [['Nats-Batch-Id', id], ['Nats-Batch-Sequence', String(index + 1)], ...commit] as const
    return {subject, data, headers: [...headers, ...added]}
  })
}

export function batchTooLong(): BusError {
  return new BusError('usage', `a batch has at most ${mostInBatch} messages: nothing is stored`, {
    try: ['smaller batches', '--ack, which stores each message by itself'],
  })
}

/** The failure for a stream that does not accept batches. */
export function noBatches(url: string, stream: string, cause?: unknown): BusError {
  return new BusError('usage', `the stream ${stream} on ${url} accepts no batches`, {
    cause,
    data: {code: jetStreamErrors.batch.code, stream},
    try: [`bus stream edit ${shellWord(stream)} --allow-atomic`],
  })
}

/** Throws `usage` if the stream accepts no batches, or not these messages. */
export function checkBatch(
  url: string,
  {name, subjects, allowAtomic}: Pick<StreamConfig, 'name' | 'subjects' | 'allowAtomic'>,
  batch: readonly Outgoing[],
): void {
  if (!allowAtomic) throw noBatches(url, name)
  const index = batch.findIndex(({subject}) => !subjects.some((pattern) => matches(pattern, subject)))
  if (index < 0) return
  const sentence = `a batch is stored in one stream: ${name} on ${url} does not store "${batch[index]?.subject}"`
  throw placed(new BusError('usage', sentence, {try: [`bus stream info ${shellWord(name)}`]}), index)
}

/**
 * The acknowledgement of a batch by the outcomes of its messages, of which the stream has stored each. Throws the first refusal:
 * then all of them have to be taken back.
 */
export function storedBatch(
  url: string,
  config: StreamConfig | undefined,
  batch: readonly Outgoing[],
  outcome: (index: number) => Stored | BusError | undefined,
): StoredBatch {
  if (config === undefined) throw notKept(url, batch[0]?.subject ?? '')
  checkBatch(url, config, batch)
  const before = new Set<string>()
  let seq = 0
  for (const [index, message] of batch.entries()) {
    const {expectedLastMsgId} = storeHeaders
    if (headerOf(message.headers ?? [], expectedLastMsgId) !== undefined)
      throw placed(refusal({url, config}, 'inBatch', expectedLastMsgId), index)
    const is = outcome(index) ?? notKept(url, message.subject)
    if (is instanceof BusError) throw placed(is, index)
    const why = is.duplicate ? 'duplicateInBatch' : refusedAfter(before, message)
    if (why !== undefined) throw placed(refusal({url, config}, why), index)
    before.add(message.subject)
    seq = is.seq
  }
  return {stream: config.name, seq, count: batch.length}
}

/** What a stream refuses only in a batch, after messages with these subjects. */
function refusedAfter(
  before: ReadonlySet<string>,
  {subject, headers = []}: Outgoing,
): 'wrongSeqUnsaid' | 'rollupInBatch' | undefined {
  const has = (header: string) => headerOf(headers, header) !== undefined
  if (before.size > 0 && has(storeHeaders.expectedLastSeq)) return 'wrongSeqUnsaid'
  if (before.has(subject) && has(storeHeaders.expectedLastSubjectSeq)) return 'wrongSeqUnsaid'
  const rollup = rollupOf(headers)
  return (rollup === 'all' ? before.size > 0 : rollup === 'sub' && before.has(subject)) ? 'rollupInBatch' : undefined
}

/** The failure of a batch whose acknowledgement did not arrive. */
export function lateBatch(url: string, timeoutMs: number, data?: FailureDetails['data']): BusError {
  const sentence = `the batch was not acknowledged within ${timeoutMs} ms on ${url}: all of it is stored, or nothing`
  return new BusError('timeout', sentence, {try: ['a longer --timeout'], data: {unanswered: true, ...data}})
}
