import {setTimeout as pause} from 'node:timers/promises'
import {expect} from 'vitest'
import {BusError} from '../../../src/lib/core/errors.ts'
import type {Transport} from '../../../src/lib/transport/contract.ts'
import type {ConsumerSettings, DeliverPolicy} from '../../../src/lib/transport/streams-contract.ts'
import type {Case} from '../case.ts'
import {awaitedLater, numbers, type Scene, texts} from '../scene.ts'
import {ackAll, busWithConsumer, consume, infoOf, restOf, takeAll} from './members.ts'
import {at, stateOf, store, storeOn} from './storage.ts'

const needs = {streams: true}

async function busWithStream(scene: Scene, subjects: readonly string[] = []): Promise<Transport> {
  const bus = await scene.connect()
  await bus.streams.add({name: 'A', subjects: ['a.*']})
  await storeOn(bus, subjects)
  return bus
}

/** The messages of the stream `A` that a new consumer with these settings gets. */
async function gets(scene: Scene, bus: Transport, settings: Omit<ConsumerSettings, 'name'>): Promise<string[]> {
  const info = await bus.streams.consumers.add('A', {name: 'c', ...settings})
  await using member = await consume(bus)
  const got = texts(await restOf(scene, member))
  expect(info.pending).toBe(got.length)
  await bus.streams.consumers.remove('A', 'c')
  return got
}

export const delivering: readonly Case[] = [
  {
    name: 'a consumer created late gets the first message, with all properties of a delivery',
    needs,
    async run(scene) {
      const bus = await busWithStream(scene)
      const seqs = await store(bus, 'a.x', numbers(3))
      await bus.streams.consumers.add('A', {name: 'c'})
      await using member = await consume(bus)
      const taken = await takeAll(scene, member, 3)
      const told = taken.map((each) => [each.text, each.seq, each.deliveries, each.pending, each.stream, each.consumer])
      expect(told).toEqual([
        ['1', seqs[0], 1, 2, 'A', 'c'],
        ['2', seqs[1], 1, 1, 'A', 'c'],
        ['3', seqs[2], 1, 0, 'A', 'c'],
      ])
      expect(at(taken, 0).time).toBeCloseTo((await bus.streams.get('A', at(seqs, 0))).time, 0)
      expect(at(taken, 0).subject).toBe('a.x')
      const later = awaitedLater(takeAll(scene, member, 1))
      await store(await scene.connect(), 'a.y', ['later'])
      expect(texts(await later)).toEqual(['later'])
    },
  },
  {
    name: 'a delivery is the published message, with headers and every byte',
    needs,
    async run(scene) {
      const bus = await busWithConsumer(scene, [])
      const bytes = Uint8Array.from({length: 512}, (_, i) => i % 256)
      const headers = [
        ['X-One', '1'],
        ['x-one', 'again'],
        ['X-One', ''],
      ] as const
      for (const message of [{data: bytes, headers}, {data: ''}])
        await bus.streams.publish({subject: 'a.x', ...message})
      await using member = await consume(bus)
      const taken = await takeAll(scene, member, 2)
      expect(Buffer.from(at(taken, 0).data).equals(bytes)).toBe(true)
      expect(taken.map((delivery) => delivery.headers)).toEqual([headers, []])
      expect(at(taken, 1).data).toHaveLength(0)
    },
  },
  {
    name: 'a consumer whose start is after the end gets the next message',
    needs,
    async run(scene) {
      const bus = await busWithConsumer(scene, numbers(3))
      await bus.streams.consumers.add('A', {name: 'd', deliver: {seq: 1_000_000}})
      const again = await bus.streams.consumers.add('A', {name: 'd', deliver: {seq: 1_000_000}})
      expect(again).toMatchObject({pending: 0, config: {deliver: 'new'}})
      await store(bus, 'a.x', ['later'])
      await using member = await bus.streams.consumers.consume('A', 'd')
      expect(texts(await restOf(scene, member))).toEqual(['later'])
    },
  },
  {
    name: 'a consumer starts where its deliver policy says',
    needs,
    async run(scene) {
      const bus = await busWithStream(scene)
      const seqs = await storeOn(bus, ['a.x', 'a.y', 'a.x'])
      await pause(5)
      const timeMs = Date.now()
      await pause(5)
      seqs.push(...(await storeOn(bus, ['a.z', 'a.y'])))
      const from = (deliver: DeliverPolicy) => gets(scene, bus, {deliver})
      expect(await from('all')).toEqual(['1', '2', '3', '1', '2'])
      expect(await from('new')).toEqual([])
      expect(await from('last')).toEqual(['2'])
      expect(await from('lastPerSubject')).toEqual(['3', '1', '2'])
      expect(await from({seq: at(seqs, 2)})).toEqual(['3', '1', '2'])
      expect(await from({seq: 1})).toEqual(['1', '2', '3', '1', '2'])
      expect(await from({seq: at(seqs, -1) + 1})).toEqual([])
      expect(await from({timeMs})).toEqual(['1', '2'])
      expect(await from({timeMs: 1000})).toEqual(['1', '2', '3', '1', '2'])
      await bus.streams.purge('A', {pattern: 'a.x'})
      expect(await from({seq: at(seqs, 2)})).toEqual(['1', '2'])
    },
  },
  {
    name: 'a consumer of new messages gets those stored after its creation, not after the first take',
    needs,
    async run(scene) {
      const bus = await busWithStream(scene, ['a.x'])
      await bus.streams.consumers.add('A', {name: 'c', deliver: 'new'})
      await store(bus, 'a.x', ['new'])
      expect((await infoOf(bus)).pending).toBe(1)
      await using member = await consume(bus)
      expect(texts(await restOf(scene, member))).toEqual(['new'])
    },
  },
  {
    name: 'a consumer of the last message of each subject has acknowledged everything once it has acknowledged these',
    needs,
    async run(scene) {
      const bus = await busWithStream(scene)
      const last = at(await storeOn(bus, ['a.x', 'a.y', 'a.x']), -1)
      await bus.streams.consumers.add('A', {name: 'c', deliver: 'lastPerSubject'})
      await using member = await consume(bus)
      for (const delivery of await restOf(scene, member)) member.ack(delivery)
      await member.flush()
      expect(await infoOf(bus)).toMatchObject({pending: 0, ackPending: 0, deliveredSeq: last, ackFloor: last})
    },
  },
  {
    name: 'a consumer gets only messages that match its filter, from its start on',
    needs,
    async run(scene) {
      const bus = await busWithStream(scene)
      const seqs = await storeOn(bus, ['a.x', 'a.y', 'a.x', 'a.z', 'a.y', 'a.x'])
      const matching = (filter: string, deliver: DeliverPolicy) => gets(scene, bus, {filters: [filter], deliver})
      expect(await matching('a.x', 'all')).toEqual(['1', '3', '6'])
      expect(await matching('a.x', {seq: at(seqs, 1)})).toEqual(['3', '6'])
      expect(await matching('a.y', 'last')).toEqual(['5'])
      expect(await matching('a.y', 'lastPerSubject')).toEqual(['5'])
      expect(await matching('a.*', 'lastPerSubject')).toEqual(['4', '5', '6'])
      expect(await matching('a.7', 'all')).toEqual([])
    },
  },
  {
    name: 'a consumer with several filters gets messages that match one of them, or fails because the server is too old',
    needs,
    async run(scene) {
      const bus = await busWithStream(scene, ['a.x', 'a.y', 'a.z', 'a.x'])
      try {
        expect(await gets(scene, bus, {filters: ['a.x', 'a.z']})).toEqual(['1', '3', '4'])
      } catch (error) {
        if (!(error instanceof BusError)) throw error
        expect(error).toMatchObject({kind: 'usage', message: expect.stringContaining('2.10')})
      }
    },
  },
  {
    name: 'twenty thousand messages are consumed in order, each acknowledged',
    needs,
    async run(scene) {
      const count = 20_000
      const bus = await busWithConsumer(scene, [])
      await using publisher = bus.streams.publisher()
      for (const data of numbers(count)) await publisher.push({subject: 'a.x', data})
      await scene.within(publisher.flush(), 'acknowledgement of all')
      await using member = await consume(await scene.connect())
      const seen: string[] = []
      while (seen.length < count) {
        const taken = await scene.within(member.take(256), `delivery ${seen.length + 1}`)
        seen.push(...texts(taken))
        ackAll(taken)
      }
      expect(seen.findIndex((text, i) => text !== String(i + 1))).toBe(-1)
      await scene.within(member.flush(), 'end of the acknowledgements')
      const {lastSeq} = await stateOf(bus, 'A')
      await scene.eventually(async () => {
        const done = {pending: 0, ackPending: 0, redelivered: 0, deliveredSeq: lastSeq}
        const info = await infoOf(bus)
        expect(info).toMatchObject(done)
        expect(info.ackFloor).toBeGreaterThanOrEqual(lastSeq)
      })
    },
  },
]
