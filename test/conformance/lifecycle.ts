import {expect} from 'vitest'
import {BusError} from '../../src/lib/core/errors.ts'
import type {Transport} from '../../src/lib/transport/contract.ts'
import type {Case} from './case.ts'
import {numbers, publishAll, texts} from './scene.ts'

/** Every operation of a bus, each returning its failure. */
function everyUse(bus: Transport): Promise<unknown>[] {
  const uses: (() => unknown)[] = [
    () => bus.publish({subject: 'a'}),
    () => bus.flush(),
    () => bus.subscribe('a'),
    () => bus.subscribe('a', {queue: 'q'}),
    () => bus.request({subject: 'a'}),
    () => bus.facts(),
    () => bus.requestMany({subject: 'a'})[Symbol.asyncIterator]().next(),
  ]
  return uses.map(async (use) => {
    try {
      await use()
    } catch (error) {
      return error
    }
    return 'no failure'
  })
}

export const lifecycle: readonly Case[] = [
  {
    name: 'leaving a loop closes the subscription',
    async run(scene) {
      const [bus, publisher] = [await scene.connect(), await scene.connect()]
      const subscription = await bus.subscribe('a')
      await publishAll(publisher, 'a', numbers(10))
      for await (const message of subscription) if (message.text === '3') break
      await publishAll(publisher, 'a', ['unseen'])
      expect(await scene.within(subscription.take(10), 'end')).toEqual([])
    },
  },
  {
    name: 'a loop gets every message, and ends after a drain',
    async run(scene) {
      const [bus, publisher] = [await scene.connect(), await scene.connect()]
      const subscription = await bus.subscribe('a')
      const seen: string[] = []
      const loop = async () => {
        for await (const message of subscription) seen.push(message.text)
      }
      const reading = loop()
      await publishAll(publisher, 'a', numbers(1000))
      await subscription.drain()
      await scene.within(reading, 'end of the loop')
      expect(seen).toEqual(numbers(1000))
    },
  },
  {
    name: 'a drain delivers messages flushed before it, accepts none after it, then ends',
    async run(scene) {
      const [bus, publisher] = [await scene.connect(), await scene.connect()]
      for (const options of scene.features.queues ? [{}, {queue: 'q'}] : [{}]) {
        const subscription = await bus.subscribe('a', options)
        await publishAll(publisher, 'a', numbers(3000))
        expect(texts(await scene.take(subscription, 10))).toEqual(numbers(10))
        await subscription.drain()
        await publishAll(publisher, 'a', ['unseen'])
        expect(texts(await scene.untilEnd(subscription))).toEqual(numbers(3000).slice(10))
        expect(await scene.within(subscription.take(1), 'end')).toEqual([])
      }
    },
  },
  {
    name: 'a subscription may be closed while messages arrive, and the others continue',
    async run(scene) {
      const [bus, publisher] = [await scene.connect(), await scene.connect()]
      const [closing, staying] = [await bus.subscribe('a'), await bus.subscribe('a')]
      const all = numbers(5000)
      const reading = scene.take(staying, 5000)
      for (let i = 0; i < 10; i++) {
        const flushed = publishAll(publisher, 'a', all.slice(i * 500, i * 500 + 500))
        if (i === 3) expect(texts(await scene.take(closing, 700))).toEqual(numbers(700))
        if (i === 4) await closing.close()
        await flushed
      }
      expect(texts(await reading)).toEqual(all)
      expect(await scene.within(closing.take(10), 'end')).toEqual([])
      expect(await scene.all(staying, 0)).toEqual([])
    },
  },
  {
    name: 'closing or draining a subscription ends a wait for messages',
    async run(scene) {
      const bus = await scene.connect()
      for (const way of ['close', 'drain'] as const) {
        const subscription = await bus.subscribe('a')
        const waiting = subscription.take(1)
        await subscription[way]()
        expect(await scene.within(waiting, 'end'), way).toEqual([])
        expect(await scene.within(subscription.take(1), 'end'), way).toEqual([])
      }
    },
  },
  {
    name: 'closing and draining again is allowed, in any order',
    async run(scene) {
      const bus = await scene.connect()
      for (const ways of [['close', 'close', 'drain'] as const, ['drain', 'drain', 'close', 'drain'] as const]) {
        const subscription = await bus.subscribe('a')
        for (const way of ways) await scene.within(subscription[way](), way)
        expect(await scene.within(subscription.take(1), 'end')).toEqual([])
      }
      await Promise.all([bus.close(), bus.close()])
      await bus.close()
    },
  },
  {
    name: 'closing the bus sends what was published and ends its subscriptions',
    async run(scene) {
      const [bus, other] = [await scene.connect(), await scene.connect()]
      const reader = await other.subscribe('a')
      const [waiting, unread] = [await bus.subscribe('b'), await bus.subscribe('a')]
      const draining = await bus.subscribe('a')
      const ended = waiting.take(1)
      for (const data of numbers(1500)) bus.publish({subject: 'a', data})
      await draining.drain()
      await scene.within(bus.close(), 'end of close')
      expect(await scene.within(draining.take(1), 'end')).toEqual([])
      expect(await scene.within(ended, 'end')).toEqual([])
      expect(await scene.within(unread.take(1), 'end')).toEqual([])
      expect(texts(await scene.all(reader, 1500))).toEqual(numbers(1500))
    },
  },
  {
    name: 'closing one connection does not affect the others',
    async run(scene) {
      const [bus, other] = [await scene.connect(), await scene.connect()]
      const subscription = await other.subscribe('a')
      await bus.subscribe('a')
      await bus.close()
      await publishAll(await scene.connect(), 'a', ['1'])
      await publishAll(other, 'a', ['2'])
      expect(texts(await scene.all(subscription, 2))).toEqual(['1', '2'])
    },
  },
  {
    name: 'using a closed bus fails with its name',
    async run(scene) {
      const bus = await scene.connect()
      await bus.close()
      for (const failure of await scene.within(Promise.all(everyUse(bus)), 'failures')) {
        expect(failure).toBeInstanceOf(BusError)
        expect(failure).toMatchObject({kind: 'usage', message: expect.stringContaining(bus.url)})
      }
    },
  },
  {
    name: 'the end of an `await using` block closes the bus and the subscription',
    async run(scene) {
      const outer = await scene.connect()
      const subscription = await outer.subscribe('a')
      {
        await using bus = outer
        await using inner = await bus.subscribe('a')
        await publishAll(bus, 'a', ['x'])
        expect(texts(await scene.take(inner, 1))).toEqual(['x'])
      }
      expect(await scene.within(subscription.take(1), 'end')).toEqual([])
      await expect(outer.flush()).rejects.toMatchObject({kind: 'usage'})
    },
  },
  {
    name: 'a signal that has already aborted prevents a subscription',
    async run(scene) {
      const bus = await scene.connect()
      const failing = scene.within(bus.subscribe('a', {signal: AbortSignal.abort()}), 'interruption')
      await expect(failing).rejects.toMatchObject({kind: 'interrupted'})
    },
  },
  {
    name: 'a signal that aborts later ends the subscription as `close` does',
    async run(scene) {
      const bus = await scene.connect()
      const stop = new AbortController()
      const [held, waiting] = await Promise.all(['a', 'b'].map((s) => bus.subscribe(s, {signal: stop.signal})))
      const other = await bus.subscribe('a')
      const ended = waiting?.take(1) ?? Promise.resolve(undefined)
      await publishAll(bus, 'a', ['1'])
      stop.abort()
      await publishAll(bus, 'a', ['2'])
      expect(await scene.within(ended, 'end')).toEqual([])
      expect(await held?.take(1)).toEqual([])
      expect(texts(await scene.all(other, 2))).toEqual(['1', '2'])
    },
  },
]
