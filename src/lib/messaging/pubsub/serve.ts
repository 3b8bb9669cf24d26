import {BusError} from '../../core/errors.ts'
import {shellWord} from '../../core/text/shell-word.ts'
import type {Transport} from '../../transport/contract.ts'
import type {ReplyOptions} from '../../transport/reply-sender.ts'
import {type BoundOptions, Bounds} from '../bounds.ts'
import type {RequestHandler} from './handlers.ts'
import {advertise, type Identity} from './service.ts'
import {type Served, Work} from './work.ts'

/** At any bound it takes no more requests and finishes those already taken. */
export interface Service extends BoundOptions, ReplyOptions {
  readonly subject: string
  readonly queue?: string | undefined
  readonly handler: RequestHandler
  /** Makes it discoverable as a NATS service. */
  readonly identity?: Identity | undefined
  /** Requests to handle at the same time. */
  readonly concurrency: number
  /** Called once, when requests can arrive. */
  readonly onLive?: (() => void) | undefined
  /** Called with the number of requests in progress when `signal` aborts. */
  readonly onDrain?: ((open: number) => void) | undefined
  /** Called for each handled request; the request occupies its place until the promise resolves. */
  readonly onServed?: ((served: Served) => Promise<void> | undefined) | undefined
  /** Called with a sentence about the first reply to a requester that the server refuses; the service continues. */
  readonly onRefused?: ((sentence: string) => void) | undefined
}

export interface ServeResult {
  readonly served: number
  /** Requests that were answered with a service error. */
  readonly failed: number
  /** Requests dropped because the server was too slow. */
  readonly dropped: number
  readonly ms: number
}

/** Requests taken at a time by a handler that answers without waiting. */
const instantBatch = 256

/**
 * Serves requests until a bound is reached or `signal` aborts, finishes those in progress and flushes. A message without a
 * reply subject is handled and counted as well, but nothing is sent back.
 */
export async function serve(bus: Transport, service: Service): Promise<ServeResult> {
  const started = performance.now()
  bus.checkWritable?.()
  await using subscription = await bus.subscribe(service.subject, {queue: service.queue})
  const onFailure = () => void subscription.close()
  const work = new Work(bus, {...service, onFailure})
  const {identity} = service
  await using advertised =
    identity && (await advertise(bus, {identity, endpoint: service, tally: () => work, onFailure}))
  using bounds = new Bounds(service, (reason) => {
    if (reason === 'stop' && work.open > 0) service.onDrain?.(work.open)
    void subscription.drain()
  })
  service.onLive?.()
  while (bounds.left > 0) {
    const room = service.handler.instant ? instantBatch : await bounds.busy(work.room())
    const requests = await subscription.take(Math.min(room, bounds.left))
    if (requests.length === 0) break
    bounds.came(requests.length)
    await bounds.busy(work.begin(requests))
  }
  // The count is reached: further requests are for the others of the queue group.
  if (service.count !== undefined) await subscription.close()
  await Promise.all([advertised?.close(), work.finished()])
  const {served, failed} = work
  return {served, failed, dropped: subscription.dropped, ms: performance.now() - started}
}

/** Fails with `timeout` if time ran out before the requested number was served. */
export function checkServed(served: number, {subject, count, forMs, idleMs, signal}: Service): void {
  const isBound = forMs !== undefined || idleMs !== undefined
  if (count === undefined || !isBound || served >= count || signal?.aborted) return
  throw new BusError('timeout', `only ${served} of ${count} requests arrived on "${subject}" in time`, {
    try: ['a longer --for or --idle', `see whether requests arrive: bus req ${shellWord(subject)}`],
    data: {served},
  })
}
