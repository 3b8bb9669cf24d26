/** One message for a stream, and its acknowledgement. */
import {BusError} from '../../../core/errors.ts'
import type {Outgoing} from '../../../core/message.ts'
import {sleep} from '../../../core/time/timer.ts'
import {ackTimeoutMs} from '../../shared/publish-window.ts'
import {lateError, notKept} from '../../shared/stream-errors.ts'
import type {Stored} from '../../streams-contract.ts'
import {keeping} from './catalogue.ts'
import type {Line} from './session.ts'
import {StoredReader} from './stored.ts'

/** Before it is tried again with a stream that is there but does not listen: it chooses a leader. */
export const electionMs = 250

export async function publish(line: Line, message: Outgoing, timeoutMs = ackTimeoutMs): Promise<Stored> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const stored = await attempt(line, message, Math.max(1, deadline - performance.now()), timeoutMs)
    if (stored !== undefined) return stored
    await mustBeKept(line, message.subject)
    if (performance.now() + electionMs > deadline) throw lateError(line.url, message.subject, timeoutMs)
    await sleep(electionMs)
  }
}

/** Undefined: nobody listens there. */
async function attempt(line: Line, message: Outgoing, leftMs: number, timeoutMs: number): Promise<Stored | undefined> {
  try {
    const reply = await line.request(message, {timeoutMs: leftMs})
    const reader = new StoredReader(line.url)
    const refusal = reader.read(reply.data, 0)
    if (refusal === undefined) return reader.stored
    throw refusal
  } catch (error) {
    if (!(error instanceof BusError)) throw error
    if (error.kind === 'noResponders') return undefined
    throw error.kind === 'timeout' ? lateError(line.url, message.subject, timeoutMs) : error
  }
}

/** Fails with `notFound` when no stream keeps the subject. */
export async function mustBeKept(line: Line, subject: string): Promise<void> {
  if ((await keeping(line, subject)).length > 0) return
  throw notKept(line.url, subject)
}
