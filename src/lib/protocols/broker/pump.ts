/**
 * Runs a durable subscription: passes one message at a time to the handler and fetches more meanwhile, so that a distant server
 * costs no round trip per message. Extends the ack wait of all messages in progress.
 */

import {laterSignal} from '../../core/time/timer.ts'
import type {StallWatch} from '../../messaging/stored/stall.ts'
import {Deliveries, isLimited, lostWaitMs} from '../../transport/deliveries.ts'
import type {ConsumerInfo, Consumers, Consuming, Delivery} from '../../transport/streams-contract.ts'

/** Largest number of messages in progress. Each one that is returned has used a delivery, so it is 1 if those are limited. */
const mostInProgress = 32

/** How often it checks whether to stop. */
const lookMs = 100
/** How often it checks whether held acknowledgements may be sent. */
const askMs = 500

/** The delay before a message is redelivered after its handler failed, growing with each delivery. */
const pauseMs = [100, 1000, 5000, 30_000]

export interface PumpDeps {
  readonly consuming: Consuming
  readonly info: ConsumerInfo
  readonly consumers: Consumers
  readonly handle: (delivery: Delivery) => void | Promise<void>
  readonly onFailure: (delivery: Delivery, error: unknown) => void
  /** Reports why nothing comes. */
  readonly watch: StallWatch
  /**
   * Ends it once the running handler has finished; other messages are returned. If deliveries are limited, those that a server
   * has already delivered are handled first.
   */
  readonly stop: AbortSignal
}

export class Pump {
  readonly #deps: PumpDeps
  readonly #deliveries: Deliveries
  readonly #isLimited: boolean
  /** When the consumer was last asked for messages in flight to others. */
  #askedAt = 0
  /** Messages in progress, in order; the first is with the handler. */
  readonly #waiting: Delivery[] = []
  #isOver = false
  #wake: () => void = () => {}

  constructor(deps: PumpDeps) {
    this.#deps = deps
    this.#deliveries = new Deliveries(deps.info)
    this.#isLimited = isLimited(deps.info)
  }

  /** Resolves when it was stopped, the bus has all settlements, and the consumer was released. Fails as `take` does. */
  async run(): Promise<void> {
    const {consuming} = this.#deps
    const alive = this.#deliveries.keepAlive()
    // A failure occurs again when messages are taken.
    const finish = () => void consuming.finish().catch(() => {})
    if (this.#isLimited) this.#deps.stop.addEventListener('abort', finish)
    try {
      await Promise.all([this.#fetch(), this.#handle()])
      if (this.#deliveries.held > 0 && (await this.#deliveries.ask(this.#deps.consumers)).others > 0) {
        throw this.#deliveries.heldError()
      }
      await consuming.flush(laterSignal(this.#deps.stop, lostWaitMs.complete))
    } finally {
      this.#deps.stop.removeEventListener('abort', finish)
      alive.cancel()
      this.#deliveries.giveAllBack()
      await consuming.close()
    }
  }

  /** Whether messages that were delivered are returned now. */
  get #isStopped(): boolean {
    return this.#deps.stop.aborted && !this.#isLimited
  }

  async #fetch(): Promise<void> {
    const {consuming} = this.#deps
    const most = this.#isLimited ? 1 : mostInProgress
    try {
      while (!this.#isStopped && !consuming.ended) {
        const room = most - this.#waiting.length
        if (room === 0) await this.#change()
        else await this.#take(room)
        this.#wake()
      }
    } finally {
      this.#isOver = true
      this.#wake()
    }
  }

  async #take(max: number): Promise<void> {
    const {consuming, consumers, watch} = this.#deps
    watch.waits()
    const taken = await consuming.take(max, lookMs)
    watch.waited(taken.length, consuming, this.#deliveries.size)
    this.#waiting.push(...this.#deliveries.add(taken))
    const isHeld = taken.length === 0 && this.#deliveries.held > 0
    if (!isHeld || performance.now() - this.#askedAt < askMs) return
    this.#askedAt = performance.now()
    await this.#deliveries.ask(consumers)
  }

  async #handle(): Promise<void> {
    while (!this.#isStopped) {
      const [next] = this.#waiting
      if (next === undefined) {
        if (this.#isOver) return
        await this.#change()
      } else {
        await this.#deliver(next)
        this.#waiting.shift()
        this.#wake()
      }
    }
    this.#wake()
  }

  async #deliver(delivery: Delivery): Promise<void> {
    try {
      await this.#deps.handle(delivery)
      this.#deliveries.settle(delivery, 'ack')
    } catch (error) {
      this.#deliveries.giveBack(delivery, pauseMs[Math.min(delivery.deliveries, pauseMs.length) - 1])
      this.#deps.onFailure(delivery, error)
    }
  }

  /** Either the fetching or the handling side waits for the other, never both. */
  #change(): Promise<void> {
    const {promise, resolve} = Promise.withResolvers<void>()
    this.#wake = resolve
    return promise
  }
}
