import type {Message} from '../../core/message.ts'
import type {Subscription} from '../subscription.ts'
import {TakeQueue, type TakeQueueOptions} from './take-queue.ts'

export interface MailboxOptions extends Pick<TakeQueueOptions, 'refill' | 'failure' | 'signal'> {
  /** Largest number of messages to hold (unlimited by default); later ones are dropped and counted. */
  readonly limit?: number | undefined
  /** Largest number of bytes to hold (default 256 MiB, 256 B of each message included), likewise; one message always fits. */
  readonly limitBytes?: number | undefined
  /** Called when a drain begins, before the remaining messages are taken. */
  readonly onDrain?: (() => void) | undefined
  /** Called once, when the mailbox ends: by `close`, by the reader leaving, after a drain or a failure. */
  readonly onClose?: (() => void) | undefined
  /** Called for the first message dropped since the reader last took some, with the total number dropped so far. */
  readonly onDrop?: ((dropped: number) => void) | undefined
}

/** Takes messages one by one to the end; leaving the loop closes the source. */
export async function* eachTaken(source: Pick<Mailbox, 'take'> & {close(): unknown}): AsyncGenerator<Message, void> {
  try {
    for (;;) {
      const taken = await source.take(256)
      if (taken.length === 0) return
      yield* taken
    }
  } finally {
    void source.close()
  }
}

/** The approximate size of a message in memory. */
function sizeOf({payload, headers}: Message): number {
  return 256 + payload.length + 64 * headers.length
}

/** The reader's half of every subscription. */
export class Mailbox extends TakeQueue<Message> implements Subscription {
  readonly #options: MailboxOptions
  readonly #limit: number
  readonly #limitBytes: number
  /** An upper bound of the bytes held: what was taken since it was last counted is still in it. */
  #bytes = 0
  #isDropping = false
  dropped = 0

  constructor(options: MailboxOptions = {}) {
    super({...options, onAbort: () => this.end()})
    this.#options = options
    this.#limit = options.limit ?? Number.POSITIVE_INFINITY
    this.#limitBytes = options.limitBytes ?? 256 * 1024 * 1024
    if (options.signal?.aborted) this.end()
  }

  /** Adds a message; false if it was dropped. */
  push(message: Message): boolean {
    if (!this.isOpen) return false
    if (this.length >= this.#limit || !this.#hasRoom(message)) {
      this.dropped++
      if (!this.#isDropping) this.#options.onDrop?.(this.dropped)
      this.#isDropping = true
      return false
    }
    this.hold(message)
    this.wake()
    return true
  }

  /** Counts only when the bound is reached, and not again before something is taken. */
  #hasRoom(message: Message): boolean {
    const size = sizeOf(message)
    if (this.#bytes + size > this.#limitBytes) {
      if (this.#isDropping) return false
      this.#bytes = 0
      for (const held of this.held()) this.#bytes += sizeOf(held)
      if (this.#bytes > 0 && this.#bytes + size > this.#limitBytes) return false
    }
    this.#bytes += size
    return true
  }

  override take(max: number): Promise<readonly Message[]> {
    this.#isDropping = false
    return super.take(max)
  }

  /** Does not fail: a failure is reported to the reader. */
  drain(): Promise<void> {
    if (!this.isOpen) return Promise.resolve()
    try {
      this.#options.onDrain?.()
      this.finish()
    } catch (error) {
      this.refillFailed(error)
    }
    return Promise.resolve()
  }

  close(): Promise<void> {
    this.end()
    return Promise.resolve()
  }

  /** Ends it with an error, which the reader gets after the messages held. */
  override fail(error: unknown): void {
    super.fail(error)
    if (this.length === 0) this.end()
  }

  override end(): void {
    if (this.closed) return
    super.end()
    this.clear()
    this.#options.onClose?.()
  }

  [Symbol.asyncIterator](): AsyncIterator<Message> {
    return eachTaken(this)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.end()
  }

  protected override refillFailed(error: unknown): unknown {
    const failure = this.#options.failure?.(error) ?? error
    this.fail(failure)
    return failure
  }

  protected override atEnd(): void {
    this.end()
  }
}
