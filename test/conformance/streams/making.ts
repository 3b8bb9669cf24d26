import {expect} from 'vitest'
import type {StreamSettings} from '../../../src/lib/transport/streams-contract.ts'
import type {Case} from '../case.ts'
import {numbers} from '../scene.ts'
import {store} from './storage.ts'

const needs = {streams: true}
const badNames = ['', 'a b', 'a.b', 'a*', 'a>', 'a/b', 'a\\b', 'a\tb']

export const making: readonly Case[] = [
  {
    name: 'a stream is created with its defaults filled in',
    needs,
    async run(scene) {
      const bus = await scene.connect()
      const before = Date.now()
      const {config, created, state} = await bus.streams.add({name: 'A'})
      expect(config).toEqual({
        name: 'A',
        subjects: ['A'],
        storage: 'file',
        discard: 'old',
        dedupeMs: 120_000,
        replicas: 1,
        retention: 'limits',
      })
      expect(Math.abs(created - before)).toBeLessThan(5000)
      expect(state).toMatchObject({messages: 0, bytes: 0, subjects: 0, consumers: 0})
      expect(state.firstSeq).toBe(state.lastSeq + 1)
      expect((await bus.streams.info('A')).config).toEqual(config)
      const short = await bus.streams.add({name: 'B', maxAgeMs: 60_000})
      expect(short.config).toMatchObject({maxAgeMs: 60_000, dedupeMs: 60_000})
    },
  },
  {
    name: 'the id of a stream is the same for every connection, and different for each created stream',
    needs,
    async run(scene) {
      const [bus, other] = [await scene.connect(), await scene.connect()]
      const {id} = await bus.streams.add({name: 'A'})
      expect((await other.streams.info('A')).id).toBe(id)
      await store(bus, 'A', numbers(3))
      expect((await bus.streams.list()).map((stream) => stream.id)).toEqual([id])
      const second = await bus.streams.add({name: 'B'})
      await bus.streams.remove('A')
      const anew = await bus.streams.add({name: 'A'})
      expect(new Set([id, second.id, anew.id]).size).toBe(3)
    },
  },
  {
    name: 'every setting of a stream is stored, for other connections too',
    needs,
    async run(scene) {
      const [bus, other] = [await scene.connect(), await scene.connect()]
      const settings: StreamSettings = {
        name: 'Orders_2-x',
        subjects: ['a.*', 'b.>', 'c'],
        description: 'what was ordered',
        discard: 'new',
        maxAgeMs: 3_600_000,
        maxMsgs: 10,
        maxBytes: 100_000,
        maxMsgsPerSubject: 3,
        maxMsgSize: 1000,
        dedupeMs: 5000,
      }
      expect((await bus.streams.add(settings)).config).toMatchObject(settings)
      expect((await other.streams.info('Orders_2-x')).config).toMatchObject(settings)
    },
  },
  {
    name: 'adding a stream again with the same settings returns the existing one',
    needs,
    async run(scene) {
      const [bus, other] = [await scene.connect(), await scene.connect()]
      await bus.streams.add({name: 'A'})
      await store(bus, 'A', numbers(3))
      const again = await other.streams.add({
        name: 'A',
        subjects: ['A'],
        dedupeMs: 120_000,
        discard: 'old',
        replicas: 1,
      })
      expect(again.state.messages).toBe(3)
    },
  },
  {
    name: 'several clients may create the same stream and consumer at the same time, and only one of several different streams',
    needs,
    async run(scene) {
      const buses = [await scene.connect(), await scene.connect(), await scene.connect(), await scene.connect()]
      const made = await Promise.all(buses.map((bus) => bus.streams.add({name: 'A', maxMsgs: 10})))
      expect(made.map(({config}) => config.maxMsgs)).toEqual([10, 10, 10, 10])
      await Promise.all(buses.map((bus) => bus.streams.consumers.add('A', {name: 'c'})))
      const different = await Promise.allSettled(buses.map((bus, i) => bus.streams.add({name: 'B', maxMsgs: i + 1})))
      expect(different.filter(({status}) => status === 'fulfilled')).toHaveLength(1)
    },
  },
  {
    name: 'a stream with the name of another one and different settings is refused, and the first is unchanged',
    needs,
    async run(scene) {
      const bus = await scene.connect()
      await bus.streams.add({name: 'A', maxMsgs: 10})
      const others: StreamSettings[] = [
        {name: 'A'},
        {name: 'A', maxMsgs: 11},
        {name: 'A', maxMsgs: 10, subjects: ['b']},
        {name: 'A', maxMsgs: 10, discard: 'new'},
      ]
      for (const other of others) {
        const failing = bus.streams.add(other)
        await expect(failing).rejects.toMatchObject({kind: 'usage', message: expect.stringContaining('A')})
      }
      expect((await bus.streams.info('A')).config).toMatchObject({maxMsgs: 10, subjects: ['A'], discard: 'old'})
    },
  },
  {
    name: 'a stream whose subjects overlap with those of another is refused with its name',
    needs,
    async run(scene) {
      const bus = await scene.connect()
      await bus.streams.add({name: 'FIRST', subjects: ['a.*.x', 'b']})
      for (const subjects of [['a.*.x'], ['a.y.x'], ['*.y.*'], ['a.>'], ['c', 'b']]) {
        const failing = bus.streams.add({name: 'SECOND', subjects})
        const refusal = {kind: 'usage', message: expect.stringContaining('FIRST')}
        await expect(failing, subjects.join()).rejects.toMatchObject(refusal)
      }
      await bus.streams.add({name: 'SECOND', subjects: ['a.*', 'a.y.z', 'b.>', 'a.*.x.*']})
      expect((await bus.streams.list()).map(({config}) => config.name)).toEqual(['FIRST', 'SECOND'])
    },
  },
  {
    name: 'an invalid name or invalid settings of a stream are refused, and nothing is created',
    needs,
    async run(scene) {
      const bus = await scene.connect()
      for (const name of badNames) {
        const failing = bus.streams.add({name, subjects: ['x']})
        await expect(failing, JSON.stringify(name)).rejects.toMatchObject({kind: 'usage'})
      }
      const bad: Partial<StreamSettings>[] = [
        {subjects: ['a b']},
        {subjects: ['a..b']},
        {subjects: ['']},
        {subjects: ['a.>.b']},
        {subjects: ['x', 'x']},
        {subjects: ['x.*', 'x.y']},
        {maxAgeMs: 1000, dedupeMs: 2000},
        {maxAgeMs: 50},
        {dedupeMs: 50},
        {replicas: 3},
      ]
      for (const settings of bad) {
        const failing = bus.streams.add({name: 'A', ...settings})
        await expect(failing, JSON.stringify(settings)).rejects.toMatchObject({kind: 'usage'})
      }
      expect(await bus.streams.list()).toEqual([])
    },
  },
]
