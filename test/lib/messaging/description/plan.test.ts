/** What bus apply would do, by the library, on both buses. */
import {expect, test} from 'vitest'
import {describeBus, type PlanOptions, planChanges} from '../../../../src/lib/messaging/description/plan.ts'
import {parseDescription} from '../../../../src/lib/messaging/description/shape.ts'
import {describeSubscriptions, planSubscriptions} from '../../../../src/lib/protocols/event-delivery/described.ts'
import type {Transport} from '../../../../src/lib/transport/contract.ts'
import {onBothBuses} from '../../../both-buses.ts'

const options: PlanOptions = {prune: false, skipUnsupported: false, ownBuckets: ['bus-events'], say: () => {}}

async function made(bus: Transport, value: object, more: Partial<PlanOptions> = {}): Promise<string[]> {
  const steps = await planChanges(bus, parseDescription([{path: 'bus.yaml', value}]), {...options, ...more})
  for (const {run} of steps) await run()
  return steps.map(({what, action}) => `${action} ${what}`)
}

const described = {
  streams: {ORDERS: {subjects: ['orders.>'], maxAgeMs: '7d', description: 'all orders'}, PAID: {}},
  consumers: {ORDERS: {billing: {filters: ['orders.new'], ackWaitMs: 60_000}, push: {backoffMs: ['1s', '2s']}}},
  kv: {config: {history: 5}},
}

onBothBuses((newScene) => {
  test('what is missing is created, what differs is changed, and then nothing is left to do', async () => {
    await using scene = await newScene()
    const bus = scene.transport
    expect(await made(bus, described)).toEqual([
      'create stream ORDERS',
      'create stream PAID',
      'create bucket config',
      expect.stringContaining('billing'),
      expect.stringContaining('push'),
    ])
    expect(await made(bus, described)).toEqual([])
    expect(await made(bus, await describeBus(bus, options))).toEqual([])
    const changed = {
      streams: {ORDERS: {subjects: ['orders.>', 'more.>'], maxMsgs: 100}, PAID: {}},
      consumers: {ORDERS: {billing: {filters: ['orders.new'], ackWaitMs: '2m', maxDeliver: 3}}},
      kv: {config: {history: 3}},
    }
    expect(await made(bus, changed)).toEqual([
      'change stream ORDERS',
      'change bucket config',
      expect.stringContaining('billing'),
    ])
    expect((await bus.streams.info('ORDERS')).config).toMatchObject({subjects: ['orders.>', 'more.>'], maxMsgs: 100})
    expect((await bus.streams.consumers.info('ORDERS', 'billing')).config).toMatchObject({ackWaitMs: 120_000})
    expect(await made(bus, {streams: {ORDERS: changed.streams.ORDERS}}, {prune: true})).toEqual(['remove stream PAID'])
    expect(await made(bus, {consumers: {ORDERS: {}}}, {prune: true})).toHaveLength(2)
    expect(await made(bus, {kv: {}}, {prune: true})).toEqual(['remove bucket config'])
  })

  test('what cannot be changed is refused', async () => {
    await using scene = await newScene()
    await made(scene.transport, described)
    const other = (settings: object) => ({consumers: {ORDERS: {billing: settings}}})
    await expect(made(scene.transport, other({ack: 'none'}))).rejects.toThrow('cannot be changed')
    await expect(made(scene.transport, {consumers: {NONE: {c: {}}}})).rejects.toThrow('NONE')
    expect(() => parseDescription([{path: 'bus.yaml', value: {streams: {A: {unknown: 1}}}}])).toThrow('bus.yaml')
  })

  test('event subscriptions are planned and described like the rest', async () => {
    await using scene = await newScene()
    const {streams} = scene.transport
    await streams.add({name: 'EV', subjects: ['ev.>']})
    const wanted = {
      EV: {app: {}, hook: {transport: 'webhooks', options: {url: 'http://127.0.0.1:9/', headers: {A: 'b'}}}},
    } as const
    const plan = (described: Parameters<typeof planSubscriptions>[1], prune = false, names: string[] = []) =>
      planSubscriptions(streams, described, {prune, made: names})
    const steps = await plan(wanted)
    expect(steps.map(({action}) => action)).toEqual(['create', 'create'])
    for (const {run} of steps) await run()
    expect(await plan(wanted)).toEqual([])
    const shown = await describeSubscriptions(streams, () => {})
    expect(shown).toMatchObject({EV: {app: {}, hook: {transport: 'webhooks'}}})
    expect(await plan(shown)).toEqual([])
    expect((await plan({EV: {app: {filter: {topic: 'a.*'}}}})).map(({action}) => action)).toEqual(['change'])
    expect((await plan({EV: {}}, true)).map(({action}) => action)).toEqual(['remove', 'remove'])
    await expect(plan({NONE: {app: {}}})).rejects.toThrow('NONE')
    expect(await plan({NONE: {app: {}}}, false, ['NONE'])).toHaveLength(1)
    await expect(plan({EV: {app: {options: {nothing: 1}}}} as never)).rejects.toMatchObject({kind: 'usage'})
  })
})
