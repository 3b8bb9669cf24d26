import {randomUUID} from 'node:crypto'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {BusError} from '../../../src/lib/core/errors.ts'
import type {Message} from '../../../src/lib/core/message.ts'
import {failureOfLoad, type RequestLoad, runRequests} from '../../../src/lib/messaging/load.ts'
import type {Subscription, Transport} from '../../../src/lib/transport/contract.ts'
import {openMemory} from '../../../src/lib/transport/memory/driver.ts'

let bus: Transport
beforeEach(() => {
  bus = openMemory(`memory:${randomUUID()}`)
})
afterEach(() => bus.close())

/** Serves `svc` with the result of `answer` for each request; undefined means no reply. */
async function serve(answer: (request: Message, n: number) => string | undefined = () => 'ok'): Promise<Subscription> {
  const requests = await bus.subscribe('svc')
  void (async () => {
    let n = 0
    for (;;) {
      const batch = await requests.take(1000)
      if (batch.length === 0) return
      for (const request of batch) {
        const data = answer(request, ++n)
        if (data !== undefined) bus.publish({subject: request.reply ?? '', data})
      }
    }
  })()
  return requests
}

function load(options: Partial<RequestLoad>): RequestLoad {
  let n = 0
  const next = () => ({subject: 'svc', data: String(++n)})
  return {count: 100, concurrency: 1, timeoutMs: 5000, next, onLatency() {}, ...options}
}

test('a load run makes and measures every request once', async () => {
  const seen: string[] = []
  const latencies: number[] = []
  await serve((request) => {
    seen.push(request.text)
    return 'ok'
  })
  const result = await runRequests(bus, load({concurrency: 7, onLatency: (ms) => latencies.push(ms)}))
  expect(result).toMatchObject({requests: 100, ok: 100, errors: {}})
  expect(seen.toSorted((a, b) => Number(a) - Number(b))).toEqual(Array.from({length: 100}, (_, i) => String(i + 1)))
  expect(latencies.length).toBe(100)
  expect(failureOfLoad(result, 100)).toBeUndefined()
})

test('a load run has no more requests in flight than requested', async () => {
  let [open, most] = [0, 0]
  await serve()
  const request: Transport['request'] = async (...args) => {
    most = Math.max(most, ++open)
    return bus.request(...args).finally(() => open--)
  }
  await runRequests({...bus, request}, load({concurrency: 7}))
  expect(most).toBe(7)
})

test('a load run reports its progress', async () => {
  const seen: number[] = []
  await serve()
  await runRequests(bus, load({count: 3, onProgress: (done) => seen.push(done)}))
  expect(seen).toEqual([1, 2, 3])
})

test('a load run counts failures by kind, and fails with the most serious one', async () => {
  await serve((_, n) => (n === 2 ? undefined : 'ok'))
  const judge = (reply: Message) => {
    if (reply.text === 'ok' && wrong-- > 0) throw new BusError('expectation', 'wrong')
    return undefined
  }
  let wrong = 3
  const result = await runRequests(bus, load({count: 10, timeoutMs: 30, judge}))
  expect(result).toMatchObject({requests: 10, ok: 6, errors: {timeout: 1, expectation: 3}})
  const failure = failureOfLoad(result, 10)
  expect(failure).toMatchObject({kind: 'timeout', data: {errors: {timeout: 1, expectation: 3}}})
  expect(failure?.message).toMatch(/^4 of 10 requests failed, for example: no reply on "svc" within 30 ms/)
})

test('a load run that nobody serves ends immediately', async () => {
  await expect(runRequests(bus, load({count: 1_000_000, concurrency: 10}))).rejects.toMatchObject({
    kind: 'noResponders',
  })
})

test('a load run whose only server leaves counts the remaining requests', async () => {
  const requests = await serve((_, n) => {
    if (n === 4) void requests.close()
    return 'ok'
  })
  const result = await runRequests(bus, load({count: 10}))
  expect(result).toMatchObject({requests: 10, ok: 4, errors: {noResponders: 6}})
})

test('a load run ends at a request that cannot be created', async () => {
  await serve()
  await expect(runRequests(bus, load({next: () => ({subject: 'a..b'})}))).rejects.toMatchObject({kind: 'usage'})
  const bug = new TypeError('a bug')
  const judge = () => {
    throw bug
  }
  await expect(runRequests(bus, load({judge}))).rejects.toBe(bug)
})

test('a load run that is aborted ends immediately with its result so far', async () => {
  const abort = new AbortController()
  await serve((_, n) => {
    if (n < 6) return 'ok'
    abort.abort()
    return undefined
  })
  const result = await runRequests(bus, load({signal: abort.signal, timeoutMs: 60_000}))
  expect(result).toMatchObject({requests: 5, ok: 5})
  expect(failureOfLoad(result, 100)).toMatchObject({
    kind: 'interrupted',
    message: 'interrupted after 5 of 100 requests',
  })
})
