import {expect} from 'vitest'
import type {Case} from '../case.ts'
import {numbers, texts} from '../scene.ts'
import {ackAll, busWithConsumer, consume, infoOf, restOf, takeAll} from './members.ts'
import {at, store} from './storage.ts'

const needs = {streams: true}

export const acknowledging: readonly Case[] = [
  {
    name: 'delivered messages count as ack pending until they are acknowledged',
    needs,
    async run(scene) {
      const [bus, other] = [await busWithConsumer(scene, numbers(5)), await scene.connect()]
      await using member = await consume(bus, {max: 3})
      const taken = await takeAll(scene, member, 3)
      const {ackPending, pending, deliveredSeq, ackFloor, lastActive} = await infoOf(other)
      expect([ackPending, pending, deliveredSeq]).toEqual([3, 2, at(taken, 2).seq])
      expect(ackFloor).toBeLessThan(at(taken, 0).seq ?? 0)
      expect(Math.abs((lastActive ?? 0) - Date.now())).toBeLessThan(5000)
      ackAll(taken)
      await member.flush()
      await scene.eventually(async () => {
        const info = await infoOf(other)
        expect(info).toMatchObject({ackPending: 0, pending: 2, deliveredSeq: at(taken, 2).seq})
        expect(info.ackFloor).toBeGreaterThanOrEqual(at(taken, 2).seq ?? 0)
      })
    },
  },
  {
    name: 'the ack floor advances only over messages acknowledged without a gap',
    needs,
    async run(scene) {
      const bus = await busWithConsumer(scene, numbers(6))
      await using member = await consume(bus, {max: 5})
      const taken = await takeAll(scene, member, 5)
      const seqs = taken.map(({seq}) => seq ?? 0)
      /** Acknowledges one message; then this many are unacknowledged, and the ack floor is at `floor` and below the next one. */
      const acked = async (i: number, ackPending: number, floor: number) => {
        at(taken, i).ack()
        await member.flush()
        await scene.eventually(async () => expect((await infoOf(bus)).ackPending).toBe(ackPending))
        const {ackFloor} = await infoOf(bus)
        expect(ackFloor).toBeGreaterThanOrEqual(floor < 0 ? 0 : at(seqs, floor))
        expect(ackFloor).toBeLessThan(seqs[floor + 1] ?? Number.POSITIVE_INFINITY)
      }
      await acked(2, 4, -1)
      await acked(0, 3, 0)
      await acked(4, 2, 0)
      await acked(1, 1, 2)
      await acked(3, 0, 4)
    },
  },
  {
    name: 'rejected and redelivered messages hold the ack floor',
    needs,
    async run(scene) {
      const bus = await busWithConsumer(scene, numbers(4))
      await using member = await consume(bus, {max: 6})
      const [first, second, third, fourth] = await takeAll(scene, member, 4)
      for (const delivery of [first, third, fourth]) delivery?.ack()
      second?.nak()
      const [again] = await takeAll(scene, member, 1)
      await member.flush()
      const isHeld = async () => {
        const {ackFloor, ackPending} = await infoOf(bus)
        expect(ackPending).toBe(1)
        expect(ackFloor).toBeGreaterThanOrEqual(first?.seq ?? 0)
        expect(ackFloor).toBeLessThan(second?.seq ?? 0)
      }
      await scene.eventually(isHeld)
      again?.nak(60)
      await member.flush()
      await isHeld()
      const [last] = await takeAll(scene, member, 1)
      last?.ack()
      await member.flush()
      await scene.eventually(async () => {
        expect((await infoOf(bus)).ackFloor).toBeGreaterThanOrEqual(fourth?.seq ?? 0)
      })
    },
  },
  {
    name: 'with ack policy all, one acknowledgement covers earlier messages',
    needs,
    async run(scene) {
      const bus = await busWithConsumer(scene, numbers(5), {ack: 'all', ackWaitMs: 250})
      await using member = await consume(bus)
      const taken = await takeAll(scene, member, 5)
      at(taken, 2).ack()
      await member.flush()
      await scene.eventually(async () => expect((await infoOf(bus)).ackPending).toBe(2))
      const {ackFloor} = await infoOf(bus)
      expect(ackFloor).toBeGreaterThanOrEqual(at(taken, 2).seq ?? 0)
      expect(ackFloor).toBeLessThan(at(taken, 3).seq ?? 0)
      const again = await takeAll(scene, member, 2)
      expect(texts(again)).toEqual(['4', '5'])
      at(again, 1).ack()
      await member.flush()
      await scene.eventually(async () => expect((await infoOf(bus)).ackPending).toBe(0))
    },
  },
  {
    name: 'a consumer without acknowledgements delivers each message once',
    needs,
    async run(scene) {
      const bus = await busWithConsumer(scene, numbers(5), {ack: 'none'})
      const first = await consume(bus, {max: 3})
      const taken = await takeAll(scene, first, 3)
      expect(texts(taken)).toEqual(['1', '2', '3'])
      at(taken, 0).ack()
      await first.close()
      expect(await infoOf(bus)).toMatchObject({ackPending: 0, pending: 2})
      await using second = await consume(bus)
      expect(texts(await restOf(scene, second))).toEqual(['4', '5'])
    },
  },
  {
    name: 'acknowledging twice, or after a rejection, changes nothing',
    needs,
    async run(scene) {
      const bus = await busWithConsumer(scene, numbers(2))
      await using member = await consume(bus)
      const [first, second] = await takeAll(scene, member, 2)
      first?.ack()
      first?.ack()
      first?.nak()
      second?.term()
      second?.ack()
      await member.flush()
      await scene.eventually(async () => expect(await infoOf(bus)).toMatchObject({ackPending: 0, redelivered: 0}))
      expect(await restOf(scene, member)).toEqual([])
    },
  },
  {
    name: 'no more messages are in flight than the consumer allows, over all its members',
    needs,
    async run(scene) {
      const bus = await busWithConsumer(scene, numbers(6), {maxAckPending: 2})
      const other = await scene.connect()
      await using one = await consume(bus)
      const taken = await takeAll(scene, one, 2)
      await using two = await consume(other)
      expect(await scene.within(two.take(5, 50), 'end of the wait')).toEqual([])
      expect(await scene.within(one.take(5, 50), 'end of the wait')).toEqual([])
      expect(await infoOf(other)).toMatchObject({ackPending: 2, pending: 4})
      at(taken, 0).ack()
      await one.flush()
      await one.close()
      expect(texts(await takeAll(scene, two, 1))).toEqual(['3'])
      expect(await scene.within(two.take(5, 50), 'end of the wait')).toEqual([])
    },
  },
  {
    name: 'with one message in flight at a time, messages arrive strictly one after another',
    needs,
    async run(scene) {
      const bus = await busWithConsumer(scene, numbers(20), {maxAckPending: 1})
      await using member = await consume(bus)
      for (const number of numbers(20)) {
        const taken = await scene.within(member.take(5), `delivery ${number}`)
        expect(texts(taken)).toEqual([number])
        ackAll(taken)
      }
    },
  },
  {
    name: 'acknowledgements have reached the bus when a flush or a close resolves, for other connections too',
    needs,
    async run(scene) {
      const bus = await busWithConsumer(scene, numbers(4))
      for (const [way, expected] of [
        ['flush', 2],
        ['close', 0],
      ] as const) {
        const ending = await scene.connect()
        const member = await consume(ending, {max: 2})
        ackAll(await takeAll(scene, member, 2))
        await member[way]()
        await ending.close()
        await scene.eventually(async () => expect(await infoOf(bus)).toMatchObject({ackPending: 0, pending: expected}))
      }
    },
  },
  {
    name: 'a purge removes unacknowledged messages too',
    needs,
    async run(scene) {
      const bus = await busWithConsumer(scene, numbers(3), {ackWaitMs: 250})
      await using member = await consume(bus, {prefetch: 1})
      expect(texts(await takeAll(scene, member, 1))).toEqual(['1'])
      await bus.streams.purge('A')
      await scene.eventually(async () => expect(await infoOf(bus)).toMatchObject({pending: 0, ackPending: 0}))
      await store(bus, 'a.x', ['4'])
      await scene.eventually(async () => {
        const taken = await member.take(5, 20)
        ackAll(taken)
        expect(texts(taken)).toContain('4')
      })
    },
  },
]
