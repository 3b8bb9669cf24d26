import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {StreamClient} from '../../../../src/lib/protocols/response-streams/client.ts'
import type {ResponseStream} from '../../../../src/lib/protocols/response-streams/response-stream.ts'
import {
  type Producer,
  type Streamed,
  type StreamService,
  serveStreams,
} from '../../../../src/lib/protocols/response-streams/serve.ts'
import type {Transport} from '../../../../src/lib/transport/contract.ts'
import {open} from '../../../../src/lib/transport/open.ts'
import {NatsServer} from '../../../nats-server.ts'
import {busNames, type FreshBus, freshBus} from './buses.ts'

async function textsOf(stream: ResponseStream): Promise<string[]> {
  const texts: string[] = []
  for await (const message of stream) texts.push(message.text)
  return texts
}

/** Writes three frames, the last of them the request. */
const three: Producer = async (request, writer) => {
  for (const text of ['1', '2', request.text]) writer.write(text)
  return undefined
}

/** Writes one frame and then nothing until nobody reads it any more. */
const endless: Producer = async (_request, writer, signal) => {
  writer.write('first')
  await new Promise((resolve) => signal.addEventListener('abort', resolve, {once: true}))
  return undefined
}

describe.each(busNames)('on %s, a service of response streams', (name) => {
  let fresh: FreshBus
  beforeAll(async () => {
    fresh = await freshBus[name]()
  })
  afterAll(() => fresh[Symbol.asyncDispose]())

  /** A running service on a connection of its own. */
  async function running(producer: Producer, more: Partial<StreamService> = {}) {
    const bus: Transport = await fresh.open()
    const stop = new AbortController()
    const streamed: Streamed[] = []
    const {promise: isLive, resolve: live} = Promise.withResolvers<void>()
    const served = serveStreams(bus, {
      ...{subject: 'logs', producer, concurrency: 64, signal: stop.signal},
      onLive: live,
      onStreamed: (one) => streamed.push(one),
      ...more,
    })
    await isLive
    return {
      streamed,
      served,
      async end() {
        stop.abort()
        const result = await served
        await bus.close()
        return result
      },
    }
  }

  test('answers both dialects in the same way', async () => {
    const service = await running(three)
    await using bus = await fresh.open()
    await using client = new StreamClient(bus)
    expect(await textsOf(await client.open('logs', 'hi'))).toEqual(['1', '2', 'hi'])
    expect(await textsOf(await client.open('logs', 'hi', {dialect: 'later'}))).toEqual(['1', '2', 'hi'])
    expect(await service.end()).toMatchObject({streams: 2, failed: 0, left: 0, ignored: 0})
    expect(service.streamed.map(({frames, bytes, close}) => [frames, bytes, close.code])).toEqual([
      [3, 4, 1000],
      [3, 4, 1000],
    ])
  })

  test('answers an invalid request of the later dialect with 4000, and does not answer one without a reply subject', async () => {
    const service = await running(three)
    await using bus = await fresh.open()
    const frames = await bus.subscribe('_SINBOX.me.*')
    const data = '{"consumerId":"_SINBOX.me.","streamId":"a","heartBeatRequestSub":"","body":"?"}'
    bus.publish({subject: 'logs', data: 'no reply'})
    bus.publish({subject: 'logs', data, reply: '_SINBOX.me.a'})
    await bus.flush()
    const [frame] = await frames.take(1)
    expect(frame?.text).toBe(
      '{"type":2,"closeError":{"Code":4000,"Text":"error decoding the request: body is not base64"}}',
    )
    expect(await service.end()).toMatchObject({streams: 1, failed: 1, ignored: 1})
  })

  test('closes with 5000 if the frames cannot be produced, and continues', async () => {
    const service = await running(async (_request, writer) => {
      writer.write('one')
      writer.write(Buffer.alloc(writer.mostData + 1))
      return undefined
    })
    await using bus = await fresh.open()
    await using client = new StreamClient(bus)
    for (const _ of [1, 2]) {
      await expect(textsOf(await client.open('logs'))).rejects.toMatchObject({data: {code: 5000}})
    }
    expect(await service.end()).toMatchObject({streams: 2, failed: 2})
  })

  test('closes open response streams with 1001 when it shuts down', async () => {
    const service = await running(endless)
    await using bus = await fresh.open()
    await using client = new StreamClient(bus)
    const stream = await client.open('logs')
    expect((await stream.take(1))[0]?.text).toBe('first')
    await service.end()
    await expect(textsOf(stream)).rejects.toMatchObject({data: {code: 1001, name: 'going away'}})
  })

  test.each(['first', 'later'] as const)('notices that a consumer of the %s dialect is gone', async (dialect) => {
    const {promise: left, resolve: streamed} = Promise.withResolvers<Streamed>()
    const service = await running(endless, {
      presence: {everyMs: 30, timeoutMs: 1000},
      onStreamed: streamed,
    })
    await using staying = await fresh.open()
    await using stays = new StreamClient(staying)
    const kept = await stays.open('logs', '', {dialect})
    const bus = await fresh.open()
    const client = new StreamClient(bus)
    const stream = await client.open('logs', 'leaves', {dialect})
    expect((await stream.take(1))[0]?.text).toBe('first')
    await client.close()
    await bus.close()
    expect(await left).toMatchObject({isLeft: true, request: {payload: expect.anything()}})
    expect((await left).request.text).toBe('leaves')
    expect((await kept.take(1))[0]?.text).toBe('first')
    expect(stays.size).toBe(1)
    expect(await service.end()).toMatchObject({left: 1, streams: 2})
  })

  test('in the later dialect ends a single response stream that its consumer has left', async () => {
    const {promise: left, resolve: streamed} = Promise.withResolvers<Streamed>()
    const service = await running(endless, {
      presence: {everyMs: 30, timeoutMs: 1000},
      onStreamed: streamed,
    })
    await using bus = await fresh.open()
    await using client = new StreamClient(bus)
    const [gone, kept] = [
      await client.open('logs', 'gone', {dialect: 'later'}),
      await client.open('logs', 'kept', {dialect: 'later'}),
    ]
    gone.close()
    expect((await left).request.text).toBe('gone')
    expect((await kept.take(1))[0]?.text).toBe('first')
    expect(client.size).toBe(1)
    await service.end()
  })

  test('in the later dialect continues a response stream that one reply names as not active', async () => {
    const service = await running(endless, {presence: {everyMs: 30, timeoutMs: 1000}})
    await using bus = await fresh.open()
    const inbox = '_SINBOX.AAAAAAAAAAAAAAAAAAAAAA'
    await using frames = await bus.subscribe(`${inbox}.*`)
    await using heartbeats = await bus.subscribe(`_HEARTBEAT.${inbox}`)
    const request = {
      consumerId: `${inbox}.`,
      streamId: 'aaaaaaaa',
      heartBeatRequestSub: `_HEARTBEAT.${inbox}`,
      body: '',
    }
    bus.publish({subject: 'logs', data: JSON.stringify(request), reply: `${inbox}.aaaaaaaa`})
    await bus.flush()
    const answer = async (isNamed: boolean) => {
      const [message] = await heartbeats.take(1)
      const {ActiveStreamIds} = JSON.parse(message?.text ?? '')
      const data = JSON.stringify({NonActiveStreamIds: isNamed ? ActiveStreamIds : {}})
      bus.publish({subject: message?.reply ?? '', data})
      await bus.flush()
    }
    for (const isNamed of [true, false, true, false]) await answer(isNamed)
    expect((await frames.take(10)).map(({text}) => JSON.parse(text).type)).toEqual([1])
    for (const isNamed of [true, true]) await answer(isNamed)
    const [last] = await frames.take(1)
    expect(JSON.parse(last?.text ?? '')).toMatchObject({
      type: 2,
      closeError: {Code: 1001, Text: expect.stringContaining('no longer reads')},
    })
    await service.end()
  })

  test('closes only the response stream whose producer throws any value', async () => {
    const service = await running(async (request) => {
      if (request.text === 'bad') throw new TypeError('x is not a function')
      return undefined
    })
    await using bus = await fresh.open()
    await using client = new StreamClient(bus)
    await expect(textsOf(await client.open('logs', 'bad'))).rejects.toMatchObject({
      data: {code: 5000, text: 'x is not a function'},
    })
    expect(await textsOf(await client.open('logs', 'good'))).toEqual([])
    await service.end()
  })

  test('closes only the response stream whose producer throws something odd, or does not produce bytes or a close', async () => {
    const odd: Readonly<Record<string, Producer>> = {
      nothing: () => Promise.reject(undefined),
      object: () => Promise.reject(Object.create(null)),
      message: () => Promise.reject(Object.assign(new Error('x'), {message: {a: 1}})),
      number: async (_request, writer) => void writer.write(5 as never),
      list: async (_request, writer) => void writer.write([1, 2] as never),
      text: async () => 'done' as never,
      code: async () => ({code: 'x', text: 7}) as never,
    }
    const service = await running(async (request, writer, signal) => await odd[request.text]?.(request, writer, signal))
    await using bus = await fresh.open()
    await using client = new StreamClient(bus)
    for (const name of Object.keys(odd)) {
      const text = expect.stringMatching(/./)
      await expect(textsOf(await client.open('logs', name)), name).rejects.toMatchObject({data: {code: 5000, text}})
    }
    expect(await textsOf(await client.open('logs', 'good'))).toEqual([])
    expect(await service.end()).toMatchObject({streams: 8, failed: 7})
  })

  test('refuses a request that names no valid subject for frames or heartbeats, and continues', async () => {
    const service = await running(endless)
    await using bus = await fresh.open()
    await using frames = await bus.subscribe('_SINBOX.me.*')
    const later = (heartBeatRequestSub: string, consumerId = '_SINBOX.me.') =>
      JSON.stringify({consumerId, streamId: 'aaaaaaaa', heartBeatRequestSub, body: ''})
    bus.publish({subject: 'logs', data: later('a..b'), reply: '_SINBOX.me.aaaaaaaa'})
    bus.publish({subject: 'logs', data: later('a.b', 'a..')})
    await bus.flush()
    const [frame] = await frames.take(1)
    expect(JSON.parse(frame?.text ?? '')).toMatchObject({
      closeError: {Code: 4000, Text: expect.stringContaining('heartBeatRequestSub')},
    })
    await expect.poll(() => service.streamed.length).toBe(2)
    await using client = new StreamClient(bus)
    const stream = await client.open('logs')
    expect((await stream.take(1))[0]?.text).toBe('first')
    expect(await service.end()).toMatchObject({streams: 3, failed: 3})
  })

  test('serves a limited number at a time, and the others after them', async () => {
    let open = 0
    let most = 0
    const service = await running(
      async () => {
        most = Math.max(most, ++open)
        await new Promise((resolve) => setTimeout(resolve, 5))
        open--
        return undefined
      },
      {concurrency: 3},
    )
    await using bus = await fresh.open()
    await using client = new StreamClient(bus)
    const streams = await Promise.all(Array.from({length: 20}, () => client.open('logs')))
    await Promise.all(streams.map(textsOf))
    expect(most).toBe(3)
    expect(await service.end()).toMatchObject({streams: 20})
  })

  test('ends if no request arrives for the given time', async () => {
    const service = await running(three, {idleMs: 50})
    expect(await service.served).toMatchObject({streams: 0})
    await service.end()
  })
})

test('a service ends only the response streams whose frames its login may not send', async () => {
  await using server = await NatsServer.start(
    () => `authorization {users: [
      {user: full, password: p}
      {user: svc, password: p, permissions: {publish: {deny: ["_SINBOX.no.>", "deny.>"]}}}
    ]}`,
  )
  await using bus = await open(server.url({login: 'svc:p'}))
  await using full = await open(server.url({login: 'full:p'}))
  const live = Promise.withResolvers<void>()
  const stop = new AbortController()
  const streamed: Streamed[] = []
  const ticks: Producer = async (_request, writer, signal) => {
    for (let n = 1; n <= 20 && !signal.aborted; n++) {
      writer.write(String(n))
      await writer.flush()
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    return undefined
  }
  const served = serveStreams(bus, {
    ...{subject: 'logs', concurrency: 64, signal: stop.signal, onLive: live.resolve},
    producer: (request, writer, signal) => (request.text === 'wait' ? endless : ticks)(request, writer, signal),
    onStreamed: (one) => streamed.push(one),
  })
  await live.promise
  await using client = new StreamClient(full)
  const good = await client.open('logs')
  for (const reply of ['_SINBOX.no.aaaaaaaa', 'deny.me', 'deny.you']) full.publish({subject: 'logs', reply})
  full.publish({subject: 'logs', reply: 'deny.wait', data: 'wait'})
  await full.flush()
  expect((await textsOf(good)).length).toBe(20)
  await expect.poll(() => streamed.length).toBe(5)
  stop.abort()
  expect(await served).toMatchObject({streams: 5, failed: 4})
  for (const {request, close} of streamed) {
    if (request.reply?.startsWith(client.inbox)) expect(close).toEqual({code: 1000, text: ''})
    else expect(close).toEqual({code: 5000, text: expect.stringContaining(request.reply ?? '?')})
  }
})
