/**
 * A publisher's window: counts messages waiting for their acknowledgement, wakes callers that wait for room or for the end,
 * records what was acknowledged, and enforces the deadline. A driver sends the messages and reports the outcome of each.
 */
import {BusError, closedError, interruptedError} from '../../core/errors.ts'
import type {Outgoing} from '../../core/message.ts'
import {Timer} from '../../core/time/timer.ts'
import type {PublisherOptions, Stored, StreamPublisher} from '../streams-contract.ts'
import {lateError, placed} from './stream-errors.ts'

/** How long an acknowledgement may take by default. */
export const ackTimeoutMs = 5000

/** The default window, which grows with the time that an acknowledgement takes. */
const leastWindow = 1000
/** The largest one. A server refuses messages once 10,000 wait for a stream. */
export const mostWindow = 8000
/** Messages per millisecond that the default window allows for. */
const windowPerMs = 16

/** A full window is refilled once this part of it is free, because each refill costs a write and a wake-up of the server. */
const refillPart = 8

export abstract class PublishWindow implements StreamPublisher {
  protected readonly url: string
  protected readonly timeoutMs: number
  readonly #options: PublisherOptions
  #size: number
  /** The shortest time that an acknowledgement has taken, in milliseconds. */
  #latencyMs = Number.POSITIVE_INFINITY
  #pushed = 0
  #settled = 0
  /** Messages that were settled at the last check; -1 before the first. */
  #settledBefore = -1
  #failure: unknown
  /** Nothing is waited for any more. */
  #isGivenUp = false
  #isClosed = false
  #room: PromiseWithResolvers<void> | undefined
  #flush: PromiseWithResolvers<void> | undefined
  #timer: Timer | undefined
  acknowledged = 0
  duplicates = 0
  last: Stored | undefined

  constructor(url: string, options: PublisherOptions = {}) {
    this.url = url
    this.#options = options
    this.#size = Math.max(1, options.window ?? leastWindow)
    this.timeoutMs = options.timeoutMs ?? ackTimeoutMs
    options.signal?.addEventListener('abort', this.#abort)
    if (!options.signal?.aborted) return
    this.#isGivenUp = true
    this.#failure = placed(interruptedError(), 0)
  }

  /** Sends the message with this index among those pushed. Throws as `push` does for an invalid one. */
  protected abstract send(message: Outgoing, index: number): void

  push(message: Outgoing): Promise<void> | undefined {
    if (this.#isClosed) throw closedError(this.url)
    if (this.#failure !== undefined) return quiet(Promise.reject(this.#failure))
    this.send(message, this.#pushed)
    this.#pushed++
    if (this.#timer === undefined) {
      this.#settledBefore = -1
      this.watch()
    }
    if (this.open < this.#size) return undefined
    if (this.#room === undefined) {
      this.#room = Promise.withResolvers()
      quiet(this.#room.promise)
    }
    return this.#room.promise
  }

  async flush(): Promise<void> {
    if (this.open > 0 && !this.#isGivenUp) {
      this.#flush ??= Promise.withResolvers()
      await this.#flush.promise
    }
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Waits for the acknowledgements. Does not fail: `push` and `flush` report failures. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return
    await this.flush().catch(() => {})
    this.#isClosed = true
    this.#timer?.cancel()
    this.#options.signal?.removeEventListener('abort', this.#abort)
    this.closed()
  }

  /** The number of unacknowledged messages. */
  protected get open(): number {
    return this.#pushed - this.#settled
  }

  /** The number of messages acknowledged or refused. */
  protected get settledCount(): number {
    return this.#settled
  }

  /** Reports how long an acknowledgement took, in milliseconds. The shortest time counts. */
  protected adapt(latencyMs: number): void {
    if (this.#options.window !== undefined || latencyMs >= this.#latencyMs) return
    this.#latencyMs = latencyMs
    this.#size = Math.round(Math.min(Math.max(latencyMs * windowPerMs, leastWindow), mostWindow))
  }

  /** Reports the outcome of a message. */
  protected settle(index: number, outcome: Stored | BusError): void {
    if (outcome instanceof BusError) this.refuse(index, outcome)
    else {
      this.#settled++
      this.acknowledged++
      if (outcome.duplicate) this.duplicates++
      if (outcome.seq >= (this.last?.seq ?? 0)) this.last = outcome
      this.#options.onStored?.(index, outcome)
      this.#wake()
    }
  }

  /** Reports the acknowledgement of a message that has already failed. */
  protected storedLate(index: number, stored: Stored): void {
    this.acknowledged++
    if (stored.duplicate) this.duplicates++
    this.#options.onStored?.(index, stored)
  }

  /** Reports that a message was not stored; the others are still waited for. */
  protected refuse(index: number, error: unknown): void {
    this.#settled++
    const {onRefused} = this.#options
    if (onRefused === undefined) this.#fail(error, index)
    else onRefused(index, error)
    this.#wake()
  }

  /** The first message without its acknowledgement. */
  protected get oldest(): {readonly index: number; readonly subject: string} {
    return {index: this.#settled, subject: ''}
  }

  /** Stops waiting for acknowledgements. */
  protected giveUp(error: unknown, index = this.oldest.index): void {
    this.#isGivenUp = true
    this.#fail(error, index)
    this.#wake()
  }

  /** Schedules the next check for late messages. */
  protected watch(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    const waitMs = this.#isClosed || this.#isGivenUp ? undefined : this.look()
    if (waitMs === undefined) return
    // Messages that arrived while we were too busy to read are read first.
    this.#timer = new Timer(Math.max(1, waitMs), () => setImmediate(() => this.watch())).unref()
  }

  /** Fails late messages; returns the milliseconds until the next check, if one is needed. */
  protected look(): number | undefined {
    if (this.open === 0) return undefined
    const isStill = this.#settled === this.#settledBefore
    this.#settledBefore = this.#settled
    if (!isStill) return this.timeoutMs
    const {index} = this.oldest
    this.giveUp(this.late(), index)
    return undefined
  }

  /** The error of messages that were not acknowledged in time. */
  protected late(): BusError {
    return lateError(this.url, this.oldest.subject, this.timeoutMs)
  }

  /** Called after it was closed: everything is settled or given up. */
  protected closed(): void {}

  readonly #abort = (): void => this.giveUp(interruptedError())

  #fail(error: unknown, index: number): void {
    this.#failure ??= placed(error, index)
    this.#room?.reject(this.#failure)
    this.#room = undefined
  }

  #wake(): void {
    if (this.#room !== undefined && this.open <= this.#size - Math.ceil(this.#size / refillPart)) {
      this.#room.resolve()
      this.#room = undefined
    }
    if (this.#flush === undefined || (this.open > 0 && !this.#isGivenUp)) return
    this.#flush.resolve()
    this.#flush = undefined
  }
}

/** `flush` reports its failure too, so it need not be awaited. */
function quiet(promise: Promise<void>): Promise<void> {
  promise.catch(() => {})
  return promise
}
