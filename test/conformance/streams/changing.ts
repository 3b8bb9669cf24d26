import {expect} from 'vitest'
import type {Case} from '../case.ts'
import {numbers, texts} from '../scene.ts'
import {at, stateOf, store, storeOn} from './storage.ts'

const needs = {streams: true}

export const changing: readonly Case[] = [
  {
    name: 'settings of a stream are changed, for other connections too, and the others stay',
    needs,
    async run(scene) {
      const [bus, other] = [await scene.connect(), await scene.connect()]
      const {config: before} = await bus.streams.add({name: 'A', subjects: ['a.*'], maxMsgs: 10, description: 'old'})
      await store(bus, 'a.x', numbers(3))
      const {config} = await bus.streams.update('A', {maxMsgs: 7, maxAgeMs: 60_000, description: undefined})
      const {description: _, ...rest} = before
      expect(config).toEqual({...rest, maxMsgs: 7, maxAgeMs: 60_000, dedupeMs: 60_000})
      expect((await other.streams.info('A')).config).toEqual(config)
      await other.streams.update('A', {subjects: ['a.*', 'b']})
      await store(bus, 'b', ['4'])
      await store(other, 'b', ['5'])
      expect(await stateOf(bus, 'A')).toMatchObject({messages: 5})
      await expect(bus.streams.update('B', {maxMsgs: 1})).rejects.toMatchObject({kind: 'notFound'})
    },
  },
  {
    name: 'messages beyond a new limit of a stream are removed',
    needs,
    async run(scene) {
      const bus = await scene.connect()
      await bus.streams.add({name: 'A', subjects: ['a.*']})
      await storeOn(bus, ['a.x', 'a.y', 'a.x', 'a.y', 'a.x', 'a.z'])
      const kept = async () => texts(await scene.untilEnd(await bus.streams.read('A')))
      await bus.streams.update('A', {maxMsgsPerSubject: 2})
      expect(await kept()).toEqual(['2', '3', '4', '5', '6'])
      await bus.streams.update('A', {maxMsgs: 3})
      expect(await kept()).toEqual(['4', '5', '6'])
      await store(bus, 'a.x', ['7'])
      expect(await kept()).toEqual(['5', '6', '7'])
      await bus.streams.update('A', {maxMsgs: undefined, maxMsgsPerSubject: 1})
      expect(await kept()).toEqual(['6', '7'])
      await store(bus, 'a.x', ['8', '9'])
      expect(await kept()).toEqual(['6', '9'])
    },
  },
  {
    name: 'a change that is not possible is refused, and the stream is unchanged',
    needs,
    async run(scene) {
      const bus = await scene.connect()
      await bus.streams.add({name: 'A', subjects: ['a.*'], denyDelete: true})
      await bus.streams.add({name: 'B'})
      const {config} = await bus.streams.info('A')
      for (const changes of [
        {subjects: ['a.*', 'B']},
        {subjects: ['a b']},
        {denyDelete: false},
        {storage: 'memory' as const},
        {discardNewPerSubject: true},
      ]) {
        await expect(bus.streams.update('A', changes), JSON.stringify(changes)).rejects.toMatchObject({kind: 'usage'})
      }
      expect((await bus.streams.info('A')).config).toEqual(config)
    },
  },
  {
    name: 'a sealed stream refuses messages, purges and changes',
    needs,
    async run(scene) {
      const bus = await scene.connect()
      await bus.streams.add({name: 'A', maxAgeMs: 3_600_000})
      const [seq = 0] = await store(bus, 'A', numbers(2))
      const {config} = await bus.streams.update('A', {sealed: true})
      expect(config).toMatchObject({sealed: true, discard: 'new', denyDelete: true, denyPurge: true})
      const refusal = {kind: 'denied', data: {code: 10109}}
      await expect(bus.streams.publish({subject: 'A', data: '3'})).rejects.toMatchObject(refusal)
      await expect(bus.streams.purge('A')).rejects.toMatchObject({kind: 'denied'})
      await expect(bus.streams.erase('A', seq)).rejects.toMatchObject({kind: 'denied'})
      await expect(bus.streams.update('A', {sealed: false})).rejects.toThrow()
      expect(texts(await scene.untilEnd(await bus.streams.read('A')))).toEqual(['1', '2'])
    },
  },
  {
    name: 'a single message is erased, and the last message of its subject is another one',
    needs,
    async run(scene) {
      const bus = await scene.connect()
      await bus.streams.add({name: 'A', subjects: ['a.*']})
      const seqs = await storeOn(bus, ['a.x', 'a.y', 'a.x', 'a.y', 'a.z'])
      await bus.streams.consumers.add('A', {name: 'c', filters: ['a.x']})
      await bus.streams.erase('A', at(seqs, 2))
      await bus.streams.erase('A', at(seqs, 4))
      expect(texts(await scene.untilEnd(await bus.streams.read('A')))).toEqual(['1', '2', '4'])
      expect(await stateOf(bus, 'A')).toMatchObject({messages: 3, subjects: 2})
      expect((await bus.streams.last('A', 'a.x')).seq).toBe(at(seqs, 0))
      for (const seq of [at(seqs, 2), at(seqs, 4), at(seqs, 4) + 7])
        await expect(bus.streams.erase('A', seq)).rejects.toMatchObject({kind: 'notFound'})
      expect((await bus.streams.consumers.info('A', 'c')).pending).toBe(1)
      await store(bus, 'a.x', ['6'])
      expect(texts(await scene.untilEnd(await bus.streams.read('A')))).toEqual(['1', '2', '4', '6'])
      await bus.streams.update('A', {denyDelete: true})
      await expect(bus.streams.erase('A', at(seqs, 0))).rejects.toMatchObject({kind: 'denied'})
    },
  },
  {
    name: 'settings of a consumer are changed, and the others stay',
    needs,
    async run(scene) {
      const bus = await scene.connect()
      const {consumers} = bus.streams
      await bus.streams.add({name: 'A', subjects: ['a.*']})
      await storeOn(bus, ['a.x', 'a.y', 'a.x'])
      const {config: before} = await consumers.add('A', {name: 'c', description: 'old', ackWaitMs: 5000})
      const changes = {maxAckPending: 1, maxDeliver: 3, description: undefined, filters: ['a.x']}
      const {config, pending} = await consumers.update('A', 'c', changes)
      const {description: _, ...rest} = before
      expect(config).toEqual({...rest, maxAckPending: 1, maxDeliver: 3, filters: ['a.x']})
      expect(pending).toBe(2)
      expect((await consumers.info('A', 'c')).config).toEqual(config)
      await using member = await consumers.consume('A', 'c')
      expect(texts(await scene.within(member.take(10), 'message'))).toEqual(['1'])
      for (const bad of [{ack: 'none' as const}, {deliver: 'new' as const}, {filters: ['b b']}])
        await expect(consumers.update('A', 'c', bad), JSON.stringify(bad)).rejects.toMatchObject({kind: 'usage'})
      await expect(consumers.update('A', 'd', {maxDeliver: 1})).rejects.toMatchObject({kind: 'notFound'})
    },
  },
  {
    name: 'a paused consumer delivers nothing until it is resumed or the time has come',
    needs,
    async run(scene) {
      const [bus, other] = [await scene.connect(), await scene.connect()]
      const {consumers} = bus.streams
      await bus.streams.add({name: 'A'})
      await consumers.add('A', {name: 'c'})
      await using member = await consumers.consume('A', 'c')
      const until = Date.now() + 3_600_000
      try {
        expect((await other.streams.consumers.pause('A', 'c', until)).pausedUntil).toBe(until)
      } catch (error) {
        // Servers before 2.11 cannot.
        expect(error).toMatchObject({kind: 'usage', message: expect.stringContaining('needs 2.11')})
        return
      }
      await store(bus, 'A', ['1'])
      expect(await member.take(1, 200)).toEqual([])
      const resumed = await other.streams.consumers.pause('A', 'c')
      expect(resumed.pausedUntil).toBeUndefined()
      expect(texts(await scene.within(member.take(1), 'message'))).toEqual(['1'])
      await consumers.pause('A', 'c', Date.now() + 300)
      await store(bus, 'A', ['2'])
      expect(texts(await scene.within(member.take(1), 'message after the pause'))).toEqual(['2'])
      expect((await consumers.info('A', 'c')).pausedUntil).toBeUndefined()
    },
  },
]
