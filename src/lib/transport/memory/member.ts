/** A member of a consumer. It claims only what is taken, so nothing has to be returned. */
import type {BusError} from '../../core/errors.ts'
import {TakeQueue} from '../shared/take-queue.ts'
import {type ConsumeOptions, type ConsumerInfo, type Consuming, Delivery} from '../streams-contract.ts'
import type {ConsumerMember, MemoryConsumer} from './consumer.ts'

export class MemoryMember implements Consuming, ConsumerMember {
  readonly #stream: string
  readonly #consumer: MemoryConsumer
  readonly #queue: TakeQueue<Delivery>
  readonly #onClose: () => void
  readonly joined: ConsumerInfo
  gaps = 0
  /** The last message that the consumer had delivered after this member's last claim. */
  #delivered: number

  constructor(stream: string, consumer: MemoryConsumer, options: ConsumeOptions, onClose: () => void) {
    this.#stream = stream
    this.#consumer = consumer
    this.#onClose = onClose
    this.#queue = new TakeQueue({
      max: options.max,
      signal: options.signal,
      onAbort: () => void this.close(),
      refill: (max) => this.#claim(max),
    })
    consumer.members.add(this)
    this.joined = consumer.info
    this.#delivered = this.joined.deliveredSeq
  }

  get ended(): boolean {
    return this.#queue.ended
  }

  take(max: number, waitMs?: number): Promise<readonly Delivery[]> {
    return this.#queue.take(max, waitMs)
  }

  wake(): void {
    this.#queue.wake()
  }

  fail(failure: BusError): void {
    this.#queue.fail(failure)
    void this.close()
  }

  ack({seq = 0}: Delivery): void {
    this.#consumer.settle(seq)
  }

  nak({seq = 0}: Delivery, delayMs = 0): void {
    this.#consumer.postpone(seq, delayMs)
  }

  term({seq = 0}: Delivery, reason = ''): void {
    this.#consumer.terminate(seq, reason)
  }

  working({seq = 0}: Delivery): void {
    this.#consumer.postpone(seq)
  }

  async flush(): Promise<void> {}

  async finish(): Promise<boolean> {
    await this.close()
    return false
  }

  async close(): Promise<void> {
    if (this.#queue.closed) return
    this.#queue.end()
    this.#consumer.members.delete(this)
    this.#onClose()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #claim(max: number): void {
    const place = {stream: this.#stream, consumer: this.#consumer.config.name}
    if (this.#consumer.deliveredSeq !== this.#delivered) this.gaps++
    for (const {message, ...claim} of this.#consumer.claim(Math.min(max, this.#queue.room))) {
      this.#queue.hold(new Delivery(this, {...place, ...claim, time: message.time}, message))
    }
    this.#delivered = this.#consumer.deliveredSeq
  }
}
