/** The bounds of work that has no end of its own: a number, a time, a pause, or a signal. */
import {Timer} from '../core/time/timer.ts'

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
  readonly #idle: Timer | undefined
  /** How many of `count` are still missing. */
  left: number
  endedBy: BoundReason | undefined

  constructor({count, forMs, idleMs, signal}: BoundOptions, onEnd: (reason: BoundReason) => void) {
    this.#onEnd = onEnd
    this.#signal = signal
    this.left = count ?? Number.POSITIVE_INFINITY
    if (forMs !== undefined) this.#for = new Timer(forMs, () => this.#end('for'))
    if (idleMs !== undefined) this.#idle = new Timer(idleMs, () => this.#end('idle'))
    if (signal?.aborted) this.#end('stop')
    else signal?.addEventListener('abort', this.#stopped)
  }

  /** Something arrived, so the wait of `idleMs` restarts; `counted` of it count. */
  came(counted: number): void {
    this.#idle?.refresh()
    this.left -= counted
    if (this.left <= 0) this.#end('count')
  }

  [Symbol.dispose](): void {
    this.#for?.cancel()
    this.#idle?.cancel()
    this.#signal?.removeEventListener('abort', this.#stopped)
  }

  #end(reason: BoundReason): void {
    this.endedBy ??= reason
    this.#onEnd(reason)
  }

  readonly #stopped = (): void => this.#end('stop')
}
