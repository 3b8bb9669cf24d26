import {setTimeout as pause} from 'node:timers/promises'
import {expect} from 'vitest'
import type {Case} from '../case.ts'
import {numbers, texts} from '../scene.ts'
import {ackAll, busWithConsumer, consume, infoOf, restOf, takeAll} from './members.ts'
import {at} from './storage.ts'

const needs = {streams: true}

export const redelivery: readonly Case[] = [
  {
    name: 'a message not acknowledged in time is redelivered, and counted',
    needs,
    async run(scene) {
      const bus = await busWithConsumer(scene, numbers(3), {ackWaitMs: 250})
      await using member = await consume(bus)
      const [first, second, third] = await takeAll(scene, member, 3)
      const taken = performance.now()
      first?.ack()
      third?.ack()
      const again = await takeAll(scene, member, 1)
      expect(performance.now() - taken).toBeGreaterThan(150)
      expect(again).toMatchObject([{text: '2', seq: second?.seq, deliveries: 2}])
      expect(await infoOf(bus)).toMatchObject({ackPending: 1, redelivered: 1, pending: 0})
      expect(await takeAll(scene, member, 1)).toMatchObject([{text: '2', deliveries: 3}])
      at(again, 0).ack()
      await member.flush()
      await scene.eventually(async () => expect(await infoOf(bus)).toMatchObject({ackPending: 0, redelivered: 0}))
    },
  },
  {
    name: 'a message that another member does not acknowledge is redelivered to the remaining members',
    needs,
    async run(scene) {
      const bus = await busWithConsumer(scene, numbers(3), {ackWaitMs: 250})
      await using idle = await consume(await scene.connect(), {max: 2})
      expect(texts(await takeAll(scene, idle, 2))).toEqual(['1', '2'])
      await using member = await consume(bus)
      const [third, ...again] = await takeAll(scene, member, 3)
      expect(third).toMatchObject({text: '3', deliveries: 1})
      expect(again.map(({text, deliveries}) => [text, deliveries])).toEqual([
        ['1', 2],
        ['2', 2],
      ])
    },
  },
  {
    name: 'a rejected message is redelivered immediately',
    needs,
    async run(scene) {
      const bus = await busWithConsumer(scene, numbers(2))
      await using member = await consume(bus)
      const [first, second] = await takeAll(scene, member, 2)
      second?.ack()
      first?.nak()
      const again = await takeAll(scene, member, 1)
      expect(again).toMatchObject([{text: '1', deliveries: 2}])
      at(again, 0).nak()
      expect(await takeAll(scene, member, 1)).toMatchObject([{text: '1', deliveries: 3}])
      expect(await infoOf(bus)).toMatchObject({ackPending: 1, pending: 0})
    },
  },
  {
    name: 'a message rejected with a delay is redelivered after it, and others continue',
    needs,
    async run(scene) {
      const bus = await busWithConsumer(scene, numbers(3))
      await using member = await consume(bus)
      const [first] = await takeAll(scene, member, 1)
      const rejected = performance.now()
      first?.nak(250)
      const others = await takeAll(scene, member, 2)
      expect(texts(others)).toEqual(['2', '3'])
      ackAll(others)
      expect(await takeAll(scene, member, 1)).toMatchObject([{text: '1', deliveries: 2}])
      expect(performance.now() - rejected).toBeGreaterThan(200)
    },
  },
  {
    name: 'a terminated message is never redelivered, and the ack floor passes it',
    needs,
    async run(scene) {
      const bus = await busWithConsumer(scene, numbers(3), {ackWaitMs: 250})
      await using member = await consume(bus)
      const [first, second, third] = await takeAll(scene, member, 3)
      first?.term('not for us')
      second?.term()
      third?.ack()
      await member.flush()
      await scene.eventually(async () => expect((await infoOf(bus)).ackPending).toBe(0))
      expect((await infoOf(bus)).ackFloor).toBeGreaterThanOrEqual(third?.seq ?? 0)
      expect(await scene.within(member.take(5, 350), 'end of the wait')).toEqual([])
    },
  },
  {
    name: 'a member that reports progress keeps the message beyond the ack wait',
    needs,
    async run(scene) {
      const bus = await busWithConsumer(scene, numbers(1), {ackWaitMs: 300})
      await using member = await consume(bus)
      const [delivery] = await takeAll(scene, member, 1)
      for (let i = 0; i < 6; i++) {
        await pause(100)
        delivery?.working()
        await member.flush()
      }
      expect(await scene.within(member.take(1, 20), 'end of the wait')).toEqual([])
      delivery?.ack()
      await member.flush()
      await scene.eventually(async () => expect(await infoOf(bus)).toMatchObject({ackPending: 0, redelivered: 0}))
    },
  },
  {
    name: 'a message is delivered up to the maximum and no more, and others continue',
    needs,
    async run(scene) {
      const bus = await busWithConsumer(scene, ['bad', 'good'], {ackWaitMs: 200, maxDeliver: 2})
      await using member = await consume(bus)
      const [bad, good] = await takeAll(scene, member, 2)
      good?.ack()
      expect(bad).toMatchObject({text: 'bad', deliveries: 1})
      const again = await takeAll(scene, member, 1)
      expect(again).toMatchObject([{text: 'bad', deliveries: 2}])
      at(again, 0).nak()
      expect(await scene.within(member.take(1, 280), 'end of the wait')).toEqual([])
      await bus.streams.publish({subject: 'a.x', data: 'next'})
      expect(await restOf(scene, member)).toMatchObject([{text: 'next', deliveries: 1}])
      await scene.eventually(async () => expect((await infoOf(bus)).ackPending).toBe(0))
    },
  },
  {
    name: 'the waits of a back-off follow each other, and the last one is repeated',
    needs,
    async run(scene) {
      const bus = await busWithConsumer(scene, ['x'], {backoffMs: [100, 250], maxDeliver: 4})
      await using member = await consume(bus)
      const times: number[] = []
      for (const deliveries of [1, 2, 3, 4]) {
        expect(await takeAll(scene, member, 1)).toMatchObject([{deliveries}])
        times.push(performance.now())
      }
      const [first = 0, second = 0, third = 0] = times.slice(1).map((time, i) => time - at(times, i))
      expect(first).toBeGreaterThan(70)
      expect(first).toBeLessThan(Math.min(second, third))
      expect(second).toBeGreaterThan(200)
      expect(third).toBeGreaterThan(200)
    },
  },
  {
    name: 'redelivered messages keep the order of their sequences',
    needs,
    async run(scene) {
      const bus = await busWithConsumer(scene, numbers(50), {ackWaitMs: 250})
      await using lazy = await consume(bus, {max: 50})
      await takeAll(scene, lazy, 50)
      await using member = await consume(bus)
      const again = await takeAll(scene, member, 50)
      expect(texts(again)).toEqual(numbers(50))
      expect(again.every(({deliveries}) => deliveries === 2)).toBe(true)
    },
  },
]
