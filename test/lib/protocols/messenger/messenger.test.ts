import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, beforeAll, describe, expect, onTestFinished, test} from 'vitest'
import {serve} from '../../../../src/lib/messaging/pubsub/serve.ts'
import {type Messenger, openMessenger} from '../../../../src/lib/protocols/messenger/messenger.ts'
import type {MessengerError} from '../../../../src/lib/protocols/messenger/messenger-error.ts'
import {open} from '../../../../src/lib/transport/open.ts'
import {NatsServer} from '../../../nats-server.ts'

const folder = mkdtempSync(join(tmpdir(), 'messenger-'))
let server: NatsServer
beforeAll(async () => {
  server = await NatsServer.start()
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  rmSync(folder, {recursive: true})
})

let count = 0

describe.each(['memory', 'file', 'nats'])('a messenger on a bus of kind %s', (kind) => {
  async function pair(): Promise<[Messenger, Messenger]> {
    const name = `m${++count}`
    const url = {memory: `memory:${name}`, file: join(folder, `${name}.db`)}[kind] ?? server.url()
    const made = await Promise.all([openMessenger(url), openMessenger(url)])
    onTestFinished(() => Promise.all(made.map((one) => one.close())).then(() => undefined))
    return made
  }

  test('streams messages published from then on, in order, to all subscribers', async () => {
    const [one, two] = await pair()
    const subject = `s.${count}`
    await two.publish(subject, 'before')
    const seen: string[][] = [[], []]
    for (const [i, messenger] of [one, two].entries())
      await messenger.stream(subject, (data) => void seen[i]?.push(Buffer.from(data).toString()))
    for (let n = 1; n <= 20; n++) await two.publish(subject, String(n))
    const all = Array.from({length: 20}, (_, i) => String(i + 1))
    await expect.poll(() => seen).toEqual([all, all])
  })

  test('receives nothing more once it has unsubscribed', async () => {
    const [one, two] = await pair()
    const seen: string[] = []
    const end = await one.stream('a', (data) => void seen.push(Buffer.from(data).toString()))
    await two.publish('a', 'heard')
    await expect.poll(() => seen).toEqual(['heard'])
    await end()
    await two.publish('a', 'unheard')
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(seen).toEqual(['heard'])
  })

  test('continues after a receiver that throws', async () => {
    const [one, two] = await pair()
    const seen: string[] = []
    await one.stream('a', (data) => {
      if (data.length === 1) throw new Error('one byte')
      seen.push(Buffer.from(data).toString())
    })
    await two.publish('a', 'x')
    await two.publish('a', 'xy')
    await expect.poll(() => seen).toEqual(['xy'])
  })

  test('sends and answers requests, a failed answer as text, empty ones too', async () => {
    const [one, two] = await pair()
    const subject = `q.${count}`
    await one.serve(subject, (data) => {
      if (data.length === 0) return ''
      if (data.length > 3) throw new Error('too long')
      return data
    })
    expect(Buffer.from(await two.request(subject, 'hi')).toString()).toBe('hi')
    expect((await two.request(subject, '')).length).toBe(0)
    expect(Buffer.from(await two.request(subject, 'long one')).toString()).toBe('error: too long')
  })

  test('continues to serve after answers that cannot be sent', async () => {
    const [one, two] = await pair()
    const subject = `t.${count}`
    const answers: Record<string, unknown> = {big: new Uint8Array(80 * 1024 * 1024), number: 7}
    await one.serve(subject, (data) => (answers[Buffer.from(data).toString()] ?? 'fine') as string)
    const ask = async (text: string) => Buffer.from(await two.request(subject, text)).toString()
    expect(await ask('big')).toMatch(/^error: .*bytes/)
    expect(await ask('number')).toBe('error: the answer is neither bytes nor a string')
    expect(await ask('x')).toBe('fine')
  })

  test('answers requests at the same time, even one that a handler sends itself', async () => {
    const [one, two] = await pair()
    const subject = `u.${count}`
    let atOnce = 0
    let most = 0
    await one.serve(subject, async (data) => {
      most = Math.max(most, ++atOnce)
      const answer = data.length === 1 ? await one.request(subject, 'inner') : data
      await new Promise((resolve) => setTimeout(resolve, 100))
      atOnce--
      return answer
    })
    const replies = await Promise.all(Array.from({length: 20}, () => two.request(subject, 'x')))
    expect(new Set(replies.map((reply) => Buffer.from(reply).toString()))).toEqual(new Set(['inner']))
    expect(most).toBeGreaterThan(10)
  })

  test('gets a failure of a service as text', async () => {
    const [one] = await pair()
    const url = kind === 'file' ? join(folder, `m${count}.db`) : kind === 'nats' ? server.url() : `memory:m${count}`
    await using bus = await open(url)
    const live = Promise.withResolvers<void>()
    const fault = {code: 500, text: 'disk full'}
    const handler = {instant: true, handle: () => ({fault})}
    const served = serve(bus, {subject: `v.${count}`, handler, concurrency: 1, count: 1, onLive: live.resolve})
    await live.promise
    expect(Buffer.from(await one.request(`v.${count}`, '')).toString()).toBe('error: disk full')
    await served
  })

  test('times out, immediately if nobody serves', async () => {
    const [one, two] = await pair()
    await expect(one.request('nobody', 'x')).rejects.toMatchObject({
      code: 'noResponders',
      message: expect.stringMatching(/^request timed out: nobody serves/),
    })
    await two.serve('slow', () => new Promise(() => {}))
    await expect(one.request('slow', 'x', {timeoutMs: 50})).rejects.toMatchObject({code: 'timeout'})
  })

  test('refuses invalid calls, and everything once it is closed', async () => {
    const [one] = await pair()
    const invalid = {
      'message publishing failed': one.publish('a b', 'x'),
      'stream subscription failed': one.stream('a..b', () => {}),
      'request failed': one.request('a..b', ''),
    }
    for (const [sentence, call] of Object.entries(invalid))
      await expect(call).rejects.toMatchObject({
        code: 'subject',
        message: expect.stringContaining(`${sentence}: subject`),
      })
    await expect(one.serve('a b', () => '')).rejects.toMatchObject({code: 'subject', operation: 'stream'})
    const huge = new Uint8Array(80 * 1024 * 1024)
    for (const call of [one.publish('a', huge), one.request('a', huge)])
      await expect(call).rejects.toMatchObject({code: 'tooLarge'})
    await one.close()
    await one.close()
    const uses = [one.publish('a', ''), one.stream('a', () => {}), one.request('a', ''), one.serve('a', () => '')]
    for (const use of uses) await expect(use).rejects.toMatchObject({code: 'closed', message: 'connection closed'})
  })

  test('ends every wait when its signal aborts, which is not a timeout', async () => {
    const [one, two] = await pair()
    const signal = AbortSignal.abort()
    const calls = [
      one.publish('a', 'x', {signal}),
      one.stream('a', () => {}, {signal}),
      one.request('a', 'x', {signal}),
      one.serve('a', () => '', {signal}),
    ]
    for (const call of calls) {
      const failure = await call.then(String, (error: unknown) => error as MessengerError)
      expect(failure).toMatchObject({code: 'cancelled'})
      expect((failure as MessengerError).is('timeout')).toBe(false)
    }
    await two.serve('slow', () => new Promise(() => {}))
    const stop = new AbortController()
    const asked = one.request('slow', 'x', {signal: stop.signal})
    stop.abort()
    await expect(asked).rejects.toMatchObject({code: 'cancelled'})
  })

  test('ends a subscription and a service when their signal aborts', async () => {
    const [one, two] = await pair()
    const stop = new AbortController()
    const seen: string[] = []
    const end = await one.stream('e', (data) => void seen.push(Buffer.from(data).toString()), {signal: stop.signal})
    await one.serve('f', () => 'one', {signal: stop.signal})
    await two.publish('e', 'first')
    await expect.poll(() => seen).toEqual(['first'])
    expect((await two.request('f', '')).length).toBe(3)
    stop.abort()
    await end()
    await two.publish('e', 'second')
    await expect(two.request('f', '', {timeoutMs: 200})).rejects.toMatchObject({operation: 'request'})
    await one.serve('f', () => 'again')
    expect(Buffer.from(await two.request('f', '')).toString()).toBe('again')
    expect(seen).toEqual(['first'])
  })

  test('unsubscribes within about a second, even if a receiver never returns', async () => {
    const [one, two] = await pair()
    const stuck = Promise.withResolvers<void>()
    const end = await one.stream('g', () => {
      stuck.resolve()
      return new Promise(() => {})
    })
    await two.publish('g', 'x')
    await stuck.promise
    await end()
  })
})

test('a publish while the server is away ends after its time or with its signal, and waits otherwise', async () => {
  await using own = await NatsServer.start()
  await using one = await openMessenger(own.url(), {onError: () => {}})
  await one.publish('a', 'x')
  await own.stop()
  // The first one may be sent before the messenger knows that the server is away.
  await expect
    .poll(() => one.publish('a', 'late', {timeoutMs: 50}).catch((error: unknown) => error))
    .toMatchObject({
      ...{code: 'timeout', operation: 'publish'},
      message: expect.stringMatching(/^message publishing failed: .* within 50 ms; it was not sent$/),
    })
  const stop = new AbortController()
  const publishing = one.publish('a', 'stopped', {signal: stop.signal})
  stop.abort()
  await expect(publishing).rejects.toMatchObject({code: 'cancelled'})
  const got: string[] = []
  const listening = one.stream('a', (payload) => void got.push(Buffer.from(payload).toString()))
  const waiting = one.publish('a', 'waits')
  await own.run()
  await Promise.all([listening, waiting])
  await one.publish('a', 'after')
  await expect.poll(() => got).toEqual(expect.arrayContaining(['after']))
  expect(got).not.toEqual(expect.arrayContaining(['late']))
  expect(got).not.toEqual(expect.arrayContaining(['stopped']))
})

test('a messenger continues to serve after replies that its login may not send, and says so once for each requester', async () => {
  await using own = await NatsServer.start(
    () => `authorization {users: [
      {user: full, password: p}
      {user: svc, password: p, permissions: {publish: {deny: ["deny.>"]}}}
    ]}`,
  )
  const errors: string[] = []
  const onError = (error: unknown) => void errors.push((error as Error).message)
  await using one = await openMessenger(own.url({login: 'svc:p'}), {onError})
  await using full = await open(own.url({login: 'full:p'}))
  await one.serve('k', () => 'hi')
  for (const reply of ['deny.me', 'deny.me', 'deny.you']) {
    full.publish({subject: 'k', reply, data: 'x'})
    expect((await full.request({subject: 'k'}, {timeoutMs: 2000})).text).toBe('hi')
    await expect.poll(() => errors.at(-1)).toContain(reply)
  }
  await one.publish('other', 'x')
  await expect(one.publish('deny.own', 'x')).rejects.toMatchObject({code: 'publish'})
  expect((await full.request({subject: 'k'}, {timeoutMs: 2000})).text).toBe('hi')
  await expect.poll(() => errors).toEqual([expect.stringContaining('deny.me'), expect.stringContaining('deny.you')])
})
