import {expect} from 'vitest'
import type {Transport} from '../../../src/lib/transport/contract.ts'
import {type Stored, storeHeaders} from '../../../src/lib/transport/streams-contract.ts'
import type {Case} from '../case.ts'
import {numbers, type Scene, texts} from '../scene.ts'
import {stateOf} from './storage.ts'

const needs = {streams: true}

async function busWithStream(scene: Scene): Promise<Transport> {
  const bus = await scene.connect()
  await bus.streams.add({name: 'A', subjects: ['a'], maxMsgSize: 100})
  return bus
}

export const publishers: readonly Case[] = [
  {
    name: 'a publisher stores in order and reports each acknowledgement',
    needs,
    async run(scene) {
      const bus = await busWithStream(scene)
      const told: Stored[] = []
      const onStored = (index: number, stored: Stored) => {
        told[index] = stored
      }
      await using publisher = bus.streams.publisher({window: 64, onStored})
      for (const data of numbers(3000)) await publisher.push({subject: 'a', data})
      await scene.within(publisher.flush(), 'acknowledgement of all')
      const messages = await scene.untilEnd(await bus.streams.read('A'))
      expect(texts(messages)).toEqual(numbers(3000))
      expect(told).toEqual(messages.map(({seq}) => ({stream: 'A', seq, duplicate: false})))
      expect(publisher.acknowledged).toBe(3000)
      expect(publisher.duplicates).toBe(0)
      expect(publisher.last).toEqual(told.at(-1))
    },
  },
  {
    name: 'a publisher returns a promise when its window is full',
    needs,
    async run(scene) {
      const bus = await busWithStream(scene)
      await using publisher = bus.streams.publisher({window: 10})
      let pushed = 0
      let mostUnacknowledged = 0
      for (const data of numbers(200)) {
        const room = publisher.push({subject: 'a', data})
        mostUnacknowledged = Math.max(mostUnacknowledged, ++pushed - publisher.acknowledged)
        if (room !== undefined) await scene.within(room, 'room in the window')
      }
      await scene.within(publisher.flush(), 'acknowledgement of all')
      expect(mostUnacknowledged).toBe(10)
      expect(publisher.acknowledged).toBe(200)
    },
  },
  {
    name: 'a flush with nothing pushed resolves, also several times',
    needs,
    async run(scene) {
      const bus = await busWithStream(scene)
      await using publisher = bus.streams.publisher()
      await scene.within(publisher.flush(), 'flush of nothing')
      expect(publisher.last).toBeUndefined()
      await publisher.push({subject: 'a', data: '1'})
      await scene.within(publisher.flush(), 'flush')
      await publisher.push({subject: 'a', data: '2'})
      await scene.within(Promise.all([publisher.flush(), publisher.flush()]), 'flushes')
      expect(publisher.acknowledged).toBe(2)
      expect((await stateOf(bus, 'A')).messages).toBe(2)
    },
  },
  {
    name: 'a publisher that reports each refused message stores the others, and its flush does not fail',
    needs,
    async run(scene) {
      const bus = await busWithStream(scene)
      const refused: [number, unknown][] = []
      await using publisher = bus.streams.publisher({onRefused: (index, error) => void refused.push([index, error])})
      for (const data of ['1', '2'.repeat(200), '3', '4'.repeat(200), '5']) await publisher.push({subject: 'a', data})
      await scene.within(publisher.flush(), 'acknowledgement of all')
      await publisher.push({subject: 'a', data: '6'})
      await scene.within(publisher.flush(), 'acknowledgement of one more')
      expect(refused).toEqual([1, 3].map((index) => [index, expect.objectContaining({kind: 'remote'})]))
      expect(texts(await scene.untilEnd(await bus.streams.read('A')))).toEqual(['1', '3', '5', '6'])
      expect(publisher.acknowledged).toBe(4)
    },
  },
  {
    name: 'a publisher counts duplicates',
    needs,
    async run(scene) {
      const bus = await busWithStream(scene)
      await using publisher = bus.streams.publisher()
      for (const id of ['1', '2', '1', '3', '1']) {
        await publisher.push({subject: 'a', data: id, headers: [[storeHeaders.msgId, id]]})
      }
      await scene.within(publisher.flush(), 'acknowledgement of all')
      expect([publisher.acknowledged, publisher.duplicates]).toEqual([5, 2])
      const {lastSeq, messages} = await stateOf(bus, 'A')
      expect(messages).toBe(3)
      expect(publisher.last).toMatchObject({stream: 'A', seq: lastSeq})
    },
  },
  {
    name: 'the first message that a stream refuses fails the flush and is named by its index',
    needs,
    async run(scene) {
      const bus = await busWithStream(scene)
      await using publisher = bus.streams.publisher()
      const push = (data: string) => publisher.push({subject: 'a', data})
      for (let i = 0; i < 20; i++) push(i === 5 || i === 12 ? 'x'.repeat(101) : 'ok')
      const failing = scene.within(publisher.flush(), 'failure')
      await expect(failing).rejects.toMatchObject({kind: 'remote', data: {code: 10054, index: 5}})
      expect((await stateOf(bus, 'A')).messages).toBeGreaterThanOrEqual(5)
    },
  },
  {
    name: 'a message of a publisher that no stream stores fails the flush and is named by its index',
    needs,
    async run(scene) {
      const bus = await busWithStream(scene)
      await using publisher = bus.streams.publisher()
      for (const subject of ['a', 'a', 'nobody', 'a']) publisher.push({subject})
      const failing = scene.within(publisher.flush(), 'failure')
      await expect(failing).rejects.toMatchObject({kind: 'notFound', data: {index: 2}})
    },
  },
  {
    name: 'a publisher refuses an invalid message immediately and continues with the next',
    needs,
    async run(scene) {
      const bus = await busWithStream(scene)
      await using publisher = bus.streams.publisher()
      expect(() => publisher.push({subject: 'a b'})).toThrow(expect.objectContaining({kind: 'usage'}))
      const large = new Uint8Array(bus.maxPayload + 1)
      expect(() => publisher.push({subject: 'a', data: large})).toThrow(expect.objectContaining({kind: 'usage'}))
      publisher.push({subject: 'a', data: 'x'})
      await scene.within(publisher.flush(), 'flush')
      expect((await stateOf(bus, 'A')).messages).toBe(1)
    },
  },
]
