import {expect} from 'vitest'
import type {Transport} from '../../../src/lib/transport/contract.ts'
import type {StreamSettings} from '../../../src/lib/transport/streams-contract.ts'
import type {Case} from '../case.ts'
import {numbers, publishAll, type Scene, texts} from '../scene.ts'
import {at, stateOf, store, storeOn} from './storage.ts'

const needs = {streams: true}
const full = {kind: 'remote', data: {code: 10077}}

async function limited(scene: Scene, limits: Omit<StreamSettings, 'name'>): Promise<Transport> {
  const bus = await scene.connect()
  await bus.streams.add({name: 'A', subjects: ['a.*'], ...limits})
  return bus
}

async function kept(scene: Scene, bus: Transport): Promise<string[]> {
  return texts(await scene.untilEnd(await bus.streams.read('A')))
}

export const limits: readonly Case[] = [
  {
    name: 'a stream with a limit of messages removes the oldest',
    needs,
    async run(scene) {
      const bus = await limited(scene, {maxMsgs: 3})
      const seqs = await store(bus, 'a.x', numbers(5))
      expect(await kept(scene, bus)).toEqual(['3', '4', '5'])
      expect(await stateOf(bus, 'A')).toMatchObject({messages: 3, firstSeq: seqs[2], lastSeq: seqs[4]})
      await expect(bus.streams.get('A', at(seqs, 1))).rejects.toMatchObject({kind: 'notFound'})
      await publishAll(bus, 'a.x', ['6', '7'])
      await scene.eventually(async () => expect(await kept(scene, bus)).toEqual(['5', '6', '7']))
    },
  },
  {
    name: 'a stream with a limit of messages refuses new ones with discard policy new, until there is room',
    needs,
    async run(scene) {
      const bus = await limited(scene, {maxMsgs: 2, discard: 'new'})
      await store(bus, 'a.x', ['1', '2'])
      await expect(bus.streams.publish({subject: 'a.x', data: '3'})).rejects.toMatchObject(full)
      await publishAll(bus, 'a.x', ['4'])
      await expect(bus.streams.publish({subject: 'a.y', data: '5'})).rejects.toMatchObject(full)
      expect(await kept(scene, bus)).toEqual(['1', '2'])
      await bus.streams.purge('A', {keep: 1})
      await store(bus, 'a.x', ['6'])
      expect(await kept(scene, bus)).toEqual(['2', '6'])
    },
  },
  {
    name: 'a stream with a limit of bytes removes the oldest',
    needs,
    async run(scene) {
      const bus = await limited(scene, {maxBytes: 10_000})
      await store(bus, 'a.x', Array<string>(20).fill('x'.repeat(1000)))
      await store(bus, 'a.x', ['newest'])
      const {bytes, messages} = await stateOf(bus, 'A')
      expect(bytes).toBeLessThanOrEqual(10_000)
      expect(messages).toBeGreaterThan(5)
      expect(messages).toBeLessThan(11)
      expect((await kept(scene, bus)).at(-1)).toBe('newest')
    },
  },
  {
    name: 'a stream with a limit of bytes refuses new messages with discard policy new',
    needs,
    async run(scene) {
      const bus = await limited(scene, {maxBytes: 10_000, discard: 'new'})
      await store(bus, 'a.x', Array<string>(9).fill('x'.repeat(1000)))
      await expect(bus.streams.publish({subject: 'a.x', data: 'y'.repeat(1000)})).rejects.toMatchObject(full)
      await store(bus, 'a.x', ['small'])
      expect((await stateOf(bus, 'A')).messages).toBe(10)
    },
  },
  {
    name: 'a stream with a limit of messages per subject removes the oldest of a subject, also with discard policy new',
    needs,
    async run(scene) {
      for (const discard of ['old', 'new'] as const) {
        const bus = await limited(scene, {maxMsgsPerSubject: 2, discard})
        await storeOn(bus, ['a.x', 'a.y', 'a.x', 'a.x', 'a.z', 'a.x'])
        expect(await kept(scene, bus), discard).toEqual(['2', '4', '5', '6'])
        expect([...(await bus.streams.subjects('A'))].sort()).toEqual([
          ['a.x', 2],
          ['a.y', 1],
          ['a.z', 1],
        ])
        await bus.streams.remove('A')
      }
    },
  },
  {
    name: 'a stream that discards new messages per subject refuses them at the limit of their subject',
    needs,
    async run(scene) {
      const bus = await limited(scene, {maxMsgsPerSubject: 2, discard: 'new', discardNewPerSubject: true})
      expect((await bus.streams.info('A')).config).toMatchObject({discardNewPerSubject: true})
      await storeOn(bus, ['a.x', 'a.y', 'a.x', 'a.y'])
      await expect(bus.streams.publish({subject: 'a.x', data: '5'})).rejects.toMatchObject(full)
      await publishAll(bus, 'a.y', ['6'])
      await store(bus, 'a.z', ['7'])
      expect(await kept(scene, bus)).toEqual(['1', '2', '3', '4', '7'])
      await bus.streams.purge('A', {pattern: 'a.x', keep: 1})
      await store(bus, 'a.x', ['8'])
      expect(await kept(scene, bus)).toEqual(['2', '3', '4', '7', '8'])
    },
  },
  {
    name: 'a stream refuses a message that exceeds its size limit, headers included',
    needs,
    async run(scene) {
      const bus = await limited(scene, {maxMsgSize: 100})
      const refusal = {kind: 'remote', data: {code: 10054}}
      await store(bus, 'a.x', ['x'.repeat(100)])
      const large = [
        {data: 'x'.repeat(101)},
        {data: '\u00fc'.repeat(51)},
        {data: 'x', headers: [['Name', 'y'.repeat(100)]] as const},
      ]
      for (const message of large) {
        await expect(bus.streams.publish({subject: 'a.x', ...message})).rejects.toMatchObject(refusal)
      }
      expect((await stateOf(bus, 'A')).messages).toBe(1)
    },
  },
  {
    name: 'a stream removes messages that are too old',
    needs,
    async run(scene) {
      const bus = await limited(scene, {maxAgeMs: 150})
      const seqs = await store(bus, 'a.x', numbers(3))
      expect(await kept(scene, bus)).toEqual(numbers(3))
      await scene.eventually(async () => expect((await stateOf(bus, 'A')).messages).toBe(0))
      await expect(bus.streams.get('A', at(seqs, 0))).rejects.toMatchObject({kind: 'notFound'})
      await store(bus, 'a.x', ['4'])
      expect(await kept(scene, bus)).toEqual(['4'])
    },
  },
  {
    name: 'a consumer continues after messages removed by limits',
    needs,
    async run(scene) {
      const bus = await limited(scene, {maxMsgs: 3})
      await store(bus, 'a.x', numbers(2))
      await bus.streams.consumers.add('A', {name: 'c'})
      await store(bus, 'a.x', numbers(8).slice(2))
      expect((await bus.streams.consumers.info('A', 'c')).pending).toBe(3)
      await using member = await bus.streams.consumers.consume('A', 'c', {max: 3})
      const seen: string[] = []
      while (!member.ended) seen.push(...texts(await scene.within(member.take(3), 'message')))
      expect(seen).toEqual(['6', '7', '8'])
    },
  },
]
