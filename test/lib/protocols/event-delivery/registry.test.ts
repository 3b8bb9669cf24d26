import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {
  offsetKey,
  openRegistry,
  type Registry,
  type Wish,
} from '../../../../src/lib/protocols/event-delivery/registry.ts'
import {parseOptions} from '../../../../src/lib/protocols/event-delivery/subscription.ts'
import type {Transport} from '../../../../src/lib/transport/contract.ts'
import {open} from '../../../../src/lib/transport/open.ts'

let bus: Transport
let registry: Registry

beforeEach(async () => {
  bus = await open(`memory:${crypto.randomUUID()}`)
  await bus.streams.add({name: 'ORDERS', subjects: ['orders.>']})
  for (let n = 1; n <= 3; n++) await bus.streams.publish({subject: 'orders.created', data: `${n}`})
  registry = await openRegistry(bus.streams)
})

afterEach(() => bus.close())

function wish(name: string, options: unknown = {}, filter: Wish['filter'] = {}): Wish {
  return {namespace: 'ORDERS', name, transport: 'websockets', filter, options: parseOptions(options, {withData: false})}
}

describe('subscriptions', () => {
  test.each([
    ['newest', '3'],
    ['', '3'],
    [undefined, '3'],
    ['oldest', '0'],
    ['-1', '0'],
    ['2', '2'],
    [2, '2'],
  ])('with the first event %j start after %s', async (firstEvent, locked) => {
    const {subscription, made} = await registry.add(wish('a', {firstEvent}))
    expect([made, subscription.options.firstEvent]).toEqual([true, locked])
    await bus.streams.publish({subject: 'orders.created'})
    expect(await registry.offset(await registry.get('ORDERS', 'a'))).toBe(Number(locked))
  })

  test('of an empty stream start at its beginning', async () => {
    await bus.streams.add({name: 'EMPTY'})
    const {subscription} = await registry.add({...wish('a'), namespace: 'EMPTY'})
    expect(subscription.options.firstEvent).toBe('0')
  })

  test.each([
    ['x', 'it must be newest, oldest or a sequence'],
    ['-2', 'greater than or equal to -1'],
    ['1.5', 'it must be newest, oldest or a sequence'],
  ])('refuse the first event %s', (firstEvent, reason) => {
    expect(() => parseOptions({firstEvent}, {withData: false})).toThrow(reason)
  })

  test('that are the same are returned, others refused or changed in place', async () => {
    const {subscription} = await registry.add(wish('a', {firstEvent: 'oldest'}))
    expect(await registry.add(wish('a'))).toEqual({subscription, made: false})
    await expect(registry.add(wish('a', {}, {topic: 'paid'}))).rejects.toMatchObject({kind: 'usage'})
    const changed = await registry.add(wish('a', {}, {topic: 'paid'}), {replace: true})
    expect(changed.subscription).toMatchObject({
      id: subscription.id,
      filter: {topic: 'paid'},
      options: {firstEvent: '0'},
    })
  })

  test('are listed by name, reported and removed', async () => {
    const snapshot = await registry.snapshot()
    const stop = new AbortController()
    const changes = registry.changes(snapshot, stop.signal)[Symbol.asyncIterator]()
    const next = async () => {
      const {value} = await changes.next()
      return `${value.name} ${value.subscription === undefined ? 'gone' : 'there'}`
    }
    for (const name of ['b', 'a', 'c.d-e_f']) await registry.add(wish(name))
    expect((await registry.list()).map(({name}) => name)).toEqual(['a', 'b', 'c.d-e_f'])
    expect([await next(), await next(), await next()]).toEqual(['b there', 'a there', 'c.d-e_f there'])
    await registry.remove('ORDERS', 'a')
    expect(await next()).toBe('a gone')
    await expect(registry.get('ORDERS', 'a')).rejects.toMatchObject({kind: 'notFound'})
    expect((await registry.add(wish('a'))).made).toBe(true)
    stop.abort()
    await changes.return?.()
  })

  test('of a missing stream are not created', async () => {
    await expect(registry.add({...wish('a'), namespace: 'NONE'})).rejects.toMatchObject({kind: 'notFound'})
  })

  test.each(['', '.a', 'a..b', 'a.', 'a b', 'ä', 'x'.repeat(65)])('may not be named %j', async (name) => {
    await expect(registry.add(wish(name))).rejects.toMatchObject({kind: 'usage'})
  })

  test.each(['hello', 'null', '7', '{"offset":"x"}', '{"offset":1.5}'])(
    'whose offset another program wrote are reported in a sentence: %s',
    async (value) => {
      await registry.add(wish('a'))
      const subscription = await registry.get('ORDERS', 'a')
      await bus.streams.publish({subject: `$KV.bus-events.${offsetKey(subscription)}`, data: value})
      await expect(registry.offset(subscription)).rejects.toMatchObject({
        kind: 'remote',
        message: expect.stringContaining('another program wrote the offset of a'),
      })
    },
  )

  test.each(['hello', '{}', '{"id":"1","namespace":"ORDERS","name":"a","options":{"firstEvent":"soon"}}'])(
    'that another program wrote are reported, and are neither absent nor removed: %s',
    async (value) => {
      const reported: string[] = []
      const watching = await openRegistry(bus.streams, {onInvalid: (sentence) => void reported.push(sentence)})
      for (const name of ['a', 'b']) await registry.add(wish(name))
      const snapshot = await watching.snapshot()
      await bus.streams.publish({subject: '$KV.bus-events.subscription.ORDERS.a', data: value})
      const stop = new AbortController()
      const changes = watching.changes(snapshot, stop.signal)[Symbol.asyncIterator]()
      await registry.remove('ORDERS', 'b')
      expect((await changes.next()).value).toMatchObject({name: 'b'})
      expect((await watching.list()).length).toBe(0)
      expect(new Set(reported).size).toBe(1)
      const failure = {kind: 'remote', message: expect.stringContaining('subscription.ORDERS.a cannot be read: ')}
      expect(reported[0]).toEqual(failure.message)
      await expect(registry.get('ORDERS', 'a')).rejects.toMatchObject(failure)
      await expect(registry.add(wish('a'))).rejects.toMatchObject(failure)
      stop.abort()
      await changes.return?.()
    },
  )

  test('are stored in a bucket that other tools can read', async () => {
    const {subscription} = await registry.add(wish('a'))
    expect((await bus.streams.info('KV_bus-events')).config).toMatchObject({
      subjects: ['$KV.bus-events.>'],
      maxMsgsPerSubject: 1,
    })
    expect([...(await bus.streams.subjects('KV_bus-events')).keys()]).toEqual([
      '$KV.bus-events.subscription.ORDERS.a',
      `$KV.bus-events.offset.${subscription.id}`,
    ])
  })
})

test('a bucket updates only keys that nobody else has changed', async () => {
  const {bucket} = registry
  const first = await bucket.update('k', '1', 0)
  expect(await bucket.update('k', '2', 0)).toBeUndefined()
  expect(await bucket.update('k', '2', first ?? 0)).toBeGreaterThan(first ?? 0)
  expect(await bucket.update('k', '3', first ?? 0)).toBeUndefined()
  await bucket.remove('k')
  expect(await bucket.get('k')).toBeUndefined()
  expect(await bucket.update('k', '4', 0)).toBeGreaterThan(0)
  expect((await bucket.get('k'))?.value).toBe('4')
})
