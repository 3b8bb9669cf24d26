/**
 * The reader's half of a subscription or of a consumer's member: holds items until they are taken, and lets one reader wait for
 * more. A failure follows the items held, and the end follows a failure.
 */
import {IdleTimer} from '../../core/time/timer.ts'

export interface TakeQueueOptions {
  /**
   * Called when a reader takes and nothing is held: a driver that reads on demand then calls `hold` with its items. `later`
   * means that it has not checked everything yet and will call `wake`; until then no wait ends without items.
   */
  readonly refill?: ((max: number) => unknown) | undefined
  /** Translates what `refill` throws for the reader; unchanged by default. */
  readonly failure?: ((error: unknown) => unknown) | undefined
  /** Called after items were returned to the reader. */
  readonly onTaken?: (() => void) | undefined
  /** Total number of items to return; unlimited by default. */
  readonly max?: number | undefined
  readonly signal?: AbortSignal | undefined
  readonly onAbort: () => void
}

interface Wait<T> {
  readonly max: number
  readonly timer: IdleTimer | undefined
  readonly settled: PromiseWithResolvers<readonly T[]>
  /** Its time is up: it ends as soon as everything has been checked. */
  isLate: boolean
}

export class TakeQueue<T> {
  readonly #options: TakeQueueOptions
  #held: T[] = []
  #first = 0
  /** Items that may still be taken. */
  #left: number
  #wait: Wait<T> | undefined
  #isLater = false
  #isWaking = false
  #state: 'open' | 'finishing' | 'closed' = 'open'
  #failure: unknown

  constructor(options: TakeQueueOptions) {
    this.#options = options
    this.#left = options.max ?? Number.POSITIVE_INFINITY
    options.signal?.addEventListener('abort', options.onAbort)
  }

  /** The number of items held. */
  get length(): number {
    return this.#held.length - this.#first
  }

  /** The items held, the oldest first. */
  held(): readonly T[] {
    return this.#held.slice(this.#first)
  }

  /** The number of items that may be taken in addition to those held. */
  get room(): number {
    return this.#left - this.length
  }

  get isWaiting(): boolean {
    return this.#wait !== undefined
  }

  /** The number of items that the waiting reader wants. */
  get wanted(): number {
    return this.#wait?.max ?? 0
  }

  /** Whether it accepts items: not finishing, failed or closed. */
  get isOpen(): boolean {
    return this.#state === 'open' && this.#failure === undefined
  }

  get isFailed(): boolean {
    return this.#failure !== undefined
  }

  get closed(): boolean {
    return this.#state === 'closed'
  }

  /** Whether it was closed, or `max` items were taken. */
  get ended(): boolean {
    return this.#state === 'closed' || this.#left <= 0
  }

  /** Adds an item without waking the reader. */
  hold(item: T): void {
    this.#held.push(item)
  }

  /** Adds an item; a waiting reader gets it together with all others of the same turn. */
  put(item: T): void {
    this.#held.push(item)
    if (this.#wait === undefined || this.#isWaking) return
    this.#isWaking = true
    queueMicrotask(this.#wakeSoon)
  }

  /** Checks again whether the waiting reader can be served; true if it got items. */
  wake(): boolean {
    const wait = this.#wait
    if (wait === undefined) return false
    let taken: readonly T[]
    try {
      taken = this.#takeNow(wait.max)
    } catch (error) {
      this.refillFailed(error)
      return false
    }
    if (taken.length === 0 && !this.#isOver && (!wait.isLate || this.#isLater)) return false
    this.#settle(taken)
    return taken.length > 0
  }

  /** Up to `max` items as soon as there is one; none if nothing arrived within `waitMs`, and at the end. */
  take(max: number, waitMs?: number): Promise<readonly T[]> {
    if (this.#wait !== undefined) return Promise.reject(new Error('one reader at a time: another one is waiting'))
    let taken: readonly T[]
    try {
      taken = this.#takeNow(max)
    } catch (error) {
      return Promise.reject(this.refillFailed(error))
    }
    if (taken.length > 0) {
      this.#options.onTaken?.()
      return Promise.resolve(taken)
    }
    if (this.#isOver || max <= 0) return this.#outcome()
    const settled = Promise.withResolvers<readonly T[]>()
    const timer = waitMs === undefined ? undefined : new IdleTimer(waitMs, () => this.#late())
    this.#wait = {max, timer, settled, isLate: false}
    return settled.promise
  }

  /** Removes and returns the items held. */
  clear(): readonly T[] {
    const rest = this.#held.slice(this.#first)
    this.#held = []
    this.#first = 0
    return rest
  }

  /** Ends a wait with an error; the next take tries again. */
  reject(error: unknown): void {
    const wait = this.#wait
    this.#wait = undefined
    wait?.timer?.[Symbol.dispose]()
    wait?.settled.reject(error)
  }

  /** Every take fails from now on, once nothing is held any more. */
  fail(error: unknown): void {
    if (this.#failure !== undefined || this.#state === 'closed') return
    this.#failure = error
    this.wake()
  }

  /** Nothing more will arrive: it ends when all items held are taken. */
  finish(): void {
    if (this.#state === 'open') this.#state = 'finishing'
    this.wake()
  }

  /** Ends it immediately. Items held can no longer be taken, only cleared. */
  end(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#options.signal?.removeEventListener('abort', this.#options.onAbort)
    if (this.#wait !== undefined) this.#settle([])
  }

  /** `refill` threw: ends the wait, and returns the failure to report. */
  protected refillFailed(error: unknown): unknown {
    const failure = this.#options.failure?.(error) ?? error
    this.reject(failure)
    return failure
  }

  /** Called when a reader reaches the end. */
  protected atEnd(): void {}

  /** Nothing more can be taken. */
  get #isOver(): boolean {
    if (this.#failure !== undefined || this.ended) return true
    return this.#state === 'finishing' && !this.#isLater
  }

  readonly #wakeSoon = (): void => {
    this.#isWaking = false
    if (this.length > 0) this.wake()
  }

  #late(): void {
    if (this.#wait === undefined) return
    this.#wait.isLate = true
    if (!this.#isLater) this.#settle([])
  }

  #settle(taken: readonly T[]): void {
    const wait = this.#wait
    this.#wait = undefined
    wait?.timer?.[Symbol.dispose]()
    if (taken.length > 0) {
      wait?.settled.resolve(taken)
      this.#options.onTaken?.()
      return
    }
    if (this.#isOver) this.atEnd()
    // Without an additional promise: a reader that is woken by a close can still answer before the connection is closed.
    if (this.#isOver && this.#failure !== undefined) wait?.settled.reject(this.#failure)
    else wait?.settled.resolve([])
  }

  #outcome(): Promise<readonly T[]> {
    this.atEnd()
    return this.#failure === undefined ? Promise.resolve([]) : Promise.reject(this.#failure)
  }

  #takeNow(max: number): readonly T[] {
    if (this.#state === 'closed') return []
    if (this.length === 0) {
      this.#isLater = this.#failure === undefined && this.#left > 0 && this.#options.refill?.(max) === 'later'
    }
    const count = Math.min(max, this.#left)
    this.#left -= Math.min(count, this.length)
    if (this.#first === 0 && this.#held.length <= count) {
      const all = this.#held
      this.#held = []
      return all
    }
    const taken = this.#held.slice(this.#first, this.#first + count)
    this.#first += taken.length
    if (this.#first === this.#held.length) this.#held = []
    else if (this.#first > 1024 && this.#first * 2 > this.#held.length) this.#held = this.#held.slice(this.#first)
    else return taken
    this.#first = 0
    return taken
  }
}
