import {BusError} from '../core/errors.ts'
import type {Outgoing} from '../core/message.ts'
import type {Transport} from './contract.ts'

/** Largest number of replies to remember until they are flushed. */
const mostOpen = 10_000
/** Largest number of requesters whose refused replies are reported. */
const mostReported = 100

/** Sends the replies of a service. A reply that cannot be sent is the failure of one request, and does not end the service. */
export class ReplySender {
  readonly #bus: Transport
  readonly #onRefused: (failure: BusError, isFirst: boolean) => void
  /** Subjects of replies that the bus may still refuse, each with the number of its last reply; the oldest first. */
  readonly #open = new Map<string, number>()
  #sent = 0
  readonly #reported = new Set<string>()
  #flushing: Promise<void> = Promise.resolve()

  /**
   * `onRefused` is called for replies that the server refuses later, with the first of several that are refused together;
   * `isFirst`: this requester was not reported before.
   */
  constructor(bus: Transport, onRefused: (failure: BusError, isFirst: boolean) => void) {
    this.#bus = bus
    this.#onRefused = onRefused
  }

  /** Undefined if the bus accepts the reply, otherwise the reason: too large, or an invalid reply subject. */
  send(reply: Outgoing): BusError | undefined {
    try {
      this.#bus.publish(reply)
      this.#open.delete(reply.subject)
      this.#open.set(reply.subject, ++this.#sent)
      if (this.#open.size > mostOpen) this.#forget(this.#sent - mostOpen)
      return undefined
    } catch (error) {
      if (error instanceof BusError) return error
      throw error
    }
  }

  /** Resolves when the earlier replies are sent or refused. Rejects if the bus fails. */
  flush(): Promise<void> {
    const flushed = this.#flushing.then(() => this.#flush())
    // Its caller gets the failure.
    this.#flushing = flushed.catch(() => {})
    return flushed
  }

  async #flush(): Promise<void> {
    const last = this.#sent
    for (;;) {
      try {
        await this.#bus.flush()
        break
      } catch (error) {
        if (!this.#isOfReply(error)) throw error
        this.#report(error)
      }
    }
    this.#forget(last)
  }

  /** Forgets replies up to the one with this number. */
  #forget(last: number): void {
    for (const [subject, number] of this.#open) {
      if (number > last) return
      this.#open.delete(subject)
    }
  }

  #isOfReply(error: unknown): error is BusError {
    if (!(error instanceof BusError) || error.kind !== 'denied') return false
    const subject = error.data?.['subject']
    return typeof subject === 'string' && this.#open.has(subject)
  }

  #report(failure: BusError): void {
    const subject = String(failure.data?.['subject'])
    const isFirst = !this.#reported.has(subject) && this.#reported.size < mostReported
    if (isFirst) this.#reported.add(subject)
    this.#onRefused(failure, isFirst)
  }
}
