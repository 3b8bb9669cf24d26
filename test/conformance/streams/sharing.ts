import {setTimeout as pause} from 'node:timers/promises'
import {expect} from 'vitest'
import type {Consuming} from '../../../src/lib/transport/streams-contract.ts'
import type {Case} from '../case.ts'
import {awaitedLater, numbers, type Scene, texts} from '../scene.ts'
import {ackAll, busWithConsumer, consume, infoOf, restOf, takeAll} from './members.ts'
import {at, store, storeMany} from './storage.ts'

const needs = {streams: true}

/** Records and acknowledges messages until the member ends. */
async function work(scene: Scene, member: Consuming, seen: string[], total: number): Promise<void> {
  while (seen.length < total) {
    const taken = await scene.within(member.take(7, 50), 'end of the wait')
    seen.push(...texts(taken))
    ackAll(taken)
  }
}

function sorted(seen: readonly string[]): string[] {
  return [...seen].sort((one, other) => Number(one) - Number(other))
}

export const sharing: readonly Case[] = [
  {
    name: 'members of a consumer share its messages, each going to one of them',
    needs,
    async run(scene) {
      const bus = await busWithConsumer(scene, [])
      const seen: string[] = []
      const members = [bus, bus, await scene.connect(), await scene.connect()].map((each) =>
        consume(each, {prefetch: 8}),
      )
      const working = (await Promise.all(members)).map((member) => awaitedLater(work(scene, member, seen, 1000)))
      await storeMany(bus, 'a.x', numbers(1000))
      await Promise.all(working)
      expect(sorted(seen)).toEqual(numbers(1000))
      await Promise.all((await Promise.all(members)).map((member) => member.close()))
      await scene.eventually(async () => {
        expect(await infoOf(bus)).toMatchObject({pending: 0, ackPending: 0, redelivered: 0})
      })
    },
  },
  {
    name: 'a consumer resumes where the previous connection stopped',
    needs,
    async run(scene) {
      const bus = await busWithConsumer(scene, numbers(30))
      for (let i = 0; i < 3; i++) {
        const connection = await scene.connect()
        const member = await consume(connection, {max: 10})
        const taken = await takeAll(scene, member, 10)
        expect(texts(taken)).toEqual(numbers(30).slice(i * 10, i * 10 + 10))
        ackAll(taken)
        await member.close()
        await connection.close()
      }
      await scene.eventually(async () => expect(await infoOf(bus)).toMatchObject({pending: 0, ackPending: 0}))
    },
  },
  {
    name: 'two consumers of a stream each get everything',
    needs,
    async run(scene) {
      const bus = await busWithConsumer(scene, numbers(5))
      await bus.streams.consumers.add('A', {name: 'd'})
      await using one = await consume(bus)
      await using other = await bus.streams.consumers.consume('A', 'd')
      for (const member of [one, other]) expect(texts(await restOf(scene, member))).toEqual(numbers(5))
    },
  },
  {
    name: 'a member that closes returns messages that it did not take, immediately',
    needs,
    async run(scene) {
      const [bus, other] = [await busWithConsumer(scene, numbers(20)), await scene.connect()]
      const closing = await consume(bus, {prefetch: 15})
      const taken = await takeAll(scene, closing, 3)
      ackAll(taken.slice(0, 2))
      await scene.within(closing.close(), 'end of the member')
      expect([closing.ended, await closing.take(1)]).toEqual([true, []])
      await using member = await consume(other)
      expect(sorted(texts(await takeAll(scene, member, 17)))).toEqual(numbers(20).slice(3))
      expect(await scene.within(member.take(5, 50), 'end of the wait')).toEqual([])
      expect((await infoOf(other)).ackPending).toBe(18)
    },
  },
  {
    name: 'taken messages may be acknowledged after later ones were taken and before the close',
    needs,
    async run(scene) {
      const bus = await busWithConsumer(scene, numbers(600))
      await using member = await consume(bus, {prefetch: 10})
      const taken = await takeAll(scene, member, 600)
      ackAll(taken)
      await member.close()
      await scene.eventually(async () => expect(await infoOf(bus)).toMatchObject({pending: 0, ackPending: 0}))
    },
  },
  {
    name: 'a member that wants a number of messages claims no more and ends with them',
    needs,
    async run(scene) {
      const [bus, other] = [await busWithConsumer(scene, numbers(10)), await scene.connect()]
      await using few = await consume(bus, {max: 4})
      expect(texts(await takeAll(scene, few, 1))).toEqual(['1'])
      expect(few.ended).toBe(false)
      expect(texts(await takeAll(scene, few, 3))).toEqual(['2', '3', '4'])
      expect(few.ended).toBe(true)
      await using member = await consume(other)
      expect(texts(await takeAll(scene, member, 6))).toEqual(numbers(10).slice(4))
      expect(await scene.within(few.take(5), 'end')).toEqual([])
      expect(await infoOf(bus)).toMatchObject({pending: 0, ackPending: 10})
    },
  },
  {
    name: 'a take waits for the given time, or until something arrives, and returns available messages immediately',
    needs,
    async run(scene) {
      const bus = await busWithConsumer(scene, [])
      await using member = await consume(bus)
      const start = performance.now()
      expect(await scene.within(member.take(5, 80), 'end of the wait')).toEqual([])
      expect(performance.now() - start).toBeGreaterThan(60)
      expect(member.ended).toBe(false)
      const waiting = awaitedLater(scene.within(member.take(5, 10_000), 'delivery'))
      await store(bus, 'a.x', ['1'])
      expect(texts(await waiting)).toEqual(['1'])
    },
  },
  {
    name: 'a take that may wait for more than a month does not end immediately',
    needs,
    async run(scene) {
      const bus = await busWithConsumer(scene, [])
      await using member = await consume(bus)
      const waiting = awaitedLater(scene.within(member.take(1, 3_000_000_000), 'delivery'))
      await pause(50)
      await store(bus, 'a.x', ['1'])
      expect(texts(await waiting)).toEqual(['1'])
    },
  },
  {
    name: 'a second take while one waits is refused immediately, and the first continues',
    needs,
    async run(scene) {
      const bus = await busWithConsumer(scene, [])
      await using member = await consume(bus)
      const waiting = awaitedLater(scene.within(member.take(1), 'delivery'))
      await expect(scene.within(member.take(1), 'refusal')).rejects.toThrow('one reader at a time')
      await store(bus, 'a.x', ['1'])
      expect(texts(await waiting)).toEqual(['1'])
    },
  },
  {
    name: 'a wait for deliveries ends with a close, a signal and the bus',
    needs,
    async run(scene) {
      const bus = await busWithConsumer(scene, [])
      const other = await scene.connect()
      const stop = new AbortController()
      const members = [await consume(bus), await consume(bus, {signal: stop.signal}), await consume(other)]
      const waiting = members.map((member) => awaitedLater(member.take(1)))
      await at(members, 0).close()
      stop.abort()
      await other.close()
      for (const [i, member] of members.entries()) {
        expect(await scene.within(at(waiting, i), 'end')).toEqual([])
        expect(member.ended).toBe(true)
        await scene.within(member.close(), 'end of a member that has ended')
      }
      await expect(consume(bus, {signal: AbortSignal.abort()})).rejects.toMatchObject({kind: 'interrupted'})
    },
  },
  {
    name: 'a removed consumer fails its members, and so does a removed stream',
    needs,
    async run(scene) {
      const [bus, other] = [await busWithConsumer(scene, numbers(1)), await scene.connect()]
      const failing = async (remove: () => Promise<void>) => {
        const member = await consume(other)
        ackAll(await takeAll(scene, member, 1))
        const waiting = awaitedLater(scene.within(member.take(1), 'failure'))
        await remove()
        await expect(waiting).rejects.toMatchObject({kind: 'notFound'})
        await scene.within(member.close(), 'end of the member')
      }
      await failing(() => bus.streams.consumers.remove('A', 'c'))
      await bus.streams.consumers.add('A', {name: 'c'})
      await failing(() => bus.streams.remove('A'))
    },
  },
]
