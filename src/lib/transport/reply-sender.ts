import {BusError, isFailure} from '../core/errors.ts'
import type {Headers, Outgoing} from '../core/message.ts'
import {isSystemSubject} from '../core/subject.ts'
import type {Transport} from './contract.ts'
import {PublishRefused} from './shared/publish-refused.ts'

/** Largest number of replies to remember until they are flushed. */
const mostOpen = 10_000
/** Largest number of requesters whose refused replies are reported. */
const mostReported = 100

export interface ReplyOptions {
  /** Also reply to subjects that begin with `$`, such as those of the JetStream API. */
  readonly systemReplies?: boolean | undefined
}

/** The failure of a request whose reply subject belongs to the bus itself. */
export function systemReplyError(subject: string): BusError {
  return new BusError(
    'denied',
    `requests with the reply subject "${subject}" get no reply: it belongs to the bus itself`,
    {
      try: ['--system-replies'],
      data: {subject},
    },
  )
}

/** Sends the replies of a service. A reply that cannot be sent is the failure of one request, and does not end the service. */
export class ReplySender {
  readonly #bus: Transport
  readonly #systemReplies: boolean
  #hasRefused = false
  readonly #onRefused: (failure: BusError, isFirst: boolean) => void
  /** Subjects of replies that the bus may still refuse, each with the number of its last reply; the oldest first. */
  readonly #open = new Map<string, number>()
  #sent = 0
  readonly #reported = new Set<string>()
  #flushing: Promise<void> = Promise.resolve()

  /**
   * `onRefused` is called for each reply that the server refuses later; `isFirst`: this requester was not reported before.
   * Without `systemReplies` it is called for each request with a system subject as its reply subject as well, which gets none:
   * a requester could make use of our permissions.
   */
  constructor(
    bus: Transport,
    onRefused: (failure: BusError, isFirst: boolean) => void,
    {systemReplies = false}: ReplyOptions = {},
  ) {
    this.#bus = bus
    this.#systemReplies = systemReplies
    this.#onRefused = onRefused
  }

  /** Undefined if the bus accepts the reply, otherwise the reason: too large, or an invalid reply subject. */
  send(reply: Outgoing): BusError | undefined {
    if (!this.#systemReplies && isSystemSubject(reply.subject)) {
      const isFirst = !this.#hasRefused
      this.#hasRefused = true
      this.#onRefused(systemReplyError(reply.subject), isFirst)
      return undefined
    }
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

  /** Like `flush`, but replies that were lost with a connection that comes back are reported like refused ones. */
  async settle(): Promise<void> {
    for (;;) {
      try {
        return await this.flush()
      } catch (error) {
        if (!isFailure(error, 'connect') || error.data?.['unconfirmed'] === undefined) throw error
        this.#onRefused(error, true)
      }
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
    await flushReplies(this.#bus, (subject, failure) => {
      if (!this.#open.has(subject)) return false
      this.#report(subject, failure)
      return true
    })
    this.#forget(last)
  }

  /** Forgets replies up to the one with this number. */
  #forget(last: number): void {
    for (const [subject, number] of this.#open) {
      if (number > last) return
      this.#open.delete(subject)
    }
  }

  #report(subject: string, failure: BusError): void {
    const isFirst = !this.#reported.has(subject) && this.#reported.size < mostReported
    if (isFirst) this.#reported.add(subject)
    this.#onRefused(failure, isFirst)
  }
}

/**
 * Flushes. Messages that the server refuses are passed to `onRefused`, which returns false if one is not a reply. Rejects with
 * the failure of such a message, and if the bus fails.
 */
export async function flushReplies(
  bus: Pick<Transport, 'flush'>,
  onRefused: (subject: string, failure: BusError) => boolean,
): Promise<void> {
  for (;;) {
    try {
      return await bus.flush()
    } catch (error) {
      if (!isFailure(error, 'denied')) throw error
      const all = [error, ...(error instanceof PublishRefused ? error.further : [])]
      const [other] = all.filter((one) => !onRefused(String(one.data?.['subject']), one))
      if (other !== undefined) throw other
    }
  }
}

/** The headers of a service error reply (ADR-32). A header value is one line. */
export function faultHeaders({code, text}: {readonly code: number; readonly text: string}): Headers {
  return [
    ['Nats-Service-Error', text.replace(/[\r\n\0]+/g, ' ')],
    ['Nats-Service-Error-Code', String(code)],
  ]
}
