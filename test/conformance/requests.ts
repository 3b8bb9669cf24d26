import {expect} from 'vitest'
import type {Case} from './case.ts'
import {numbers, publishAll, texts} from './scene.ts'

export const requests: readonly Case[] = [
  {
    name: 'a request gets its reply, from the same connection and from another',
    async run(scene) {
      const [bus, other] = [await scene.connect(), await scene.connect()]
      scene.serve(bus, await scene.responder(bus, 'here'), (request) => ({data: `here ${request.text}`}))
      scene.serve(other, await scene.responder(other, 'there'), (request) => ({data: `there ${request.text}`}))
      expect((await bus.request({subject: 'here', data: 'a'})).text).toBe('here a')
      expect((await bus.request({subject: 'there', data: 'b'})).text).toBe('there b')
      expect((await other.request({subject: 'here', data: 'c'})).text).toBe('here c')
    },
  },
  {
    name: 'request and reply carry headers and bytes',
    needs: {headers: true},
    async run(scene) {
      const [bus, other] = [await scene.connect(), await scene.connect()]
      scene.serve(other, await other.subscribe('a'), ({headers, data}) => ({headers: [...headers, ['C', '3']], data}))
      const data = Uint8Array.from({length: 1024 * 1024 - 512}, (_, i) => (i * 7919) >> 5)
      const reply = await bus.request({subject: 'a', data, headers: [['B', '2']]})
      expect(Buffer.compare(reply.data, data)).toBe(0)
      expect(reply.headers).toEqual([
        ['B', '2'],
        ['C', '3'],
      ])
    },
  },
  {
    name: 'an empty reply is a reply',
    async run(scene) {
      const bus = await scene.connect()
      scene.serve(bus, await scene.responder(bus, 'a'), () => ({}))
      expect((await bus.request({subject: 'a'})).data).toHaveLength(0)
    },
  },
  {
    name: 'two hundred simultaneous requests each get their own reply, in whatever order they arrive',
    async run(scene) {
      const [bus, responder] = [await scene.connect(), await scene.connect()]
      const subscription = await scene.responder(responder, 'a')
      const asked = numbers(200).map((data) => bus.request({subject: 'a', data}))
      const answers = Promise.all(asked)
      const arrived = await scene.take(subscription, 200)
      for (const request of arrived.reverse())
        responder.publish({subject: request.reply ?? '', data: `re ${request.text}`})
      expect(texts(await scene.within(answers, 'replies'))).toEqual(numbers(200).map((data) => `re ${data}`))
    },
  },
  {
    name: 'the first reply counts, and later ones are ignored',
    async run(scene) {
      const bus = await scene.connect()
      scene.serve(bus, await scene.responder(bus, 'a'), ({text}) =>
        ['first', 'second'].map((data) => ({data: `${data} ${text}`})),
      )
      for (const data of numbers(20)) expect((await bus.request({subject: 'a', data})).text).toBe(`first ${data}`)
    },
  },
  {
    name: 'a request that is not answered fails with a timeout',
    async run(scene) {
      const bus = await scene.connect()
      const silent = await scene.responder(bus, 'a')
      const began = performance.now()
      const failing = scene.within(bus.request({subject: 'a'}, {timeoutMs: 60}), 'timeout')
      await expect(failing).rejects.toMatchObject({kind: 'timeout', message: expect.stringContaining('"a"')})
      expect(performance.now() - began).toBeGreaterThan(55)
      if (scene.features.requestsAreMessages) expect(await scene.take(silent, 1)).toHaveLength(1)
    },
  },
  {
    name: 'a late reply is ignored, and the next request gets its own',
    async run(scene) {
      const [bus, responder] = [await scene.connect(), await scene.connect()]
      const subscription = await scene.responder(responder, 'a')
      const late = bus.request({subject: 'a', data: 'late'}, {timeoutMs: 40})
      const failing = expect(late).rejects.toMatchObject({kind: 'timeout'})
      const arrived = await scene.take(subscription, 1)
      await failing
      const next = bus.request({subject: 'a', data: 'next'})
      for (const request of [...arrived, ...(await scene.take(subscription, 1))]) {
        responder.publish({subject: request.reply ?? '', data: `re ${request.text}`})
        await responder.flush()
      }
      expect((await scene.within(next, 'reply')).text).toBe('re next')
    },
  },
  {
    name: 'a request that nobody serves fails immediately',
    needs: {noResponders: true},
    async run(scene) {
      const [bus, other] = [await scene.connect(), await scene.connect()]
      await other.subscribe('b')
      const began = performance.now()
      const failing = scene.within(bus.request({subject: 'a.b'}, {timeoutMs: 5000}), 'failure')
      await expect(failing).rejects.toMatchObject({kind: 'noResponders', message: expect.stringContaining('"a.b"')})
      expect(performance.now() - began).toBeLessThan(3000)
    },
  },
  {
    name: 'a responder that has gone serves no more',
    needs: {noResponders: true},
    async run(scene) {
      const bus = await scene.connect()
      for (const way of ['close', 'drain', 'close the bus'] as const) {
        const responder = await scene.connect()
        const subscription = await responder.subscribe('a')
        scene.serve(responder, subscription, () => ({data: way}))
        expect((await bus.request({subject: 'a'})).text).toBe(way)
        if (way === 'close the bus') await responder.close()
        else await subscription[way]()
        await responder.flush().catch(() => {})
        const failing = scene.within(bus.request({subject: 'a'}, {timeoutMs: 5000}), 'failure')
        await expect(failing, way).rejects.toMatchObject({kind: 'noResponders'})
      }
    },
  },
  {
    name: 'a request ends with `interrupted` when its signal aborts, before or while it waits',
    async run(scene) {
      const bus = await scene.connect()
      const subscription = await scene.responder(bus, 'a')
      const stop = new AbortController()
      const stopped = bus.request({subject: 'a', data: '1'}, {signal: stop.signal})
      expect(texts(await scene.take(subscription, 1))).toEqual(['1'])
      stop.abort()
      await expect(scene.within(stopped, 'interruption')).rejects.toMatchObject({kind: 'interrupted'})
      const unsent = bus.request({subject: 'a', data: '2'}, {signal: stop.signal})
      await expect(scene.within(unsent, 'interruption')).rejects.toMatchObject({kind: 'interrupted'})
      const [next] = [bus.request({subject: 'a', data: '3'})]
      const [asked] = await scene.take(subscription, 1)
      await publishAll(bus, asked?.reply ?? '', [`re ${asked?.text}`])
      expect((await scene.within(next, 'reply')).text).toBe('re 3')
    },
  },
  {
    name: 'closing the bus fails a request that waits',
    async run(scene) {
      const [bus, other] = [await scene.connect(), await scene.connect()]
      const subscription = await scene.responder(other, 'a')
      const waiting = bus.request({subject: 'a'})
      const failing = expect(scene.within(waiting, 'failure')).rejects.toMatchObject({kind: 'usage'})
      await scene.take(subscription, 1)
      await bus.close()
      await failing
    },
  },
  {
    name: 'a subscriber to everything sees request and reply',
    needs: {wildcards: true},
    async run(scene) {
      const [bus, responder, watcher] = [await scene.connect(), await scene.connect(), await scene.connect()]
      const everything = await watcher.subscribe('>')
      const inboxes = await watcher.subscribe('_INBOX.>')
      scene.serve(responder, await responder.subscribe('a'), () => ({data: 'reply'}))
      await bus.request({subject: 'a', data: 'request'})
      const [request, reply] = await scene.all(everything, 2)
      expect([request?.text, reply?.text]).toEqual(['request', 'reply'])
      expect(reply?.subject).toBe(request?.reply)
      expect(reply?.subject).toMatch(/^_INBOX\./)
      expect(texts(await scene.all(inboxes, 1))).toEqual(['reply'])
    },
  },
]
