import {expect} from 'vitest'
import type {PurgeOptions} from '../../../src/lib/transport/streams-contract.ts'
import type {Case} from '../case.ts'
import {numbers, type Scene, texts} from '../scene.ts'
import {at, stateOf, store, storeOn} from './storage.ts'

const needs = {streams: true}

/** Purges a stream of 1, 2, … 6 on `a.x` and `a.y` in turn; returns how many were removed and which are left. */
async function purged(scene: Scene, which: (seqs: readonly number[]) => PurgeOptions): Promise<[number, string[]]> {
  const bus = await scene.connect()
  await bus.streams.add({name: 'A', subjects: ['a.*']})
  const seqs = await storeOn(bus, ['a.x', 'a.y', 'a.x', 'a.y', 'a.x', 'a.y'])
  const count = await bus.streams.purge('A', which(seqs))
  return [count, texts(await scene.untilEnd(await bus.streams.read('A')))]
}

export const purging: readonly Case[] = [
  {
    name: 'a purge empties a stream, and its sequences continue',
    needs,
    async run(scene) {
      const [bus, other] = [await scene.connect(), await scene.connect()]
      await bus.streams.add({name: 'A'})
      await bus.streams.add({name: 'B'})
      await store(bus, 'B', ['x'])
      const seqs = await store(bus, 'A', numbers(3))
      expect(await other.streams.purge('A')).toBe(3)
      const state = await stateOf(bus, 'A')
      expect(state).toMatchObject({messages: 0, bytes: 0, subjects: 0})
      expect(state.lastSeq).toBeGreaterThanOrEqual(at(seqs, -1))
      expect(state.firstSeq).toBe(state.lastSeq + 1)
      expect(await other.streams.purge('A')).toBe(0)
      const [next] = await store(bus, 'A', ['4'])
      expect(next).toBeGreaterThan(at(seqs, -1))
      expect((await stateOf(bus, 'A')).firstSeq).toBe(next)
      expect((await stateOf(bus, 'B')).messages).toBe(1)
    },
  },
  {
    name: 'a purge may remove only messages that match a pattern',
    needs,
    run: async (scene) => expect(await purged(scene, () => ({pattern: '*.x'}))).toEqual([3, ['2', '4', '6']]),
  },
  {
    name: 'a purge may remove only messages before a sequence',
    needs,
    async run(scene) {
      expect(await purged(scene, (seqs) => ({beforeSeq: at(seqs, 3)}))).toEqual([3, ['4', '5', '6']])
    },
  },
  {
    name: 'a purge may keep the last N messages',
    needs,
    run: async (scene) => expect(await purged(scene, () => ({keep: 2}))).toEqual([4, ['5', '6']]),
  },
  {
    name: 'a purge may remove messages that match a pattern, except the last N or later ones',
    needs,
    async run(scene) {
      expect(await purged(scene, () => ({pattern: 'a.y', keep: 1}))).toEqual([2, ['1', '3', '5', '6']])
      await (await scene.connect()).streams.remove('A')
      const before = (seqs: readonly number[]) => ({pattern: 'a.y', beforeSeq: at(seqs, 3)})
      expect(await purged(scene, before)).toEqual([1, ['1', '3', '4', '5', '6']])
    },
  },
  {
    name: 'a purge before a sequence that keeps the last N messages is refused',
    needs,
    async run(scene) {
      await expect(purged(scene, () => ({beforeSeq: 5, keep: 2}))).rejects.toMatchObject({kind: 'usage'})
      const bus = await scene.connect()
      await expect(bus.streams.purge('A', {pattern: 'a b'})).rejects.toMatchObject({kind: 'usage'})
      expect((await stateOf(bus, 'A')).messages).toBe(6)
    },
  },
  {
    name: 'a stream that denies purging keeps its messages',
    needs,
    async run(scene) {
      const bus = await scene.connect()
      await bus.streams.add({name: 'A', denyPurge: true, denyDelete: true})
      await store(bus, 'A', numbers(3))
      await expect(bus.streams.purge('A')).rejects.toMatchObject({kind: 'denied'})
      expect((await stateOf(bus, 'A')).messages).toBe(3)
      expect((await bus.streams.info('A')).config).toMatchObject({denyPurge: true, denyDelete: true})
    },
  },
]
