import {expect} from 'vitest'
import {BusError} from '../../../src/lib/core/errors.ts'
import type {Headers, Outgoing} from '../../../src/lib/core/message.ts'
import type {Transport} from '../../../src/lib/transport/contract.ts'
import {type StreamSettings, storeHeaders} from '../../../src/lib/transport/streams-contract.ts'
import type {Case} from '../case.ts'
import {numbers, type Scene, texts} from '../scene.ts'
import {failureOf, stateOf, store} from './storage.ts'

const needs = {streams: true}

/** A bus whose stream `A` accepts batches; undefined on a server before 2.12. */
async function batching(scene: Scene, settings: Partial<StreamSettings> = {}): Promise<Transport | undefined> {
  const bus = await scene.connect()
  try {
    await bus.streams.add({name: 'A', subjects: ['a.*'], allowAtomic: true, ...settings})
    return bus
  } catch (error) {
    if (error instanceof BusError && /needs 2\.12/.test(error.message)) return undefined
    throw error
  }
}

/** Messages on `a.x` and `a.y` in turn; `headers` of one of them. */
function batchOf(count: number, at = -1, headers: Headers = []): Outgoing[] {
  return numbers(count).map((data, i) => ({
    subject: i % 2 === 0 ? 'a.x' : 'a.y',
    data,
    ...(i === at && {headers}),
  }))
}

async function kept(scene: Scene, bus: Transport): Promise<string[]> {
  return texts(await scene.untilEnd(await bus.streams.read('A')))
}

export const batches: readonly Case[] = [
  {
    name: 'a batch is stored in order, with consecutive sequences and the headers of a batch',
    needs,
    async run(scene) {
      const bus = await batching(scene)
      if (bus === undefined) return
      await store(bus, 'a.x', ['before'])
      const stored = await scene.within(bus.streams.publishBatch(batchOf(3, 1, [['N', '1']])), 'the batch')
      const {lastSeq} = await stateOf(bus, 'A')
      expect(stored).toEqual({stream: 'A', seq: lastSeq, count: 3})
      const [, ...messages] = await scene.untilEnd(await bus.streams.read('A'))
      expect(texts(messages)).toEqual(numbers(3))
      expect(messages.map(({seq}) => seq)).toEqual([lastSeq - 2, lastSeq - 1, lastSeq])
      const id = ['Nats-Batch-Id', expect.any(String)]
      expect(messages.map(({headers}) => headers)).toEqual([
        [id, ['Nats-Batch-Sequence', '1']],
        [['N', '1'], id, ['Nats-Batch-Sequence', '2']],
        [id, ['Nats-Batch-Sequence', '3'], ['Nats-Batch-Commit', '1']],
      ])
      expect(await scene.within(bus.streams.publishBatch(batchOf(1)), 'a batch of one')).toMatchObject({count: 1})
      expect(await kept(scene, bus)).toEqual(['before', ...numbers(3), ...numbers(1)])
    },
  },
  {
    name: 'a batch has 1 to 1,000 messages without headers of a batch',
    needs,
    async run(scene) {
      const bus = await batching(scene)
      if (bus === undefined) return
      const own = batchOf(2, 1, [['Nats-Batch-Id', 'x']])
      for (const batch of [[], batchOf(1001), own, [...batchOf(1), {subject: 'a.*'}]])
        await expect(bus.streams.publishBatch(batch)).rejects.toMatchObject({kind: 'usage'})
      expect((await stateOf(bus, 'A')).messages).toBe(0)
      await scene.within(bus.streams.publishBatch(batchOf(1000)), 'a thousand messages')
      expect(await kept(scene, bus)).toEqual(numbers(1000))
    },
  },
  {
    name: 'a batch is refused by a stream that does not accept any, and for subjects of other streams',
    needs,
    async run(scene) {
      const bus = await batching(scene)
      if (bus === undefined) return
      await bus.streams.add({name: 'B'})
      const [a, b, c] = [{subject: 'a.x'}, {subject: 'B'}, {subject: 'nowhere'}]
      const disabled = bus.streams.publishBatch([b, b])
      await expect(disabled).rejects.toMatchObject({kind: 'usage', data: {code: 10174, stream: 'B'}})
      await expect(bus.streams.publishBatch([a, b, a])).rejects.toMatchObject({kind: 'usage', data: {index: 1}})
      await expect(bus.streams.publishBatch([a, a, c])).rejects.toMatchObject({kind: 'usage', data: {index: 2}})
      await expect(bus.streams.publishBatch([c, a])).rejects.toMatchObject({kind: 'notFound'})
      for (const name of ['A', 'B']) expect((await stateOf(bus, name)).messages).toBe(0)
      await bus.streams.update('B', {allowAtomic: true})
      expect(await bus.streams.publishBatch([b, b])).toMatchObject({stream: 'B', count: 2})
    },
  },
  {
    name: 'nothing of a batch is stored if the stream refuses one of its messages',
    needs,
    async run(scene) {
      const bus = await batching(scene, {maxMsgSize: 1000, maxMsgs: 6, discard: 'new'})
      if (bus === undefined) return
      const id: Headers = [[storeHeaders.msgId, 'known']]
      await bus.streams.publish({subject: 'a.x', data: 'known', headers: id})
      await store(bus, 'a.z', ['z'])
      const both = batchOf(4, 2, [[storeHeaders.msgId, 'twice']])
      const refused: readonly (readonly [batch: readonly Outgoing[], code: number])[] = [
        [batchOf(4, 1, id), 10201],
        [both.map((message, i) => (i === 1 ? {...message, headers: both[2]?.headers} : message)), 10201],
        [batchOf(4, 3, [[storeHeaders.expectedStream, 'B']]), 10060],
        [batchOf(4, 3, [[storeHeaders.expectedLastMsgId, 'known']]), 10177],
        [batchOf(4, 2, [[storeHeaders.rollup, 'sub']]), 10111],
        [batchOf(4).map((message, i) => (i === 2 ? {...message, data: 'x'.repeat(1001)} : message)), 10054],
        [batchOf(5), 10077],
      ]
      for (const [batch, code] of refused) {
        const failure = await failureOf(() => scene.within(bus.streams.publishBatch(batch), 'a refusal'))
        expect(failure).toMatchObject({kind: 'remote', data: {code}})
        expect(await kept(scene, bus)).toEqual(['known', 'z'])
      }
      // The ids and sequences of refused batches are free.
      const {seq} = await bus.streams.publishBatch(batchOf(2, 0, [[storeHeaders.msgId, 'twice']]))
      expect(await kept(scene, bus)).toEqual(['known', 'z', '1', '2'])
      expect(await stateOf(bus, 'A')).toMatchObject({messages: 4, lastSeq: seq, subjects: 3})
    },
  },
  {
    name: 'expected sequences of a batch are those before it',
    needs,
    async run(scene) {
      const bus = await batching(scene)
      if (bus === undefined) return
      const [x = 0] = await store(bus, 'a.x', ['x'])
      const expecting = (at: number, header: string, seq: number) =>
        bus.streams.publishBatch(batchOf(4, at, [[header, String(seq)]]))
      const {expectedLastSeq, expectedLastSubjectSeq} = storeHeaders
      await expect(expecting(0, expectedLastSeq, x + 1)).rejects.toMatchObject({kind: 'remote', data: {code: 10071}})
      await expect(expecting(1, expectedLastSeq, x + 1)).rejects.toMatchObject({kind: 'remote', data: {code: 10164}})
      await expect(expecting(2, expectedLastSubjectSeq, x + 1)).rejects.toMatchObject({kind: 'remote'})
      expect(await kept(scene, bus)).toEqual(['x'])
      await expecting(0, expectedLastSeq, x)
      const before = (await bus.streams.last('A', 'a.y')).seq ?? 0
      await expecting(1, expectedLastSubjectSeq, before)
      expect((await stateOf(bus, 'A')).messages).toBe(9)
    },
  },
  {
    name: 'a batch rolls up earlier messages, subscribers get its messages, and readers see all of it',
    needs,
    async run(scene) {
      const bus = await batching(scene, {allowRollup: true})
      if (bus === undefined) return
      await store(bus, 'a.x', ['x'])
      await store(bus, 'a.y', ['y'])
      const subscription = await bus.subscribe('a.*')
      const following = await bus.streams.read('A', {follow: true, from: {last: 1}})
      expect(texts(await scene.take(following, 1))).toEqual(['y'])
      await bus.streams.publishBatch(batchOf(3, 1, [[storeHeaders.rollup, 'sub']]))
      expect(texts(await scene.take(subscription, 3))).toEqual(numbers(3))
      expect(await kept(scene, bus)).toEqual(['x', ...numbers(3)])
      expect(texts(await scene.take(following, 3))).toEqual(numbers(3))
    },
  },
]
