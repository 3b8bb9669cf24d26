/** Stored messages by JetStream, over the connection's own requests and inbox: no second connection, no client of its kind. */
import {BusError} from '../../../core/errors.ts'
import type {Outgoing} from '../../../core/message.ts'
import {sleep} from '../../../core/time/timer.ts'
import {ackTimeoutMs} from '../../shared/publish-window.ts'
import {lateError} from '../../shared/stream-errors.ts'
import type {Stored, Streams} from '../../streams-contract.ts'
import {catalogue, electionMs, mustBeKept} from './catalogue.ts'
import {consumers} from './consumers.ts'
import {read} from './open-reading.ts'
import {NatsStreamPublisher} from './publisher.ts'
import type {JetStreamSession} from './session.ts'
import {StoredReader} from './stored.ts'

export function natsStreams(session: JetStreamSession): Streams {
  return {
    ...catalogue(session),
    publish: (message, {timeoutMs} = {}) => publish(session, message, timeoutMs),
    publisher: (options = {}) => new NatsStreamPublisher(session, options),
    read: (stream, range) => read(session, stream, range),
    consumers: consumers(session),
  }
}

async function publish(session: JetStreamSession, message: Outgoing, timeoutMs = ackTimeoutMs): Promise<Stored> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const stored = await attempt(session, message, Math.max(1, deadline - performance.now()), timeoutMs)
    if (stored !== undefined) return stored
    await mustBeKept(session, message.subject)
    if (performance.now() + electionMs > deadline) throw lateError(session.url, message.subject, timeoutMs)
    await sleep(electionMs)
  }
}

/** Undefined: nobody listens there. */
async function attempt(
  session: JetStreamSession,
  message: Outgoing,
  leftMs: number,
  timeoutMs: number,
): Promise<Stored | undefined> {
  try {
    const reply = await session.request(message, {timeoutMs: leftMs})
    const reader = new StoredReader(session.url)
    const refusal = reader.read(reply.data, 0)
    if (refusal === undefined) return reader.stored
    throw refusal
  } catch (error) {
    if (!(error instanceof BusError)) throw error
    if (error.kind === 'noResponders') return undefined
    throw error.kind === 'timeout' ? lateError(session.url, message.subject, timeoutMs) : error
  }
}
