import {BusError} from '../../core/errors.ts'
import {Timer} from '../../core/time/timer.ts'
import type {Subscription, Transport} from '../../transport/contract.ts'
import type {Handler} from './handlers.ts'
import {advertise, type Identity} from './service.ts'
import {type Served, Work} from './work.ts'

export interface Service {
  readonly subject: string
  readonly queue?: string | undefined
  readonly handler: Handler
  /** Can be found and measured as a NATS service. */
  readonly identity?: Identity | undefined
  /** Requests in work at the same time. */
  readonly concurrency: number
  /** End after this many requests. */
  readonly count?: number | undefined
  /** End after this many milliseconds. */
  readonly forMs?: number | undefined
  /** End after this many milliseconds without a request. */
  readonly idleMs?: number | undefined
  /** Drains: takes no more requests and finishes what was taken. */
  readonly signal?: AbortSignal | undefined
  /** Told once, when requests arrive from now on. */
  readonly onLive?: (() => void) | undefined
  /** Called with the number of requests in progress when the signal aborts. */
  readonly onDrain?: ((open: number) => void) | undefined
  /** Told of each request that was handled, which keeps its place until the promise resolves. */
  readonly onServed?: ((served: Served) => Promise<void> | undefined) | undefined
}

export interface ServeResult {
  readonly served: number
  /** Those answered with a service error. */
  readonly failed: number
  /** Requests lost because we were too slow. */
  readonly dropped: number
  readonly ms: number
}

/** Requests taken at once by a handler that answers without waiting. */
const instantBatch = 256

/**
 * Serves requests until one of the bounds is met or the signal aborts, finishes those in progress and flushes. A message
 * without a reply subject is handled and counted as well: nothing can be sent back.
 */
export async function serve(bus: Transport, service: Service): Promise<ServeResult> {
  const started = performance.now()
  await using subscription = await bus.subscribe(service.subject, {queue: service.queue})
  const onFailure = () => void subscription.close()
  const work = new Work(bus, {...service, onFailure})
  const {identity} = service
  await using advertised =
    identity && (await advertise(bus, {identity, endpoint: service, tally: () => work, onFailure}))
  using bounds = new Bounds(subscription, service, () => work.open)
  service.onLive?.()
  for (let left = service.count ?? Number.POSITIVE_INFINITY; left > 0; ) {
    const room = service.handler.instant ? instantBatch : await work.room()
    const requests = await subscription.take(Math.min(room, left))
    if (requests.length === 0) break
    bounds.heard()
    left -= requests.length
    await work.begin(requests)
  }
  // The count is reached: what comes now is for the others of the queue group.
  if (service.count !== undefined) await subscription.close()
  await Promise.all([advertised?.close(), work.finished()])
  await bus.flush()
  const {served, failed} = work
  return {served, failed, dropped: subscription.dropped, ms: performance.now() - started}
}

/** Fails with `timeout` if time ran out before the requested number was served. */
export function checkServed(served: number, {subject, count, forMs, idleMs, signal}: Service): void {
  const isBound = forMs !== undefined || idleMs !== undefined
  if (count === undefined || !isBound || served >= count || signal?.aborted) return
  throw new BusError('timeout', `only ${served} of ${count} requests came on "${subject}" in time`, {
    try: ['a longer --for or --idle', `bus req ${subject}, to see whether requests arrive`],
    data: {served},
  })
}

/** What ends a service besides its count. */
class Bounds implements Disposable {
  readonly #signal: AbortSignal | undefined
  readonly #stop: () => void
  readonly #for: Timer | undefined
  readonly #idle: Timer | undefined

  constructor(subscription: Subscription, {signal, forMs, idleMs, onDrain}: Service, open: () => number) {
    const drain = () => void subscription.drain()
    this.#signal = signal
    this.#stop = () => {
      if (open() > 0) onDrain?.(open())
      drain()
    }
    if (signal?.aborted) drain()
    else signal?.addEventListener('abort', this.#stop)
    if (forMs !== undefined) this.#for = new Timer(forMs, drain)
    if (idleMs !== undefined) this.#idle = new Timer(idleMs, drain)
  }

  heard(): void {
    this.#idle?.refresh()
  }

  [Symbol.dispose](): void {
    this.#signal?.removeEventListener('abort', this.#stop)
    this.#for?.cancel()
    this.#idle?.cancel()
  }
}
