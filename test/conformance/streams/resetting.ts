import {setTimeout as pause} from 'node:timers/promises'
import {expect} from 'vitest'
import type {Transport} from '../../../src/lib/transport/contract.ts'
import type {Start} from '../../../src/lib/transport/streams-contract.ts'
import type {Case} from '../case.ts'
import {numbers, type Scene, texts} from '../scene.ts'
import {ackAll, busWithConsumer, consume, infoOf, restOf, takeAll} from './members.ts'
import {at, store} from './storage.ts'

const needs = {streams: true}

/** Takes two messages, acknowledges the first, resets, and returns the next messages. */
async function afterReset(scene: Scene, bus: Transport, to: Start | undefined): Promise<string[]> {
  await bus.streams.consumers.reset('A', 'c', {seq: 1})
  const member = await consume(bus, {max: 2})
  at(await takeAll(scene, member, 2), 0).ack()
  await member.close()
  const info = await bus.streams.consumers.reset('A', 'c', to)
  expect(info.ackPending).toBe(0)
  await using next = await consume(await scene.connect())
  const got = await restOf(scene, next)
  expect(got.length).toBe(info.pending)
  expect(got.every(({deliveries}) => deliveries === 1)).toBe(true)
  return texts(got)
}

export const resetting: readonly Case[] = [
  {
    name: 'a consumer is moved to the first message, a sequence, the last N messages, or the end',
    needs,
    async run(scene) {
      const bus = await busWithConsumer(scene, [])
      const seqs = await store(bus, 'a.x', numbers(5))
      expect(await afterReset(scene, bus, {seq: 1})).toEqual(numbers(5))
      expect(await afterReset(scene, bus, {seq: at(seqs, 3)})).toEqual(['4', '5'])
      expect(await afterReset(scene, bus, {seq: at(seqs, 4) + 1})).toEqual([])
      expect(await afterReset(scene, bus, {last: 2})).toEqual(['4', '5'])
      expect(await afterReset(scene, bus, {last: 100})).toEqual(numbers(5))
      expect(await afterReset(scene, bus, undefined)).toEqual([])
      await store(bus, 'a.x', ['6'])
      expect((await infoOf(bus)).pending).toBe(1)
    },
  },
  {
    name: 'a position after the end is the end: later messages are not skipped',
    needs,
    async run(scene) {
      const bus = await busWithConsumer(scene, numbers(3))
      for (const [i, to] of [{seq: 1_000_000}, {timeMs: Date.now() + 3_600_000}].entries()) {
        expect(await afterReset(scene, bus, to)).toEqual([])
        await store(bus, 'a.x', [`later ${i}`])
        await using member = await consume(bus)
        expect(texts(await restOf(scene, member))).toEqual([`later ${i}`])
      }
    },
  },
  {
    name: 'after a reset the ack floor and the last delivery are below the position, and not below what precedes it',
    needs,
    async run(scene) {
      const bus = await busWithConsumer(scene, [])
      const seqs = await store(bus, 'a.x', numbers(4))
      await bus.streams.consumers.reset('A', 'c', {seq: at(seqs, 2)})
      const {ackFloor, deliveredSeq} = await infoOf(bus)
      expect([ackFloor, deliveredSeq]).toEqual([at(seqs, 1), at(seqs, 1)])
    },
  },
  {
    name: 'after a reset nothing from the new position on counts as acknowledged',
    needs,
    async run(scene) {
      const bus = await busWithConsumer(scene, [])
      const seqs = await store(bus, 'a.x', numbers(6))
      await using member = await consume(bus, {max: 5})
      ackAll(await takeAll(scene, member, 5))
      await member.close()
      const to = at(seqs, 2)
      const info = await bus.streams.consumers.reset('A', 'c', {seq: to})
      expect(info.ackFloor).toBeLessThan(to)
      expect((await infoOf(bus)).ackFloor).toBeLessThan(to)
      await using next = await consume(await scene.connect(), {max: 2})
      ackAll(await takeAll(scene, next, 2))
      await next.flush()
      await scene.eventually(async () => {
        const {ackFloor} = await infoOf(bus)
        expect(ackFloor).toBeGreaterThanOrEqual(at(seqs, 3))
        expect(ackFloor).toBeLessThan(at(seqs, 4))
      })
    },
  },
  {
    name: 'a consumer is moved to a time',
    needs,
    async run(scene) {
      const bus = await busWithConsumer(scene, numbers(3))
      await pause(5)
      const timeMs = Date.now()
      await pause(5)
      await store(bus, 'a.x', ['4', '5'])
      expect(await afterReset(scene, bus, {timeMs})).toEqual(['4', '5'])
      expect(await afterReset(scene, bus, {timeMs: 1000})).toEqual(numbers(5))
      expect(await afterReset(scene, bus, {timeMs: Date.now() + 50})).toEqual([])
    },
  },
  {
    name: 'a reset keeps the configuration, and skips removed messages by the filters',
    needs,
    async run(scene) {
      const bus = await busWithConsumer(scene, numbers(3), {filters: ['a.x'], maxDeliver: 3, ackWaitMs: 20_000})
      const [other = 0] = await store(bus, 'a.y', ['other'])
      await store(bus, 'a.x', ['4', '5'])
      const {config} = await infoOf(bus)
      expect(await afterReset(scene, bus, {seq: other})).toEqual(['4', '5'])
      expect(await afterReset(scene, bus, {last: 2})).toEqual(['4', '5'])
      await bus.streams.purge('A', {pattern: 'a.y'})
      expect(await afterReset(scene, bus, {seq: other})).toEqual(['4', '5'])
      const kept = {filters: ['a.x'], maxDeliver: 3, ackWaitMs: 20_000, ack: 'explicit', durable: true}
      expect(config).toMatchObject(kept)
      expect((await infoOf(bus)).config).toMatchObject(kept)
    },
  },
  {
    name: 'a reset forgets messages in flight: they are delivered as if for the first time',
    needs,
    async run(scene) {
      const bus = await busWithConsumer(scene, numbers(3), {ackWaitMs: 250})
      const member = await consume(bus, {max: 3})
      await takeAll(scene, member, 3)
      await member.close()
      await bus.streams.consumers.reset('A', 'c', {seq: 1})
      expect(await infoOf(bus)).toMatchObject({pending: 3, ackPending: 0, redelivered: 0})
      await using next = await consume(await scene.connect())
      const again = await takeAll(scene, next, 3)
      expect(again.map(({deliveries}) => deliveries)).toEqual([1, 1, 1])
      ackAll(again)
      expect(await scene.within(next.take(1, 350), 'end of the wait')).toEqual([])
    },
  },
]
