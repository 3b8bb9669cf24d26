/** The ideas of FireFly's tests of event delivery (internal/events: dispatcher, poller, subscription manager). */
import {expect, test} from 'vitest'
import {parseEventFilter} from '../../src/lib/protocols/event-delivery/filter.ts'
import {parseOptions} from '../../src/lib/protocols/event-delivery/subscription.ts'
import type {Transport} from '../../src/lib/transport/contract.ts'
import {directPlugin, gateway} from '../lib/protocols/event-delivery/direct.ts'
import {onEachBus, opened} from './buses.ts'

type Gateway = Awaited<ReturnType<typeof gateway>>

onEachBus(({fresh}) => {
  /** A bus with this many stored events, whose payloads are 1, 2, …, and their sequences. */
  async function stored(count: number): Promise<{bus: Transport; seqs: number[]}> {
    const bus = await opened(await fresh())
    await bus.streams.add({name: 'ORDERS', subjects: ['orders.>']})
    const seqs: number[] = []
    for (let n = 1; n <= count; n++)
      seqs.push((await bus.streams.publish({subject: `orders.${n % 2 ? 'odd' : 'even'}`, data: String(n)})).seq)
    return {bus, seqs}
  }
  const offsetOf = async ({registry}: Gateway) => registry.offset(await registry.get('ORDERS', 'app'))

  test('NoReadAheadInOrder: one event is in flight at a time', async () => {
    const {bus, seqs} = await stored(3)
    await using one = await gateway(bus, {firstEvent: 'oldest'})
    const app = one.connect('a')
    app.onDelivery = ({events}) => queueMicrotask(() => app.ack(events[0]?.message.text ?? ''))
    expect(await app.payloads(3)).toBe('1 2 3')
    await expect.poll(() => offsetOf(one)).toBe(seqs[2])
  })

  test('ReadAheadOutOfOrderAcks: acks 4, 1, 3, 2 move the offset to 1 and then to 4', async () => {
    const {bus, seqs} = await stored(4)
    await using one = await gateway(bus, {firstEvent: 'oldest', readAhead: 3})
    const app = one.connect('a')
    await app.payloads(4)
    app.ack('4', '1')
    await expect.poll(() => offsetOf(one)).toBe(seqs[0])
    app.ack('3', '2')
    await expect.poll(() => offsetOf(one)).toBe(seqs[3])
  })

  test('NackRewind, AckNotInFlight: a rejection delivers everything after the offset again, late acks do nothing', async () => {
    const {bus, seqs} = await stored(3)
    await using one = await gateway(bus, {firstEvent: 'oldest', readAhead: 2})
    const app = one.connect('a')
    await app.payloads(3)
    app.ack('1')
    app.reject('2')
    app.ack('3')
    expect(await app.payloads(5)).toBe('1 2 3 2 3')
    expect(await offsetOf(one)).toBe(seqs[0])
    app.ack('2', '3')
    await expect.poll(() => offsetOf(one)).toBe(seqs[2])
  })

  test('FailNack: a delivery that throws is a rejection', async () => {
    const {bus} = await stored(1)
    await using one = await gateway(bus, {firstEvent: 'oldest'})
    const app = one.connect('a')
    app.onDelivery = () => {
      if (app.got.length === 1) throw new Error('not now')
    }
    expect(await app.payloads(2)).toBe('1 1')
  })

  test('LeaderElection: one of two connections is served, the other one after it', async () => {
    const {bus} = await stored(2)
    await using one = await gateway(bus, {firstEvent: 'oldest'})
    const [first, second] = [one.connect('a'), one.connect('b')]
    await first.payloads(1)
    first.ack('1')
    await first.payloads(2)
    expect(second.got).toHaveLength(0)
    first.close()
    expect(await second.payloads(1)).toBe('2')
  })

  test.each([
    ['oldest', '1 2 3'],
    ['newest', '3'],
    ['', '3'],
  ])('FirstEvent: %j starts there, when the subscription is created', async (firstEvent, payloads) => {
    const {bus} = await stored(2)
    await using one = await gateway(bus, {firstEvent, readAhead: 9})
    await bus.streams.publish({subject: 'orders.odd', data: '3'})
    const app = one.connect('a')
    expect(await app.payloads(payloads.split(' ').length)).toBe(payloads)
  })

  test('FirstEvent: a sequence starts after it', async () => {
    const {bus, seqs} = await stored(3)
    await using one = await gateway(bus, {firstEvent: String(seqs[0]), readAhead: 9})
    expect(await one.connect('a').payloads(2)).toBe('2 3')
    for (const firstEvent of ['-2', 'first']) expect(() => parseOptions({firstEvent}, {withData: true})).toThrow()
  })

  test('FilterEventsMatch: only events that match are delivered, and the others move the offset', async () => {
    const {bus, seqs} = await stored(5)
    await using one = await gateway(bus, {firstEvent: 'oldest'}, {topic: 'even$'})
    const app = one.connect('a')
    app.onDelivery = ({events}) => queueMicrotask(() => app.ack(events[0]?.message.text ?? ''))
    expect(await app.payloads(2)).toBe('2 4')
    await expect.poll(() => offsetOf(one)).toBe(seqs[4])
    expect(() => parseEventFilter({topic: 7})).toThrow()
  })

  test('EphemeralSubscription: it ends with its connection, and leaves nothing', async () => {
    const {bus} = await stored(2)
    await using one = await gateway(bus)
    const app = one.connect('a', () => false)
    await one
      .callbacks()
      .ephemeralSubscription('a', 'ORDERS', {}, parseOptions({firstEvent: 'oldest'}, {withData: true}))
    expect(await app.payloads(1)).toBe('1')
    app.close()
    expect(await one.registry.list()).toEqual([])
  })

  test('ConnIDSafety, InvalidSubscription: foreign connections and responses are refused', async () => {
    const {bus} = await stored(1)
    await using one = await gateway(bus, {firstEvent: 'oldest'})
    const app = one.connect('a')
    await app.payloads(1)
    const other = directPlugin('other')
    await one.manager.use(other.plugin, {})
    expect(() => other.connect('a')).toThrow(/belongs to direct/)
    one.callbacks().deliveryResponse('a', {id: 'x', subscription: {namespace: 'ORDERS', name: 'none'}})
    expect(one.said.join('\n')).toContain('did not start')
  })
})
