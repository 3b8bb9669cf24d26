import type {Message} from '../../core/message.ts'
import type {Subscription} from '../../transport/contract.ts'
import {eachTaken} from '../../transport/shared/mailbox.ts'

/** One subscription after another, as one; the second is opened when the first has ended. */
export class JoinedSubscription implements Subscription {
  readonly #open: () => Promise<Subscription>
  #now: Subscription
  #isSecond = false
  #isOver = false

  constructor(first: Subscription, second: () => Promise<Subscription>) {
    this.#now = first
    this.#open = second
  }

  get dropped(): number {
    return this.#now.dropped
  }

  async take(max: number): Promise<readonly Message[]> {
    const messages = await this.#now.take(max)
    if (messages.length > 0 || this.#isSecond || this.#isOver) return messages
    this.#isSecond = true
    const next = await this.#open().catch((error: unknown) => {
      // It was ended while the second was being opened, which Ctrl-C also interrupts.
      if (!this.#isOver) throw error
    })
    if (next === undefined) return []
    await this.#now.close()
    this.#now = next
    if (this.#isOver) await next.close()
    return next.take(max)
  }

  drain(): Promise<void> {
    this.#isOver = true
    return this.#now.drain()
  }

  close(): Promise<void> {
    this.#isOver = true
    return this.#now.close()
  }

  [Symbol.asyncIterator](): AsyncIterator<Message> {
    return eachTaken(this)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
