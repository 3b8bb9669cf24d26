import {BusError} from '../../core/errors.ts'
import type {Message, Outgoing} from '../../core/message.ts'
import {shellWord} from '../../core/text/shell-word.ts'
import type {Transport} from '../../transport/contract.ts'

export interface Question {
  readonly message: Outgoing
  /** Milliseconds in total. */
  readonly timeoutMs: number
  /** How many replies are required; fewer within the timeout is a failure. */
  readonly replies?: number | undefined
  /** End after this many milliseconds without a further reply. */
  readonly idleMs?: number | undefined
  /** End at the first empty reply, which is not returned. */
  readonly untilEmpty?: boolean | undefined
  /** Accept the acknowledgement of a stream as a reply. */
  readonly ackIsReply?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

export interface TimedReply {
  readonly message: Message
  /** Milliseconds from the request to this reply. */
  readonly ms: number
}

/**
 * The replies to one request, as they arrive; one unless the options ask for more. Fails with `noResponders`, or with `timeout`
 * if none or fewer than required arrived in time, after returning those that did.
 */
export async function* ask(bus: Transport, question: Question): AsyncGenerator<TimedReply> {
  const started = performance.now()
  const since = () => performance.now() - started
  const {message, timeoutMs, ackIsReply, signal} = question
  if (!asksForMany(question)) {
    const reply = await bus.request(message, {timeoutMs, ackIsReply, signal})
    yield {message: reply, ms: since()}
    return
  }
  let came = 0
  let ended = false
  // The empty reply and the count are checked here: `requestMany` ends without an error at either of them and at the deadline.
  for await (const reply of bus.requestMany(message, {timeoutMs, ackIsReply, signal, idleMs: question.idleMs})) {
    ended = question.untilEmpty === true && reply.payload.length === 0
    if (ended) break
    yield {message: reply, ms: since()}
    if (++came === question.replies) return
  }
  const missing = shortfall(bus, question, came, ended)
  if (missing !== undefined) throw missing
}

function asksForMany(question: Pick<Question, 'replies' | 'idleMs' | 'untilEmpty'>): boolean {
  return question.replies !== undefined || question.idleMs !== undefined || question.untilEmpty === true
}

function shortfall(bus: Transport, question: Question, came: number, ended: boolean): BusError | undefined {
  const {message, replies, idleMs, timeoutMs, untilEmpty} = question
  const where = `on "${message.subject}" from ${bus.url}`
  const details = {
    try: ['a longer --timeout', `see whether the request arrives: bus sub ${shellWord(message.subject)}`],
    data: {replies: came},
  }
  if (replies !== undefined)
    return new BusError('timeout', `only ${came} of ${replies} replies arrived in time ${where}`, details)
  if (ended) return undefined
  if (untilEmpty && idleMs === undefined) {
    return new BusError(
      'timeout',
      `no empty reply within ${timeoutMs} ms ${where}, only ${came} with a payload`,
      details,
    )
  }
  return came > 0 ? undefined : new BusError('timeout', `no reply within ${timeoutMs} ms ${where}`, details)
}
