import {expect} from 'vitest'
import type {Transport} from '../../../src/lib/transport/contract.ts'
import {type ConsumerSettings, type Delivery, storeHeaders} from '../../../src/lib/transport/streams-contract.ts'
import type {Case} from '../case.ts'
import {numbers, type Scene, texts} from '../scene.ts'
import {at, stateOf, store, storeOn} from './storage.ts'

const needs = {streams: true}

/** A bus whose stream `A` stores `a.*` with this retention, and has these consumers. */
async function retaining(
  scene: Scene,
  retention: 'workqueue' | 'interest',
  consumers: readonly ConsumerSettings[],
): Promise<Transport> {
  const bus = await scene.connect()
  const {config} = await bus.streams.add({name: 'A', subjects: ['a.*'], retention})
  expect(config.retention).toBe(retention)
  for (const each of consumers) await bus.streams.consumers.add('A', each)
  return bus
}

async function kept(scene: Scene, bus: Transport): Promise<string[]> {
  return texts(await scene.untilEnd(await bus.streams.read('A')))
}

/** Waits until only these messages are left in the stream. */
function leaves(scene: Scene, bus: Transport, left: readonly string[]): Promise<void> {
  return scene.eventually(async () => {
    expect(await kept(scene, bus)).toEqual(left)
    expect((await stateOf(bus, 'A')).messages).toBe(left.length)
  })
}

/** Takes messages of a consumer and answers them. */
async function handle(
  scene: Scene,
  bus: Transport,
  consumer: string,
  answers: readonly ((delivery: Delivery) => void)[],
): Promise<readonly Delivery[]> {
  await using member = await bus.streams.consumers.consume('A', consumer, {max: answers.length})
  const taken: Delivery[] = []
  while (taken.length < answers.length)
    taken.push(...(await scene.within(member.take(answers.length - taken.length), 'message')))
  for (const [i, answer] of answers.entries()) answer(at(taken, i))
  await member.flush()
  return taken
}

const ack = (delivery: Delivery) => delivery.ack()
const term = (delivery: Delivery) => delivery.term('no use')
const nak = (delivery: Delivery) => delivery.nak(60_000)
const nothing = () => {}

export const retention: readonly Case[] = [
  {
    name: 'a work queue removes a message when it is acknowledged or terminated, and not otherwise',
    needs,
    async run(scene) {
      const bus = await retaining(scene, 'workqueue', [{name: 'w'}])
      const seqs = await storeOn(bus, ['a.x', 'a.y', 'a.x', 'a.y', 'a.z'])
      await handle(scene, bus, 'w', [nak, ack, term, nothing, ack])
      await leaves(scene, bus, ['1', '4'])
      expect([...(await bus.streams.subjects('A'))].sort()).toEqual([
        ['a.x', 1],
        ['a.y', 1],
      ])
      await expect(bus.streams.get('A', at(seqs, 1))).rejects.toMatchObject({kind: 'notFound'})
      expect(await bus.streams.consumers.info('A', 'w')).toMatchObject({pending: 0, ackPending: 2})
      await store(bus, 'a.x', ['6'])
      await scene.eventually(async () => expect((await bus.streams.consumers.info('A', 'w')).pending).toBe(1))
      await handle(scene, bus, 'w', [ack])
      await leaves(scene, bus, ['1', '4'])
      expect(await stateOf(bus, 'A')).toMatchObject({messages: 2, firstSeq: at(seqs, 0)})
    },
  },
  {
    name: 'a work queue whose messages are all acknowledged is empty, and continues',
    needs,
    async run(scene) {
      const bus = await retaining(scene, 'workqueue', [{name: 'w'}])
      for (let round = 0; round < 3; round++) {
        const seqs = await store(bus, 'a.x', numbers(20))
        await handle(scene, bus, 'w', Array<typeof ack>(20).fill(ack))
        await leaves(scene, bus, [])
        expect(await stateOf(bus, 'A')).toMatchObject({bytes: 0, subjects: 0, lastSeq: at(seqs, -1)})
        expect(await bus.streams.consumers.info('A', 'w')).toMatchObject({pending: 0, ackPending: 0})
      }
    },
  },
  {
    name: 'a work queue keeps a message that reached its limit of deliveries, and removes it after a late acknowledgement',
    needs,
    async run(scene) {
      const bus = await retaining(scene, 'workqueue', [{name: 'w', maxDeliver: 1, ackWaitMs: 50}])
      await store(bus, 'a.x', numbers(2))
      await using member = await bus.streams.consumers.consume('A', 'w')
      const first = await scene.within(member.take(1), 'message')
      const [second] = first.length > 1 ? first.slice(1) : await scene.within(member.take(1), 'message')
      await scene.eventually(async () => {
        await member.take(1, 60)
        expect((await bus.streams.consumers.info('A', 'w')).ackPending).toBe(0)
      })
      expect(await kept(scene, bus)).toEqual(numbers(2))
      second?.ack()
      await member.flush()
      await leaves(scene, bus, ['1'])
    },
  },
  {
    name: 'the consumers of a work queue need explicit acks, deliver policy all, and filters that do not overlap',
    needs,
    async run(scene) {
      const bus = await retaining(scene, 'workqueue', [])
      const {consumers} = bus.streams
      const refused = async (settings: Omit<ConsumerSettings, 'name'>, code: number) =>
        await expect(consumers.add('A', {name: 'other', ...settings}), String(code)).rejects.toMatchObject({
          kind: 'usage',
          data: {code},
        })
      await refused({ack: 'none'}, 10084)
      await refused({ack: 'all'}, 10098)
      await refused({deliver: 'new'}, 10101)
      await refused({deliver: {seq: 3}}, 10101)
      await consumers.add('A', {name: 'x', filters: ['a.x']})
      await refused({}, 10099)
      await refused({filters: ['a.*']}, 10100)
      await refused({filters: ['a.x']}, 10100)
      await consumers.add('A', {name: 'y', filters: ['a.y']})
      await consumers.add('A', {name: 'y', filters: ['a.y']})
      await expect(consumers.update('A', 'y', {filters: ['a.*']})).rejects.toMatchObject({data: {code: 10100}})
      expect((await consumers.list('A')).map(({config}) => config.name)).toEqual(['x', 'y'])
      await consumers.remove('A', 'x')
      await consumers.update('A', 'y', {filters: ['a.x']})
    },
  },
  {
    name: 'removing a consumer of a work queue removes no message, and the next consumer gets them all',
    needs,
    async run(scene) {
      const bus = await retaining(scene, 'workqueue', [{name: 'w'}])
      await store(bus, 'a.x', numbers(3))
      await handle(scene, bus, 'w', [ack, nothing])
      await leaves(scene, bus, ['2', '3'])
      await bus.streams.consumers.remove('A', 'w')
      expect(await kept(scene, bus)).toEqual(['2', '3'])
      await bus.streams.consumers.add('A', {name: 'w'})
      expect(texts(await handle(scene, bus, 'w', [ack, ack]))).toEqual(['2', '3'])
      await leaves(scene, bus, [])
    },
  },
  {
    name: 'the retention of a stream can be changed between limits and interest, but not to or from workqueue',
    needs,
    async run(scene) {
      const bus = await scene.connect()
      const {streams} = bus
      await streams.add({name: 'A', subjects: ['a.*']})
      await streams.consumers.add('A', {name: 'c'})
      await store(bus, 'a.x', numbers(3))
      await handle(scene, bus, 'c', [nothing, ack])
      expect(await kept(scene, bus)).toEqual(numbers(3))
      expect((await streams.update('A', {retention: 'interest'})).config.retention).toBe('interest')
      await leaves(scene, bus, ['1', '3'])
      expect((await streams.update('A', {description: 'x'})).config.retention).toBe('interest')
      expect((await streams.update('A', {retention: 'limits'})).config.retention).toBe('limits')
      await handle(scene, bus, 'c', [ack])
      await store(bus, 'a.x', ['4'])
      await handle(scene, bus, 'c', [ack])
      expect(await kept(scene, bus)).toEqual(['1', '3', '4'])
      await expect(streams.update('A', {retention: 'workqueue'})).rejects.toMatchObject({kind: 'usage'})
      await streams.add({name: 'B', retention: 'workqueue'})
      for (const retention of ['limits', 'interest'] as const)
        await expect(streams.update('B', {retention})).rejects.toMatchObject({kind: 'usage'})
    },
  },
  {
    name: 'with retention interest, a message that no consumer wants is acknowledged, and not kept',
    needs,
    async run(scene) {
      const bus = await retaining(scene, 'interest', [])
      const headers = [[storeHeaders.msgId, 'one']] as const
      const {seq} = await bus.streams.publish({subject: 'a.x', data: '1', headers})
      expect(seq).toBeGreaterThan(0)
      expect(await bus.streams.publish({subject: 'a.x', data: '1', headers})).toMatchObject({seq, duplicate: true})
      expect(await stateOf(bus, 'A')).toMatchObject({messages: 0, lastSeq: seq})
      await bus.streams.consumers.add('A', {name: 'x', filters: ['a.x']})
      const [y = 0, x = 0] = [(await store(bus, 'a.y', ['2']))[0], (await store(bus, 'a.x', ['3']))[0]]
      expect(x).toBeGreaterThan(y)
      expect(await kept(scene, bus)).toEqual(['3'])
      expect(await stateOf(bus, 'A')).toMatchObject({messages: 1, firstSeq: x, lastSeq: x, subjects: 1})
      await scene.eventually(async () => expect((await bus.streams.consumers.info('A', 'x')).pending).toBe(1))
    },
  },
  {
    name: 'with retention interest, a message is removed when every consumer that wants it has acknowledged it',
    needs,
    async run(scene) {
      const bus = await retaining(scene, 'interest', [{name: 'all'}, {name: 'x', filters: ['a.x']}])
      await storeOn(bus, ['a.x', 'a.y', 'a.x', 'a.y'])
      await handle(scene, bus, 'all', [ack, ack, nak, term])
      await leaves(scene, bus, ['1', '3'])
      await handle(scene, bus, 'x', [term, ack])
      await leaves(scene, bus, ['3'])
      await bus.streams.consumers.remove('A', 'all')
      await leaves(scene, bus, [])
      await storeOn(bus, ['a.y', 'a.x'])
      expect(await kept(scene, bus)).toEqual(['2'])
      await bus.streams.consumers.remove('A', 'x')
      await leaves(scene, bus, [])
    },
  },
  {
    name: 'with retention interest, ack policy all covers earlier messages, and with ack policy none a delivery is enough',
    needs,
    async run(scene) {
      const bus = await retaining(scene, 'interest', [
        {name: 'all', ack: 'all'},
        {name: 'none', ack: 'none'},
      ])
      await store(bus, 'a.x', numbers(4))
      await handle(scene, bus, 'all', [nothing, nothing, ack])
      expect(await kept(scene, bus)).toEqual(numbers(4))
      await handle(scene, bus, 'none', [nothing, nothing])
      await leaves(scene, bus, ['3', '4'])
      await handle(scene, bus, 'none', [nothing, nothing])
      await leaves(scene, bus, ['4'])
    },
  },
  {
    name: 'with retention interest, a consumer needs a message that reached its limit of deliveries until it is removed',
    needs,
    async run(scene) {
      const bus = await retaining(scene, 'interest', [{name: 'once', maxDeliver: 1, ackWaitMs: 50}, {name: 'c'}])
      await store(bus, 'a.x', ['1'])
      await using member = await bus.streams.consumers.consume('A', 'once')
      await scene.within(member.take(1), 'message')
      await scene.eventually(async () => {
        await member.take(1, 60)
        expect((await bus.streams.consumers.info('A', 'once')).ackPending).toBe(0)
      })
      await handle(scene, bus, 'c', [ack])
      expect(await kept(scene, bus)).toEqual(['1'])
      await member.close()
      await bus.streams.consumers.remove('A', 'once')
      await leaves(scene, bus, [])
    },
  },
]
