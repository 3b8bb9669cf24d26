import {setImmediate} from 'node:timers/promises'
import {afterAll, afterEach, beforeAll, beforeEach, describe, expect, test} from 'vitest'
import {StreamClient} from '../../../../src/lib/protocols/response-streams/client.ts'
import {CloseError} from '../../../../src/lib/protocols/response-streams/close-error.ts'
import type {ResponseStream} from '../../../../src/lib/protocols/response-streams/response-stream.ts'
import {StreamWriter} from '../../../../src/lib/protocols/response-streams/writer.ts'
import type {Message, Subscription, Transport} from '../../../../src/lib/transport/contract.ts'
import {busNames, type FreshBus, freshBus} from './buses.ts'

async function textsOf(stream: ResponseStream): Promise<string[]> {
  const texts: string[] = []
  for await (const message of stream) texts.push(message.text)
  return texts
}

/** The next message of a subscription. */
async function next(subscription: Subscription): Promise<Message> {
  const [message] = await subscription.take(1)
  if (message === undefined) throw new Error('the subscription has ended')
  return message
}

describe.each(busNames)('on %s, a response stream', (name) => {
  let fresh: FreshBus
  let near: Transport
  let far: Transport
  let requests: Subscription
  beforeAll(async () => {
    fresh = await freshBus[name]()
  })
  afterAll(() => fresh[Symbol.asyncDispose]())
  beforeEach(async () => {
    ;[near, far] = [await fresh.open(), await fresh.open()]
    requests = await far.subscribe('logs')
  })
  afterEach(async () => {
    await near.close()
    await far.close()
  })

  /** The producer's end of the next requested response stream. */
  const accept = async () => {
    const request = await next(requests)
    const writer = new StreamWriter(far, request.reply ?? '')
    return {request, writer, send: (data: string) => far.publish({subject: request.reply ?? '', data})}
  }

  test('is requested as by the first implementation: raw body, reply subject, no headers', async () => {
    await using client = new StreamClient(near)
    const stream = await client.open('logs', Uint8Array.from([0, 255]))
    const {request} = await accept()
    expect([...request.data]).toEqual([0, 255])
    expect(request.headers).toEqual([])
    expect(request.reply).toBe(client.inbox + stream.token)
    expect(request.reply).toMatch(/^_SINBOX\.[0-9A-Za-z]{22}\.[0-9A-Za-z]{8}$/)
  })

  test('delivers its frames in order, as messages of the subject, and ends with close 1000', async () => {
    await using client = new StreamClient(near)
    const stream = await client.open('logs')
    const {writer} = await accept()
    writer.write('one')
    writer.writeObject({n: 2})
    writer.write(Uint8Array.from([0, 255]))
    writer.write('')
    writer.close()
    writer.closeWithCode(5000, 'too late')
    const frames: Message[] = []
    for await (const message of stream) frames.push(message)
    expect(frames.map(({data}) => [...data])).toEqual([
      [...Buffer.from('one')],
      [...Buffer.from('{"n":2}')],
      [0, 255],
      [],
    ])
    expect(new Set(frames.map(({subject}) => subject))).toEqual(new Set(['logs']))
    expect(stream.closed).toEqual({code: 1000, text: ''})
    expect(client.size).toBe(0)
  })

  test('fails after its frames with the code, name and text of any other close', async () => {
    await using client = new StreamClient(near)
    const stream = await client.open('logs')
    const {writer} = await accept()
    writer.write('one')
    writer.closeWithCode(5000, 'reading', 'disk full')
    const texts: string[] = []
    const reading = (async () => {
      for await (const message of stream) texts.push(message.text)
    })()
    await expect(reading).rejects.toMatchObject({
      kind: 'remote',
      data: {code: 5000, name: 'internal server error', text: 'reading: disk full'},
    })
    expect(texts).toEqual(['one'])
  })

  test('ignores frames of an unknown type, with a warning, and frames of other inboxes', async () => {
    const warnings: string[] = []
    await using client = new StreamClient(near, {warn: (line) => warnings.push(line)})
    const stream = await client.open('logs')
    const {writer, send} = await accept()
    far.publish({subject: `${client.inbox}nobodys1`, data: '{"type":1,"data":"aGk="}'})
    send('{"type":9}')
    writer.write('one')
    writer.close()
    expect(await textsOf(stream)).toEqual(['one'])
    expect(warnings).toEqual([expect.stringContaining('unknown type 9')])
  })

  test.each(['', 'x', '{"type":1,"data":"aG', '{"type":"1"}'])('ends with 1003 for the frame %j', async (frame) => {
    await using client = new StreamClient(near)
    const stream = await client.open('logs')
    const {send} = await accept()
    send(frame)
    await expect(textsOf(stream)).rejects.toMatchObject({kind: 'remote', data: {code: 1003, own: true}})
  })

  test.each(['{"type":2}', '{'])('ends with a close that is marked as its own for the frame %j', async (frame) => {
    await using client = new StreamClient(near)
    const stream = await client.open('logs')
    const {send} = await accept()
    send(frame)
    const failure = await textsOf(stream).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(CloseError)
    expect(failure).toMatchObject({close: {isOwn: true}, message: expect.stringContaining('by this client')})
  })

  test('suggests the later dialect if the first one is answered with 4000', async () => {
    await using client = new StreamClient(near)
    for (const dialect of ['first', 'later'] as const) {
      const stream = await client.open('logs', 'hi', {dialect})
      const {writer} = await accept()
      writer.closeWithCode(4000, 'error decoding the request')
      const failure = await textsOf(stream).catch((error: unknown) => error)
      const hints = dialect === 'first' ? [expect.stringContaining('--dialect later')] : []
      expect(failure).toMatchObject({close: {code: 4000}, try: hints})
      expect((failure as CloseError).data).not.toHaveProperty('own')
    }
  })

  test('reports several producers, whether their frames have numbers or come after the close', async () => {
    const warnings: string[] = []
    await using client = new StreamClient(near, {warn: (line) => warnings.push(line)})
    const mixed = await client.open('logs')
    const {writer: one, request} = await accept()
    const two = new StreamWriter(far, request.reply ?? '')
    for (const writer of [one, two]) writer.write('x')
    for (const writer of [one, two]) writer.close()
    expect(await textsOf(mixed)).toEqual(['x', 'x'])
    expect(warnings).toEqual([expect.stringMatching(/"logs": several producers are answering/)])
    await using other = new StreamClient(near, {warn: (line) => warnings.push(line)})
    const stream = await other.open('logs')
    const {send} = await accept()
    for (const frame of ['{"type":1}', '{"type":2,"closeError":{"Code":1000,"Text":""}}', '{"type":1}']) send(frame)
    expect(await textsOf(stream)).toEqual([''])
    await expect
      .poll(() => warnings.slice(1))
      .toEqual([expect.stringMatching(/"logs": frames arrived after the close/)])
  })

  test('that nobody serves fails immediately, even if the body is JSON', async () => {
    await using client = new StreamClient(near)
    const stream = await client.open('nobody.here')
    await expect(textsOf(stream)).rejects.toMatchObject({kind: 'noResponders'})
  })

  test('fails with the number of missing frames, before the end and at the end', async () => {
    await using client = new StreamClient(near)
    for (const isLast of [false, true]) {
      const stream = await client.open('logs')
      const {writer} = await accept()
      writer.write('one')
      writer.frames += 2
      if (!isLast) {
        await new Promise((resolve) => setTimeout(resolve, 30))
        writer.write('four')
      }
      writer.close()
      const texts: string[] = []
      const reading = (async () => {
        for await (const message of stream) texts.push(message.text)
      })()
      await expect(reading).rejects.toMatchObject({
        kind: 'timeout',
        message: 'the response stream of "logs" is incomplete: 2 of the first 3 frames did not arrive',
        data: {missing: 2},
      })
      expect(texts).toEqual(['one'])
    }
  })

  test('has all frames if two producers write it', async () => {
    await using client = new StreamClient(near)
    const stream = await client.open('logs')
    const {writer, request} = await accept()
    const other = new StreamWriter(far, request.reply ?? '')
    for (const each of [writer, other]) for (const text of ['one', 'two']) each.write(text)
    writer.close()
    expect(await textsOf(stream)).toEqual(['one', 'two', 'one', 'two'])
  })

  test('has numbered frames only for busline clients: others get frames as of the first implementation', async () => {
    await using client = new StreamClient(near)
    const frames = await near.subscribe('_SINBOX.>')
    await client.open('logs')
    const {writer} = await accept()
    const stranger = new StreamWriter(far, '_SINBOX.GwLlKanYanG8WcN0tZOOhh.KK7F9jas')
    for (const each of [writer, stranger]) {
      each.write('one')
      each.close()
    }
    await far.flush()
    const seen: Message[] = []
    while (seen.length < 4) seen.push(...(await frames.take(4)))
    const headers = seen.map((message) => message.header('Bus-Frame'))
    expect(headers).toEqual(['1', '2', undefined, undefined])
    expect(seen[0]?.text).toBe(seen[2]?.text)
  })

  test('ends when its signal aborts, and the others continue', async () => {
    await using client = new StreamClient(near)
    const stop = new AbortController()
    const [left, other] = [await client.open('logs', 'a', {signal: stop.signal}), await client.open('logs', 'b')]
    const producers = [await accept(), await accept()]
    stop.abort()
    await expect(textsOf(left)).rejects.toMatchObject({kind: 'interrupted'})
    for (const {writer} of producers) {
      writer.write('one')
      writer.close()
    }
    expect(await textsOf(other)).toEqual(['one'])
    await expect(client.open('logs', '', {signal: stop.signal})).rejects.toMatchObject({kind: 'interrupted'})
  })

  test('keeps its order under load, without losing a byte', async () => {
    await using client = new StreamClient(near)
    const stream = await client.open('logs')
    const {writer} = await accept()
    const count = 20_000
    const written = (async () => {
      for (let n = 0; n < count; n++) {
        writer.write(`${n}`)
        if (n % 500 === 0) await far.flush()
      }
      writer.close()
      await far.flush()
    })()
    let expected = 0
    for await (const message of stream) if (message.text === `${expected}`) expected++
    await written
    expect([expected, stream.frames]).toEqual([count, count])
  })

  test.each(['overrun', 'hold'] as const)(
    'that is not read delays none of a thousand others (%s)',
    async (whenFull) => {
      await using client = new StreamClient(near)
      const [streams, perStream] = [1000, 20]
      const opening = Promise.all(
        Array.from({length: streams}, (_, i) => client.open('logs', `${i}`, i === 500 ? {whenFull} : {})),
      )
      const writers: StreamWriter[] = []
      while (writers.length < streams) writers.push((await accept()).writer)
      const opened = await opening
      const reading = opened.filter((_, i) => i !== 500).map(textsOf)
      for (let n = 0; n < perStream; n++) {
        for (const writer of writers) writer.write(`${n}`)
        await far.flush()
        await setImmediate()
      }
      for (const writer of writers) writer.close()
      await far.flush()
      const wanted = Array.from({length: perStream}, (_, n) => `${n}`)
      for (const texts of await Promise.all(reading)) expect(texts).toEqual(wanted)
      const stuck = opened[500]
      if (stuck === undefined) throw new Error('there is no such stream')
      if (whenFull === 'hold') expect(await textsOf(stuck)).toEqual(wanted)
      else await expect(textsOf(stuck)).rejects.toMatchObject({message: expect.stringContaining('overrun')})
    },
  )

  test('in the later dialect is asked about, and kept while it is open', async () => {
    await using client = new StreamClient(near)
    const stream = await client.open('logs', 'hi', {dialect: 'later'})
    const {request, writer} = await accept()
    const {consumerId, streamId, heartBeatRequestSub, body} = JSON.parse(request.text)
    expect([consumerId + streamId, body]).toEqual([request.reply, 'aGk='])
    const ask = async (...tokens: string[]) => {
      const data = JSON.stringify({ActiveStreamIds: {logs: tokens, other: tokens.slice(1)}})
      return JSON.parse((await far.request({subject: heartBeatRequestSub, data})).text)
    }
    expect(await ask(stream.token)).toEqual({NonActiveStreamIds: {}})
    expect(await ask(stream.token, 'gone')).toEqual({NonActiveStreamIds: {logs: ['gone'], other: ['gone']}})
    writer.close()
    expect(await textsOf(stream)).toEqual([])
    expect(await ask(stream.token)).toEqual({NonActiveStreamIds: {logs: [stream.token]}})
  })

  test('in the later dialect fails when the heartbeats of its producer stop', async () => {
    await using client = new StreamClient(near, {silenceMs: 50})
    const stream = await client.open('logs', '', {dialect: 'later'})
    const {request} = await accept()
    const data = JSON.stringify({ActiveStreamIds: {logs: [stream.token]}})
    await far.request({subject: JSON.parse(request.text).heartBeatRequestSub, data})
    await expect(textsOf(stream)).rejects.toMatchObject({
      kind: 'timeout',
      message: expect.stringContaining('neither a frame nor a heartbeat'),
    })
  })

  test('in the later dialect fails when its producer sends neither frames nor heartbeats', async () => {
    await using client = new StreamClient(near, {silenceMs: 50})
    const stream = await client.open('logs', '', {dialect: 'later'})
    await accept()
    await expect(textsOf(stream)).rejects.toMatchObject({kind: 'timeout'})
  })

  test('ends with the connection', async () => {
    const client = new StreamClient(near)
    const stream = await client.open('logs')
    const failing = expect(textsOf(stream)).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringContaining('closed'),
    })
    await near.close()
    await failing
  })
})

describe('a writer', () => {
  test('refuses frames that exceed the limit of the bus, naming the size, and frames after the close', async () => {
    await using fresh = await freshBus.nats()
    const bus = await fresh.open()
    const writer = new StreamWriter(bus, '_SINBOX.a.b')
    expect(writer.write('test data')).toBe(32)
    expect(() => writer.write(Buffer.alloc(bus.maxPayload * 0.76))).toThrow(/frame \d+, .* accepts at most 1048576/)
    expect(writer.write(Buffer.alloc(writer.mostData))).toBeLessThanOrEqual(bus.maxPayload)
    writer.close()
    expect(() => writer.write('more')).toThrow('the response stream is closed')
    await bus.close()
  })

  test('truncates a close whose text is too long, and sends the rest', async () => {
    await using fresh = await freshBus.memory()
    await using bus = await fresh.open()
    const frames = await bus.subscribe('_SINBOX.a.b')
    const writer = new StreamWriter(bus, '_SINBOX.a.b')
    writer.closeWithCode(5000, '\u0001'.repeat(1_000_000))
    expect(writer.closed?.text.length).toBeLessThan(20_000)
    expect((await next(frames)).text).toContain('"Code":5000')
  })
})
