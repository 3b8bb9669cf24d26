import {expect} from 'vitest'
import type {Message} from '../../src/lib/core/message.ts'
import type {ManyOptions, Transport} from '../../src/lib/transport/contract.ts'
import type {Case} from './case.ts'
import {numbers, type Scene, texts} from './scene.ts'

/** Makes each of `counts` responders answer `a` with this many replies. */
async function responders(scene: Scene, ...counts: number[]): Promise<void> {
  for (const count of counts) {
    const bus = await scene.connect()
    scene.serve(bus, await bus.subscribe('a'), () => numbers(count).map((data) => ({data})))
  }
}

async function replied(scene: Scene, bus: Transport, options: ManyOptions): Promise<string[]> {
  const all: string[] = []
  const loop = async () => {
    for await (const reply of bus.requestMany({subject: 'a'}, options)) all.push(reply.text)
  }
  await scene.within(loop(), 'end of the replies')
  return all
}

export const replies: readonly Case[] = [
  {
    name: 'replies end with their count, without further waiting',
    needs: {requestsAreMessages: true},
    async run(scene) {
      await responders(scene, 2, 2, 2)
      const bus = await scene.connect()
      expect(await replied(scene, bus, {count: 4, timeoutMs: 60_000})).toHaveLength(4)
      expect(await replied(scene, bus, {count: 1, timeoutMs: 60_000})).toEqual(['1'])
    },
  },
  {
    name: 'replies end when none arrived for the idle time, which begins with the first',
    needs: {requestsAreMessages: true},
    async run(scene) {
      const [bus, responder] = [await scene.connect(), await scene.connect()]
      const subscription = await responder.subscribe('a')
      const all = replied(scene, bus, {idleMs: 40, timeoutMs: 60_000})
      const [request] = await scene.take(subscription, 1)
      // Slower than the idle time on purpose.
      await new Promise((resolve) => setTimeout(resolve, 90))
      for (const data of numbers(3)) responder.publish({subject: request?.reply ?? '', data})
      expect(await all).toEqual(numbers(3))
    },
  },
  {
    name: 'replies end with an empty one, which is not returned, if requested',
    needs: {requestsAreMessages: true},
    async run(scene) {
      const bus = await scene.connect()
      scene.serve(bus, await bus.subscribe('a'), () => ['1', '2', '', '3'].map((data) => ({data})))
      expect(await replied(scene, bus, {untilEmpty: true, timeoutMs: 60_000})).toEqual(['1', '2'])
      expect(await replied(scene, bus, {count: 4, timeoutMs: 60_000})).toEqual(['1', '2', '', '3'])
    },
  },
  {
    name: 'replies end without an error at the deadline, after those that arrived, if any',
    needs: {requestsAreMessages: true},
    async run(scene) {
      const bus = await scene.connect()
      const silent = await bus.subscribe('a')
      const began = performance.now()
      expect(await replied(scene, bus, {timeoutMs: 60})).toEqual([])
      expect(performance.now() - began).toBeGreaterThan(55)
      await silent.close()
      await responders(scene, 3)
      expect(await replied(scene, bus, {count: 4, timeoutMs: 200})).toEqual(numbers(3))
    },
  },
  {
    name: 'the loop may be left early, and later replies are ignored',
    needs: {requestsAreMessages: true},
    async run(scene) {
      await responders(scene, 5)
      const bus = await scene.connect()
      for await (const reply of bus.requestMany({subject: 'a'}, {timeoutMs: 60_000})) {
        expect(reply.text).toBe('1')
        break
      }
      expect(await replied(scene, bus, {count: 5, timeoutMs: 60_000})).toEqual(numbers(5))
    },
  },
  {
    name: 'replies to a request that nobody serves fail immediately',
    needs: {noResponders: true},
    async run(scene) {
      const bus = await scene.connect()
      const began = performance.now()
      await expect(replied(scene, bus, {timeoutMs: 5000})).rejects.toMatchObject({kind: 'noResponders'})
      expect(performance.now() - began).toBeLessThan(3000)
    },
  },
  {
    name: 'replies end with `interrupted` when the signal aborts, before or while they are awaited',
    async run(scene) {
      const bus = await scene.connect()
      const subscription = await scene.responder(bus, 'a')
      const stop = new AbortController()
      const stopped = replied(scene, bus, {signal: stop.signal, timeoutMs: 60_000})
      const failing = expect(stopped).rejects.toMatchObject({kind: 'interrupted'})
      await scene.take(subscription, 1)
      stop.abort()
      await failing
      await expect(replied(scene, bus, {signal: stop.signal})).rejects.toMatchObject({kind: 'interrupted'})
    },
  },
  {
    name: 'closing the bus fails a loop that waits for replies',
    async run(scene) {
      const [bus, other] = [await scene.connect(), await scene.connect()]
      const subscription = await scene.responder(other, 'a')
      const failing = expect(replied(scene, bus, {timeoutMs: 60_000})).rejects.toMatchObject({kind: 'usage'})
      await scene.take(subscription, 1)
      await bus.close()
      await failing
    },
  },
  {
    name: 'a slow loop over 70,000 replies misses none',
    needs: {requestsAreMessages: true},
    async run(scene) {
      const [bus, responder] = [await scene.connect(), await scene.connect()]
      const subscription = await responder.subscribe('a')
      const loop = bus.requestMany({subject: 'a'}, {count: 70_000, timeoutMs: 60_000})[Symbol.asyncIterator]()
      const first = loop.next()
      const [request] = await scene.take(subscription, 1)
      for (const data of numbers(70_000)) responder.publish({subject: request?.reply ?? '', data})
      await responder.flush()
      const got: Message[] = []
      for (let step = await scene.within(first, 'reply'); !step.done; ) {
        got.push(step.value)
        step = await scene.within(loop.next(), `reply ${got.length + 1}`)
      }
      expect(texts(got)).toEqual(numbers(70_000))
    },
  },
]
