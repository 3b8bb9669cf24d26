import {expect} from 'vitest'
import type {Transport} from '../../../src/lib/transport/contract.ts'
import {storeHeaders} from '../../../src/lib/transport/streams-contract.ts'
import type {Case} from '../case.ts'
import {publishAll, type Scene, texts} from '../scene.ts'
import {at, stateOf, store} from './storage.ts'

const needs = {streams: true}

/** Publishes with one of the headers for expectations of the stream. */
function publishWith(bus: Transport, subject: string, header: keyof typeof storeHeaders, value: string | number) {
  return bus.streams.publish({subject, data: 'x', headers: [[storeHeaders[header], String(value)]]})
}

/** A bus with the stream `A` on `a.*`. */
async function busWithStream(scene: Scene): Promise<Transport> {
  const bus = await scene.connect()
  await bus.streams.add({name: 'A', subjects: ['a.*']})
  return bus
}

export const storing: readonly Case[] = [
  {
    name: 'a stream acknowledges stored messages, with growing sequences',
    needs,
    async run(scene) {
      const bus = await busWithStream(scene)
      const first = await bus.streams.publish({subject: 'a.1', data: 'x'})
      const second = await bus.streams.publish({subject: 'a.2', data: 'y'}, {timeoutMs: 5000})
      expect(first).toEqual({stream: 'A', seq: expect.any(Number), duplicate: false})
      expect(second).toEqual({stream: 'A', seq: expect.any(Number), duplicate: false})
      expect(first.seq).toBeGreaterThan(0)
      expect(second.seq).toBeGreaterThan(first.seq)
      expect((await stateOf(await scene.connect(), 'A')).messages).toBe(2)
    },
  },
  {
    name: 'a message that no stream stores fails, and the subject is named',
    needs,
    async run(scene) {
      const bus = await busWithStream(scene)
      const failing = scene.within(bus.streams.publish({subject: 'b.1'}), 'failure')
      await expect(failing).rejects.toMatchObject({kind: 'notFound', message: expect.stringContaining('b.1')})
      await expect(bus.streams.publish({subject: 'a.1.2'})).rejects.toMatchObject({kind: 'notFound'})
    },
  },
  {
    name: 'an invalid message to store is refused',
    needs,
    async run(scene) {
      const bus = await busWithStream(scene)
      const bad = [
        {subject: 'a.*'},
        {subject: 'a. '},
        {subject: ''},
        {subject: 'a.1', headers: [['a b', 'x']] as const},
        {subject: 'a.1', data: new Uint8Array(bus.maxPayload + 1)},
      ]
      for (const message of bad) {
        const failing = bus.streams.publish(message)
        await expect(failing, `subject ${message.subject}`).rejects.toMatchObject({kind: 'usage'})
      }
      expect((await stateOf(bus, 'A')).messages).toBe(0)
    },
  },
  {
    name: 'a plain publish is stored too, in order, and its message id is obeyed',
    needs,
    async run(scene) {
      const bus = await busWithStream(scene)
      await publishAll(bus, 'a.1', ['1', '2'])
      bus.publish({subject: 'b.1', data: 'not kept'})
      for (const data of ['3', 'again']) bus.publish({subject: 'a.2', data, headers: [[storeHeaders.msgId, 'one']]})
      bus.publish({subject: 'a.1', data: '4'})
      await bus.flush()
      await scene.eventually(async () => expect((await stateOf(bus, 'A')).messages).toBe(4))
      expect(texts(await scene.untilEnd(await bus.streams.read('A')))).toEqual(['1', '2', '3', '4'])
    },
  },
  {
    name: 'subscribers get stored messages as well',
    needs,
    async run(scene) {
      const [bus, other] = [await busWithStream(scene), await scene.connect()]
      const subscription = await other.subscribe('a.*')
      await store(bus, 'a.1', ['x', 'y'])
      expect(texts(await scene.all(subscription, 2))).toEqual(['x', 'y'])
    },
  },
  {
    name: 'a message with the id of a stored one is a duplicate of it, in its stream only',
    needs,
    async run(scene) {
      const [bus, other] = [await busWithStream(scene), await scene.connect()]
      await bus.streams.add({name: 'B', subjects: ['b']})
      const first = await publishWith(bus, 'a.1', 'msgId', 'one')
      const second = await publishWith(bus, 'a.1', 'msgId', 'two')
      expect(await publishWith(other, 'a.2', 'msgId', 'one')).toEqual({...first, duplicate: true})
      expect(await publishWith(bus, 'a.1', 'msgId', 'two')).toEqual({...second, duplicate: true})
      expect(await publishWith(bus, 'b', 'msgId', 'one')).toMatchObject({stream: 'B', duplicate: false})
      expect((await stateOf(bus, 'A')).messages).toBe(2)
    },
  },
  {
    name: 'a message id is forgotten after the duplicate window',
    needs,
    async run(scene) {
      const bus = await scene.connect()
      await bus.streams.add({name: 'A', subjects: ['a.*'], dedupeMs: 100})
      await publishWith(bus, 'a.1', 'msgId', 'one')
      expect((await publishWith(bus, 'a.1', 'msgId', 'one')).duplicate).toBe(true)
      await scene.eventually(async () => expect((await publishWith(bus, 'a.1', 'msgId', 'one')).duplicate).toBe(false))
      expect((await stateOf(bus, 'A')).messages).toBe(2)
    },
  },
  {
    name: 'a message that expects another last sequence is refused',
    needs,
    async run(scene) {
      const bus = await busWithStream(scene)
      const [seq = 0] = await store(bus, 'a.1', ['x'])
      const refusal = {kind: 'remote', data: {code: 10071}}
      for (const wrong of [0, seq + 1, seq + 7]) {
        await expect(publishWith(bus, 'a.1', 'expectedLastSeq', wrong)).rejects.toMatchObject(refusal)
      }
      const next = await publishWith(bus, 'a.1', 'expectedLastSeq', seq)
      expect(next).toMatchObject({stream: 'A', duplicate: false})
      await expect(publishWith(bus, 'a.1', 'expectedLastSeq', seq)).rejects.toMatchObject(refusal)
      expect(await publishWith(bus, 'a.2', 'expectedLastSeq', next.seq)).toMatchObject({duplicate: false})
      expect((await stateOf(bus, 'A')).messages).toBe(3)
    },
  },
  {
    name: 'the first message may expect that the stream is empty',
    needs,
    async run(scene) {
      const bus = await busWithStream(scene)
      const {lastSeq} = await stateOf(bus, 'A')
      expect(await publishWith(bus, 'a.1', 'expectedLastSeq', lastSeq)).toMatchObject({duplicate: false})
      expect(await publishWith(bus, 'a.2', 'expectedLastSubjectSeq', 0)).toMatchObject({duplicate: false})
    },
  },
  {
    name: 'a message that expects another last message of its subject is refused',
    needs,
    async run(scene) {
      const bus = await busWithStream(scene)
      const [seq = 0] = await store(bus, 'a.1', ['x'])
      const [other = 0] = await store(bus, 'a.2', ['x'])
      const refusal = {kind: 'remote', data: {code: 10071}}
      for (const wrong of [0, other, other + 1]) {
        await expect(publishWith(bus, 'a.1', 'expectedLastSubjectSeq', wrong)).rejects.toMatchObject(refusal)
      }
      await expect(publishWith(bus, 'a.3', 'expectedLastSubjectSeq', seq)).rejects.toMatchObject(refusal)
      expect(await publishWith(bus, 'a.1', 'expectedLastSubjectSeq', seq)).toMatchObject({duplicate: false})
      expect((await stateOf(bus, 'A')).messages).toBe(3)
    },
  },
  {
    name: 'a message that expects another last message id is refused',
    needs,
    async run(scene) {
      const [bus, other] = [await busWithStream(scene), await scene.connect()]
      await publishWith(bus, 'a.1', 'msgId', 'one')
      const refusal = {kind: 'remote', data: {code: 10070}}
      await expect(publishWith(bus, 'a.1', 'expectedLastMsgId', 'two')).rejects.toMatchObject(refusal)
      expect(await publishWith(other, 'a.1', 'expectedLastMsgId', 'one')).toMatchObject({duplicate: false})
      expect((await stateOf(bus, 'A')).messages).toBe(2)
    },
  },
  {
    name: 'a message that expects another stream is refused',
    needs,
    async run(scene) {
      const bus = await busWithStream(scene)
      const refusal = {kind: 'remote', data: {code: 10060}}
      await expect(publishWith(bus, 'a.1', 'expectedStream', 'B')).rejects.toMatchObject(refusal)
      expect(await publishWith(bus, 'a.1', 'expectedStream', 'A')).toMatchObject({stream: 'A'})
      expect((await stateOf(bus, 'A')).messages).toBe(1)
    },
  },
  {
    name: 'of several messages that expect the same last sequence, or have the same id, one is stored',
    needs,
    async run(scene) {
      const bus = await busWithStream(scene)
      const others = await Promise.all([1, 2, 3, 4].map(() => scene.connect()))
      const {lastSeq} = await stateOf(bus, 'A')
      const racing = await Promise.allSettled(
        others.map((each) => publishWith(each, 'a.1', 'expectedLastSeq', lastSeq)),
      )
      expect(racing.filter(({status}) => status === 'fulfilled')).toHaveLength(1)
      const same = await Promise.all(others.map((each) => publishWith(each, 'a.1', 'msgId', 'same')))
      expect(same.filter(({duplicate}) => !duplicate)).toHaveLength(1)
      expect(new Set(same.map(({seq}) => seq)).size).toBe(1)
      expect((await stateOf(bus, 'A')).messages).toBe(2)
    },
  },
  {
    name: 'messages of a connection published plainly are stored before later ones with an acknowledgement',
    needs,
    async run(scene) {
      const bus = await busWithStream(scene)
      for (const number of ['1', '2', '3', '4']) {
        if (Number(number) % 2 === 1) bus.publish({subject: 'a.1', data: number})
        else await bus.streams.publish({subject: 'a.1', data: number})
      }
      expect(texts(await scene.untilEnd(await bus.streams.read('A')))).toEqual(['1', '2', '3', '4'])
    },
  },
  {
    name: 'a stored message is the published one, with headers and every byte',
    needs,
    async run(scene) {
      const [bus, other] = [await busWithStream(scene), await scene.connect()]
      const bytes = Uint8Array.from({length: 512}, (_, i) => i % 256)
      const headers = [
        ['X-One', '1'],
        ['x-one', 'again'],
        ['Other', 'a: b'],
        ['X-One', ''],
        [storeHeaders.msgId, 'm'],
      ] as const
      const before = Date.now()
      const seqs: number[] = []
      for (const message of [{data: bytes, headers}, {data: ''}, {}, {data: 'gr\u00fc\u00df\u0000e \u{1f98a}\n'}]) {
        seqs.push((await bus.streams.publish({subject: 'a.1', ...message})).seq)
      }
      const read = await scene.untilEnd(await other.streams.read('A'))
      const got = await Promise.all(seqs.map((seq) => other.streams.get('A', seq)))
      for (const messages of [read, got]) {
        expect(messages.map((message) => message.seq)).toEqual(seqs)
        expect(messages.map((message) => message.subject)).toEqual(['a.1', 'a.1', 'a.1', 'a.1'])
        expect(Buffer.from(at(messages, 0).data).equals(bytes)).toBe(true)
        expect(messages.map((message) => message.headers)).toEqual([headers, [], [], []])
        expect(texts(messages.slice(1))).toEqual(['', '', 'gr\u00fc\u00df\u0000e \u{1f98a}\n'])
        for (const {time} of messages) expect(Math.abs(time - before)).toBeLessThan(5000)
      }
    },
  },
]
