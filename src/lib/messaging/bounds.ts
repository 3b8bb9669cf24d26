/** The bounds of work that has no end of its own: a number, a time, a pause, or a signal. */
import {IdleTimer, Timer} from '../core/time/timer.ts'

export interface BoundOptions {
  /** End after this many. */
  readonly count?: number | undefined
  /** End after this many milliseconds. */
  readonly forMs?: number | undefined
  /** End after this many milliseconds in which nothing arrived. */
  readonly idleMs?: number | undefined
  /** Ends it. */
  readonly signal?: AbortSignal | undefined
}

export type BoundReason = 'count' | 'for' | 'idle' | 'stop'

/** Calls `onEnd` for each bound that is reached, immediately if the signal has already aborted; the first one is `endedBy`. */
export class Bounds implements Disposable {
  readonly #onEnd: (reason: BoundReason) => void
  readonly #signal: AbortSignal | undefined
  readonly #for: Timer | undefined
  readonly #idle: IdleTimer | undefined
  /** Work in progress during which nothing is received. */
  #work = 0
  /** The wait of `idleMs` ended during such work. */
  #isLate = false
  /** How many of `count` are still missing. */
  left: number
  endedBy: BoundReason | undefined

  constructor({count, forMs, idleMs, signal}: BoundOptions, onEnd: (reason: BoundReason) => void) {
    this.#onEnd = onEnd
    this.#signal = signal
    this.left = count ?? Number.POSITIVE_INFINITY
    if (forMs !== undefined) this.#for = new Timer(forMs, () => this.#end('for'))
    if (idleMs !== undefined) this.#idle = new IdleTimer(idleMs, () => this.#isIdle())
    if (signal?.aborted) this.#end('stop')
    else signal?.addEventListener('abort', this.#stopped)
  }

  /** Something arrived, so the wait of `idleMs` restarts; `counted` of it count. */
  came(counted: number): void {
    this.#idle?.restart()
    this.left -= counted
    if (this.left <= 0) this.#end('count')
  }

  /** Nothing is received during this work, such as a slow output: a wait of `idleMs` that ends meanwhile restarts after it. */
  busy<T>(work: Promise<T>): Promise<T> {
    return this.#idle === undefined ? work : this.#busy(work, this.#idle)
  }

  [Symbol.dispose](): void {
    this.#for?.cancel()
    this.#idle?.[Symbol.dispose]()
    this.#signal?.removeEventListener('abort', this.#stopped)
  }

  async #busy<T>(work: Promise<T>, idle: IdleTimer): Promise<T> {
    this.#work++
    try {
      return await work
    } finally {
      this.#work--
      if (this.#isLate && this.#work === 0) {
        this.#isLate = false
        idle.restart()
      }
    }
  }

  #isIdle(): void {
    if (this.#work === 0) this.#end('idle')
    else this.#isLate = true
  }

  #end(reason: BoundReason): void {
    this.endedBy ??= reason
    this.#onEnd(reason)
  }

  readonly #stopped = (): void => this.#end('stop')
}
