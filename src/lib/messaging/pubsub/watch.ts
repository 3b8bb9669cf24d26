/** Follows a subscription within bounds: the core of `sub`, without the views. Everything works on batches. */

import type {Message} from '../../core/message.ts'
import type {Subscription} from '../../transport/contract.ts'
import {type BoundOptions, type BoundReason, Bounds} from '../bounds.ts'
import type {Filter} from './filter.ts'

/**
 * `count` counts shown messages, and `idleMs` is a time in which it waits without output. Messages that arrived before `signal` aborts are still
 * shown.
 */
export interface WatchOptions extends BoundOptions {
  readonly keep?: Filter | undefined
  /** Shows messages, at most `limit`; resolves with the number shown. */
  readonly show: (batch: readonly Message[], limit: number) => number | Promise<number>
  /** Take no more messages than may be shown: messages taken from a queue group are lost to its other members. */
  readonly sparing?: boolean | undefined
  /** Ends immediately, because the reader is gone. */
  readonly gone?: AbortSignal | undefined
  /** Called with the result, even after a failure. */
  readonly onEnd?: ((watched: Watched) => void) | undefined
}

export interface Watched {
  readonly received: number
  readonly kept: number
  readonly ms: number
  readonly endedBy: BoundReason | 'closed'
}

const batchSize = 1024

/** Shows messages as they arrive until a bound is reached. Fails as the subscription does. */
export async function watch(subscription: Subscription, options: WatchOptions): Promise<Watched> {
  const {keep, show, sparing, gone} = options
  const started = performance.now()
  // With the last of `count` messages the loop below ends by itself.
  using bounds = new Bounds(options, (reason) => {
    if (reason !== 'count') void subscription.drain()
  })
  // It is closed again below, and fails there.
  const close = () => void subscription.close().catch(() => {})
  gone?.addEventListener('abort', close)
  let received = 0
  let kept = 0
  const watched = (): Watched => ({
    received,
    kept,
    ms: performance.now() - started,
    endedBy: bounds.endedBy ?? 'closed',
  })
  try {
    while (bounds.left > 0 && !gone?.aborted) {
      // Without a filter nothing more is needed, so that `received` does not count what was only read ahead.
      const most = sparing || keep === undefined ? Math.min(batchSize, bounds.left) : batchSize
      const batch = await subscription.take(most)
      if (batch.length === 0) break
      received += batch.length
      const keeping = keep === undefined ? batch : keep(batch)
      const wanted = keeping instanceof Promise ? await keeping : keeping
      if (wanted.length === 0) continue
      const showing = show(wanted, bounds.left)
      const shown = typeof showing === 'number' ? showing : await bounds.busy(showing)
      kept += shown
      if (shown > 0) bounds.came(shown)
    }
    return watched()
  } finally {
    gone?.removeEventListener('abort', close)
    await subscription.close()
    options.onEnd?.(watched())
  }
}
