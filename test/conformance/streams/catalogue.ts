import {expect} from 'vitest'
import type {Transport} from '../../../src/lib/transport/contract.ts'
import type {Case} from '../case.ts'
import {numbers} from '../scene.ts'
import {at, failureOf, stateOf, store, storeOn} from './storage.ts'

const needs = {streams: true}

/** Every operation on one stream or consumer, each returning its failure. */
function everyStreamUse(bus: Transport, stream: string, consumer: string): Promise<unknown>[] {
  const {streams} = bus
  const uses: (() => Promise<unknown>)[] = [
    () => streams.info(stream),
    () => streams.subjects(stream),
    () => streams.remove(stream),
    () => streams.purge(stream),
    () => streams.get(stream, 1),
    () => streams.last(stream, '>'),
    () => streams.read(stream),
    () => streams.consumers.add(stream, {name: consumer}),
    () => streams.consumers.list(stream),
    () => streams.consumers.info(stream, consumer),
    () => streams.consumers.remove(stream, consumer),
    () => streams.consumers.reset(stream, consumer, {seq: 1}),
    () => streams.consumers.consume(stream, consumer),
  ]
  return uses.map((use) => failureOf(use))
}

export const catalogue: readonly Case[] = [
  {
    name: 'streams are listed by name, with their state',
    needs,
    async run(scene) {
      const [bus, other] = [await scene.connect(), await scene.connect()]
      for (const name of ['b', 'C', 'a']) await bus.streams.add({name})
      await store(bus, 'a', ['x'])
      const listed = await other.streams.list()
      expect(listed.map(({config, state}) => [config.name, state.messages])).toEqual([
        ['C', 0],
        ['a', 1],
        ['b', 0],
      ])
    },
  },
  {
    name: 'a missing stream is not found, with its name in the error of every operation',
    needs,
    async run(scene) {
      const bus = await scene.connect()
      await bus.streams.add({name: 'A'})
      for (const failure of await scene.within(Promise.all(everyStreamUse(bus, 'NOWHERE', 'c')), 'failures')) {
        expect(failure).toMatchObject({kind: 'notFound', message: expect.stringContaining('NOWHERE')})
      }
    },
  },
  {
    name: 'the streams that store a subject, or some that a pattern matches, are found',
    needs,
    async run(scene) {
      const bus = await scene.connect()
      expect(await bus.streams.keeping('>')).toEqual([])
      await bus.streams.add({name: 'A', subjects: ['a.*', 'x']})
      await bus.streams.add({name: 'B', subjects: ['b.>']})
      const found = async (pattern: string) => [...(await bus.streams.keeping(pattern))].sort()
      expect(await found('a.1')).toEqual(['A'])
      expect(await found('x')).toEqual(['A'])
      expect(await found('b.1.2')).toEqual(['B'])
      expect(await found('*.1')).toEqual(['A', 'B'])
      expect(await found('>')).toEqual(['A', 'B'])
      expect(await found('a.1.2')).toEqual([])
      expect(await found('b')).toEqual([])
    },
  },
  {
    name: 'the state of a stream describes its content',
    needs,
    async run(scene) {
      const [bus, other] = [await scene.connect(), await scene.connect()]
      await bus.streams.add({name: 'A', subjects: ['a.*']})
      const seqs = await storeOn(bus, ['a.1', 'a.2', 'a.1'])
      const [first, last] = [await bus.streams.get('A', at(seqs, 0)), await bus.streams.get('A', at(seqs, -1))]
      const state = await stateOf(other, 'A')
      expect(state).toMatchObject({messages: 3, subjects: 2, consumers: 0, firstSeq: seqs[0], lastSeq: seqs[2]})
      expect(state.bytes).toBeGreaterThan(3)
      expect(state.firstTime).toBeCloseTo(first.time, 0)
      expect(state.lastTime).toBeCloseTo(last.time, 0)
    },
  },
  {
    name: 'the messages of each subject are counted, all of them or those of a pattern',
    needs,
    async run(scene) {
      const bus = await scene.connect()
      await bus.streams.add({name: 'A', subjects: ['a.>']})
      expect([...(await bus.streams.subjects('A'))]).toEqual([])
      await storeOn(bus, ['a.1', 'a.2', 'a.1', 'a.1.x'])
      const counts = async (pattern?: string) => [...(await bus.streams.subjects('A', pattern))].sort()
      expect(await counts()).toEqual([
        ['a.1', 2],
        ['a.1.x', 1],
        ['a.2', 1],
      ])
      expect(await counts('a.*')).toEqual([
        ['a.1', 2],
        ['a.2', 1],
      ])
      expect(await counts('a.7')).toEqual([])
    },
  },
  {
    name: 'the messages of each subject are passed on in pages, sorted by subject',
    needs,
    async run(scene) {
      const bus = await scene.connect()
      await bus.streams.add({name: 'A', subjects: ['a.>']})
      await storeOn(bus, ['a.2', 'a.10', 'a.1', 'a.2', 'a.1.x'])
      const paged = async (pattern?: string) => {
        const counts: [string, number][] = []
        const rest = await bus.streams.subjects('A', pattern, async (page) => {
          counts.push(...page)
        })
        expect([...rest]).toEqual([])
        return counts
      }
      expect(await paged()).toEqual([
        ['a.1', 1],
        ['a.1.x', 1],
        ['a.10', 1],
        ['a.2', 2],
      ])
      expect(await paged('a.*')).toEqual([
        ['a.1', 1],
        ['a.10', 1],
        ['a.2', 2],
      ])
      expect(await paged('a.7')).toEqual([])
      await expect(bus.streams.subjects('A', undefined, () => Promise.reject(new Error('stopped')))).rejects.toThrow(
        'stopped',
      )
    },
  },
  {
    name: 'a removed stream is gone with its messages and consumers, and its subjects are free',
    needs,
    async run(scene) {
      const [bus, other] = [await scene.connect(), await scene.connect()]
      await bus.streams.add({name: 'A', subjects: ['a']})
      await bus.streams.consumers.add('A', {name: 'c'})
      await store(bus, 'a', numbers(3))
      await other.streams.remove('A')
      await expect(bus.streams.info('A')).rejects.toMatchObject({kind: 'notFound'})
      await expect(bus.streams.publish({subject: 'a'})).rejects.toMatchObject({kind: 'notFound'})
      expect(await bus.streams.keeping('a')).toEqual([])
      await bus.streams.add({name: 'B', subjects: ['a']})
      await bus.streams.remove('B')
      const {state} = await bus.streams.add({name: 'A', subjects: ['a']})
      expect(state).toMatchObject({messages: 0, consumers: 0})
      expect(await bus.streams.consumers.list('A')).toEqual([])
      expect(await scene.untilEnd(await bus.streams.read('A'))).toEqual([])
    },
  },
  {
    name: 'the streams of two buses are separate',
    needs,
    async run(scene) {
      const [bus, elsewhere] = [await scene.connect(), await scene.elsewhere()]
      await bus.streams.add({name: 'A'})
      await expect(elsewhere.streams.info('A')).rejects.toMatchObject({kind: 'notFound'})
      await elsewhere.streams.add({name: 'A'})
      await store(bus, 'A', ['x'])
      expect((await stateOf(elsewhere, 'A')).messages).toBe(0)
    },
  },
  {
    name: 'streams outlive the connections that created and filled them',
    needs,
    async run(scene) {
      const [keeper, bus] = [await scene.connect(), await scene.connect()]
      await bus.streams.add({name: 'A'})
      const seqs = await store(bus, 'A', ['x'])
      await bus.close()
      expect((await keeper.streams.get('A', at(seqs, 0))).text).toBe('x')
      await keeper.close()
      const later = await scene.connect()
      expect((await later.streams.get('A', at(seqs, 0))).text).toBe('x')
    },
  },
  {
    name: 'using the streams of a closed bus fails with its name',
    needs,
    async run(scene) {
      const bus = await scene.connect()
      await bus.streams.add({name: 'A'})
      await bus.close()
      const more = [
        () => bus.streams.add({name: 'A'}),
        () => bus.streams.list(),
        () => bus.streams.keeping('>'),
        () => bus.streams.publish({subject: 'A'}),
        () => bus.streams.publisher().push({subject: 'A'}),
      ]
      const failures = [...everyStreamUse(bus, 'A', 'c'), ...more.map((use) => failureOf(use))]
      for (const failure of await scene.within(Promise.all(failures), 'failures')) {
        expect(failure).toMatchObject({kind: 'usage', message: expect.stringContaining(bus.url)})
      }
    },
  },
]
