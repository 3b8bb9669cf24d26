import {once} from 'node:events'
import {MessageChannel} from 'node:worker_threads'
import {describe, expect, it} from 'vitest'
import {type BoundOptions, type BoundReason, Bounds} from '../../../src/lib/messaging/bounds.ts'

/** Bounds with the reasons that they gave. */
function bounded(options: BoundOptions) {
  const reasons: BoundReason[] = []
  const met = new EventTarget()
  const bounds = new Bounds(options, (reason) => {
    reasons.push(reason)
    met.dispatchEvent(new Event('met'))
  })
  return {bounds, reasons, next: () => once(met, 'met')}
}

describe('bounds', () => {
  it('end with "count" when that many have arrived, whatever else arrived', () => {
    const {bounds, reasons} = bounded({count: 3})
    bounds.came(2)
    bounds.came(0)
    expect([bounds.left, bounds.endedBy, reasons]).toEqual([1, undefined, []])
    bounds.came(1)
    expect([bounds.left, bounds.endedBy, reasons]).toEqual([0, 'count', ['count']])
  })

  it.each([
    [{forMs: 10}, 'for'],
    [{idleMs: 10}, 'idle'],
    [{forMs: 10, idleMs: 60_000}, 'for'],
  ] as const)('end by the shorter time of %j', async (options, reason) => {
    const {bounds, next} = bounded(options)
    using _ = bounds
    await next()
    expect(bounds.endedBy).toBe(reason)
  })

  it('end when the signal aborts, immediately if it already has', () => {
    const stop = new AbortController()
    const [later, now] = [bounded({signal: stop.signal}), bounded({signal: AbortSignal.abort()})]
    expect([later.reasons, now.reasons]).toEqual([[], ['stop']])
    stop.abort()
    expect(later.bounds.endedBy).toBe('stop')
  })

  it('name each bound that is reached, and remember the first', () => {
    const stop = new AbortController()
    const {bounds, reasons} = bounded({count: 1, signal: stop.signal})
    bounds.came(1)
    stop.abort()
    expect([bounds.endedBy, reasons]).toEqual(['count', ['count', 'stop']])
  })

  it('do not count time in which the caller is busy as idle', async () => {
    const {bounds, reasons, next} = bounded({idleMs: 20})
    using _ = bounds
    const work = Promise.withResolvers<string>()
    const busy = bounds.busy(work.promise)
    await bounded({forMs: 60}).next()
    expect(reasons).toEqual([])
    work.resolve('done')
    expect(await busy).toBe('done')
    const since = performance.now()
    await next()
    expect(reasons).toEqual(['idle'])
    expect(performance.now() - since).toBeGreaterThan(15)
  })

  it('are idle after a failure of the work, too', async () => {
    const {bounds, next} = bounded({idleMs: 5})
    using _ = bounds
    await expect(bounds.busy(Promise.reject(new Error('no')))).rejects.toThrow('no')
    await next()
    expect(bounds.endedBy).toBe('idle')
  })

  it('are not idle if something arrived while the whole process was stopped', async () => {
    const {bounds, reasons} = bounded({idleMs: 20})
    using _ = bounds
    const {port1, port2} = new MessageChannel()
    port2.on('message', () => bounds.came(1))
    // Timers run before anything is read in the next turn of the event loop.
    setImmediate(() => {
      port1.postMessage('arrived')
      stall(60)
    })
    await once(port2, 'message')
    expect(reasons).toEqual([])
    port1.close()
  })

  it('are no longer reached after they are disposed', async () => {
    const stop = new AbortController()
    const {bounds, reasons} = bounded({forMs: 5, idleMs: 5, signal: stop.signal})
    bounds[Symbol.dispose]()
    stop.abort()
    await bounded({forMs: 20}).next()
    expect(reasons).toEqual([])
  })
})

/** Keeps the event loop from turning. */
function stall(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}
