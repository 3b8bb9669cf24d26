/** A member of a consumer. It claims only what is taken, so that there is nothing to give back. */
import type {BusError} from '../../core/errors.ts'
import {type ConsumeOptions, type Consuming, Delivery} from '../streams-contract.ts'
import type {ConsumerMember, MemoryConsumer} from './consumer.ts'

interface Waiting {
  readonly max: number
  readonly timer: NodeJS.Timeout | undefined
  resolve(taken: readonly Delivery[]): void
  reject(failure: BusError): void
}

export class MemoryMember implements Consuming, ConsumerMember {
  readonly #stream: string
  readonly #consumer: MemoryConsumer
  readonly #signal: AbortSignal | undefined
  readonly #onClose: () => void
  #left: number
  #waiting: Waiting | undefined
  #closed = false
  #failure: BusError | undefined

  constructor(stream: string, consumer: MemoryConsumer, options: ConsumeOptions, onClose: () => void) {
    this.#stream = stream
    this.#consumer = consumer
    this.#left = options.max ?? Number.POSITIVE_INFINITY
    this.#signal = options.signal
    this.#onClose = onClose
    consumer.members.add(this)
    options.signal?.addEventListener('abort', this.#abort)
  }

  get ended(): boolean {
    return this.#closed || this.#left <= 0
  }

  async take(max: number, waitMs?: number): Promise<readonly Delivery[]> {
    if (this.#waiting !== undefined) throw new Error('a consumer has one reader at a time')
    if (this.#failure !== undefined) throw this.#failure
    if (this.ended) return []
    const taken = this.#claim(max)
    if (taken.length > 0) return taken
    return new Promise((resolve, reject) => {
      const timer = waitMs === undefined ? undefined : setTimeout(() => this.#give([]), waitMs)
      this.#waiting = {max, timer, resolve, reject}
    })
  }

  wake(): void {
    if (this.#waiting === undefined) return
    const taken = this.#claim(this.#waiting.max)
    if (taken.length > 0) this.#give(taken)
  }

  fail(failure: BusError): void {
    this.#failure = failure
    const waiting = this.#waiting
    this.#waiting = undefined
    clearTimeout(waiting?.timer)
    waiting?.reject(failure)
    void this.close()
  }

  ack({seq = 0}: Delivery): void {
    this.#consumer.settle(seq)
  }

  nak({seq = 0}: Delivery, delayMs = 0): void {
    this.#consumer.postpone(seq, delayMs)
  }

  term({seq = 0}: Delivery): void {
    this.#consumer.settle(seq)
  }

  working({seq = 0}: Delivery): void {
    this.#consumer.postpone(seq)
  }

  async flush(): Promise<void> {}

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#consumer.members.delete(this)
    this.#signal?.removeEventListener('abort', this.#abort)
    this.#give([])
    this.#onClose()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  readonly #abort = (): void => void this.close()

  #give(taken: readonly Delivery[]): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    clearTimeout(waiting?.timer)
    waiting?.resolve(taken)
  }

  #claim(max: number): Delivery[] {
    const claims = this.#consumer.claim(Math.min(max, this.#left))
    this.#left -= claims.length
    const place = {stream: this.#stream, consumer: this.#consumer.config.name}
    return claims.map(({message, ...claim}) => {
      const {subject, payload, headers, time} = message
      return new Delivery(this, {...place, ...claim, time}, subject, payload, headers)
    })
  }
}
