import {setFlagsFromString} from 'node:v8'
import {runInNewContext} from 'node:vm'
import {expect} from 'vitest'
import type {Notice, Subscription, Transport} from '../../src/lib/transport/contract.ts'
import type {Case} from './case.ts'
import {numbers, publishAll, type Scene, texts} from './scene.ts'

/** Bytes in use by this process after a collection; V8 releases the memory of buffers a little later. */
function bytesInUse(): number {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  const {heapUsed, external} = process.memoryUsage()
  return heapUsed + external
}

async function bytesInUseFallTo(limit: number): Promise<void> {
  while (bytesInUse() > limit) await new Promise((resolve) => setTimeout(resolve, 10))
}

/** Publishes the numbers up to `count` while they are read; returns the numbers received. */
async function flow(scene: Scene, publisher: Transport, reader: Subscription, count: number): Promise<string[]> {
  const reading = scene.take(reader, count)
  reading.catch(() => {})
  const all = numbers(count)
  for (let i = 0; i < count; i += 5000) await publishAll(publisher, 'a', all.slice(i, i + 5000))
  return texts(await reading)
}

export const volume: readonly Case[] = [
  {
    name: 'a hundred thousand messages arrive in order',
    async run(scene) {
      const [publisher, bus] = [await scene.connect(), await scene.connect()]
      const subscription = await bus.subscribe('a')
      const got = await flow(scene, publisher, subscription, 100_000)
      expect(got.findIndex((text, i) => text !== String(i + 1))).toBe(-1)
      expect(await scene.all(subscription, 0)).toEqual([])
      expect(subscription.dropped).toBe(0)
    },
  },
  {
    name: 'a thousand subscriptions each get their message',
    async run(scene) {
      const [publisher, bus] = [await scene.connect(), await scene.connect()]
      const open = await Promise.all(numbers(1000).map((number) => bus.subscribe(`a.${number}`)))
      for (const number of numbers(1000)) publisher.publish({subject: `a.${number}`, data: number})
      await publisher.flush()
      const got = await Promise.all(open.map((each) => scene.all(each, 1)))
      expect(got.map((messages) => texts(messages).join())).toEqual(numbers(1000))
    },
  },
  {
    name: 'five thousand subjects pass through one subscription',
    needs: {wildcards: true},
    async run(scene) {
      const [publisher, bus] = [await scene.connect(), await scene.connect()]
      const subscription = await bus.subscribe('a.*.x')
      for (const number of numbers(5000)) publisher.publish({subject: `a.${number}.x`, data: number})
      await publisher.flush()
      expect(texts(await scene.all(subscription, 5000))).toEqual(numbers(5000))
    },
  },
  {
    name: 'a subscriber that never reads blocks no other',
    async run(scene) {
      const [publisher, bus] = [await scene.connect(), await scene.connect()]
      for (const each of [bus, publisher]) await each.subscribe('a', {pendingLimit: 10})
      const reader = await bus.subscribe('a')
      scene.serve(bus, await scene.responder(bus, 'b'), () => ({data: 'served'}))
      expect(await flow(scene, publisher, reader, 20_000)).toEqual(numbers(20_000))
      expect((await scene.within(bus.request({subject: 'b'}), 'reply')).text).toBe('served')
    },
  },
  {
    name: 'a slow subscriber loses messages beyond its limit, counted and reported',
    needs: {keepsForSlow: false},
    async run(scene) {
      const notices: Notice[] = []
      const publisher = await scene.connect()
      const bus = await scene.connect({notify: (notice) => notices.push(notice)})
      const slow = await bus.subscribe('a', {pendingLimit: 100})
      const witness = await bus.subscribe('a')
      expect(await flow(scene, publisher, witness, 1000)).toEqual(numbers(1000))
      expect(notices.map((notice) => notice.kind)).toContain('slowConsumer')
      await slow.drain()
      const got = texts(await scene.untilEnd(slow))
      expect(got).toEqual(numbers(100))
      expect(got.length + slow.dropped).toBe(1000)
    },
  },
  {
    name: 'a slow subscriber gets everything later, in order',
    needs: {keepsForSlow: true},
    async run(scene) {
      const [publisher, bus] = [await scene.connect(), await scene.connect()]
      const slow = await bus.subscribe('a', {pendingLimit: 100})
      const witness = await bus.subscribe('a')
      expect(await flow(scene, publisher, witness, 20_000)).toEqual(numbers(20_000))
      expect(texts(await scene.take(slow, 10_000))).toEqual(numbers(10_000))
      await publishAll(publisher, 'a', ['20001'])
      expect(texts(await scene.all(slow, 10_001))).toEqual(numbers(20_001).slice(10_000))
      expect(slow.dropped).toBe(0)
    },
  },
  {
    name: 'messages that a slow subscriber has not read do not fill the memory',
    needs: {keepsForSlow: true},
    async run(scene) {
      const [publisher, bus] = [await scene.connect(), await scene.connect()]
      const slow = await bus.subscribe('a', {pendingLimit: 100})
      const witness = await bus.subscribe('a')
      const before = bytesInUse()
      for (let i = 0; i < 64; i++) {
        for (let k = 0; k < 16; k++) publisher.publish({subject: 'a', data: new Uint8Array(64 * 1024).fill(i)})
        await publisher.flush()
        await scene.take(witness, 16)
      }
      await scene.within(bytesInUseFallTo(before + 24 * 1024 * 1024), 'fall of the memory in use')
      const got = await scene.all(slow, 1024)
      expect(got.every((message, i) => message.data[0] === Math.floor(i / 16))).toBe(true)
    },
  },
]
