import {describe, expect, it, vi} from 'vitest'
import {open} from '../../../../src/lib/transport/open.ts'
import {FaultyProxy} from '../../../faulty-proxy.ts'
import {NatsServer} from '../../../nats-server.ts'
import {numbers, take, Watched} from './watched.ts'

describe('when the server is restarted', () => {
  it('a subscription continues, misses nothing from then on, and the gap is reported', async () => {
    await using server = await NatsServer.start()
    await using watched = await Watched.open(server.url())
    const subscription = await watched.bus.subscribe(['a', 'b.*'], {queue: 'q'})
    const plain = await watched.bus.subscribe('a')
    {
      await using publisher = await open(server.url())
      for (const data of numbers(1, 100)) publisher.publish({subject: 'a', data})
      await publisher.flush()
    }
    expect(await take(subscription, 100)).toEqual(numbers(1, 100))
    await server.stop()
    await watched.told('disconnected')
    await server.run()
    await watched.told('reconnected')
    await using publisher = await open(server.url())
    for (const data of numbers(101, 1000)) publisher.publish({subject: 'a', data})
    expect(await take(subscription, 900)).toEqual(numbers(101, 1000))
    expect(await take(plain, 1000)).toEqual(numbers(1, 1000))
    await watched.told('gap')
    expect(watched.kinds).toEqual(['disconnected', 'reconnected', 'gap'])
    expect(watched.notices[0]?.text).toContain(server.url())
    expect(watched.notices[2]?.text).toMatch(/published during these \d+\.\d s were not received/)
  })

  it('a server of the list that could not be reached at first is tried again', async () => {
    await using first = await NatsServer.start()
    await using second = await NatsServer.start()
    const port = first.port()
    await first.stop()
    await using watched = await Watched.open(`nats://127.0.0.1:${port},${second.url()}`)
    await first.run()
    await second.stop()
    await watched.told('reconnected')
    expect(watched.notices[1]?.text).toContain(`:${port}`)
  })

  it('no gap is reported without a subscription', async () => {
    await using server = await NatsServer.start()
    await using watched = await Watched.open(server.url())
    await server.stop()
    await server.run()
    await watched.told('reconnected')
    await watched.bus.flush()
    expect(watched.kinds).toEqual(['disconnected', 'reconnected'])
  })

  it('nothing is waited for once the caller wants to end', async () => {
    await using server = await NatsServer.start()
    const stop = new AbortController()
    await using watched = await Watched.open(server.url(), {signal: stop.signal})
    await server.stop()
    await watched.told('disconnected')
    const flushed = watched.bus.flush()
    stop.abort()
    await flushed
    watched.bus.publish({subject: 'a', data: 'too late'})
    await expect(watched.bus.flush()).rejects.toMatchObject({kind: 'connect'})
  })

  it('publishes, requests and subscriptions meanwhile wait and are then sent, in order', async () => {
    await using server = await NatsServer.start()
    await using watched = await Watched.open(server.url())
    const {bus} = watched
    const subscription = await bus.subscribe('a')
    await server.stop()
    await watched.told('disconnected')
    for (const data of numbers(1, 5000)) bus.publish({subject: 'a', data})
    const flushed = bus.flush()
    const later = bus.subscribe('b')
    const serving = await Promise.race([bus.subscribe('serve'), Promise.resolve('waits')])
    expect(serving).toBe('waits')
    await server.run()
    await flushed
    expect(await take(subscription, 5000)).toEqual(numbers(1, 5000))
    bus.publish({subject: 'b', data: 'x'})
    expect(await take(await later, 1)).toEqual(['x'])
  })

  it('a request sent meanwhile is served afterwards', async () => {
    await using server = await NatsServer.start()
    await using responder = await Watched.open(server.url())
    await using asker = await Watched.open(server.url())
    const serving = await responder.bus.subscribe('a')
    const early = asker.bus.request({subject: 'a', data: 'early'})
    const [first] = await serving.take(1)
    responder.bus.publish({subject: first?.reply ?? '', data: 're early'})
    expect((await early).text).toBe('re early')
    await server.stop()
    await Promise.all([responder, asker].map((each) => each.told('disconnected')))
    await server.run()
    await responder.told('reconnected')
    const late = asker.bus.request({subject: 'a', data: 'late'})
    const [second] = await serving.take(1)
    responder.bus.publish({subject: second?.reply ?? '', data: 're late'})
    expect((await late).text).toBe('re late')
  })

  it('a request that timed out or was aborted meanwhile is not sent afterwards, and others are', async () => {
    await using server = await NatsServer.start()
    await using watched = await Watched.open(server.url())
    const {bus} = watched
    const subscription = await bus.subscribe('a')
    await server.stop()
    await watched.told('disconnected')
    const stop = new AbortController()
    const aborted = bus.request({subject: 'a', data: 'aborted'}, {signal: stop.signal})
    bus.publish({subject: 'a', data: '1'})
    await expect(bus.request({subject: 'a', data: 'late'}, {timeoutMs: 50})).rejects.toMatchObject({kind: 'timeout'})
    const many = bus.requestMany({subject: 'a', data: 'late too'}, {timeoutMs: 50})
    await expect(many[Symbol.asyncIterator]().next()).rejects.toThrow('the request was not sent within 50 ms')
    bus.publish({subject: 'a', data: '2'})
    stop.abort()
    await expect(aborted).rejects.toMatchObject({kind: 'interrupted'})
    await server.run()
    bus.publish({subject: 'a', data: '3'})
    expect(await take(subscription, 3)).toEqual(['1', '2', '3'])
  })

  it('a message can be taken back until it is sent', async () => {
    await using server = await NatsServer.start()
    await using watched = await Watched.open(server.url())
    const {bus} = watched
    const subscription = await bus.subscribe('a')
    const [sent, held] = [
      {subject: 'a', data: '1'},
      {subject: 'a', data: '2'},
    ]
    bus.publish(sent)
    await bus.flush()
    expect(bus.withdraw?.(sent)).toBe(false)
    await server.stop()
    await watched.told('disconnected')
    bus.publish(held)
    expect([bus.withdraw?.(held), bus.withdraw?.(held)]).toEqual([true, false])
    await server.run()
    bus.publish({subject: 'a', data: '3'})
    await bus.flush()
    expect(await take(subscription, 2)).toEqual(['1', '3'])
  })

  it('a flush reports messages in flight that may be lost, and the next one succeeds', async () => {
    await using server = await NatsServer.start()
    await using proxy = await FaultyProxy.before(server)
    await using watched = await Watched.open(proxy.url)
    const {bus} = watched
    await bus.flush()
    proxy.stall()
    for (const data of numbers(1, 3)) bus.publish({subject: 'a', data})
    const flushed = bus.flush()
    proxy.cut()
    await expect(flushed).rejects.toMatchObject({
      kind: 'connect',
      message: expect.stringContaining('3 messages'),
      data: {unconfirmed: 3},
    })
    await bus.flush()
    bus.publish({subject: 'a'})
    await bus.flush()
  })

  it('waiting messages are bounded', async () => {
    await using server = await NatsServer.start()
    await using watched = await Watched.open(server.url())
    await server.stop()
    await watched.told('disconnected')
    const data = new Uint8Array(512 * 1024)
    const publishAll = () => {
      for (let i = 0; i < 40; i++) watched.bus.publish({subject: 'a', data})
    }
    expect(publishAll).toThrow('bytes are already waiting for one')
    await expect(watched.bus.close()).rejects.toMatchObject({
      kind: 'connect',
      message: expect.stringContaining('not sent'),
    })
  })
})

describe('when the server does not come back', () => {
  it.each([0, 2])('everything fails with one sentence after %i attempts', async (maxReconnects) => {
    const server = await NatsServer.start()
    await using watched = await Watched.open(server.url(), {maxReconnects})
    const {bus} = watched
    const subscription = await bus.subscribe('a')
    const served = await bus.subscribe('b')
    const uses = [
      subscription.take(1),
      bus.request({subject: 'b'}),
      bus.requestMany({subject: 'b'})[Symbol.asyncIterator]().next(),
    ]
    await take(served, 2)
    const failing = uses.map((use) => expect(use).rejects.toMatchObject({kind: 'connect', exitCode: 3}))
    await server[Symbol.asyncDispose]()
    await Promise.all(failing)
    for (const use of [bus.flush(), bus.subscribe('a'), bus.request({subject: 'a'})]) {
      await expect(use).rejects.toMatchObject({kind: 'connect', message: expect.stringContaining(`${bus.url} is lost`)})
    }
    expect(() => bus.publish({subject: 'a'})).toThrow('is lost')
    expect(watched.kinds).toEqual(maxReconnects === 0 ? [] : ['disconnected'])
    await bus.close()
    await expect(bus.flush()).rejects.toMatchObject({kind: 'usage'})
  })

  it('closing ends every wait immediately', async () => {
    await using server = await NatsServer.start()
    await using watched = await Watched.open(server.url())
    const {bus} = watched
    const subscription = await bus.subscribe('a')
    await server.stop()
    await watched.told('disconnected')
    const waits = [bus.flush(), bus.subscribe('b'), bus.request({subject: 'a'})]
    const failing = waits.map((wait) => expect(wait).rejects.toMatchObject({kind: 'usage'}))
    await bus.close()
    await Promise.all(failing)
    expect(await subscription.take(1)).toEqual([])
  })
})

describe('a connection with a problem', () => {
  it('to a server that stops responding is detected, reported, and replaced', async () => {
    await using server = await NatsServer.start()
    await using proxy = await FaultyProxy.before(server)
    await using watched = await Watched.open(proxy.url, {heartbeatMs: 40, connectTimeoutMs: 100})
    const subscription = await watched.bus.subscribe('a')
    proxy.stall()
    await watched.told('disconnected')
    expect(watched.notices[0]?.text).toContain('it no longer answers')
    proxy.cut()
    await watched.told('reconnected')
    watched.bus.publish({subject: 'a', data: 'x'})
    expect(await take(subscription, 1)).toEqual(['x'])
  })

  it('to a server that stops responding can be drained and closed, with a report of what is unknown', async () => {
    await using server = await NatsServer.start()
    await using proxy = await FaultyProxy.before(server)
    await using watched = await Watched.open(proxy.url, {connectTimeoutMs: 100})
    const subscription = await watched.bus.subscribe('a')
    proxy.stall()
    await subscription.drain()
    expect(await subscription.take(1)).toEqual([])
    watched.bus.publish({subject: 'a'})
    await expect(watched.bus.close()).rejects.toMatchObject({
      kind: 'connect',
      message: expect.stringContaining('may not have arrived'),
    })
  })

  it('to a server that shuts down slowly is reported, once', async () => {
    await using server = await NatsServer.start('lame_duck_duration: "30s"\nlame_duck_grace_period: "1s"')
    await using watched = await Watched.open(server.url())
    await watched.bus.subscribe('a')
    server.signal('SIGUSR2')
    await watched.told('lameDuck')
    await server.stop()
    await watched.told('disconnected')
    expect(watched.kinds).toEqual(['lameDuck', 'disconnected'])
    expect(watched.notices[0]?.text).toMatch(/127\.0\.0\.1:\d+ is shutting down/)
  })

  it('to a server that sends invalid data is replaced, and nothing is written to stdout', async () => {
    await using server = await NatsServer.start()
    await using proxy = await FaultyProxy.before(server)
    await using watched = await Watched.open(proxy.url)
    const subscription = await watched.bus.subscribe('a')
    using log = vi.spyOn(console, 'log')
    proxy.garble()
    await watched.told('reconnected')
    expect(log).not.toHaveBeenCalled()
    watched.bus.publish({subject: 'a', data: 'x'})
    expect(await take(subscription, 1)).toEqual(['x'])
  })
})

it('a subscription fails with the reason if the server answers it by closing the connection', async () => {
  await using strict = await NatsServer.start()
  await using bus = await open(strict.url())
  const failing = bus.subscribe('a'.repeat(5000))
  await expect(failing).rejects.toMatchObject({
    kind: 'usage',
    message: expect.stringContaining('longer than it accepts'),
  })
})
