/**
 * Runs a durable subscription: passes one message at a time to the handler and fetches more meanwhile, so that a distant server
 * costs no round trip per message. Extends the ack wait of all messages in progress.
 */
import {Deliveries} from '../../transport/deliveries.ts'
import type {ConsumerInfo, Consuming, Delivery} from '../../transport/streams-contract.ts'

/** Largest number of messages in progress. */
const mostInProgress = 32

/** How often it checks whether to stop. */
const lookMs = 100

/** The delay before a message is redelivered after its handler failed, growing with each delivery. */
const pauseMs = [100, 1000, 5000, 30_000]

export interface PumpParts {
  readonly consuming: Consuming
  readonly config: ConsumerInfo['config']
  readonly handle: (delivery: Delivery) => void | Promise<void>
  readonly onFailure: (delivery: Delivery, error: unknown) => void
  /** Ends it once the running handler has finished; other messages are returned. */
  readonly stop: AbortSignal
}

export class Pump {
  readonly #parts: PumpParts
  readonly #deliveries = new Deliveries()
  /** Messages in progress, in order; the first is with the handler. */
  readonly #waiting: Delivery[] = []
  #isOver = false
  #wake: () => void = () => {}

  constructor(parts: PumpParts) {
    this.#parts = parts
  }

  /** Resolves when it was stopped, the bus has all settlements, and the consumer was released. Fails as `take` does. */
  async run(): Promise<void> {
    const {consuming, config} = this.#parts
    const alive = this.#deliveries.keepAlive(config)
    try {
      await Promise.all([this.#fetch(), this.#handle()])
      await consuming.flush()
    } finally {
      alive.cancel()
      this.#deliveries.giveAllBack()
      await consuming.close()
    }
  }

  async #fetch(): Promise<void> {
    const {consuming, stop} = this.#parts
    try {
      while (!stop.aborted && !consuming.ended) {
        const room = mostInProgress - this.#waiting.length
        if (room === 0) await this.#change()
        else this.#waiting.push(...this.#deliveries.add(await consuming.take(room, lookMs)))
        this.#wake()
      }
    } finally {
      this.#isOver = true
      this.#wake()
    }
  }

  async #handle(): Promise<void> {
    while (!this.#parts.stop.aborted) {
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
      await this.#parts.handle(delivery)
      this.#deliveries.settle(delivery, 'ack')
    } catch (error) {
      this.#deliveries.giveBack(delivery, pauseMs[Math.min(delivery.deliveries, pauseMs.length) - 1])
      this.#parts.onFailure(delivery, error)
    }
  }

  /** Either the fetching or the handling side waits for the other, never both. */
  #change(): Promise<void> {
    const {promise, resolve} = Promise.withResolvers<void>()
    this.#wake = resolve
    return promise
  }
}
