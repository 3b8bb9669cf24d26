/** Following a subscription within bounds: what `sub` does, without its looks. Works on batches from end to end. */

import type {Message} from '../../core/message.ts'
import {Timer} from '../../core/time/timer.ts'
import type {Subscription} from '../../transport/contract.ts'
import type {Filter} from './filter.ts'

export interface WatchOptions {
  readonly keep?: Filter | undefined
  /** Shows messages, `limit` at most; resolves with how many it showed. */
  readonly show: (batch: readonly Message[], limit: number) => number | Promise<number>
  /** End after this many were shown. */
  readonly count?: number | undefined
  /** End after this many milliseconds. */
  readonly forMs?: number | undefined
  /** End after this many milliseconds without output. */
  readonly idleMs?: number | undefined
  /** Ask for no more messages than may be shown: in a queue group what was taken is lost to the others. */
  readonly sparing?: boolean | undefined
  /** Ends it after what had arrived. */
  readonly stop?: AbortSignal | undefined
  /** Ends it at once: nobody looks any more. */
  readonly gone?: AbortSignal | undefined
  /** Told how it went, also when it fails. */
  readonly onEnd?: ((watched: Watched) => void) | undefined
}

export interface Watched {
  readonly received: number
  readonly kept: number
  readonly ms: number
  readonly endedBy: 'count' | 'for' | 'idle' | 'stop' | 'closed'
}

const batchSize = 1024

/** Shows what comes until a bound is met. Fails as the subscription does. */
export async function watch(subscription: Subscription, options: WatchOptions): Promise<Watched> {
  const {keep, show, count = Number.POSITIVE_INFINITY} = options
  const started = performance.now()
  using bounds = new Bounds(subscription, options)
  let received = 0
  let kept = 0
  const watched = () => ({received, kept, ms: performance.now() - started, endedBy: bounds.endedBy})
  try {
    while (kept < count && !options.gone?.aborted) {
      const most = options.sparing ? Math.min(batchSize, count - kept) : batchSize
      const batch = await subscription.take(most)
      if (batch.length === 0) break
      received += batch.length
      const keeping = keep === undefined ? batch : keep(batch)
      const wanted = keeping instanceof Promise ? await keeping : keeping
      if (wanted.length === 0) continue
      const showing = show(wanted, count - kept)
      const shown = typeof showing === 'number' ? showing : await showing
      kept += shown
      if (shown > 0) bounds.somethingCame()
    }
    if (kept >= count) bounds.end('count')
    return watched()
  } finally {
    await subscription.close()
    options.onEnd?.(watched())
  }
}

class Bounds implements Disposable {
  readonly #subscription: Subscription
  readonly #options: WatchOptions
  readonly #for: Timer | undefined
  readonly #idle: Timer | undefined
  endedBy: Watched['endedBy'] = 'closed'

  constructor(subscription: Subscription, options: WatchOptions) {
    this.#subscription = subscription
    this.#options = options
    const {forMs, idleMs, stop, gone} = options
    if (forMs !== undefined) this.#for = new Timer(forMs, () => this.end('for'))
    if (idleMs !== undefined) this.#idle = new Timer(idleMs, () => this.end('idle'))
    stop?.addEventListener('abort', this.#stop)
    gone?.addEventListener('abort', this.#gone)
    if (stop?.aborted) this.#stop()
  }

  somethingCame(): void {
    this.#idle?.refresh()
  }

  /** Lets what had arrived through, and remembers the first reason. */
  end(reason: Watched['endedBy']): void {
    if (this.endedBy !== 'closed') return
    this.endedBy = reason
    void this.#subscription.drain()
  }

  [Symbol.dispose](): void {
    this.#for?.cancel()
    this.#idle?.cancel()
    this.#options.stop?.removeEventListener('abort', this.#stop)
    this.#options.gone?.removeEventListener('abort', this.#gone)
  }

  readonly #stop = (): void => this.end('stop')
  readonly #gone = (): void => void this.#subscription.close()
}
