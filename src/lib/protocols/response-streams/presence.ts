/**
 * Detects whether the response streams that we write are still read. A consumer of the later dialect is asked by heartbeats.
 * One of the first dialect cannot be asked, and its producers never stopped; but its inbox is a wildcard subscription that
 * ignores unknown tokens. So a request to an unused token gets no reply while the consumer exists, and fails with no responders
 * once it is gone.
 */
import {isFailure} from '../../core/errors.ts'
import {isSystemSubject} from '../../core/subject.ts'
import type {Transport} from '../../transport/contract.ts'
import {streamInboxPrefix} from '../../transport/shared/outgoing.ts'
import type {Consumer} from './dialects.ts'
import {decodeHeartbeatReply, encodeHeartbeat} from './heartbeats.ts'

/** How a server detects that its consumers are gone. */
export interface PresenceOptions {
  /** Milliseconds between two checks; default 10,000. */
  readonly everyMs?: number | undefined
  /** How long a reply may take, in milliseconds; default 5,000. */
  readonly timeoutMs?: number | undefined
}

/** A response stream that is being written. */
export interface Written {
  /** The subject that it was requested on. */
  readonly subject: string
  readonly reply: string
  /** In the later dialect. */
  readonly consumer: Consumer | undefined
  /** Called once, when it is no longer read. */
  readonly onGone: () => void
}

/** Not eight letters and digits, unlike the tokens of response streams. */
const noStream = 'are-you-there'

export class Presence implements Disposable {
  readonly #bus: Transport
  readonly #timeoutMs: number
  readonly #streams = new Set<Written>()
  /** Named as not active by the last reply of their consumer. */
  readonly #doubted = new WeakSet<Written>()
  readonly #timer: NodeJS.Timeout

  constructor(bus: Transport, {everyMs = 10_000, timeoutMs = 5000}: PresenceOptions = {}) {
    this.#bus = bus
    this.#timeoutMs = timeoutMs
    this.#timer = setInterval(() => this.#askAll(), everyMs).unref()
  }

  add(stream: Written): void {
    this.#streams.add(stream)
  }

  remove(stream: Written): void {
    this.#streams.delete(stream)
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  #askAll(): void {
    const byQuestion = new Map<string, Written[]>()
    for (const stream of this.#streams) {
      const question = questionFor(stream)
      if (question !== undefined) byQuestion.set(question, [...(byQuestion.get(question) ?? []), stream])
    }
    for (const [subject, streams] of byQuestion) {
      const isLater = streams[0]?.consumer !== undefined
      void (isLater ? this.#heartbeat(subject, streams) : this.#probe(subject, streams))
    }
  }

  /**
   * Without a reply in time, all of them count as gone, as in every producer of this dialect. A response stream that the consumer
   * names as not active counts as gone after the second reply: consumers of bacalhau name live ones for five seconds after
   * they have opened another one on the subject.
   */
  async #heartbeat(subject: string, streams: readonly Written[]): Promise<void> {
    const active = new Map<string, string[]>()
    for (const {subject: requested, consumer} of streams) {
      active.set(requested, [...(active.get(requested) ?? []), consumer?.token ?? ''])
    }
    try {
      const data = encodeHeartbeat(active)
      const {payload} = await this.#bus.request({subject, data}, {timeoutMs: this.#timeoutMs})
      const unwanted = decodeHeartbeatReply(payload)
      const named = new Set(streams.filter((one) => unwanted?.get(one.subject)?.includes(one.consumer?.token ?? '')))
      this.#gone([...named].filter((stream) => this.#doubted.has(stream)))
      for (const stream of streams) {
        if (named.has(stream)) this.#doubted.add(stream)
        else this.#doubted.delete(stream)
      }
    } catch (error) {
      if (isFailure(error, 'timeout', 'noResponders')) this.#gone(streams)
    }
  }

  async #probe(subject: string, streams: readonly Written[]): Promise<void> {
    try {
      await this.#bus.request({subject}, {timeoutMs: this.#timeoutMs})
    } catch (error) {
      if (isFailure(error, 'noResponders')) this.#gone(streams)
    }
  }

  #gone(streams: readonly Written[]): void {
    for (const stream of streams) {
      if (this.#streams.delete(stream)) stream.onGone()
    }
  }
}

/** The subject to ask on; undefined for a reply subject that is not an inbox of a stream client. */
function questionFor({reply, consumer}: Written): string | undefined {
  if (consumer !== undefined) {
    const {heartbeat} = consumer
    return heartbeat === '' || isSystemSubject(heartbeat) ? undefined : heartbeat
  }
  const inbox = reply.slice(0, reply.lastIndexOf('.') + 1)
  return inbox.startsWith(streamInboxPrefix) && inbox.length > streamInboxPrefix.length ? inbox + noStream : undefined
}
