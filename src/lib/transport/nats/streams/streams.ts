/** Stored messages through JetStream, over the connection's own requests and inbox, without a second connection or client. */

import {BusError} from '../../../core/errors.ts'
import type {Outgoing} from '../../../core/message.ts'
import {sleep} from '../../../core/time/timer.ts'
import type {WaitBounds} from '../../shared/bounded.ts'
import {isPassingCode} from '../../shared/jetstream-errors.ts'
import {ackTimeoutMs} from '../../shared/publish-window.ts'
import {lateError} from '../../shared/stream-errors.ts'
import type {Stored, Streams} from '../../streams-contract.ts'
import {noLeader} from './api.ts'
import {catalogue, electionMs, mustBeKept} from './catalogue.ts'
import {consumers} from './consumers.ts'
import {leaderWaitMs} from './elections.ts'
import {read} from './open-reading.ts'
import {hasMsgId, NatsStreamPublisher, repeatMs} from './publisher.ts'
import type {JetStreamSession} from './session.ts'
import {checkHeadersSince} from './since.ts'
import {StoredReader} from './stored.ts'

export function natsStreams(session: JetStreamSession): Streams {
  return {
    ...catalogue(session),
    publish: (message, bounds = {}) => publish(session, message, bounds),
    publishBatch: async (messages, bounds = {}) => (await import('./batch.ts')).sendBatch(session, messages, bounds),
    publisher: (options = {}) => new NatsStreamPublisher(session, options),
    read: (stream, range) => read(session, stream, range),
    consumers: consumers(session),
  }
}

/** Publishes until the message is stored or refused, or until the wait for a leader ends. */
async function publish(session: JetStreamSession, message: Outgoing, bounds: WaitBounds): Promise<Stored> {
  checkHeadersSince(session, message.headers)
  const {timeoutMs = ackTimeoutMs, signal} = bounds
  const {elections} = session
  const isRepeatable = elections.isClustered && hasMsgId(message)
  const since = performance.now()
  const deadline = since + Math.max(timeoutMs, leaderWaitMs)
  for (;;) {
    const waitMs = isRepeatable ? Math.min(timeoutMs, repeatMs) : timeoutMs
    const stored = await attempt(session, message, {timeoutMs: waitMs, signal})
    if (!(stored instanceof BusError)) {
      elections.over()
      return stored
    }
    const now = performance.now()
    const isSilent = stored.kind === 'timeout'
    // A message without an id that may be stored is not sent again.
    if (isSilent && !isRepeatable) throw lateError(session.url, message.subject, timeoutMs)
    if (stored.kind === 'noResponders') await mustBeKept(session, message.subject, deadline)
    const isUnheard = stored.kind === 'noResponders' && !elections.isClustered
    if (isUnheard && now + electionMs > since + timeoutMs) throw lateError(session.url, message.subject, timeoutMs)
    if (now >= deadline || elections.signal?.aborted) throw noLeader(session, since, stored)
    if (!isUnheard) elections.waiting(since)
    if (!isSilent) await sleep(electionMs, elections.signal)
  }
}

/** The acknowledgement, or a temporary failure: `noResponders`, `timeout`, or a code of an election. */
async function attempt(session: JetStreamSession, message: Outgoing, bounds: WaitBounds): Promise<Stored | BusError> {
  try {
    const reply = await session.request(message, bounds)
    const reader = new StoredReader(session.url, session.domain)
    const refusal = reader.read(reply.data, 0)
    if (refusal === undefined) return reader.stored
    throw refusal
  } catch (error) {
    if (!(error instanceof BusError)) throw error
    if (error.kind === 'noResponders' || error.kind === 'timeout' || isPassingCode(error)) return error
    throw error
  }
}
