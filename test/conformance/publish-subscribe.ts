import {expect} from 'vitest'
import type {Case} from './case.ts'
import {numbers, publishAll, texts} from './scene.ts'

export const publishSubscribe: readonly Case[] = [
  {
    name: 'messages arrive in the order of their publication, over all subjects',
    async run(scene) {
      const [publisher, reader] = [await scene.connect(), await scene.connect()]
      const subscription = await reader.subscribe(['a', 'b', 'c.d'])
      for (const data of numbers(1000)) publisher.publish({subject: ['a', 'b', 'c.d'][Number(data) % 3] ?? '', data})
      await publisher.flush()
      const got = await scene.all(subscription, 1000)
      expect(texts(got)).toEqual(numbers(1000))
      expect(got.slice(0, 4).map((message) => message.subject)).toEqual(['b', 'c.d', 'a', 'b'])
      const places = got.flatMap((message) => message.seq ?? [])
      expect(places).toEqual([...new Set(places)].sort((one, other) => one - other))
    },
  },
  {
    name: 'messages flushed by one connection precede messages that another one publishes then',
    async run(scene) {
      const [one, other, reader] = [await scene.connect(), await scene.connect(), await scene.connect()]
      const subscription = await reader.subscribe('a')
      for (const data of numbers(20)) await publishAll(Number(data) % 2 === 0 ? one : other, 'a', [data])
      expect(texts(await scene.all(subscription, 20))).toEqual(numbers(20))
    },
  },
  {
    name: 'every subscription gets every message, in the connection that publishes and in others',
    async run(scene) {
      const [one, other] = [await scene.connect(), await scene.connect()]
      const subscriptions = await Promise.all([one, one, other, other].map((bus) => bus.subscribe('a')))
      await publishAll(one, 'a', numbers(100))
      for (const each of subscriptions) expect(texts(await scene.all(each, 100))).toEqual(numbers(100))
    },
  },
  {
    name: 'a message is sent without a flush',
    async run(scene) {
      const [publisher, reader] = [await scene.connect(), await scene.connect()]
      const subscription = await reader.subscribe('a')
      publisher.publish({subject: 'a', data: 'x'})
      expect(texts(await scene.take(subscription, 1))).toEqual(['x'])
    },
  },
  {
    name: 'a subject gets the messages published to exactly this subject',
    async run(scene) {
      const bus = await scene.connect()
      const subscription = await bus.subscribe('a.b')
      for (const subject of ['a', 'b', 'A.b', 'a.B', 'a.bb', 'aa.b', 'a.b.c', 'ab', 'x.a.b', 'a.b']) {
        bus.publish({subject, data: subject})
      }
      await bus.flush()
      expect(texts(await scene.all(subscription, 1))).toEqual(['a.b'])
    },
  },
  {
    name: '"*" matches one token and ">" one or more',
    needs: {wildcards: true},
    async run(scene) {
      const bus = await scene.connect()
      const subjects = ['a', 'b', 'a.b', 'b.b', 'a.b.c', 'a.c.c', 'a.b.c.d']
      const wanted: Record<string, string[]> = {
        '*': ['a', 'b'],
        '*.b': ['a.b', 'b.b'],
        'a.*': ['a.b'],
        '*.*': ['a.b', 'b.b'],
        'a.*.c': ['a.b.c', 'a.c.c'],
        '*.*.*': ['a.b.c', 'a.c.c'],
        'a.>': ['a.b', 'a.b.c', 'a.c.c', 'a.b.c.d'],
        '*.b.>': ['a.b.c', 'a.b.c.d'],
        '>': subjects,
      }
      const open = await Promise.all(Object.keys(wanted).map((pattern) => bus.subscribe(pattern)))
      for (const subject of subjects) bus.publish({subject})
      await bus.flush()
      const got = await Promise.all(
        Object.values(wanted).map((each, i) => scene.all(open[i] as (typeof open)[number], each.length)),
      )
      const seen = got.map((messages) => messages.map((message) => message.subject))
      expect(Object.fromEntries(Object.keys(wanted).map((pattern, i) => [pattern, seen[i]]))).toEqual(wanted)
    },
  },
  {
    name: 'overlapping subscriptions each get a message once',
    needs: {wildcards: true},
    async run(scene) {
      const bus = await scene.connect()
      const open = await Promise.all(['a.b', 'a.b', 'a.*', '*.b', '>', 'a.>'].map((pattern) => bus.subscribe(pattern)))
      await publishAll(bus, 'a.b', numbers(10))
      for (const each of open) expect(texts(await scene.all(each, 10))).toEqual(numbers(10))
    },
  },
  {
    name: 'overlapping patterns of one subscription deliver a message once',
    needs: {wildcards: true},
    async run(scene) {
      const bus = await scene.connect()
      const subscription = await bus.subscribe(['a.b', 'a.*', '*.b', 'c', 'a.b'])
      for (const subject of ['a.b', 'x', 'a.c', 'c.b', 'c', 'a.b.c', 'a.b']) bus.publish({subject})
      await bus.flush()
      const got = await scene.all(subscription, 5)
      expect(got.map((message) => message.subject)).toEqual(['a.b', 'a.c', 'c.b', 'c', 'a.b'])
    },
  },
  {
    name: 'a subject that one subscription names twice is delivered once',
    async run(scene) {
      const bus = await scene.connect()
      const subscription = await bus.subscribe(['a', 'b', 'a'])
      await publishAll(bus, 'a', numbers(3))
      expect(texts(await scene.all(subscription, 3))).toEqual(numbers(3))
    },
  },
  {
    name: 'unusual but valid subjects arrive unchanged',
    async run(scene) {
      const bus = await scene.connect()
      const odd = [
        '0',
        '007',
        '1e5',
        'null',
        '__proto__.constructor',
        'grüße.🐟',
        'a*b.c>d',
        '%',
        "o'neil",
        'a_b',
        'a-b/c',
      ]
      const subscription = await bus.subscribe(odd)
      const single = await Promise.all(odd.map((subject) => bus.subscribe(subject)))
      for (const subject of odd) bus.publish({subject})
      await bus.flush()
      const got = await scene.all(subscription, odd.length)
      expect(got.map((message) => message.subject)).toEqual(odd)
      for (const [i, each] of single.entries())
        expect((await scene.all(each, 1)).map((m) => m.subject)).toEqual([odd[i]])
    },
  },
  {
    name: 'two buses are separate',
    async run(scene) {
      const [here, there] = [await scene.connect(), await scene.elsewhere()]
      const [mine, theirs] = [await here.subscribe('a'), await there.subscribe('a')]
      await publishAll(here, 'a', ['here'])
      await publishAll(there, 'a', ['there'])
      expect(texts(await scene.all(mine, 1))).toEqual(['here'])
      expect(texts(await scene.all(theirs, 1))).toEqual(['there'])
    },
  },
  {
    name: 'a subscription is live when it resolves',
    async run(scene) {
      const [publisher, reader] = [await scene.connect(), await scene.connect()]
      for (const data of numbers(30)) {
        const subscription = await reader.subscribe('a')
        await publishAll(publisher, 'a', [data])
        expect(texts(await scene.all(subscription, 1))).toEqual([data])
      }
    },
  },
  {
    name: 'a subscription does not see earlier messages',
    async run(scene) {
      const bus = await scene.connect()
      await publishAll(bus, 'a', ['old'])
      const [same, other] = [await bus.subscribe('a'), await (await scene.connect()).subscribe('a')]
      await publishAll(bus, 'a', ['new'])
      for (const each of [same, other]) expect(texts(await scene.all(each, 1))).toEqual(['new'])
    },
  },
  {
    name: 'flushed messages have been sent: a later subscription does not see them, and a drain delivers all of them',
    async run(scene) {
      const [publisher, reader] = [await scene.connect(), await scene.connect()]
      const earlier = await reader.subscribe('a')
      await publishAll(publisher, 'a', numbers(500))
      const later = await (await scene.connect()).subscribe('a')
      await earlier.drain()
      await publishAll(publisher, 'a', ['new'])
      expect(texts(await scene.untilEnd(earlier))).toEqual(numbers(500))
      expect(texts(await scene.all(later, 1))).toEqual(['new'])
    },
  },
  {
    name: 'a flush with nothing to send resolves',
    async run(scene) {
      const bus = await scene.connect()
      await scene.within(bus.flush(), 'end of the flush')
      await publishAll(bus, 'a', ['x'])
      await scene.within(Promise.all([bus.flush(), bus.flush()]), 'end of two flushes')
    },
  },
]
