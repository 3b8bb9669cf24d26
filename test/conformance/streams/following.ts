import {setTimeout as pause} from 'node:timers/promises'
import {expect} from 'vitest'
import type {Case} from '../case.ts'
import {awaitedLater, numbers, texts} from '../scene.ts'
import {at, store, storeMany, storeOn} from './storage.ts'

const needs = {streams: true}

export const following: readonly Case[] = [
  {
    name: 'a read with follow continues with messages stored later',
    needs,
    async run(scene) {
      const [bus, other] = [await scene.connect(), await scene.connect()]
      await bus.streams.add({name: 'A', subjects: ['a.*']})
      const seqs = await store(other, 'a.x', ['1', '2'])
      await using all = await bus.streams.read('A', {follow: true})
      await using some = await bus.streams.read('A', {follow: true, filters: ['a.y'], from: {seq: at(seqs, 1)}})
      expect(texts(await scene.take(all, 2))).toEqual(['1', '2'])
      const waiting = awaitedLater(scene.take(some, 1))
      const [, later] = await storeOn(other, ['a.x', 'a.y'])
      expect(texts(await scene.take(all, 2))).toEqual(['1', '2'])
      expect(await waiting).toMatchObject([{text: '2', seq: later}])
    },
  },
  {
    name: 'a read with follow may start at the end',
    needs,
    async run(scene) {
      const bus = await scene.connect()
      await bus.streams.add({name: 'A'})
      const [seq = 0] = await store(bus, 'A', ['before'])
      await using bySeq = await bus.streams.read('A', {follow: true, from: {seq: seq + 1}})
      await using byTime = await bus.streams.read('A', {follow: true, from: {timeMs: Date.now() + 50}})
      await using byCount = await bus.streams.read('A', {follow: true, from: {last: 1}})
      await pause(60)
      await store(bus, 'A', ['after'])
      for (const each of [bySeq, byTime]) expect(texts(await scene.take(each, 1))).toEqual(['after'])
      expect(texts(await scene.take(byCount, 2))).toEqual(['before', 'after'])
    },
  },
  {
    name: 'nothing is lost or duplicated between stored and new messages',
    needs,
    async run(scene) {
      const [bus, publisher] = [await scene.connect(), await scene.connect()]
      await bus.streams.add({name: 'A'})
      const all = numbers(5000)
      await storeMany(publisher, 'A', all.slice(0, 1000))
      scene.background(storeMany(publisher, 'A', all.slice(1000)))
      for (let i = 0; i < 3; i++) {
        await using reader = await bus.streams.read('A', {follow: true})
        expect(texts(await scene.take(reader, 5000))).toEqual(all)
      }
    },
  },
  {
    name: 'a read with follow continues over a purge',
    needs,
    async run(scene) {
      const [bus, other] = [await scene.connect(), await scene.connect()]
      await bus.streams.add({name: 'A'})
      await store(other, 'A', ['1'])
      await using reader = await bus.streams.read('A', {follow: true})
      expect(texts(await scene.take(reader, 1))).toEqual(['1'])
      await other.streams.purge('A')
      await store(other, 'A', ['2'])
      expect(texts(await scene.take(reader, 1))).toEqual(['2'])
    },
  },
  {
    name: 'a read of a stream that is purged meanwhile ends, in order',
    needs,
    async run(scene) {
      const [bus, other] = [await scene.connect(), await scene.connect()]
      await bus.streams.add({name: 'A'})
      await storeMany(bus, 'A', numbers(5000))
      await using reader = await bus.streams.read('A')
      expect(texts(await scene.take(reader, 10))).toEqual(numbers(10))
      await other.streams.purge('A')
      const rest = texts(await scene.untilEnd(reader)).map(Number)
      expect(rest).toEqual([...new Set(rest)].sort((one, two) => one - two))
      expect(rest.every((number) => number > 10 && number <= 5000)).toBe(true)
    },
  },
  {
    name: 'a read ends when it is closed, drained or left, when its signal aborts, and with its bus',
    needs,
    async run(scene) {
      const [bus, other] = [await scene.connect(), await scene.connect()]
      await bus.streams.add({name: 'A'})
      await store(bus, 'A', numbers(3))
      const stop = new AbortController()
      const open = async () => {
        const reader = await other.streams.read('A', {follow: true, signal: stop.signal})
        await scene.take(reader, 3)
        return {reader, ended: awaitedLater(reader.take(1))}
      }
      const [closed, drained, aborted, left] = [await open(), await open(), await open(), await open()]
      await closed.reader.close()
      expect(await scene.within(closed.ended, 'end')).toEqual([])
      await drained.reader.drain()
      expect(await scene.within(drained.ended, 'end')).toEqual([])
      stop.abort()
      expect(await scene.within(aborted.ended, 'end')).toEqual([])
      expect(await scene.within(left.ended, 'end')).toEqual([])
      const reader = await other.streams.read('A', {follow: true})
      for await (const message of reader) if (message.text === '2') break
      expect(await scene.within(reader.take(1), 'end')).toEqual([])
      const last = await other.streams.read('A', {follow: true})
      await scene.take(last, 3)
      const waiting = awaitedLater(last.take(1))
      await other.close()
      expect(await scene.within(waiting, 'end')).toEqual([])
    },
  },
  {
    name: 'a signal that has already aborted reads nothing',
    needs,
    async run(scene) {
      const bus = await scene.connect()
      await bus.streams.add({name: 'A'})
      const failing = scene.within(bus.streams.read('A', {signal: AbortSignal.abort()}), 'interruption')
      await expect(failing).rejects.toMatchObject({kind: 'interrupted'})
    },
  },
  {
    name: 'a recreated stream fails the reads that follow it',
    needs,
    async run(scene) {
      const [bus, other] = [await scene.connect(), await scene.connect()]
      await bus.streams.add({name: 'A'})
      await store(bus, 'A', ['1', '2', '3'])
      await using reader = await bus.streams.read('A', {follow: true})
      expect(texts(await scene.take(reader, 3))).toEqual(['1', '2', '3'])
      const waiting = awaitedLater(scene.within(reader.take(1), 'failure'))
      await other.streams.remove('A')
      await other.streams.add({name: 'A'})
      await store(other, 'A', ['new'])
      await expect(waiting).rejects.toMatchObject({kind: 'notFound'})
    },
  },
  {
    name: 'a removed stream fails the reads that follow it',
    needs,
    async run(scene) {
      const [bus, other] = [await scene.connect(), await scene.connect()]
      await bus.streams.add({name: 'A'})
      await store(bus, 'A', ['1'])
      await using reader = await bus.streams.read('A', {follow: true})
      expect(texts(await scene.take(reader, 1))).toEqual(['1'])
      const waiting = awaitedLater(scene.within(reader.take(1), 'failure'))
      await other.streams.remove('A')
      await expect(waiting).rejects.toMatchObject({kind: 'notFound'})
    },
  },
]
