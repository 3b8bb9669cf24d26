/**
 * Atomic batches (ADR-50): the messages of a batch carry its id and their place in it, the last one commits it. The server answers
 * to each: with an empty message, an error after which the batch cannot be stored, or at the end with its acknowledgement. A server
 * before 2.12 would store the messages one by one, so the version and the stream are checked first.
 */
import {BusError, interruptedError} from '../../../core/errors.ts'
import type {Outgoing} from '../../../core/message.ts'
import {reworded} from '../../../core/rewording.ts'
import {objectIn} from '../../../core/text/json-text.ts'
import {IdleTimer, sleep} from '../../../core/time/timer.ts'
import {asBatch, checkBatch, lateBatch, noBatches} from '../../shared/batch.ts'
import {bounded, type WaitBounds} from '../../shared/bounded.ts'
import {codeOf, isPassingCode, jetStreamErrors} from '../../shared/jetstream-errors.ts'
import {ackTimeoutMs} from '../../shared/publish-window.ts'
import {placed} from '../../shared/stream-errors.ts'
import type {StoredBatch} from '../../streams-contract.ts'
import {noLeader} from './api.ts'
import {electionMs, fetchStream, mustBeKept, namesOf} from './catalogue.ts'
import {leaderWaitMs} from './elections.ts'
import {unacknowledgedFailure} from './publisher.ts'
import {isSince, type JetStreamSession} from './session.ts'
import {streamInfo} from './settings.ts'
import {tooOld} from './since.ts'
import {StoredReader} from './stored.ts'

/** A batch that an election kept from being stored; nobody listened to a subject, or a server refused a message. */
class Postponed {
  readonly cause: BusError | 'nobody'
  readonly subject: string
  constructor(cause: BusError | 'nobody', subject: string) {
    this.cause = cause
    this.subject = subject
  }
}

/** Publishes until the batch is stored or refused, or until the wait for a leader ends. */
export async function sendBatch(
  session: JetStreamSession,
  messages: readonly Outgoing[],
  {timeoutMs = ackTimeoutMs, signal}: WaitBounds,
): Promise<StoredBatch> {
  session.check()
  asBatch(messages, session.maxPayload, session.url)
  if (signal?.aborted) throw interruptedError()
  try {
    await session.ready()
    if (!isSince(session, 2, 12)) throw tooOld(session, 'a batch', 12)
    await checkStream(session, messages)
  } catch (error) {
    throw error instanceof BusError ? reworded(error, error.message, {written: false}) : error
  }
  const {elections} = session
  const since = performance.now()
  const deadline = since + (elections.isClustered ? Math.max(timeoutMs, leaderWaitMs) : timeoutMs)
  for (;;) {
    const outcome = await attempt(session, messages, {timeoutMs, signal})
    if (!(outcome instanceof Postponed)) {
      elections.over()
      return outcome
    }
    const {cause, subject} = outcome
    if (cause === 'nobody') await mustBeKept(session, subject, deadline)
    if (performance.now() + electionMs >= deadline || elections.signal?.aborted)
      throw noLeader(session, since, cause === 'nobody' ? undefined : cause)
    elections.waiting(since)
    await sleep(electionMs, elections.signal)
  }
}

/** A stream that is not found here may be in another account, or the subject may be mapped: then the server decides. */
async function checkStream(session: JetStreamSession, messages: readonly Outgoing[]): Promise<void> {
  try {
    const [name] = await namesOf(session, messages[0]?.subject ?? '')
    if (name === undefined) return
    checkBatch(session.url, streamInfo(await fetchStream(session, name)).config, messages)
  } catch (error) {
    if (!(error instanceof BusError) || error.kind !== 'denied') throw error
  }
}

/** Publishes once. After an answer other than the acknowledgement nothing is stored. */
async function attempt(
  session: JetStreamSession,
  messages: readonly Outgoing[],
  {timeoutMs, signal}: WaitBounds & {readonly timeoutMs: number},
): Promise<StoredBatch | Postponed> {
  const {url} = session
  const batch = asBatch(messages, session.maxPayload, url)
  const {promise, resolve, reject} = Promise.withResolvers<StoredBatch | Postponed>()
  promise.catch(() => {})
  const reader = new StoredReader(url, session.domain)
  // A large batch may take longer, as long as the server answers.
  using idle = new IdleTimer(timeoutMs, () => reject(lateBatch(url, timeoutMs)))
  const route = session.route({
    arrived(index, data, headerSize) {
      idle.restart()
      if (data.length === 0) return
      const refusal = reader.read(data, headerSize)
      if (refusal === 'nobody' || isPassingCode(refusal))
        resolve(new Postponed(refusal as BusError | 'nobody', batch[index]?.subject ?? ''))
      else if (refusal !== undefined) reject(refused(session, refusal, index, batch.length))
      else if (countIn(data.subarray(Math.max(0, headerSize))) === batch.length)
        resolve({stream: reader.stream, seq: reader.seq, count: batch.length})
      else reject(notABatch(url, reader.stream))
    },
    refused: reject,
  })
  const leave = session.listen({
    onLost: () => reject(unacknowledgedFailure(url, batch.length)),
    onEnd: reject,
    onRefused(subject, failure) {
      const index = batch.findIndex((message) => message.subject === subject)
      if (index >= 0) reject(placed(failure, index))
      return index >= 0
    },
    close: () => promise.then(ignored, ignored),
  })
  try {
    for (const [index, message] of batch.entries()) send(session, message, route.prefix, index)
    return await bounded(() => promise, {signal})
  } finally {
    route.close()
    leave()
  }
}

function send(session: JetStreamSession, message: Outgoing, prefix: string, index: number): void {
  try {
    session.store(message, prefix + index)
  } catch (error) {
    throw placed(error, index)
  }
}

const ignored = (): void => {}

/** The failure for what the server refused. A refusal of the last message may be about any of them. */
function refused({url}: JetStreamSession, refusal: BusError, index: number, count: number): unknown {
  const stream = refusal.data?.['stream']
  if (codeOf(refusal) === jetStreamErrors.batch.code) return noBatches(url, String(stream ?? ''), refusal)
  return index < count - 1 ? placed(refusal, index) : refusal
}

function countIn(data: Uint8Array): unknown {
  return (objectIn(Buffer.from(data).toString()) as {count?: unknown} | undefined)?.count
}

function notABatch(url: string, stream: string): BusError {
  return new BusError('remote', `the stream ${stream} on ${url} stored a message outside of its batch`, {
    try: ['servers of 2.12 or later only'],
  })
}
