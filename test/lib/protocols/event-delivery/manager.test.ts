import {describe, expect, test} from 'vitest'
import {Message} from '../../../../src/lib/core/message.ts'
import {compileEventFilter} from '../../../../src/lib/protocols/event-delivery/filter.ts'
import type {DeliveryResponse} from '../../../../src/lib/protocols/event-delivery/plugin.ts'
import {openRegistry} from '../../../../src/lib/protocols/event-delivery/registry.ts'
import {parseOptions} from '../../../../src/lib/protocols/event-delivery/subscription.ts'
import type {Transport} from '../../../../src/lib/transport/contract.ts'
import {directPlugin, gateway, memoryBus, store} from './direct.ts'

type Gateway = Awaited<ReturnType<typeof gateway>>

async function offsetOf({registry}: Gateway): Promise<number> {
  return registry.offset(await registry.get('ORDERS', 'app'))
}

/** Polls a value that changes in the background. */
async function until<T>(look: () => Promise<T> | T, wanted: T): Promise<void> {
  const start = performance.now()
  let last: T | undefined
  while (performance.now() - start < 15_000) {
    last = await look()
    if (JSON.stringify(last) === JSON.stringify(wanted)) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  expect(last).toEqual(wanted)
}

/** Long enough for anything that should not arrive. */
const quiet = () => new Promise((resolve) => setTimeout(resolve, 60))

describe('a subscription', () => {
  test('without read-ahead has one event in flight, in order', async () => {
    const bus = await memoryBus()
    await store(bus, 1, 3)
    await using one = await gateway(bus, {firstEvent: 'oldest'})
    const app = one.connect('a')
    expect(await app.payloads(1)).toBe('1')
    await quiet()
    expect(app.got).toHaveLength(1)
    app.ack('1')
    expect(await app.payloads(2)).toBe('1 2')
    app.ack('2')
    expect(await app.payloads(3)).toBe('1 2 3')
    app.ack('3')
    await until(() => offsetOf(one), 3)
  })

  test('with read-ahead has that many more events in flight, and the offset waits for gaps: acks 4, 1, 3', async () => {
    const bus = await memoryBus()
    await store(bus, 1, 9)
    await using one = await gateway(bus, {firstEvent: 'oldest', readAhead: 3})
    const app = one.connect('a')
    expect(await app.payloads(4)).toBe('1 2 3 4')
    await quiet()
    expect(app.got).toHaveLength(4)
    app.ack('4')
    expect(await app.payloads(5)).toBe('1 2 3 4 5')
    expect(await offsetOf(one)).toBe(0)
    app.ack('1')
    await until(() => offsetOf(one), 1)
    app.ack('3')
    await quiet()
    expect(await offsetOf(one)).toBe(1)
    app.ack('2')
    await until(() => offsetOf(one), 4)
  })

  test('starts after its first event N', async () => {
    const bus = await memoryBus()
    await store(bus, 1, 5)
    await using one = await gateway(bus, {firstEvent: '3', readAhead: 5})
    expect(await one.connect('a').payloads(2)).toBe('4 5')
  })

  test('advances over events that its filter excludes', async () => {
    const bus = await memoryBus()
    await store(bus, 1, 5, 'orders.other')
    await store(bus, 6, 6)
    await store(bus, 7, 8, 'orders.other')
    await using one = await gateway(bus, {firstEvent: 'oldest'}, {topic: 'new$'})
    const app = one.connect('a')
    expect(await app.payloads(1)).toBe('6')
    await until(() => offsetOf(one), 5)
    app.ack('6')
    await until(() => offsetOf(one), 8)
  })

  test('can be acknowledged without an id: the oldest in flight', async () => {
    const bus = await memoryBus()
    await store(bus, 1, 3)
    await using one = await gateway(bus, {firstEvent: 'oldest', readAhead: 2})
    const app = one.connect('a')
    await app.payloads(3)
    app.answer(undefined)
    app.answer(undefined)
    await until(() => offsetOf(one), 2)
  })

  test('resumes where it stopped with the next gateway', async () => {
    const bus = await memoryBus()
    await store(bus, 1, 4)
    {
      await using one = await gateway(bus, {firstEvent: 'oldest', readAhead: 9})
      const app = one.connect('a')
      await app.payloads(4)
      app.ack('1', '2', '4')
    }
    await using next = await gateway(bus)
    expect(await next.connect('a').payloads(2)).toBe('3 4')
  })

  test('gets events that are stored later', async () => {
    const bus = await memoryBus()
    await using one = await gateway(bus, {readAhead: 9})
    const app = one.connect('a')
    await quiet()
    await store(bus, 1, 2)
    expect(await app.payloads(2)).toBe('1 2')
  })

  test('that is added, changed and removed while the gateway runs is delivered accordingly', async () => {
    const bus = await memoryBus()
    await store(bus, 1, 3)
    await using one = await gateway(bus)
    const app = one.connect('a')
    const wish = {namespace: 'ORDERS', name: 'app', transport: 'direct', filter: {}}
    const options = parseOptions({firstEvent: 'oldest'}, {withData: true})
    await one.registry.add({...wish, options})
    expect(await app.payloads(1)).toBe('1')
    app.ack('1')
    expect(await app.payloads(2)).toBe('1 2')
    await one.registry.add({...wish, options: {...options, readAhead: 5}}, {replace: true})
    expect(await app.payloads(4)).toBe('1 2 2 3')
    await one.registry.remove('ORDERS', 'app')
    await quiet()
    await store(bus, 4, 4)
    await quiet()
    expect(app.got).toHaveLength(4)
  })
})

describe('a rejection', () => {
  test('delivers everything after the offset again, in order, and does not stall in the middle of a page', async () => {
    const bus = await memoryBus()
    await store(bus, 1, 20)
    await using one = await gateway(bus, {firstEvent: 'oldest', readAhead: 4})
    const app = one.connect('a')
    await app.payloads(5)
    app.ack('1')
    await app.payloads(6)
    app.reject('3')
    app.ack('2', '4')
    expect(one.said).toEqual([expect.stringContaining('event 3 was rejected: no')])
    expect(await app.payloads(11)).toBe('1 2 3 4 5 6 2 3 4 5 6')
    app.onDelivery = ({events}) => queueMicrotask(() => app.ack(events[0]?.message.text ?? ''))
    app.ack('2', '3', '4', '5', '6')
    expect((await app.payloads(25)).split(' ').slice(11).join(' ')).toBe('7 8 9 10 11 12 13 14 15 16 17 18 19 20')
    await until(() => offsetOf(one), 20)
  })

  test('leaves the offset before the rejected event', async () => {
    const bus = await memoryBus()
    await store(bus, 1, 5)
    await using one = await gateway(bus, {firstEvent: 'oldest', readAhead: 9})
    const app = one.connect('a')
    await app.payloads(5)
    app.ack('5', '4', '1')
    app.reject('2')
    await app.payloads(6)
    expect(await offsetOf(one)).toBe(1)
  })

  test('by an exception counts, too', async () => {
    const bus = await memoryBus()
    await store(bus, 1, 1)
    await using one = await gateway(bus, {firstEvent: 'oldest'})
    const app = one.connect('a')
    app.onDelivery = () => {
      if (app.got.length === 1) throw new Error('not now')
      queueMicrotask(() => app.ack('1'))
    }
    expect(await app.payloads(2)).toBe('1 1')
    expect(one.said.join()).toContain('event 1 was rejected: not now')
    await until(() => offsetOf(one), 1)
  })

  test('after another one lengthens the pauses', async () => {
    const bus = await memoryBus()
    await store(bus, 1, 1)
    await using one = await gateway(bus, {firstEvent: 'oldest'})
    const app = one.connect('a')
    const times: number[] = []
    app.onDelivery = () => {
      times.push(performance.now())
      queueMicrotask(() => app.reject('1'))
    }
    await app.payloads(4)
    const pauses = times.slice(1).map((time, n) => time - (times[n] ?? 0))
    expect(pauses[0]).toBeGreaterThan(80)
    expect(pauses[1]).toBeGreaterThan(180)
    expect(pauses[2]).toBeGreaterThan(380)
  })

  test('may set the time of the next delivery', async () => {
    const bus = await memoryBus()
    await store(bus, 1, 1)
    await using one = await gateway(bus, {firstEvent: 'oldest'})
    const app = one.connect('a')
    await app.payloads(1)
    const start = performance.now()
    app.reject('1', {retryAfterMs: 300})
    await app.payloads(2)
    expect(performance.now() - start).toBeGreaterThan(280)
  })

  test('too often makes the event a dead letter, and delivery continues', async () => {
    const bus = await memoryBus()
    await bus.streams.add({name: 'DEAD', subjects: ['dead.>']})
    await store(bus, 1, 3)
    await using one = await gateway(bus, {
      firstEvent: 'oldest',
      readAhead: 1,
      maxRejects: 2,
      deadLetter: 'dead.{subject}',
    })
    const app = one.connect('a')
    app.onDelivery = ({events}) => {
      const text = events[0]?.message.text ?? ''
      queueMicrotask(() => (text === '2' ? app.reject(text, {info: 'bad\nnews'}) : app.ack(text)))
    }
    await until(() => offsetOf(one), 3)
    const dead = await bus.streams.last('DEAD', 'dead.orders.new')
    expect(dead.text).toBe('2')
    expect(Object.fromEntries(dead.headers)).toMatchObject({
      'Bus-Stream': 'ORDERS',
      'Bus-Sequence': '2',
      'Bus-Subject': 'orders.new',
      'Bus-Subscription': 'app',
      'Bus-Reason': 'bad news',
    })
    expect((await bus.streams.info('DEAD')).state.messages).toBe(1)
  })

  test('too often stops the subscription without a dead-letter subject', async () => {
    const bus = await memoryBus()
    await store(bus, 1, 3)
    await using one = await gateway(bus, {firstEvent: 'oldest', maxRejects: 2})
    const app = one.connect('a')
    app.onDelivery = ({events}) => queueMicrotask(() => app.reject(events[0]?.message.text ?? ''))
    await until(
      () => one.said.some((line) => line.includes('has stopped before event 1, which was rejected 2 times: no')),
      true,
    )
    await quiet()
    expect(app.got).toHaveLength(2)
    expect(await offsetOf(one)).toBe(0)
  })
})

describe('batches', () => {
  test('contain the available events, and are acknowledged as a whole', async () => {
    const bus = await memoryBus()
    await store(bus, 1, 7)
    await using one = await gateway(bus, {firstEvent: 'oldest', batch: true, readAhead: 5, batchTimeout: '20ms'})
    const app = one.connect('a')
    await app.payloads(1)
    expect(app.got.map(({events}) => events.length)).toEqual([5])
    app.ack('1')
    await app.payloads(2)
    expect(app.got.map(({events}) => events.length)).toEqual([5, 2])
    expect(await offsetOf(one)).toBe(5)
    app.ack('6')
    await until(() => offsetOf(one), 7)
  })

  test('are an array even for one event, and rejected as a whole', async () => {
    const bus = await memoryBus()
    await store(bus, 1, 2)
    await using one = await gateway(bus, {firstEvent: 'oldest', batch: true, batchTimeout: '5ms'})
    const app = one.connect('a')
    await app.payloads(1)
    app.reject('1')
    await app.payloads(2)
    expect(app.got.map(({events}) => events.map(({message}) => message.text))).toEqual([
      ['1', '2'],
      ['1', '2'],
    ])
    expect(app.got[0]?.id).not.toBe(app.got[1]?.id)
  })
})

describe('connections', () => {
  test('on one subscription take turns: one is served, the next takes over immediately', async () => {
    const bus = await memoryBus()
    await store(bus, 1, 3)
    await using one = await gateway(bus, {firstEvent: 'oldest'})
    const [first, second] = [one.connect('a'), one.connect('b')]
    await first.payloads(1)
    first.ack('1')
    await first.payloads(2)
    expect(second.got).toHaveLength(0)
    const start = performance.now()
    first.close()
    expect(await second.payloads(1)).toBe('2')
    expect(performance.now() - start).toBeLessThan(2900)
    first.ack('2')
    expect(one.said.at(-1)).toContain('which the connection did not start')
  })

  test('may change the subscriptions that they match', async () => {
    const bus = await memoryBus()
    await store(bus, 1, 1)
    await using one = await gateway(bus, {firstEvent: 'oldest'})
    const app = one.connect('a', () => false)
    await quiet()
    expect(app.got).toHaveLength(0)
    one.callbacks().registerConnection('a', ({name}) => name === 'app')
    expect(await app.payloads(1)).toBe('1')
    one.callbacks().registerConnection('a', () => false)
    await quiet()
    const other = one.connect('b')
    expect(await other.payloads(1)).toBe('1')
  })

  test('have ids that no other plugin uses', async () => {
    const bus = await memoryBus()
    await using one = await gateway(bus)
    one.connect('a')
    const other = directPlugin('other')
    await one.manager.use(other.plugin, {})
    expect(() => other.connect('a')).toThrow('belongs to direct')
    await expect(one.manager.use(directPlugin('other').plugin, {})).rejects.toThrow('a plugin other already')
  })

  test('have ephemeral subscriptions, which end with them', async () => {
    const bus = await memoryBus()
    await store(bus, 1, 2)
    await using one = await gateway(bus)
    const app = one.connect('a')
    const options = parseOptions({firstEvent: '1', readAhead: 5}, {withData: true})
    const ref = await one.callbacks().ephemeralSubscription('a', 'ORDERS', {}, options)
    expect([ref.id, await app.payloads(1)]).toEqual([ref.name, '2'])
    app.close()
    await store(bus, 3, 3)
    await quiet()
    expect([app.got.length, await one.registry.list()]).toEqual([1, []])
  })

  test('cannot have an ephemeral subscription of a missing stream, or with an invalid filter', async () => {
    const bus = await memoryBus()
    await using one = await gateway(bus)
    one.connect('a')
    const options = parseOptions({}, {withData: true})
    const {ephemeralSubscription} = one.callbacks()
    await expect(ephemeralSubscription('a', 'NONE', {}, options)).rejects.toMatchObject({kind: 'notFound'})
    await expect(ephemeralSubscription('a', 'ORDERS', {topic: '('}, options)).rejects.toMatchObject({kind: 'usage'})
    await expect(ephemeralSubscription('x', 'ORDERS', {}, options)).rejects.toThrow('no connection x')
  })
})

test('a recreated stream is reported, and delivered from its first event', async () => {
  const bus = await memoryBus()
  await store(bus, 1, 3)
  {
    await using one = await gateway(bus, {firstEvent: 'oldest', readAhead: 5})
    const app = one.connect('a')
    await app.payloads(3)
    app.ack('1', '2', '3')
  }
  await bus.streams.remove('ORDERS')
  await bus.streams.add({name: 'ORDERS', subjects: ['orders.>']})
  await store(bus, 4, 4)
  await using two = await gateway(bus)
  const app = two.connect('a')
  await until(() => two.said.some((line) => line.includes('stream ORDERS was recreated')), true)
  expect(await app.payloads(1)).toBe('4')
})

test('a stream that was restored to before the offset is reported, and delivered from its first event', async () => {
  const bus = await memoryBus()
  await store(bus, 1, 3)
  {
    await using one = await gateway(bus, {firstEvent: 'oldest', readAhead: 5})
    const app = one.connect('a')
    await app.payloads(3)
    app.ack('1', '2', '3')
  }
  const {bucket} = await openRegistry(bus.streams)
  const [entry] = await bucket.entries('offset.>')
  await bucket.put(entry?.key ?? '', (entry?.value ?? '').replace('"offset":3', '"offset":9'))
  await using two = await gateway(bus)
  const app = two.connect('a')
  await until(() => two.said.some((line) => line.includes('stream ORDERS was recreated or restored')), true)
  expect(await app.payloads(3)).toBe('1 2 3')
})

describe('replies', () => {
  async function replied(
    bus: Transport,
    headers: readonly (readonly [string, string])[],
    reply: DeliveryResponse['reply'] = {data: 'done'},
  ): Promise<string[]> {
    await bus.streams.publish({
      subject: 'orders.new',
      data: '1',
      headers: [['Bus-Reply-To', 'answers.one'], ...headers],
    })
    const answers = await bus.subscribe('answers.>')
    await using one = await gateway(bus, {firstEvent: 'oldest'})
    const app = one.connect('a')
    await app.payloads(1)
    app.answer('1', {reply})
    await until(() => offsetOf(one), 1)
    await answers.drain()
    const got: string[] = []
    for await (const {subject, text, headers: sent} of answers) got.push(`${subject} ${text} ${sent.length}`)
    return got
  }

  test('are sent to the reply subject with the id of the event', async () => {
    expect(await replied(await memoryBus(), [])).toEqual(['answers.one done 1'])
  })

  test('that cannot be sent are service errors, and the event is not delivered again', async () => {
    const large = {data: new Uint8Array(80 * 1024 * 1024)}
    expect(await replied(await memoryBus(), [], large)).toEqual([
      expect.stringMatching(/^answers\.one error: .*bytes.* 3$/),
    ])
    expect(await replied(await memoryBus(), [], {data: 'x', subject: 'a..b'})).toEqual([])
  })

  test('to an event that is itself a reply are refused', async () => {
    expect(await replied(await memoryBus(), [['Bus-Correlation-Id', 'x']])).toEqual([])
  })
})

describe('two gateways on one bus', () => {
  test('deliver a subscription once; the other one takes over', async () => {
    const bus = await memoryBus()
    await store(bus, 1, 3)
    const one = await gateway(bus, {firstEvent: 'oldest'})
    const first = one.connect('a')
    await first.payloads(1)
    await using two = await gateway(bus)
    const second = two.connect('a')
    await until(() => two.said.some((line) => line.includes('standing by')), true)
    first.ack('1')
    await first.payloads(2)
    expect(second.got).toHaveLength(0)
    await one[Symbol.asyncDispose]()
    expect(await second.payloads(1)).toBe('2')
  })
})

test('a filter is compiled once and is fast', async () => {
  const matches = await compileEventFilter({topic: '^orders\\.'})
  const message = new Message('orders.new', '', [], undefined, 1)
  expect(matches?.({id: '', sequence: 1, type: 'message', namespace: 'S', topic: 'orders.new', message})).toBe(true)
})
