import {randomUUID} from 'node:crypto'
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {BusError} from '../../../../src/lib/core/errors.ts'
import {Message, serviceError} from '../../../../src/lib/core/message.ts'
import {echo, fixed, type Outcome, type RequestHandler} from '../../../../src/lib/messaging/pubsub/handlers.ts'
import {checkServed, type ServeResult, type Service, serve} from '../../../../src/lib/messaging/pubsub/serve.ts'
import type {Served} from '../../../../src/lib/messaging/pubsub/work.ts'
import type {Transport} from '../../../../src/lib/transport/contract.ts'
import {openMemory} from '../../../../src/lib/transport/memory/driver.ts'

let bus: Transport
let server: Transport
let stop: AbortController
beforeEach(() => {
  const url = `memory:${randomUUID()}`
  bus = openMemory(url)
  server = openMemory(url)
  stop = new AbortController()
})
afterEach(async () => {
  await server.close()
  await bus.close()
})

/** Starts a service and resolves when it is live. */
async function started(options: Partial<Service> & {on?: Transport} = {}) {
  const served: Served[] = []
  const live = Promise.withResolvers<void>()
  const service: Service = {
    subject: 'svc',
    handler: echo(),
    concurrency: 16,
    signal: stop.signal,
    onLive: live.resolve,
    onServed: (one) => void served.push(one),
    ...options,
  }
  const ended: Promise<ServeResult> = serve(options.on ?? server, service)
  await Promise.race([live.promise, ended])
  return {served, ended, service}
}

/** A handler whose replies are given by the test. */
function byHand() {
  const open: {request: Message; answer: (outcome: Outcome) => void}[] = []
  let waiting: {many: number; resolve: () => void} | undefined
  const handler: RequestHandler = {
    instant: false,
    handle: (request) =>
      new Promise((resolve) => {
        open.push({request, answer: resolve})
        if (waiting !== undefined && open.length >= waiting.many) waiting.resolve()
      }),
  }
  const holds = (many: number) =>
    new Promise<void>((resolve) => {
      waiting = {many, resolve}
      if (open.length >= many) resolve()
    })
  return {handler, open, holds}
}

const ask = (data: string, subject = 'svc') => bus.request({subject, data}, {timeoutMs: 2000})

test('every request gets its reply, and is reported with its size and duration', async () => {
  const {served, ended} = await started()
  expect((await ask('one')).text).toBe('one')
  expect((await ask('')).text).toBe('')
  stop.abort()
  expect(await ended).toMatchObject({served: 2, failed: 0, dropped: 0})
  expect(served.map(({request, bytes}) => [request.text, bytes])).toEqual([
    ['one', 3],
    ['', 0],
  ])
  expect(served[0]?.ms).toBeGreaterThan(0)
})

test('replies have the headers of the handler', async () => {
  await started({handler: fixed(() => ({data: 'x', headers: [['N', '1']]}))})
  expect((await ask('')).headers).toEqual([['N', '1']])
})

test('a fault is a service error reply, on one line', async () => {
  const handler: RequestHandler = {instant: true, handle: () => ({fault: {code: 500, text: 'two\nlines'}})}
  const {ended} = await started({handler})
  const reply = await ask('')
  expect(serviceError(reply)).toEqual({code: 500, text: 'two lines'})
  stop.abort()
  expect(await ended).toMatchObject({served: 1, failed: 1})
})

test('a reply that exceeds the limit of the bus is a service error', async () => {
  const small: Transport = {
    ...server,
    publish(message) {
      if (message.data !== undefined && message.data.length > 10)
        throw new BusError('usage', 'the payload has 11 bytes')
      server.publish(message)
    },
  }
  await started({on: small})
  expect(serviceError(await ask('12345678901'))).toEqual({code: 500, text: 'the payload has 11 bytes'})
  expect((await ask('1234567890')).text).toBe('1234567890')
})

test('a message without a reply subject is handled and counted', async () => {
  const {served, ended} = await started({count: 1})
  bus.publish({subject: 'svc', data: 'note'})
  expect(await ended).toMatchObject({served: 1, failed: 0})
  expect(served[0]).toMatchObject({bytes: 0})
})

test('an invalid reply subject does not end the service', async () => {
  const hostile: Transport = {
    ...server,
    async subscribe(...args) {
      const subscription = await server.subscribe(...args)
      const take = subscription.take.bind(subscription)
      subscription.take = async (max) =>
        (await take(max)).map((m) => (m.text === 'bad' ? new Message(m.subject, 'bad', [], 'a..b') : m))
      return subscription
    },
  }
  await started({on: hostile})
  bus.publish({subject: 'svc', data: 'bad', reply: 'inbox'})
  expect((await ask('good')).text).toBe('good')
})

describe('bounds of a service', () => {
  test('are not idle while all its places are taken: requests of that time and later ones are answered', async () => {
    const {handler, open, holds} = byHand()
    const {ended} = await started({handler, concurrency: 1, idleMs: 30})
    const first = ask('1')
    await holds(1)
    await new Promise((resolve) => setTimeout(resolve, 100))
    open[0]?.answer({data: 'one'})
    expect((await first).text).toBe('one')
    const second = ask('2')
    await holds(2)
    open[1]?.answer({data: 'two'})
    expect((await second).text).toBe('two')
    expect(await ended).toMatchObject({served: 2})
  })

  test('end it after the given number of requests, and no further one is answered', async () => {
    const {ended} = await started({count: 2})
    const answers = await Promise.allSettled(
      ['1', '2', '3'].map((data) => bus.request({subject: 'svc', data}, {timeoutMs: 50})),
    )
    expect(answers.map(({status}) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected'])
    expect(await ended).toMatchObject({served: 2})
  })

  test('end it after a duration', async () => {
    const {ended, service} = await started({forMs: 20, count: 5})
    await ask('1')
    const result = await ended
    expect(result.served).toBe(1)
    expect(() => checkServed(result.served, service)).toThrow('only 1 of 5 requests arrived on "svc" in time')
  })

  test('end it after a pause', async () => {
    const {ended, service} = await started({idleMs: 20})
    const result = await ended
    expect(result.served).toBe(0)
    checkServed(result.served, service)
  })

  test('count a pause from the last request', async () => {
    const {ended} = await started({idleMs: 80})
    const until = performance.now() + 200
    let asked = 0
    for (; performance.now() < until; asked++) {
      await ask('x')
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect((await ended).served).toBe(asked)
  })

  test('leave the queue group as soon as the last request is taken', async () => {
    const {handler, open, holds} = byHand()
    const {ended} = await started({handler, count: 1})
    const reply = ask('1')
    await holds(1)
    await new Promise((resolve) => setImmediate(resolve))
    await expect(ask('2')).rejects.toMatchObject({kind: 'noResponders'})
    open[0]?.answer({data: 'done'})
    expect((await reply).text).toBe('done')
    expect((await ended).served).toBe(1)
  })

  test('are not missed by an abort before the count', async () => {
    const {ended, service} = await started({count: 5, forMs: 60_000})
    stop.abort()
    checkServed((await ended).served, service)
  })

  test('end it immediately if the signal has already aborted', async () => {
    stop.abort()
    const {ended} = await started()
    expect((await ended).served).toBe(0)
  })
})

describe('a service', () => {
  test('takes no more requests than it has places', async () => {
    const {handler, open, holds} = byHand()
    const other = byHand()
    await started({handler, concurrency: 2, queue: 'q'})
    await started({handler: other.handler, concurrency: 2, queue: 'q'})
    const replies = Array.from({length: 6}, (_, n) => ask(String(n)))
    await Promise.all([holds(2), other.holds(2)])
    expect([open.length, other.open.length]).toEqual([2, 2])
    open[0]?.answer({data: 'done'})
    await holds(3)
    expect([open.length, other.open.length]).toEqual([3, 2])
    for (const {answer} of [...open, ...other.open]) answer({data: 'done'})
    await Promise.all([holds(3), other.holds(3)])
    for (const {answer} of [...open, ...other.open]) answer({data: 'done'})
    expect((await Promise.all(replies)).map(({text}) => text)).toEqual(Array(6).fill('done'))
  })

  test('does not delay a fast request because of a slow one', async () => {
    const {handler, open, holds} = byHand()
    await started({handler})
    const slow = ask('slow')
    const fast = ask('fast')
    await holds(2)
    open[1]?.answer({data: 'fast'})
    expect((await fast).text).toBe('fast')
    open[0]?.answer({data: 'slow'})
    expect((await slow).text).toBe('slow')
  })

  test('answers requests in progress when the signal aborts', async () => {
    const {handler, open, holds} = byHand()
    const {ended} = await started({handler})
    const reply = ask('1')
    await holds(1)
    stop.abort()
    await expect(ask('2')).rejects.toMatchObject({kind: 'noResponders'})
    open[0]?.answer({data: 'late'})
    expect((await reply).text).toBe('late')
    expect(await ended).toMatchObject({served: 1})
  })

  test('answers requests that had arrived when the signal aborts', async () => {
    const {handler, open, holds} = byHand()
    const {ended} = await started({handler, concurrency: 1})
    const replies = [ask('1'), ask('2'), ask('3')]
    await holds(1)
    stop.abort()
    for (const n of [1, 2, 3]) {
      await holds(n)
      open[n - 1]?.answer({data: `answer ${n}`})
    }
    expect((await Promise.all(replies)).map(({text}) => text)).toEqual(['answer 1', 'answer 2', 'answer 3'])
    expect(await ended).toMatchObject({served: 3})
  })

  test('ends with a bug in its handler', async () => {
    const bug = new TypeError('a bug')
    const {ended} = await started({handler: {instant: false, handle: () => Promise.reject(bug)}})
    bus.publish({subject: 'svc'})
    await expect(ended).rejects.toBe(bug)
  })

  test('ends if replies cannot be sent', async () => {
    const full = new BusError('denied', 'the disk is full')
    const {ended} = await started({on: {...server, flush: () => Promise.reject(full)}})
    bus.publish({subject: 'svc', reply: 'inbox'})
    await expect(ended).rejects.toBe(full)
  })

  test('waits for its listener before it takes more requests', async () => {
    const told = Promise.withResolvers<void>()
    const {ended} = await started({onServed: () => told.promise, count: 2})
    expect((await ask('1')).text).toBe('1')
    const second = ask('2')
    told.resolve()
    expect((await second).text).toBe('2')
    expect((await ended).served).toBe(2)
  })
})
