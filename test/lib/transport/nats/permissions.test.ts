import {writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {afterAll, describe, expect, it} from 'vitest'
import type {Notice, OpenOptions, Transport} from '../../../../src/lib/transport/contract.ts'
import {open} from '../../../../src/lib/transport/open.ts'
import {NatsServer} from '../../../nats-server.ts'

const limited = `permissions: {
  publish: {deny: ["no.>"]}
  subscribe: {deny: ["no.>", "_INBOX.>"]}
}`
const server = await NatsServer.start(`
  max_payload: 4096
  accounts {
    A { users: [{user: all, password: p}, {user: limited, password: p, ${limited}}] }
    B { users: [{user: few, password: p}] }
  }`)
afterAll(() => server[Symbol.asyncDispose]())

async function as(user: string, options: OpenOptions = {}): Promise<Transport> {
  return open(server.url({login: `${user}:p`}), options)
}

describe('a subscription that is not permitted', () => {
  it.each([
    ['plain', {}],
    ['of a queue group', {queue: 'q'}],
  ])('fails instead of waiting: %s', async (_, options) => {
    await using bus = await as('limited')
    const failing = bus.subscribe('no.a', options)
    await expect(failing).rejects.toMatchObject({
      kind: 'denied',
      exitCode: 4,
      message: expect.stringContaining('"no.a"'),
    })
    await expect(bus.subscribe(['yes', 'no.b'], options)).rejects.toMatchObject({kind: 'denied'})
    await using permitted = await bus.subscribe(['yes'], options)
    bus.publish({subject: 'yes', data: 'x'})
    expect((await permitted.take(2)).map(({text}) => text)).toEqual(['x'])
  })

  it('does not affect one on the same subject that is permitted', async () => {
    await using bus = await as('limited')
    const all = await Promise.allSettled(['yes', 'no.a', 'yes', 'no.a'].map((subject) => bus.subscribe(subject)))
    expect(all.map(({status}) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'rejected'])
  })

  it('fails when the permission is revoked later, after the messages that had arrived', async () => {
    const config = (deny: string) => `
      authorization { users: [{user: u, password: p, permissions: {subscribe: {deny: ["${deny}"]}}}] }`
    await using changing = await NatsServer.start(config('other'))
    await using bus = await open(changing.url({login: 'u:p'}))
    await using subscription = await bus.subscribe('a')
    bus.publish({subject: 'a', data: '1'})
    await bus.flush()
    const path = join(changing.folder, 'server.conf')
    writeFileSync(path, `listen: "127.0.0.1:${changing.port()}"\n${config('a')}`)
    changing.signal('SIGHUP')
    await changing.logged(/Reloaded server configuration/)
    expect((await subscription.take(9)).map(({text}) => text)).toEqual(['1'])
    await expect(subscription.take(9)).rejects.toMatchObject({kind: 'denied', message: expect.stringContaining('"a"')})
  })
})

describe('a publish that is not permitted', () => {
  it('fails the next flush once, and not the one after', async () => {
    const notices: Notice[] = []
    await using bus = await as('limited', {notify: (notice) => notices.push(notice)})
    for (let i = 0; i < 3; i++) bus.publish({subject: 'no.a', data: 'x'})
    bus.publish({subject: 'yes', data: 'x'})
    await expect(bus.flush()).rejects.toMatchObject({
      kind: 'denied',
      message: expect.stringContaining('publish to "no.a"'),
    })
    await bus.flush()
    expect(notices).toEqual([])
  })

  it('does not fail a subscription that is made before the flush', async () => {
    await using bus = await as('limited')
    bus.publish({subject: 'no.a'})
    await bus.subscribe('a')
    await expect(bus.flush()).rejects.toMatchObject({kind: 'denied'})
  })

  it('fails `close` if nobody flushed', async () => {
    const bus = await as('limited')
    bus.publish({subject: 'no.a'})
    await expect(bus.close()).rejects.toMatchObject({kind: 'denied'})
  })

  it('fails a request immediately, and no flush', async () => {
    await using bus = await as('limited', {inboxPrefix: 'replies.to.me'})
    const began = performance.now()
    const asked = [bus.request({subject: 'no.a'}), bus.requestMany({subject: 'no.a'})[Symbol.asyncIterator]().next()]
    for (const each of asked) await expect(each).rejects.toMatchObject({kind: 'denied'})
    expect(performance.now() - began).toBeLessThan(4000)
    await bus.flush()
  })
})

describe('an inbox that is not permitted', () => {
  it('fails requests immediately, each time, with a hint', async () => {
    await using bus = await as('limited')
    for (let i = 0; i < 2; i++) {
      const error = await bus.request({subject: 'a'}).catch((error: unknown) => error)
      expect(error).toMatchObject({kind: 'denied', message: expect.stringContaining('_INBOX.')})
      expect(error).toMatchObject({try: [expect.stringContaining('--inbox-prefix')]})
    }
  })

  it('can be replaced by another prefix', async () => {
    await using bus = await as('limited', {inboxPrefix: 'replies.to.me'})
    await using responder = await as('all')
    await using serving = await responder.subscribe('a')
    const reply = bus.request({subject: 'a'})
    const [request] = await serving.take(1)
    expect(request?.reply).toMatch(/^replies\.to\.me\./)
    responder.publish({subject: request?.reply ?? '', data: 'x'})
    expect((await reply).text).toBe('x')
  })

  it.each(['', 'a b', 'a.*', '>', '.a'])('with the prefix %j is refused', async (inboxPrefix) => {
    await expect(as('all', {inboxPrefix})).rejects.toMatchObject({kind: 'usage'})
  })
})

describe('a limit of the server', () => {
  it('on the payload counts the headers, and refuses a larger one before it is sent', async () => {
    await using bus = await as('all')
    await using subscription = await bus.subscribe('a')
    expect(bus.maxPayload).toBe(4096)
    const headers = [['A', 'x'.repeat(96 - 'NATS/1.0\r\nA: \r\n\r\n'.length)]] as const
    bus.publish({subject: 'a', data: 'x'.repeat(4096)})
    bus.publish({subject: 'a', data: 'x'.repeat(4000), headers})
    expect(() => bus.publish({subject: 'a', data: 'x'.repeat(4001), headers})).toThrow(
      'headers and payload have 4097 bytes',
    )
    expect(() => bus.publish({subject: 'a', data: 'x'.repeat(4097)})).toThrow(`${server.url()} accepts at most 4096`)
    await expect(bus.request({subject: 'a', data: 'x'.repeat(5000)})).rejects.toMatchObject({kind: 'usage'})
    await bus.flush()
    expect((await subscription.take(9)).map(({data}) => data.length)).toEqual([4096, 4000])
  })

  it('on subscriptions fails the one that exceeds it', async () => {
    await using small = await NatsServer.start('max_subscriptions: 2')
    await using bus = await open(small.url())
    await bus.subscribe('a')
    await bus.subscribe('b')
    const failing = bus.subscribe('c')
    await expect(failing).rejects.toMatchObject({
      kind: 'denied',
      message: expect.stringContaining('no more subscriptions'),
    })
    await bus.flush()
  })

  it.each(['', 'a b', 'a\n'])('is not tested with the queue group %j', async (queue) => {
    await using bus = await as('all')
    await expect(bus.subscribe('a', {queue})).rejects.toMatchObject({kind: 'usage'})
  })
})
