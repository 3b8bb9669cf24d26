import {afterAll, afterEach, beforeAll, beforeEach, describe, expect, test} from 'vitest'
import {call} from '../../../../src/lib/protocols/loom-rpc/call.ts'
import {discover, instancesOf} from '../../../../src/lib/protocols/loom-rpc/discover.ts'
import {register} from '../../../../src/lib/protocols/loom-rpc/serve.ts'
import type {Transport} from '../../../../src/lib/transport/contract.ts'
import {busNames, type FreshBus, freshBus} from '../response-streams/buses.ts'

const subject = 'loom.rpc.math.one.add'
const request = {subject, method: 'add', callerId: 'test', payload: '{"a":1}'}

describe.each(busNames)('on %s, a call', (name) => {
  let fresh: FreshBus
  let near: Transport
  let far: Transport
  beforeAll(async () => {
    fresh = await freshBus[name]()
  })
  afterAll(() => fresh[Symbol.asyncDispose]())
  beforeEach(async () => {
    ;[near, far] = [await fresh.open(), await fresh.open()]
  })
  afterEach(async () => {
    await near.close()
    await far.close()
  })

  test('is answered with the payload of the handler', async () => {
    await using _ = await register(far, subject, ({payload, method, callerId, traceId}) =>
      JSON.stringify({payload, method, callerId, traceId}),
    )
    const {payload, reply} = await call(near, {...request, traceId: 't'})
    expect(JSON.parse(payload ?? '')).toEqual({payload: '{"a":1}', method: 'add', callerId: 'test', traceId: 't'})
    expect(reply.text).toBe(`{"ok":true,"payload":${payload}}`)
  })

  test('fails with the text of a handler that throws', async () => {
    await using _ = await register(far, subject, () => Promise.reject(new Error('no such task')))
    await expect(call(near, request)).rejects.toMatchObject({
      ...{kind: 'remote', message: `"${subject}" answered with an error: no such task`},
      data: {error: 'no such task'},
    })
  })

  test('fails with the text of a handler that throws synchronously, too', async () => {
    await using _ = await register(far, subject, () => {
      throw new Error('not now')
    })
    await expect(call(near, request)).rejects.toMatchObject({kind: 'remote', data: {error: 'not now'}})
  })

  test('that is not an envelope is answered as in Go', async () => {
    await using _ = await register(far, subject, () => '1')
    expect((await near.request({subject, data: '{'})).text).toMatch(
      /^\{"ok":false,"error":"invalid request envelope: .+"\}$/,
    )
  })

  test('fails for an answer that is not an envelope, and immediately if nobody serves', async () => {
    const requests = await far.subscribe(subject)
    const failing = expect(call(near, request)).rejects.toMatchObject({
      kind: 'remote',
      data: {reason: expect.any(String)},
    })
    const [message] = await requests.take(1)
    far.publish({subject: message?.reply ?? '', data: 'hello'})
    await failing
    await expect(call(near, {...request, subject: 'loom.rpc.math.none.add'})).rejects.toMatchObject({
      kind: 'noResponders',
      try: ['bus rpc ls', 'check the name of the service, and that it is running'],
    })
  })

  test('skips the acknowledgement of a stream, and reports it once', async () => {
    const requests = await far.subscribe(subject)
    const captured: string[] = []
    const answered = call(near, {...request, onCaptured: (stream) => captured.push(stream)})
    const [message] = await requests.take(1)
    for (const data of ['{"stream":"LOOM","seq":1}', '{"stream":"LOOM","seq":2}', '{"ok":true,"payload":7}']) {
      far.publish({subject: message?.reply ?? '', data})
    }
    expect((await answered).payload).toBe('7')
    expect(captured).toEqual(['LOOM'])
  })

  test('that only a stream receives names the stream at the timeout', async () => {
    const requests = await far.subscribe(subject)
    const failing = expect(call(near, {...request, timeoutMs: 1000})).rejects.toMatchObject({
      ...{kind: 'timeout', message: expect.stringContaining('only LOOM stored the request')},
      data: {streams: ['LOOM']},
    })
    const [message] = await requests.take(1)
    far.publish({subject: message?.reply ?? '', data: '{"stream":"LOOM","seq":1}'})
    await failing
  })

  test('ends when its signal aborts', async () => {
    await using _ = await far.subscribe(subject)
    const stop = new AbortController()
    const failing = expect(call(near, {...request, signal: stop.signal})).rejects.toMatchObject({kind: 'interrupted'})
    stop.abort()
    await failing
  })

  test('is one of many at the same time, each with its own answer', async () => {
    await using _ = await register(far, subject, ({payload}) => payload)
    const calls = Array.from({length: 500}, (_, n) => call(near, {...request, payload: `${n}`}))
    expect((await Promise.all(calls)).map(({payload}) => payload)).toEqual(Array.from({length: 500}, (_, n) => `${n}`))
  })

  test('finds the registered instances, and those of other services, until they are closed', async () => {
    await using one = await register(far, subject, () => '1')
    await using two = await register(far, 'loom.rpc.math.two.add', () => '1')
    await using wild = await register(far, 'loom.rpc.math.*.sub', () => '1')
    await using services = await far.subscribe('$SRV.INFO')
    const answering = (async () => {
      for await (const {reply} of services) {
        const endpoints = [{subject: 'loom.rpc.text.x.upper'}, {subject: 'other'}, null, {}]
        far.publish({subject: reply ?? '', data: JSON.stringify({endpoints})})
        far.publish({subject: reply ?? '', data: 'no JSON'})
      }
    })()
    const found = await discover(near, {prefix: 'loom.rpc', idleMs: 200})
    const named = found.map(({subject: each, by}) => `${each} ${by}`)
    expect(named).toContain('loom.rpc.text.x.upper service')
    expect(named).toContain(`${subject} interest`)
    expect(instancesOf(found, {service: 'math', method: 'add'})).toEqual(['one', 'two'])
    expect(instancesOf(found, {service: 'math', method: 'sub'})).toEqual([])
    expect(named).toHaveLength(4)
    await services.close()
    await Promise.all([answering, one.close(), two.close(), wild.close()])
    expect(await discover(near, {prefix: 'loom.rpc', idleMs: 200, timeoutMs: 300})).toEqual([])
  })

  test('ends a registration when its signal aborts, and answers what is not JSON with an error', async () => {
    const stop = new AbortController()
    await using _ = await register(far, subject, ({payload}) => (payload === '1' ? 'hello' : (7 as never)), {
      signal: stop.signal,
    })
    for (const payload of ['1', '2'])
      await expect(call(near, {...request, payload})).rejects.toMatchObject({
        data: {error: expect.stringContaining('JSON')},
      })
    stop.abort()
    // A call on its way at that moment is not answered.
    await expect.poll(() => call(near, {...request, timeoutMs: 500}).catch(({kind}) => kind)).toBe('noResponders')
  })
})
