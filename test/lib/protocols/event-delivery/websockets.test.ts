import {once} from 'node:events'
import {request} from 'node:http'
import {connect, type Socket as TcpSocket} from 'node:net'
import {setTimeout as pause} from 'node:timers/promises'
import {describe, expect, onTestFinished, test} from 'vitest'
import {EventManager, type ManagerOptions} from '../../../../src/lib/protocols/event-delivery/manager.ts'
import {openRegistry} from '../../../../src/lib/protocols/event-delivery/registry.ts'
import {parseOptions} from '../../../../src/lib/protocols/event-delivery/subscription.ts'
import {type WebSocketsConfig, websockets} from '../../../../src/lib/protocols/event-delivery/websockets.ts'
import type {Transport} from '../../../../src/lib/transport/contract.ts'
import {memoryBus, store} from './direct.ts'
import {Socket} from './socket.ts'

interface Served {
  readonly url: string
  readonly bus: Transport
  readonly said: string[]
  offset(name?: string): Promise<number>
  subscribe(name: string, options?: object, filter?: object): Promise<void>
}

interface ServedParts {
  readonly manager?: Partial<ManagerOptions>
  readonly bus?: Transport
}

/** A gateway with WebSockets on a bus with three events, and a durable subscription `app` that starts with the oldest. */
async function served(
  config: Partial<WebSocketsConfig> = {},
  options: object = {readAhead: 9},
  parts: ServedParts = {},
): Promise<Served> {
  const bus = parts.bus ?? (await memoryBus())
  await store(bus, 1, 3)
  const registry = await openRegistry(bus.streams)
  const subscribe = async (name: string, more: object = {}, filter = {}) => {
    const all = parseOptions({firstEvent: 'oldest', ...more}, {withData: false})
    await registry.add({namespace: 'ORDERS', name, transport: 'websockets', filter, options: all})
  }
  await subscribe('app', options)
  const said: string[] = []
  const warn = (line: string) => void said.push(line)
  const manager = await EventManager.start(bus, {warn, ...parts.manager})
  onTestFinished(() => manager[Symbol.asyncDispose]())
  const plugin = websockets()
  const admission = {anonymous: true}
  await manager.use(plugin, {address: {host: '127.0.0.1', port: 0}, warn, admission, ...config})
  const offset = async (name = 'app') => registry.offset(await registry.get('ORDERS', name))
  return {url: plugin.url, bus, said, offset, subscribe}
}

async function until(look: () => Promise<unknown> | unknown, wanted: unknown): Promise<void> {
  await expect.poll(() => look(), {interval: 5, timeout: 3000}).toEqual(wanted)
}

const quiet = () => new Promise((resolve) => setTimeout(resolve, 60))
const sequences = (socket: Socket) => socket.frames.map(({sequence}) => sequence)

describe('a client', () => {
  test('starts a durable subscription and acknowledges by id, by subscription, or without either', async () => {
    const {url, offset} = await served()
    await using socket = await Socket.open(url)
    socket.start()
    const [one, two] = await socket.got(3)
    expect(one).toMatchObject({sequence: 1, type: 'message', topic: 'orders.new', subscription: {name: 'app'}})
    expect(one?.data).toBeUndefined()
    socket.ack(one)
    await until(offset, 1)
    socket.ack(two, {subscription: {namespace: 'ORDERS', name: 'app'}})
    await until(offset, 2)
    socket.ack()
    await until(offset, 3)
  })

  test('gets unacknowledged events again with its next connection, in order', async () => {
    const {url, offset} = await served()
    {
      await using socket = await Socket.open(url)
      socket.start()
      const [one, , three] = await socket.got(3)
      socket.ack(one)
      socket.ack(three)
      await until(offset, 1)
    }
    await using again = await Socket.open(url)
    again.start()
    await again.got(2)
    expect(sequences(again)).toEqual([2, 3])
  })

  test('may reject: events after the offset are delivered again, and late acknowledgements are not errors', async () => {
    const {url, offset, said} = await served()
    await using socket = await Socket.open(url)
    socket.start()
    const [one, two, three] = await socket.got(3)
    socket.ack(one)
    socket.say({type: 'nack', id: two?.id, info: 'not yet', retryAfter: 50})
    socket.ack(three)
    await socket.got(5)
    expect(sequences(socket)).toEqual([1, 2, 3, 2, 3])
    expect(said.join('\n')).toMatch(
      /event 2 was rejected: not yet[\s\S]*ignored the ack of [\w-]+, which is not in flight/,
    )
    socket.ack()
    socket.ack()
    await until(offset, 3)
  })

  test('with autoack sends no answers', async () => {
    const {url, offset} = await served()
    await using socket = await Socket.open(url)
    socket.start({autoack: true})
    await socket.got(3)
    await until(offset, 3)
  })

  test('may acknowledge an event more than once, which causes one warning', async () => {
    const {url, offset, said} = await served()
    await using socket = await Socket.open(url)
    socket.start()
    const [one, two, three] = await socket.got(3)
    for (const event of [one, one, two, two, one]) socket.ack(event)
    socket.say({type: 'nack', id: one?.id})
    socket.ack(three)
    await until(offset, 3)
    expect(said).toEqual([expect.stringContaining(`ignored the ack of ${one?.id}, which is not in flight`)])
  })

  test.each([{readAhead: 9}, {batch: true, batchTimeout: '10ms'}])(
    'may acknowledge what it received on its previous connection: with %j',
    async (options) => {
      const {url, offset} = await served({}, options)
      const first = await Socket.open(url)
      first.start()
      const old = await first.last(options.batch ? 1 : 3)
      await using second = await Socket.open(url)
      second.start()
      // Before anything was delivered to it, and after everything was acknowledged.
      second.ack(old)
      await quiet()
      await first[Symbol.asyncDispose]()
      for (const frame of await second.got(options.batch ? 1 : 3)) second.ack(frame)
      await until(offset, 3)
      second.ack(old)
      second.start({name: 'app'})
      await quiet()
      expect(second.frames.map(({type}) => type)).not.toContain('protocol_error')
    },
  )

  test('can start a subscription with the query of its URL', async () => {
    const {url, bus} = await served()
    await bus.streams.publish({subject: 'orders.paid'})
    const query = 'namespace=ORDERS&ephemeral&autoack&firstevent=oldest&filter.topic=paid%24&withdata'
    await using socket = await Socket.open(`${url}/?${query}`)
    expect(await socket.last(1)).toMatchObject({sequence: 4, topic: 'orders.paid', data: {text: ''}})
    await using durable = await Socket.open(`${url}/?namespace=ORDERS&name=app&autoack=false`)
    expect(await durable.last(1)).toMatchObject({sequence: 1})
  })

  test('has batches, which are acknowledged as one', async () => {
    const {url, offset} = await served({}, {batch: true, batchTimeout: '10ms'})
    await using socket = await Socket.open(url)
    socket.start()
    const batch = await socket.last(1)
    expect(batch).toMatchObject({type: 'event_batch', subscription: {name: 'app'}})
    expect(batch.events?.map(({sequence}) => sequence)).toEqual([1, 2, 3])
    socket.ack(batch)
    await until(offset, 3)
  })

  test('can request batches in the query', async () => {
    const {url} = await served()
    const query = 'namespace=ORDERS&ephemeral&firstevent=oldest&batch&readahead=2&batchtimeout=10ms'
    await using socket = await Socket.open(`${url}/?${query}`)
    expect((await socket.last(1)).events).toHaveLength(2)
  })

  test('may have several subscriptions, and names the one that it acknowledges', async () => {
    const {url, offset, subscribe} = await served()
    await subscribe('other')
    await using socket = await Socket.open(url)
    socket.start()
    await socket.got(3)
    socket.start({name: 'other'})
    const event = await socket.last(4)
    socket.ack(event, {subscription: {namespace: 'ORDERS', name: 'other'}})
    await until(() => offset('other'), 1)
    expect(await offset()).toBe(0)
    socket.ack(event)
    expect(await socket.refused()).toContain('does not match an inflight event')
  })

  test('waits for a subscription that does not exist yet', async () => {
    const {url, subscribe} = await served()
    await using socket = await Socket.open(url)
    socket.start({name: 'later'})
    await quiet()
    await subscribe('later')
    expect((await socket.last(1)).sequence).toBe(1)
  })

  test('that waits for what does not exist is reported once, and again when it was there', async () => {
    const {url, said, subscribe} = await served()
    for (let n = 0; n < 3; n++) {
      const socket = await Socket.open(url)
      socket.start({name: 'typo'})
      socket.start({namespace: 'NONE'})
      await until(() => said.length, 2)
      await socket[Symbol.asyncDispose]()
    }
    expect(said.join('\n')).toMatch(/^there is no subscription typo of ORDERS: .*\nthere is no stream NONE: nothing/)
    await subscribe('typo')
    await using right = await Socket.open(url)
    right.start({name: 'typo'})
    await right.got(1)
    expect(said).toHaveLength(2)
  })

  test('may ask for the reason why it gets nothing', async () => {
    const {url} = await served()
    await using silent = await Socket.open(url)
    silent.start({name: 'typo'})
    await using first = await Socket.open(url)
    first.start()
    await first.got(1)
    await using socket = await Socket.open(`${url}/?notices`)
    socket.start()
    socket.start({name: 'typo'})
    const [standby, missing] = await socket.got(2)
    expect(standby).toMatchObject({type: 'notice', name: 'app', text: expect.stringContaining('standing by')})
    expect(missing).toMatchObject({type: 'notice', name: 'typo', text: expect.stringContaining('no subscription typo')})
    expect(silent.frames).toEqual([])
  })

  test('stands by while another is served, and takes over within a second', async () => {
    const {url} = await served()
    const first = await Socket.open(url)
    first.start()
    await first.got(3)
    await using second = await Socket.open(url)
    second.start()
    await quiet()
    expect(second.frames).toEqual([])
    const start = performance.now()
    await first[Symbol.asyncDispose]()
    await second.got(3)
    expect(performance.now() - start).toBeLessThan(2900)
    expect(sequences(second)).toEqual([1, 2, 3])
  })
})

describe('an error of a client', () => {
  test.each([
    ['what is not JSON', 'hello', 'bad data'],
    ['what is no object', '[]', 'not a JSON object'],
    ['an action there is not', {type: 'stop'}, 'unknown action "stop"'],
    ['a start of nothing', {type: 'start'}, 'A start action must set namespace and either a name or ephemeral=true'],
    ['a start of both', {type: 'start', namespace: 'ORDERS', name: 'a', ephemeral: true}, 'either a name or ephemeral'],
    ['a start of no namespace', {type: 'start', name: 'app'}, 'must set namespace'],
    ['a stream there is not', {type: 'start', namespace: 'NONE', ephemeral: true}, 'NONE'],
    [
      'a bad pattern',
      {type: 'start', namespace: 'ORDERS', ephemeral: true, filter: {topic: '('}},
      'not an RE2 regular',
    ],
    ['an option there is not', {type: 'start', namespace: 'ORDERS', ephemeral: true, options: {url: 'x'}}, '"url"'],
    ['a bad option', {type: 'start', namespace: 'ORDERS', ephemeral: true, options: {readAhead: -1}}, '"readAhead"'],
    ['too much read-ahead', {type: 'start', namespace: 'ORDERS', ephemeral: true, options: {readAhead: 1e9}}, '65535'],
    ['an acknowledgement of nothing', {type: 'ack'}, 'does not match an inflight event'],
    ['an acknowledgement of what is no event', {type: 'ack', id: 'x'}, 'does not match an inflight event'],
  ])('is answered with an error and closes the connection: %s', async (_, action, sentence) => {
    const {url} = await served()
    await using socket = await Socket.open(url)
    socket.say(action)
    expect(await socket.refused()).toMatch(/^protocol_error: /)
    expect(socket.frames.at(-1)?.error).toContain(sentence)
  })

  test('does not name the bus', async () => {
    const {url, bus} = await served()
    await using socket = await Socket.open(url)
    socket.say({type: 'start', namespace: 'NONE', ephemeral: true})
    expect(await socket.refused()).toBe('protocol_error: there is no stream NONE')
    expect(bus.url).toMatch(/^memory:/)
  })

  test('in the query of its URL is one too', async () => {
    const {url} = await served()
    await using none = await Socket.open(`${url}/?namespace=ORDERS`)
    expect(await none.refused()).toContain('A start action must set namespace')
    await using option = await Socket.open(`${url}/?namespace=ORDERS&ephemeral&readahead=x`)
    expect(await option.refused()).toContain('"readAhead"')
  })

  test('is an acknowledgement with autoack, or a different autoack on the next start', async () => {
    const {url} = await served()
    await using socket = await Socket.open(url)
    socket.start({autoack: true})
    socket.ack(await socket.last(1))
    expect(await socket.refused()).toContain('ack is not possible with autoack')
    await using flips = await Socket.open(url)
    flips.start({autoack: true})
    flips.start({name: 'other'})
    expect(await flips.refused()).toContain('must be the same')
  })

  test('does not affect the others', async () => {
    const {url} = await served()
    await using good = await Socket.open(url)
    good.start()
    await using bad = await Socket.open(url)
    bad.say('{')
    await bad.closed
    good.ack(await good.last(1))
    await good.got(3)
  })
})

describe('admission', () => {
  test('requires a new token by default', async () => {
    await using manager = await EventManager.start(await memoryBus(), {warn: () => undefined})
    const plugin = websockets()
    await manager.use(plugin, {address: {host: '127.0.0.1', port: 0}})
    expect(plugin.token).toMatch(/^[\w-]{32}$/)
    await expect(Socket.open(plugin.url)).rejects.toThrow('status 401')
    await Socket.open(plugin.url, {Authorization: `Bearer ${plugin.token}`})
  })

  test('accepts clients that present the token', async () => {
    const {url} = await served({admission: {token: 's3cret'}})
    await expect(Socket.open(url)).rejects.toThrow('status 401')
    for (const wrong of ['Bearer s3cre', 'Bearer s3cret2', 'Basic s3cret', 'Bearer ', 's3cret'])
      await expect(Socket.open(url, {Authorization: wrong})).rejects.toThrow('status 401')
    await using socket = await Socket.open(url, {Authorization: 'Bearer s3cret'})
    socket.start()
    await socket.got(1)
  })

  test('accepts the token as the password of any user', async () => {
    const {url} = await served({admission: {token: 'a:b'}})
    const basic = (login: string) => ({Authorization: `Basic ${Buffer.from(login).toString('base64')}`})
    for (const wrong of ['ann:a', 'a:b', 'ann', ':'])
      await expect(Socket.open(url, basic(wrong))).rejects.toThrow('status 401')
    for (const right of ['ann:a:b', ':a:b']) {
      await using socket = await Socket.open(url, basic(right))
      socket.start()
      await socket.got(1)
    }
  })

  test('refuses pages except those that are allowed', async () => {
    const {url} = await served({admission: {anonymous: true, origins: ['https://app.example']}})
    await expect(Socket.open(url, {Origin: 'https://evil.example'})).rejects.toThrow('status 403')
    await expect(Socket.open(url, {Origin: 'null'})).rejects.toThrow('status 403')
    await using socket = await Socket.open(url, {Origin: 'https://app.example'})
    socket.start()
    await socket.got(1)
  })

  test('limits the number of connections', async () => {
    const {url} = await served({maxConnections: 2})
    const first = await Socket.open(url)
    await using _second = await Socket.open(url)
    await expect(Socket.open(url)).rejects.toThrow('status 503')
    await first[Symbol.asyncDispose]()
    await expect
      .poll(
        () =>
          Socket.open(url).then(
            () => 'in',
            () => 'out',
          ),
        {timeout: 2000},
      )
      .toBe('in')
  })

  test('limits frames and subscriptions', async () => {
    const {url} = await served({maxFrame: 1000, maxSubscriptions: 2})
    await using large = await Socket.open(url)
    large.say({type: 'start', namespace: 'x'.repeat(1000)})
    expect(await large.closed).toBe(1009)
    await using many = await Socket.open(url)
    for (const name of ['a', 'b', 'c']) many.start({name})
    expect(await many.refused()).toContain('at most 2 subscriptions')
  })

  test('disconnects clients that start nothing', async () => {
    const {url} = await served({idleMs: 400})
    await using socket = await Socket.open(url)
    expect(await socket.refused()).toContain('no subscription was started within 400 ms')
    await using busy = await Socket.open(url)
    busy.start()
    await new Promise((resolve) => setTimeout(resolve, 800))
    busy.ack(await busy.last(1))
  })

  test('that has 30 days to start a subscription is not disconnected earlier', async () => {
    const {url} = await served({idleMs: 30 * 86_400_000})
    await using socket = await Socket.open(url)
    await quiet()
    socket.start()
    expect(await socket.got(3)).toHaveLength(3)
  })

  test('tells other HTTP clients that this is a WebSocket endpoint', async () => {
    const {url} = await served()
    const status = await new Promise((resolve) =>
      request(url.replace('ws:', 'http:'), (response) => resolve(response.statusCode)).end(),
    )
    expect(status).toBe(426)
  })
})

/** A TCP connection that sends this, and keeps its end open whatever the other side does. */
async function raw(url: string, text: string): Promise<TcpSocket> {
  const socket = connect({port: Number(new URL(url).port), host: '127.0.0.1', allowHalfOpen: true})
  socket.on('error', () => undefined)
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  socket.write(text)
  return socket
}

const upgrade = (header = '') =>
  `GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${header}\r\n`

/** A masked text frame. */
function frame(text: string): Buffer {
  const bytes = Buffer.from(text)
  const length = bytes.length < 126 ? [bytes.length | 0x80] : [0xfe, bytes.length >> 8, bytes.length & 255]
  return Buffer.concat([Buffer.from([0x81, ...length, 0, 0, 0, 0]), bytes])
}

describe('a hostile client', () => {
  test.each([
    ['a wrong token', 'Authorization: Bearer wrong\r\n'],
    ['a wrong origin', 'Authorization: Bearer s3cret\r\nOrigin: https://evil.example\r\n'],
  ])('that is refused for %s and resets its connection does not end the gateway', async (_, header) => {
    const {url} = await served({admission: {token: 's3cret'}})
    for (let n = 0; n < 100; n++) {
      const socket = await raw(url, upgrade(header))
      if (n % 2) await pause(1)
      socket.resetAndDestroy()
    }
    await pause(100)
    await using good = await Socket.open(url, {Authorization: 'Bearer s3cret'})
    good.start()
    await good.got(1)
  })

  test('that is refused is disconnected within a second, and blocks nobody', async () => {
    const {url} = await served({admission: {token: 's3cret'}, maxConnections: 2})
    const refused = await Promise.all(Array.from({length: 70}, () => raw(url, upgrade())))
    for (const socket of refused) socket.resume()
    await pause(1000)
    // The second byte shows whether the other side has closed: the first is answered with a reset.
    await expect
      .poll(() => {
        const open = refused.filter(({destroyed, writable}) => !destroyed && writable)
        for (const socket of open) socket.write('x')
        return open
      })
      .toEqual([])
    await using good = await Socket.open(url, {Authorization: 'Bearer s3cret'})
    good.start()
    await good.got(1)
  })

  test('with many connections that say nothing keeps nobody out', async () => {
    const {url} = await served({admission: {token: 's3cret'}, maxConnections: 2})
    const silent = await Promise.all(Array.from({length: 200}, () => raw(url, '')))
    for (const socket of silent) socket.resume()
    await using good = await Socket.open(url, {Authorization: 'Bearer s3cret'})
    good.start()
    await good.got(1)
    await expect
      .poll(() => silent.filter(({readableEnded, destroyed}) => !readableEnded && !destroyed).length)
      .toBeLessThan(70)
  })

  test('that continues after an error is ignored, and disconnected within a second', async () => {
    const {url, said, offset} = await served({}, {readAhead: 0})
    const socket = await raw(url, upgrade())
    socket.resume()
    const closed = new Promise((resolve) => socket.once('close', resolve))
    const began = performance.now()
    for (let n = 0; n < 1000; n++) socket.write(frame(`{"type":"x${n}"}`))
    socket.write(frame('{"type":"start","namespace":"ORDERS","name":"app","autoack":true}'))
    const flood = setInterval(() => socket.write(frame('{"type":"y"}')), 5)
    await closed
    clearInterval(flood)
    expect(performance.now() - began).toBeLessThan(10_000)
    expect(said.filter((line) => /connection/.test(line))).toEqual([expect.stringContaining('unknown action "x0"')])
    expect(await offset()).toBe(0)
  })

  test('does not fill the log: lines are short, and few', async () => {
    const {url, said} = await served()
    const sockets = await Promise.all(Array.from({length: 300}, () => Socket.open(url)))
    const began = performance.now()
    for (const socket of sockets) socket.say({type: 'z'.repeat(10_000)})
    for (const socket of sockets) expect((await socket.refused()).length).toBeLessThan(300)
    expect(said.length).toBeLessThan(110 + (performance.now() - began) / 100)
    expect(Math.max(...said.map(({length}) => length))).toBeLessThanOrEqual(200)
    await expect.poll(() => said.at(-1), {timeout: 3000}).toMatch(/^\d+ lines were omitted$/)
  })

  test('that disconnects while it is starting leaves no member behind', async () => {
    const bus = await memoryBus()
    const held = Promise.withResolvers<void>()
    const slow = Object.assign(Object.create(bus) as Transport, {
      streams: Object.assign(Object.create(bus.streams), {
        async info(name: string) {
          if (name === 'SLOW') await held.promise
          return await bus.streams.info(name)
        },
      }),
    })
    await bus.streams.add({name: 'SLOW', subjects: ['slow.>']})
    const {url} = await served({}, {readAhead: 9}, {bus: slow})
    const leaving = await Socket.open(url)
    leaving.say({type: 'start', namespace: 'SLOW', ephemeral: true})
    leaving.start()
    await quiet()
    await leaving[Symbol.asyncDispose]()
    await quiet()
    held.resolve()
    await quiet()
    await using next = await Socket.open(url)
    next.start()
    await next.got(3)
  })

  test('that compiles large filters does not delay others', async () => {
    const {url} = await served()
    await using good = await Socket.open(url)
    const topic = '(a{1,1000}b{1,1000})'.repeat(25)
    const bad = await Promise.all(Array.from({length: 40}, () => Socket.open(url)))
    const began = performance.now()
    for (const socket of bad) socket.say({type: 'start', namespace: 'ORDERS', ephemeral: true, filter: {topic}})
    good.start()
    await good.got(3)
    expect(performance.now() - began).toBeLessThan(10_000)
    expect(await bad[0]?.refused()).toContain('too many repetitions')
  })

  test('has a limit for all of its filters together', async () => {
    const {url} = await served()
    await using socket = await Socket.open(url)
    for (let n = 0; n < 20; n++)
      socket.say({type: 'start', namespace: 'ORDERS', ephemeral: true, filter: {topic: 'a{900}'}})
    expect(await socket.refused()).toContain('the filters of this connection are too long')
  })
})

describe('a client that may only read', () => {
  test.each([{deadLetter: 'orders.forged'}, {maxRejects: 1}, {maxRejects: 1, deadLetter: '$KV.bus-events.offset.x'}])(
    'cannot have an ephemeral subscription with %j',
    async (options) => {
      const {url} = await served()
      await using socket = await Socket.open(url)
      socket.say({type: 'start', namespace: 'ORDERS', ephemeral: true, options})
      expect(await socket.refused()).toContain('only for durable subscriptions')
    },
  )

  test.each(['KV_bus-events', 'KV_other', 'OBJ_x'])('cannot read %s, which belongs to the bus', async (namespace) => {
    const {url} = await served()
    await using socket = await Socket.open(url)
    socket.say({type: 'start', namespace, ephemeral: true})
    expect(await socket.refused()).toContain(`the namespace ${namespace} belongs to the bus`)
    await using byQuery = await Socket.open(`${url}/?namespace=${namespace}&ephemeral`)
    expect(await byQuery.refused()).toContain('belongs to the bus')
  })

  test('can read a stream of the bus if the operator names it', async () => {
    const {url} = await served({}, {}, {manager: {systemNamespaces: ['KV_bus-events']}})
    await using socket = await Socket.open(url)
    socket.say({type: 'start', namespace: 'KV_bus-events', ephemeral: true, options: {firstEvent: 'oldest'}})
    expect((await socket.last(1)).topic).toMatch(/^\$KV\.bus-events\./)
  })

  test('gets no events of the bus that a stream stores among others', async () => {
    const {url, bus} = await served()
    await bus.streams.add({name: 'MIXED', subjects: ['$KV.mine.>', 'mixed.>']})
    await bus.streams.publish({subject: '$KV.mine.secret'})
    await bus.streams.publish({subject: 'mixed.a'})
    await using socket = await Socket.open(url)
    socket.say({type: 'start', namespace: 'MIXED', ephemeral: true, options: {firstEvent: 'oldest', readAhead: 9}})
    expect((await socket.last(1)).topic).toBe('mixed.a')
  })

  test('cannot use a durable subscription with dead letters for the bus itself', () => {
    for (const deadLetter of ['$KV.bus-events.offset.x', '$JS.API.STREAM.PURGE.ORDERS', '$SYS.{subject}'])
      expect(() => parseOptions({maxRejects: 1, deadLetter}, {withData: false})).toThrow('belong to the bus')
  })
})
