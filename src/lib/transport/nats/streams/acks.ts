/**
 * Sends acknowledgements of deliveries, and keeps each until the server has confirmed it. Those that settle a message are
 * confirmed together: a server handles them in order, so its answer to one covers the earlier ones. A negative acknowledgement
 * and a termination have an effect each time they arrive, so each is sent once, with a reply subject of its own.
 * Acknowledgements that were not confirmed when the connection was lost are sent again after the reconnect.
 */
import {BusError} from '../../../core/errors.ts'
import {sleep, whenAborted} from '../../../core/time/timer.ts'
import {isNoResponders} from '../headers.ts'
import {leaderWaitMs} from './elections.ts'
import type {ConnectionListener, InboxShare, JetStreamSession} from './session.ts'

interface Acknowledgement {
  readonly subject: Uint8Array
  readonly word: string
  /** It must not be sent twice over one connection. */
  readonly isOnce: boolean
}

/** Number of acknowledgements after which the server is asked to confirm them. */
const mostUnconfirmed = 1024
/** The delay between two requests for confirmation while a leader is elected. */
const repeatMs = 250

export class NatsAcks implements Pick<ConnectionListener, 'onReconnect'> {
  readonly #session: JetStreamSession
  readonly #consumer: string
  /** Unconfirmed acknowledgements, in the order in which they were sent. */
  readonly #waiting = new Map<number, Acknowledgement>()
  #share: InboxShare | undefined
  #sent = 0
  #reconnectedAt = Number.NEGATIVE_INFINITY
  /** The last acknowledgement whose confirmation was requested. */
  #asked = -1
  #answered = Promise.withResolvers<void>()
  /** The server refuses acknowledgements. */
  #failure: unknown
  /** Unconfirmed acknowledgements were reported, to the reader or by `flush`. */
  #isReported = false
  /** Nobody received the last request for confirmation. */
  #isUnheard = false

  /** `consumer` is its name in errors. */
  constructor(session: JetStreamSession, consumer: string) {
    this.#session = session
    this.#consumer = consumer
  }

  /** Settles a message. */
  ack(subject: Uint8Array): void {
    const index = this.#add({subject, word: '', isOnce: false})
    if (index - this.#asked >= mostUnconfirmed) this.#send(index, true)
    else this.#send(index, false)
  }

  /** Sends a reply with its own confirmation: the message is redelivered, or never again. */
  once(subject: Uint8Array, word: string): void {
    this.#send(this.#add({subject, word, isOnce: true}), true)
  }

  /** Sends a reply that may be lost. */
  say(subject: Uint8Array, word: string): void {
    this.#session.answer(subject, word)
  }

  /**
   * Call if the server refuses acknowledgements: no more will be confirmed. `isReported` means that the reader gets the
   * failure.
   */
  refused(failure: unknown, isReported: boolean): void {
    this.#failure ??= failure
    this.#isReported ||= isReported
    this.#answered.resolve()
  }

  onReconnect(): void {
    this.#reconnectedAt = performance.now()
    for (const index of this.#waiting.keys()) this.#send(index, true)
  }

  /**
   * Resolves when all are confirmed. Fails with `denied` if they are refused, with `timeout` if nobody confirms, with `connect` if
   * the connection is lost when `leave` aborts, or after that.
   */
  async flush(leave?: AbortSignal): Promise<void> {
    if (this.#waiting.size === 0) return
    try {
      await this.#confirmed(() => this.#connected(leave))
    } catch (error) {
      this.#isReported = true
      throw error
    }
  }

  /** Like `flush`, but does not wait for a connection and does not fail. Returns the number of unconfirmed acknowledgements. */
  async close(): Promise<number> {
    if (this.#waiting.size > 0 && this.#session.isUp && this.#failure === undefined && !this.#isReported) {
      // The caller reports unconfirmed acknowledgements.
      await this.#confirmed(async () => this.#session.check()).catch(() => {})
    }
    this.#share?.close()
    return this.#isReported ? 0 : this.#waiting.size
  }

  async #connected(leave: AbortSignal | undefined): Promise<void> {
    if (leave === undefined) return this.#session.ready()
    using left = whenAborted(leave)
    await Promise.race([this.#session.ready(), left.promise])
    if (!this.#session.isUp) throw this.#unconfirmed('connect', 'the connection is lost')
  }

  async #confirmed(connected: () => Promise<void>): Promise<void> {
    let since = performance.now()
    this.#isUnheard = false
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure
      if (this.#waiting.size === 0) return
      if (!this.#session.isUp) {
        await connected()
        since = performance.now()
      }
      const before = this.#waiting.size
      const isRecovering = this.#isRecovering
      const forMs = performance.now() - since
      if (
        forMs >= (isRecovering ? leaderWaitMs : this.#session.answerTimeoutMs()) ||
        (this.#isUnheard && !isRecovering)
      )
        throw this.#late(forMs)
      this.#ask(isRecovering && forMs >= repeatMs)
      this.#answered = Promise.withResolvers()
      using stop = new Stop()
      await Promise.race([this.#answered.promise, sleep(repeatMs, stop.signal)])
      if (this.#waiting.size < before) since = performance.now()
    }
  }

  /** Whether the consumer may have no leader for a while, or its server was started a moment ago. */
  get #isRecovering(): boolean {
    return this.#session.elections.isClustered || performance.now() - this.#reconnectedAt < leaderWaitMs
  }

  /**
   * Requests a confirmation of the last one, unless that was done. With `again` all are sent again, since what nobody received is
   * lost; those that are sent once only if nobody received them.
   */
  #ask(again: boolean): void {
    if (!this.#session.isUp) return
    const repeatable = [...this.#waiting].filter(([, {isOnce}]) => !isOnce)
    const last = repeatable.at(-1)?.[0]
    if (again) for (const [index] of repeatable.slice(0, -1)) this.#send(index, false)
    if (last !== undefined && (again || this.#asked < last)) this.#send(last, true)
    if (again && this.#isUnheard) {
      this.#isUnheard = false
      for (const [index, {isOnce}] of this.#waiting) if (isOnce) this.#send(index, true)
    }
  }

  #add(acknowledgement: Acknowledgement): number {
    const index = this.#sent++
    this.#waiting.set(index, acknowledgement)
    return index
  }

  /** While the connection is lost nothing is sent: the reconnect sends everything. */
  #send(index: number, confirm: boolean): void {
    const acknowledgement = this.#waiting.get(index)
    if (acknowledgement === undefined || !this.#session.isUp) return
    const {subject, word, isOnce} = acknowledgement
    if (!confirm) {
      this.#session.answer(subject, word)
      return
    }
    this.#share ??= this.#session.route({
      arrived: (at, data, headerSize) => this.#arrived(at, isNoResponders(data, headerSize)),
      refused: (failure) => this.refused(failure, false),
    })
    if (!isOnce) this.#asked = index
    this.#session.answer(subject, word, this.#share.prefix + index)
  }

  #arrived(index: number, isUnheard: boolean): void {
    this.#isUnheard = isUnheard
    if (!isUnheard) {
      const isOnce = this.#waiting.get(index)?.isOnce
      this.#waiting.delete(index)
      if (isOnce === false)
        for (const [at, each] of this.#waiting) if (at < index && !each.isOnce) this.#waiting.delete(at)
    }
    this.#answered.resolve()
  }

  #late(forMs: number): BusError {
    const why = this.#isUnheard ? 'nobody receives them' : `no answer within ${(forMs / 1000).toFixed(1)} s`
    return this.#unconfirmed('timeout', why)
  }

  #unconfirmed(kind: 'timeout' | 'connect', why: string): BusError {
    const count = this.#waiting.size
    const what = count === 1 ? 'an acknowledgement' : `${count} acknowledgements`
    const sentence = `${this.#session.url} did not confirm ${what} to ${this.#consumer}: ${why}; the messages may be redelivered`
    return new BusError(kind, sentence, {data: {unconfirmed: count}})
  }
}

/** Aborts when it is closed. */
class Stop implements Disposable {
  readonly #controller = new AbortController()

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  [Symbol.dispose](): void {
    this.#controller.abort()
  }
}
