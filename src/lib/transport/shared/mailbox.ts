import type {Message} from '../../core/message.ts'
import type {Subscription} from '../contract.ts'

export interface MailboxOptions {
  /** Most messages to hold; later ones are dropped and counted. */
  readonly limit?: number | undefined
  /** Asked when nothing is held and somebody takes: a driver that reads on demand calls `hold` with what it has.
   * `later`: it could not look just now and will call `wake`; a drain goes on until then. */
  readonly refill?: ((max: number) => unknown) | undefined
  /** What the reader is told when `refill` throws; default what it threw. */
  readonly failure?: ((error: unknown) => unknown) | undefined
  /** Told when a drain begins, before what remains is taken. */
  readonly onDrain?: (() => void) | undefined
  /** Told once, when the mailbox ends by `close`, by the reader leaving, or after a drain. */
  readonly onClose?: (() => void) | undefined
  /** Told the first time that a message is dropped after a time without drops. */
  readonly onDrop?: ((dropped: number) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** The reader's half of every subscription: holds what arrived until it is taken. */
export class Mailbox implements Subscription {
  readonly #options: MailboxOptions
  readonly #limit: number
  #held: Message[] = []
  #first = 0
  #waiting: {max: number; resolve: (taken: readonly Message[]) => void; reject: (error: unknown) => void} | undefined
  #state: 'open' | 'draining' | 'failing' | 'closed' = 'open'
  #error: unknown
  #dropping = false
  #isLater = false
  dropped = 0

  constructor(options: MailboxOptions = {}) {
    this.#options = options
    this.#limit = options.limit ?? 65_536
    if (options.signal?.aborted) this.#end()
    else options.signal?.addEventListener('abort', this.#abort)
  }

  /** How many messages are held. */
  get length(): number {
    return this.#held.length - this.#first
  }

  get closed(): boolean {
    return this.#state === 'closed'
  }

  /** Hands in a message; false when it was dropped. */
  push(message: Message): boolean {
    if (this.#state !== 'open') return false
    if (this.length >= this.#limit) {
      this.dropped++
      if (!this.#dropping) this.#options.onDrop?.(this.dropped)
      this.#dropping = true
      return false
    }
    this.#held.push(message)
    if (this.#waiting !== undefined) this.wake()
    return true
  }

  /** Hands in a message beyond the limit and wakes nobody: for drivers that bound by themselves what is held. */
  hold(message: Message): void {
    this.#held.push(message)
  }

  /** Looks again whether a waiting reader can be served; true when it was. */
  wake(): boolean {
    const waiting = this.#waiting
    if (waiting === undefined) return false
    let taken: readonly Message[]
    try {
      taken = this.#takeNow(waiting.max)
    } catch (error) {
      this.fail(this.#failureOf(error))
      return false
    }
    if (taken.length === 0 && (this.#state === 'open' || this.#isLater)) return false
    this.#waiting = undefined
    if (taken.length === 0) this.#end()
    waiting.resolve(taken)
    return taken.length > 0
  }

  take(max: number): Promise<readonly Message[]> {
    if (this.#waiting !== undefined) return Promise.reject(new Error('a subscription has one reader at a time'))
    if (this.#state === 'closed') return this.#last()
    let taken: readonly Message[]
    try {
      taken = this.#takeNow(max)
    } catch (error) {
      const failure = this.#failureOf(error)
      this.fail(failure)
      return Promise.reject(failure)
    }
    if (taken.length > 0) return Promise.resolve(taken)
    if (this.#state !== 'open' && !this.#isLater) return this.#last()
    return new Promise((resolve, reject) => {
      this.#waiting = {max, resolve, reject}
    })
  }

  drain(): Promise<void> {
    if (this.#state === 'open') {
      this.#options.onDrain?.()
      this.#state = 'draining'
      this.wake()
    }
    return Promise.resolve()
  }

  close(): Promise<void> {
    this.#end()
    return Promise.resolve()
  }

  /** Ends it with an error that the reader meets after what is held. */
  fail(error: unknown): void {
    if (this.#state === 'closed' || this.#state === 'failing') return
    this.#error = error
    this.#state = 'failing'
    const waiting = this.#waiting
    this.#waiting = undefined
    if (this.length === 0) this.#end()
    waiting?.reject(error)
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Message> {
    try {
      for (;;) {
        const taken = await this.take(256)
        if (taken.length === 0) return
        yield* taken
      }
    } finally {
      this.#end()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end()
  }

  readonly #abort = (): void => this.#end()

  /** What a reader gets after the last message. */
  #last(): Promise<readonly Message[]> {
    this.#end()
    return this.#error === undefined ? Promise.resolve([]) : Promise.reject(this.#error)
  }

  #failureOf(error: unknown): unknown {
    return this.#options.failure?.(error) ?? error
  }

  #takeNow(max: number): readonly Message[] {
    this.#isLater = this.length === 0 && this.#state !== 'failing' && this.#options.refill?.(max) === 'later'
    this.#dropping = false
    if (this.#first === 0 && this.#held.length <= max) {
      const all = this.#held
      this.#held = []
      return all
    }
    const taken = this.#held.slice(this.#first, this.#first + max)
    this.#first += taken.length
    if (this.#first === this.#held.length) this.#held = []
    else if (this.#first > 1024 && this.#first * 2 > this.#held.length) this.#held = this.#held.slice(this.#first)
    else return taken
    this.#first = 0
    return taken
  }

  #end(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#held = []
    this.#first = 0
    this.#options.signal?.removeEventListener('abort', this.#abort)
    const waiting = this.#waiting
    this.#waiting = undefined
    this.#options.onClose?.()
    waiting?.resolve([])
  }
}
