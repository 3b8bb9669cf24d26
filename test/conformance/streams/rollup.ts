import {expect} from 'vitest'
import type {Transport} from '../../../src/lib/transport/contract.ts'
import {type StreamSettings, storeHeaders} from '../../../src/lib/transport/streams-contract.ts'
import type {Case} from '../case.ts'
import {type Scene, texts} from '../scene.ts'
import {at, stateOf, store, storeOn} from './storage.ts'

const needs = {streams: true}

/** A bus whose stream `A` has 1, 2, 3, 4 on `a.x` and `a.y` in turn. */
async function rolling(scene: Scene, settings: Partial<StreamSettings> = {}): Promise<Transport> {
  const bus = await scene.connect()
  await bus.streams.add({name: 'A', subjects: ['a.*'], allowRollup: true, ...settings})
  await storeOn(bus, ['a.x', 'a.y', 'a.x', 'a.y'])
  return bus
}

function rollUp(bus: Transport, subject: string, data: string, value: string) {
  return bus.streams.publish({subject, data, headers: [[storeHeaders.rollup, value]]})
}

async function kept(scene: Scene, bus: Transport): Promise<string[]> {
  return texts(await scene.untilEnd(await bus.streams.read('A')))
}

export const rollup: readonly Case[] = [
  {
    name: 'a message with a rollup of its subject replaces the earlier ones of the subject',
    needs,
    async run(scene) {
      for (const settings of [{}, {maxMsgsPerSubject: 5}, {maxMsgs: 4, discard: 'old'}] as const) {
        const bus = await rolling(scene, settings)
        const {seq} = await rollUp(bus, 'a.x', 'all of x', 'sub')
        expect(await kept(scene, bus)).toEqual(['2', '4', 'all of x'])
        expect([...(await bus.streams.subjects('A'))].sort()).toEqual([
          ['a.x', 1],
          ['a.y', 2],
        ])
        const {bytes} = await stateOf(bus, 'A')
        const [next = 0] = await store(bus, 'a.x', ['later'])
        expect(await kept(scene, bus)).toEqual(['2', '4', 'all of x', 'later'])
        await bus.streams.purge('A', {pattern: 'a.x'})
        await rollUp(bus, 'a.y', 'y', 'sub')
        expect(await kept(scene, bus)).toEqual(['y'])
        expect(await stateOf(bus, 'A')).toMatchObject({messages: 1, subjects: 1, lastSeq: expect.any(Number)})
        expect((await stateOf(bus, 'A')).bytes).toBeLessThan(bytes)
        expect(next).toBeGreaterThan(seq)
        await bus.streams.remove('A')
      }
    },
  },
  {
    name: 'a message with a rollup of everything replaces all earlier messages',
    needs,
    async run(scene) {
      const bus = await rolling(scene)
      const {seq} = await rollUp(bus, 'a.z', 'all', 'all')
      expect(await kept(scene, bus)).toEqual(['all'])
      expect(await stateOf(bus, 'A')).toMatchObject({messages: 1, subjects: 1, firstSeq: seq, lastSeq: seq})
      await store(bus, 'a.x', ['later'])
      expect(await kept(scene, bus)).toEqual(['all', 'later'])
    },
  },
  {
    name: 'messages that are sent together replace each other',
    needs,
    async run(scene) {
      const bus = await rolling(scene)
      const all: number[] = []
      await using publisher = bus.streams.publisher({onStored: (index, {seq}) => (all[index] = seq)})
      for (const [i, value] of ['', 'sub', '', 'all', '', 'sub', ''].entries()) {
        const headers = value === '' ? [] : ([[storeHeaders.rollup, value]] as const)
        await publisher.push({subject: 'a.x', data: `${i} ${value}`, headers})
      }
      await publisher.flush()
      expect(await kept(scene, bus)).toEqual(['5 sub', '6 '])
      expect(await stateOf(bus, 'A')).toMatchObject({messages: 2, firstSeq: at(all, 5), lastSeq: at(all, 6)})
    },
  },
  {
    name: 'a rollup is refused by a stream that does not allow it, and with another value',
    needs,
    async run(scene) {
      const bus = await rolling(scene)
      const refusal = {kind: 'remote', data: {code: 10111}}
      await expect(rollUp(bus, 'a.x', 'x', 'some')).rejects.toMatchObject(refusal)
      await bus.streams.add({name: 'B'})
      await expect(rollUp(bus, 'B', 'x', 'sub')).rejects.toMatchObject(refusal)
      expect(await kept(scene, bus)).toEqual(['1', '2', '3', '4'])
      const failing = bus.streams.add({name: 'C', allowRollup: true, denyPurge: true})
      await expect(failing).rejects.toMatchObject({kind: 'usage'})
    },
  },
  {
    name: 'metadata of a stream is stored, and may differ when it is added again without any',
    needs,
    async run(scene) {
      const bus = await scene.connect()
      const metadata = {team: 'billing', 'needs review': 'no'}
      try {
        expect((await bus.streams.add({name: 'A', metadata})).config.metadata).toEqual(metadata)
      } catch (error) {
        expect(error).toMatchObject({kind: 'usage', message: expect.stringContaining('needs 2.10')})
        return
      }
      const again = await bus.streams.add({name: 'A'})
      expect(again.config.metadata).toEqual(metadata)
      const other = bus.streams.add({name: 'A', metadata: {team: 'shipping'}})
      await expect(other).rejects.toMatchObject({kind: 'usage', message: expect.stringContaining('billing')})
    },
  },
]
