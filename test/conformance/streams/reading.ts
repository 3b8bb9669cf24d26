import {setTimeout as pause} from 'node:timers/promises'
import {expect} from 'vitest'
import type {Transport} from '../../../src/lib/transport/contract.ts'
import type {ReadOptions} from '../../../src/lib/transport/streams-contract.ts'
import type {Case} from '../case.ts'
import {numbers, type Scene, texts} from '../scene.ts'
import {at, failureOf, store, storeMany, storeOn} from './storage.ts'

const needs = {streams: true}

/** The stream `A` on `a.>` with 1, 2, … on these subjects, among messages of another; their sequences. */
async function filled(bus: Transport, subjects: readonly string[]): Promise<number[]> {
  await bus.streams.add({name: 'A', subjects: ['a.>']})
  await bus.streams.add({name: 'B', subjects: ['b']})
  const seqs: number[] = []
  for (const [i, subject] of subjects.entries()) {
    await store(bus, 'b', ['other'])
    seqs.push(...(await store(bus, subject, [String(i + 1)])))
  }
  await store(bus, 'b', ['other'])
  return seqs
}

async function readTexts(scene: Scene, bus: Transport, range?: ReadOptions): Promise<string[]> {
  return texts(await scene.untilEnd(await bus.streams.read('A', range)))
}

/** A time after the newest message and before the next. */
async function moment(): Promise<number> {
  await pause(5)
  const now = Date.now()
  await pause(5)
  return now
}

export const reading: readonly Case[] = [
  {
    name: 'a message that any replica may answer is the same, or also missing',
    needs,
    async run(scene) {
      const bus = await scene.connect()
      for (const allowDirect of [true, false]) {
        const name = allowDirect ? 'D' : 'L'
        await bus.streams.add({name, subjects: [`${name}.*`], allowDirect})
        const headers = [['X-Name', 'value']] as const
        const {seq} = await bus.streams.publish({subject: `${name}.1`, data: 'text', headers})
        await bus.streams.publish({subject: `${name}.2`, data: ''})
        const [direct, usual] = [{direct: true}, {}]
        for (const options of [direct, usual]) {
          for (const message of [
            await bus.streams.get(name, seq, options),
            await bus.streams.last(name, `${name}.1`, options),
          ])
            expect([message.subject, message.text, message.headers, message.seq]).toEqual([
              `${name}.1`,
              'text',
              headers,
              seq,
            ])
          expect((await bus.streams.last(name, `${name}.*`, options)).text).toBe('')
          expect(Math.abs((await bus.streams.get(name, seq, options)).time - Date.now())).toBeLessThan(60_000)
          const missing = {kind: 'notFound', data: {code: 10037}}
          await expect(bus.streams.get(name, seq + 100, options)).rejects.toMatchObject(missing)
          await expect(bus.streams.last(name, `${name}.3`, options)).rejects.toMatchObject(missing)
        }
        await expect(bus.streams.last('NONE', 'a', direct)).rejects.toMatchObject({
          kind: 'notFound',
          data: {code: 10059},
        })
      }
    },
  },
  {
    name: 'a read that needs no payloads has all messages, with their headers and sizes',
    needs,
    async run(scene) {
      const bus = await scene.connect()
      await bus.streams.add({name: 'A', subjects: ['a.*']})
      const headers = [['X-Name', 'value']] as const
      await bus.streams.publish({subject: 'a.1', data: 'seven b', headers})
      await bus.streams.publish({subject: 'a.2', data: ''})
      for (const range of [{}, {lastPerSubject: true}]) {
        const messages = await scene.untilEnd(await bus.streams.read('A', {...range, withoutPayload: true}))
        expect(messages.map(({subject}) => subject)).toEqual(['a.1', 'a.2'])
        expect(messages[0]?.header('X-Name')).toBe('value')
        const sizes = messages.map((message) => Number(message.header('Nats-Msg-Size') ?? message.data.length))
        expect(sizes).toEqual([7, 0])
      }
    },
  },
  {
    name: 'a stream is read from its first message to its end, and again',
    needs,
    async run(scene) {
      const [bus, other] = [await scene.connect(), await scene.connect()]
      const seqs = await filled(bus, ['a.1', 'a.2', 'a.1.x'])
      for (const reader of [bus, other]) {
        const messages = await scene.untilEnd(await reader.streams.read('A'))
        expect(messages.map(({text, subject, seq}) => [text, subject, seq])).toEqual([
          ['1', 'a.1', seqs[0]],
          ['2', 'a.2', seqs[1]],
          ['3', 'a.1.x', seqs[2]],
        ])
        expect(messages.every((message, i) => message.time >= at(messages, Math.max(0, i - 1)).time)).toBe(true)
      }
    },
  },
  {
    name: 'a read of an empty stream ends immediately',
    needs,
    async run(scene) {
      const bus = await scene.connect()
      await filled(bus, [])
      expect(await readTexts(scene, bus)).toEqual([])
      expect(await readTexts(scene, bus, {from: {seq: 1}, filters: ['a.x']})).toEqual([])
      expect(await readTexts(scene, bus, {from: {last: 10}})).toEqual([])
      expect(await readTexts(scene, bus, {lastPerSubject: true})).toEqual([])
    },
  },
  {
    name: 'ten thousand messages are read in order, by loop and by batch',
    needs,
    async run(scene) {
      const bus = await scene.connect()
      await filled(bus, [])
      await storeMany(bus, 'a.1', numbers(10_000))
      expect(await readTexts(scene, bus)).toEqual(numbers(10_000))
      const seen: string[] = []
      for await (const message of await bus.streams.read('A', {from: {last: 5000}})) seen.push(message.text)
      expect(seen).toEqual(numbers(10_000).slice(5000))
    },
  },
  {
    name: 'a read starts at a sequence, or at the next existing one',
    needs,
    async run(scene) {
      const bus = await scene.connect()
      const seqs = await filled(bus, ['a.x', 'a.x', 'a.y', 'a.x', 'a.x'])
      await bus.streams.purge('A', {pattern: 'a.y'})
      const from = (seq: number) => readTexts(scene, bus, {from: {seq}})
      expect(await from(1)).toEqual(['1', '2', '4', '5'])
      expect(await from(at(seqs, 1))).toEqual(['2', '4', '5'])
      expect(await from(at(seqs, 2))).toEqual(['4', '5'])
      expect(await from(at(seqs, 4))).toEqual(['5'])
      expect(await from(at(seqs, 4) + 1)).toEqual([])
      expect(await from(at(seqs, 4) + 1000)).toEqual([])
    },
  },
  {
    name: 'a read starts at a time, or at the first message after it',
    needs,
    async run(scene) {
      const bus = await scene.connect()
      await filled(bus, ['a.1', 'a.2'])
      const between = await moment()
      await storeOn(bus, ['a.3', 'a.4'])
      const end = await moment()
      const from = (timeMs: number) => readTexts(scene, bus, {from: {timeMs}})
      expect(await from(0)).toEqual(['1', '2', '1', '2'])
      expect(await from(between)).toEqual(['1', '2'])
      expect(await from(end)).toEqual([])
      expect(await from(end + 1_000_000)).toEqual([])
    },
  },
  {
    name: 'a read starts at the last N messages, of those that match',
    needs,
    async run(scene) {
      const bus = await scene.connect()
      await filled(bus, ['a.x', 'a.y', 'a.x', 'a.y', 'a.y', 'a.y'])
      expect(await readTexts(scene, bus, {from: {last: 1}})).toEqual(['6'])
      expect(await readTexts(scene, bus, {from: {last: 4}})).toEqual(['3', '4', '5', '6'])
      expect(await readTexts(scene, bus, {from: {last: 100}})).toEqual(numbers(6))
      expect(await readTexts(scene, bus, {from: {last: 2}, filters: ['a.x']})).toEqual(['1', '3'])
      expect(await readTexts(scene, bus, {from: {last: 1}, filters: ['a.x']})).toEqual(['3'])
    },
  },
  {
    name: 'a read ends with a sequence',
    needs,
    async run(scene) {
      const bus = await scene.connect()
      const seqs = await filled(bus, ['a.x', 'a.x', 'a.y', 'a.x', 'a.x'])
      await bus.streams.purge('A', {pattern: 'a.y'})
      const to = (seq: number, more?: ReadOptions) => readTexts(scene, bus, {to: {seq}, ...more})
      expect(await to(at(seqs, 3))).toEqual(['1', '2', '4'])
      expect(await to(at(seqs, 2))).toEqual(['1', '2'])
      expect(await to(at(seqs, 0) - 1)).toEqual([])
      expect(await to(at(seqs, 4) + 1000)).toEqual(['1', '2', '4', '5'])
      expect(await to(at(seqs, 3), {from: {seq: at(seqs, 1)}})).toEqual(['2', '4'])
      expect(await to(at(seqs, 1), {from: {seq: at(seqs, 1)}})).toEqual(['2'])
      expect(await to(at(seqs, 0), {from: {seq: at(seqs, 1)}})).toEqual([])
      expect(await to(at(seqs, 3), {from: {last: 3}})).toEqual(['2', '4'])
    },
  },
  {
    name: 'a read ends before a time',
    needs,
    async run(scene) {
      const bus = await scene.connect()
      const seqs = await filled(bus, ['a.1', 'a.2'])
      const first = await moment()
      await storeOn(bus, ['a.3'])
      const second = await moment()
      await storeOn(bus, ['a.4'])
      expect(await readTexts(scene, bus, {to: {timeMs: first}})).toEqual(['1', '2'])
      expect(await readTexts(scene, bus, {from: {timeMs: first}, to: {timeMs: second}})).toEqual(['1'])
      expect(await readTexts(scene, bus, {from: {seq: at(seqs, 1)}, to: {timeMs: second}})).toEqual(['2', '1'])
      expect(await readTexts(scene, bus, {to: {timeMs: 1000}})).toEqual([])
      expect(await readTexts(scene, bus, {to: {timeMs: Date.now() + 3_600_000}})).toEqual(['1', '2', '1', '1'])
    },
  },
  {
    name: 'a read ends where the stream ended at its start',
    needs,
    async run(scene) {
      const bus = await scene.connect()
      await filled(bus, [])
      await storeMany(bus, 'a.1', numbers(1000))
      const subscription = await bus.streams.read('A')
      await storeMany(bus, 'a.1', ['later'])
      expect(texts(await scene.untilEnd(subscription))).toEqual(numbers(1000))
    },
  },
  {
    name: 'a read returns only messages that match one of its filters, each once',
    needs,
    async run(scene) {
      const bus = await scene.connect()
      const seqs = await filled(bus, ['a.x', 'a.y', 'a.z', 'a.x.1', 'a.y', 'a.x'])
      const only = (filters: readonly string[], more?: ReadOptions) => readTexts(scene, bus, {filters, ...more})
      expect(await only(['a.x'])).toEqual(['1', '6'])
      expect(await only(['a.*'])).toEqual(['1', '2', '3', '5', '6'])
      expect(await only(['a.x', 'a.y'])).toEqual(['1', '2', '5', '6'])
      expect(await only(['a.x', 'a.x.>', 'a.x.1', 'a.x'])).toEqual(['1', '4', '6'])
      expect(await only(['a.7'])).toEqual([])
      expect(await only(['b', 'a.z'])).toEqual(['3'])
      expect(await only(['a.y', 'a.z'], {from: {seq: at(seqs, 2)}, to: {seq: at(seqs, 3)}})).toEqual(['3'])
      expect(await only([])).toEqual(numbers(6))
    },
  },
  {
    name: 'a read may return only the last message of each subject',
    needs,
    async run(scene) {
      const bus = await scene.connect()
      await filled(bus, ['a.x', 'a.y', 'a.x', 'a.z.1', 'a.y'])
      expect(await readTexts(scene, bus, {lastPerSubject: true})).toEqual(['3', '4', '5'])
      expect(await readTexts(scene, bus, {lastPerSubject: true, filters: ['a.*']})).toEqual(['3', '5'])
      expect(await readTexts(scene, bus, {lastPerSubject: true, filters: ['a.x', 'a.z.>']})).toEqual(['3', '4'])
    },
  },
  {
    name: 'an invalid range to read is refused',
    needs,
    async run(scene) {
      const bus = await scene.connect()
      await filled(bus, ['a.x'])
      const bad: ReadOptions[] = [
        {filters: ['a b']},
        {filters: ['a.x', 'a.>.x']},
        {lastPerSubject: true, from: {seq: 1}},
        {lastPerSubject: true, follow: true},
        {lastPerSubject: true, to: {timeMs: 1000}},
        {follow: true, to: {seq: 1}},
      ]
      for (const range of bad) {
        const failing = scene.within(bus.streams.read('A', range), 'refusal')
        await expect(failing, JSON.stringify(range)).rejects.toMatchObject({kind: 'usage'})
      }
    },
  },
  {
    name: 'one message is read by its sequence, or as the last of a subject or pattern',
    needs,
    async run(scene) {
      const bus = await scene.connect()
      const seqs = await filled(bus, ['a.x', 'a.y', 'a.x'])
      expect(await bus.streams.get('A', at(seqs, 1))).toMatchObject({text: '2', subject: 'a.y', seq: seqs[1]})
      expect(await bus.streams.last('A', 'a.y')).toMatchObject({text: '2', subject: 'a.y', seq: seqs[1]})
      expect(await bus.streams.last('A', 'a.*')).toMatchObject({text: '3', subject: 'a.x', seq: seqs[2]})
      expect(await bus.streams.last('A', '>')).toMatchObject({text: '3', seq: seqs[2]})
      await bus.streams.purge('A', {pattern: 'a.y'})
      const absent = [
        () => bus.streams.get('A', at(seqs, 1)),
        () => bus.streams.get('A', at(seqs, 2) + 100),
        () => bus.streams.last('A', 'a.y'),
        () => bus.streams.last('A', 'b'),
      ]
      for (const use of absent) expect(await failureOf(use)).toMatchObject({kind: 'notFound'})
      for (const pattern of ['', 'a b']) {
        expect(await failureOf(() => bus.streams.last('A', pattern))).toMatchObject({kind: 'usage'})
      }
    },
  },
]
