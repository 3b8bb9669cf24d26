import {setTimeout as pause} from 'node:timers/promises'
import {expect} from 'vitest'
import {BusError} from '../../../src/lib/errors.ts'
import type {ConsumerSettings, DeliverPolicy} from '../../../src/lib/transport/streams.ts'
import type {Transport} from '../../../src/lib/transport/transport.ts'
import {awaitedLater, numbers, type Scene, texts} from '../scene.ts'
import type {Case} from '../suite.ts'
import {ackAll, busWithConsumer, consume, infoOf, restOf, takeAll} from './members.ts'
import {at, stateOf, store, storeOn} from './storage.ts'

const needs = {streams: true}

async function busWithStream(scene: Scene, subjects: readonly string[] = []): Promise<Transport> {
  const bus = await scene.connect()
  await bus.streams.add({name: 'A', subjects: ['a.*']})
  await storeOn(bus, subjects)
  return bus
}

/** What a new consumer with these settings gets of the stream `A`. */
async function gets(scene: Scene, bus: Transport, settings: Omit<ConsumerSettings, 'name'>): Promise<string[]> {
  const info = await bus.streams.consumers.add('A', {name: 'c', ...settings})
  await using member = await consume(bus)
  const got = texts(await restOf(scene, member))
  expect(info.pending).toBe(got.length)
  await bus.streams.consumers.remove('A', 'c')
  return got
}

export const consumers: readonly Case[] = [
  {
    name: 'a consumer is made with its defaults filled in, and is as new',
    needs,
    async run(scene) {
      const bus = await busWithStream(scene, ['a.x', 'a.x'])
      const info = await bus.streams.consumers.add('A', {name: 'c'})
      expect(info.config).toEqual({
        name: 'c',
        filters: [],
        deliver: 'all',
        ack: 'explicit',
        ackWaitMs: 30_000,
        maxAckPending: 1000,
        backoffMs: [],
        durable: true,
      })
      const fresh = {stream: 'A', pending: 2, ackPending: 0, redelivered: 0, deliveredSeq: 0, ackFloor: 0}
      expect(info).toMatchObject(fresh)
      expect(Math.abs(info.created - Date.now())).toBeLessThan(5000)
      expect(await infoOf(await scene.connect())).toMatchObject({...fresh, config: info.config, created: info.created})
      expect((await stateOf(bus, 'A')).consumers).toBe(1)
    },
  },
  {
    name: 'every setting of a consumer is kept, for other connections too',
    needs,
    async run(scene) {
      const [bus, other] = [await busWithStream(scene), await scene.connect()]
      const settings: ConsumerSettings = {
        name: 'Work_er-1',
        description: 'who works',
        filters: ['a.x'],
        deliver: {seq: 7},
        ack: 'all',
        ackWaitMs: 5000,
        maxDeliver: 5,
        maxAckPending: 10,
      }
      expect((await bus.streams.consumers.add('A', settings)).config).toMatchObject(settings)
      expect((await other.streams.consumers.info('A', 'Work_er-1')).config).toMatchObject(settings)
      const timed = {name: 't', deliver: {timeMs: 1_700_000_000_123}, backoffMs: [100, 2000], maxDeliver: 3}
      expect((await bus.streams.consumers.add('A', timed)).config).toMatchObject(timed)
    },
  },
  {
    name: 'adding a consumer again with the same settings answers it as it is',
    needs,
    async run(scene) {
      const bus = await busWithConsumer(scene, numbers(3), {filters: ['a.x']})
      await using member = await consume(bus, {max: 2})
      ackAll(await takeAll(scene, member, 2))
      await member.close()
      await scene.eventually(async () => {
        const same: ConsumerSettings = {name: 'c', filters: ['a.x'], ack: 'explicit', ackWaitMs: 30_000}
        expect(await bus.streams.consumers.add('A', same)).toMatchObject({pending: 1, ackPending: 0})
      })
    },
  },
  {
    name: 'a consumer of a name that is taken with other settings is refused, and the first stays as it was',
    needs,
    async run(scene) {
      const bus = await busWithConsumer(scene, [], {ackWaitMs: 5000, filters: ['a.x']})
      const others: Omit<ConsumerSettings, 'name'>[] = [
        {ackWaitMs: 6000, filters: ['a.x']},
        {ackWaitMs: 5000},
        {ackWaitMs: 5000, filters: ['a.x'], deliver: 'new'},
        {ackWaitMs: 5000, filters: ['a.x'], maxDeliver: 3},
      ]
      for (const settings of others) {
        const failing = bus.streams.consumers.add('A', {name: 'c', ...settings})
        await expect(failing, JSON.stringify(settings)).rejects.toMatchObject({kind: 'usage'})
      }
      expect((await infoOf(bus)).config).toMatchObject({ackWaitMs: 5000, filters: ['a.x'], deliver: 'all'})
    },
  },
  {
    name: 'a bad name or bad settings of a consumer are refused, and nothing is made',
    needs,
    async run(scene) {
      const bus = await busWithStream(scene)
      for (const name of ['', 'a b', 'a.b', 'a*', 'a>', 'a/b', 'a\\b']) {
        const failing = scene.within(bus.streams.consumers.add('A', {name}), 'refusal')
        await expect(failing, JSON.stringify(name)).rejects.toMatchObject({kind: 'usage'})
      }
      const bad: Omit<ConsumerSettings, 'name'>[] = [
        {filters: ['a b']},
        {filters: ['a.x', 'a.*']},
        {deliver: {last: 5}},
        {deliver: {seq: 0}},
        {backoffMs: [100, 200], maxDeliver: 1},
      ]
      for (const settings of bad) {
        const failing = bus.streams.consumers.add('A', {name: 'c', ...settings})
        await expect(failing, JSON.stringify(settings)).rejects.toMatchObject({kind: 'usage'})
      }
      expect(await bus.streams.consumers.list('A')).toEqual([])
    },
  },
  {
    name: 'consumers are listed by name, and a removed one is gone',
    needs,
    async run(scene) {
      const [bus, other] = [await busWithStream(scene, ['a.x']), await scene.connect()]
      for (const name of ['b', 'C', 'a']) await bus.streams.consumers.add('A', {name})
      const listed = async () => (await other.streams.consumers.list('A')).map(({config}) => config.name)
      expect(await listed()).toEqual(['C', 'a', 'b'])
      await bus.streams.consumers.remove('A', 'a')
      expect(await listed()).toEqual(['C', 'b'])
      const uses = [
        other.streams.consumers.info('A', 'a'),
        other.streams.consumers.remove('A', 'a'),
        other.streams.consumers.reset('A', 'a', {seq: 1}),
        other.streams.consumers.consume('A', 'a'),
      ]
      for (const use of uses) await expect(use).rejects.toMatchObject({kind: 'notFound'})
    },
  },
  {
    name: 'a consumer that is made late gets the first message, with all that a delivery tells',
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
    name: 'a delivery is as it was published, headers and every byte',
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
    name: 'a consumer begins where its policy says',
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
    name: 'a consumer of new messages gets what comes after it was made, not after it is read',
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
    name: 'a consumer gets only what its filter matches, from where it begins',
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
    name: 'a consumer with several filters gets what one of them matches, or says that the server is too old',
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
