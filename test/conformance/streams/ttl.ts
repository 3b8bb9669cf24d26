import {setTimeout as pause} from 'node:timers/promises'
import {expect} from 'vitest'
import {headerOf} from '../../../src/lib/core/message.ts'
import type {Transport} from '../../../src/lib/transport/contract.ts'
import {type StreamSettings, storeHeaders} from '../../../src/lib/transport/streams-contract.ts'
import type {Case} from '../case.ts'
import {type Scene, texts} from '../scene.ts'
import {at, stateOf, store} from './storage.ts'

const needs = {streams: true}
/** After this time, a TTL of one second is over. */
const overMs = 1100

async function expiring(scene: Scene, settings: Partial<StreamSettings> = {}): Promise<Transport> {
  const bus = await scene.connect()
  await bus.streams.add({name: 'A', subjects: ['a.*'], allowTtl: true, ...settings})
  return bus
}

async function storeFor(bus: Transport, subject: string, data: string, ttl: string): Promise<number> {
  return (await bus.streams.publish({subject, data, headers: [[storeHeaders.ttl, ttl]]})).seq
}

async function kept(scene: Scene, bus: Transport): Promise<string[]> {
  return texts(await scene.untilEnd(await bus.streams.read('A')))
}

export const ttl: readonly Case[] = [
  {
    name: 'a stream that does not allow TTLs refuses them, and every stream refuses an invalid one',
    needs,
    async run(scene) {
      const bus = await expiring(scene)
      await bus.streams.add({name: 'B'})
      await expect(storeFor(bus, 'B', 'x', '1h')).rejects.toMatchObject({kind: 'remote', data: {code: 10166}})
      for (const bad of ['0', '0s', '-1', '-5s', '500ms', 'abc', '1d', '1ns', '1h 1s', '2562048h'])
        await expect(storeFor(bus, 'a.x', 'x', bad), bad).rejects.toMatchObject({kind: 'remote', data: {code: 10165}})
      expect((await stateOf(bus, 'A')).messages).toBe(0)
      const goods = ['1h', '30', 'never', 'Never', '1m30s', '1.5h', '3600000ms', '999999999999', '']
      for (const good of goods) await storeFor(bus, 'a.x', good, good)
      expect(await kept(scene, bus)).toEqual(goods)
    },
  },
  {
    name: 'a message is removed when its TTL is over, and other messages stay',
    needs,
    async run(scene) {
      const bus = await expiring(scene)
      await store(bus, 'a.x', ['1'])
      const short = await storeFor(bus, 'a.x', '2', '1s')
      await storeFor(bus, 'a.y', '3', '1')
      await storeFor(bus, 'a.x', '4', '1h')
      await bus.streams.consumers.add('A', {name: 'c'})
      expect(await kept(scene, bus)).toEqual(['1', '2', '3', '4'])
      await pause(overMs)
      await scene.eventually(async () => expect((await stateOf(bus, 'A')).messages).toBe(2))
      expect(await kept(scene, bus)).toEqual(['1', '4'])
      expect([...(await bus.streams.subjects('A'))]).toEqual([['a.x', 2]])
      await expect(bus.streams.get('A', short)).rejects.toMatchObject({kind: 'notFound'})
      await expect(bus.streams.last('A', 'a.y')).rejects.toMatchObject({kind: 'notFound'})
      expect((await bus.streams.consumers.info('A', 'c')).pending).toBe(2)
      await using member = await bus.streams.consumers.consume('A', 'c', {max: 2})
      const seen: string[] = []
      while (!member.ended) seen.push(...texts(await scene.within(member.take(2), 'message')))
      expect(seen).toEqual(['1', '4'])
    },
  },
  {
    name: 'an expired message is not delivered, even to a consumer that is older than the message',
    needs,
    async run(scene) {
      const bus = await expiring(scene)
      await bus.streams.consumers.add('A', {name: 'c', maxAckPending: 1})
      await using member = await bus.streams.consumers.consume('A', 'c', {max: 2})
      await storeFor(bus, 'a.x', '1', '1h')
      await storeFor(bus, 'a.x', '2', '1s')
      await store(bus, 'a.x', ['3'])
      const [first] = await scene.within(member.take(1), 'message')
      await pause(2000)
      first?.ack()
      const [second] = await scene.within(member.take(1), 'message')
      expect([first?.text, second?.text]).toEqual(['1', '3'])
    },
  },
  {
    name: 'a message that never expires outlives the maximum age of its stream, and one with a longer TTL does not',
    needs,
    async run(scene) {
      const bus = await expiring(scene, {maxAgeMs: 1000})
      await store(bus, 'a.x', ['1'])
      await storeFor(bus, 'a.y', '2', 'never')
      await storeFor(bus, 'a.z', '3', '1h')
      await store(bus, 'a.x', ['4'])
      await pause(overMs)
      await scene.eventually(async () => expect((await stateOf(bus, 'A')).messages).toBe(1))
      expect(await kept(scene, bus)).toEqual(['2'])
      await store(bus, 'a.x', ['5'])
      expect(await kept(scene, bus)).toEqual(['2', '5'])
    },
  },
  {
    name: 'a marker replaces the last message of a subject when it expires, and expires as well',
    needs,
    async run(scene) {
      const bus = await expiring(scene, {allowTtl: undefined, markerTtlMs: 1000})
      const {config} = await bus.streams.info('A')
      expect(config).toMatchObject({allowTtl: true, allowRollup: true, markerTtlMs: 1000})
      await storeFor(bus, 'a.x', '1', '1s')
      await store(bus, 'a.y', ['2'])
      const gone = await storeFor(bus, 'a.y', '3', '1s')
      await pause(overMs)
      await scene.eventually(async () => {
        const marker = await bus.streams.last('A', 'a.x')
        expect(headerOf(marker.headers, 'Nats-Marker-Reason')).toBe('MaxAge')
        expect(marker.text).toBe('')
        expect(marker.seq).toBeGreaterThan(gone)
      })
      await pause(overMs)
      await scene.eventually(async () => expect(await kept(scene, bus)).toEqual(['2']))
      const seqs = await store(bus, 'a.x', ['4'])
      expect((await bus.streams.last('A', 'a.x')).seq).toBe(at(seqs, 0))
    },
  },
  {
    name: 'TTLs can be allowed later, but not be turned off again',
    needs,
    async run(scene) {
      const bus = await scene.connect()
      await bus.streams.add({name: 'A', subjects: ['a.*']})
      await store(bus, 'a.x', ['1'])
      await bus.streams.update('A', {allowTtl: true})
      await storeFor(bus, 'a.x', '2', '1s')
      await expect(bus.streams.update('A', {allowTtl: false})).rejects.toMatchObject({kind: 'usage'})
      await pause(overMs)
      await scene.eventually(async () => expect(await kept(scene, bus)).toEqual(['1']))
      await expect(bus.streams.add({name: 'B', markerTtlMs: 500})).rejects.toMatchObject({kind: 'usage'})
    },
  },
]
