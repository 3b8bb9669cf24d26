import {expect} from 'vitest'
import type {Transport} from '../../../src/lib/transport/contract.ts'
import type {ConsumerSettings} from '../../../src/lib/transport/streams-contract.ts'
import type {Case} from '../case.ts'
import {numbers, type Scene} from '../scene.ts'
import {ackAll, busWithConsumer, consume, infoOf, takeAll} from './members.ts'
import {stateOf, storeOn} from './storage.ts'

const needs = {streams: true}

async function busWithStream(scene: Scene, subjects: readonly string[] = []): Promise<Transport> {
  const bus = await scene.connect()
  await bus.streams.add({name: 'A', subjects: ['a.*']})
  await storeOn(bus, subjects)
  return bus
}

export const consumers: readonly Case[] = [
  {
    name: 'a consumer is created with its defaults filled in, and without progress',
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
    name: 'every setting of a consumer is stored, for other connections too',
    needs,
    async run(scene) {
      const [bus, other] = [await busWithStream(scene), await scene.connect()]
      const settings: ConsumerSettings = {
        name: 'Work_er-1',
        description: 'who works',
        filters: ['a.x'],
        deliver: {seq: 1},
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
    name: 'adding a consumer again with the same settings returns the existing one',
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
    name: 'a consumer with the name of another one and different settings is refused, and the first is unchanged',
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
    name: 'an invalid name or invalid settings of a consumer are refused, and nothing is created',
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
      await Promise.all(uses.map((use) => expect(use).rejects.toMatchObject({kind: 'notFound'})))
    },
  },
]
