/**
 * A durable subscription at work: one message at a time goes to the handler, and while it works some more are fetched,
 * so that a distant server costs no round trip per message. The ack wait of all messages in progress is extended.
 */
import {Interval} from '../../core/time/timer.ts'
import type {ConsumerInfo, Consuming, Delivery} from '../../transport/streams-contract.ts'

/** Largest number of messages in progress. */
const mostInHand = 32

/** How often it looks whether it is to stop. */
const lookMs = 100

/** How long a message is left alone after its handler failed, growing with each delivery. */
const pauseMs = [100, 1000, 5000, 30_000]

export interface PumpParts {
  readonly consuming: Consuming
  readonly config: ConsumerInfo['config']
  readonly handle: (delivery: Delivery) => void | Promise<void>
  readonly onFailure: (delivery: Delivery, error: unknown) => void
  /** Ends it once the running handler is done; other messages are returned. */
  readonly stop: AbortSignal
}

export class Pump {
  readonly #parts: PumpParts
  readonly #inHand: Delivery[] = []
  #isOver = false
  #wake: () => void = () => {}

  constructor(parts: PumpParts) {
    this.#parts = parts
  }

  /** Resolves when it was stopped, all that it said is with the bus, and the consumer is left. Fails as `take` does. */
  async run(): Promise<void> {
    const {consuming, config} = this.#parts
    const alive = new Interval(Math.min(config.ackWaitMs, ...config.backoffMs) / 3, () => this.#stillAtWork())
    try {
      await Promise.all([this.#fetch(), this.#handle()])
    } finally {
      alive.cancel()
      for (const delivery of this.#inHand) delivery.nak()
      await consuming.close()
    }
  }

  async #fetch(): Promise<void> {
    const {consuming, stop} = this.#parts
    try {
      while (!stop.aborted && !consuming.ended) {
        const room = mostInHand - this.#inHand.length
        if (room === 0) await this.#change()
        else this.#inHand.push(...(await consuming.take(room, lookMs)))
        this.#wake()
      }
    } finally {
      this.#isOver = true
      this.#wake()
    }
  }

  async #handle(): Promise<void> {
    while (!this.#parts.stop.aborted) {
      const [next] = this.#inHand
      if (next === undefined) {
        if (this.#isOver) return
        await this.#change()
      } else {
        await this.#deliver(next)
        this.#inHand.shift()
        this.#wake()
      }
    }
    this.#wake()
  }

  async #deliver(delivery: Delivery): Promise<void> {
    try {
      await this.#parts.handle(delivery)
      delivery.ack()
    } catch (error) {
      delivery.nak(pauseMs[Math.min(delivery.deliveries, pauseMs.length) - 1])
      this.#parts.onFailure(delivery, error)
    }
  }

  #stillAtWork(): void {
    for (const delivery of this.#inHand) delivery.working()
  }

  /** One of the two waits for the other, never both. */
  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }
}
