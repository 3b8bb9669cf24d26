import {expect} from 'vitest'
import {BusError} from '../../src/lib/core/errors.ts'
import type {Headers, Outgoing, Transport} from '../../src/lib/transport/contract.ts'
import type {Case} from './case.ts'
import {publishAll, texts} from './scene.ts'

const badPatterns = ['', '.a', 'a.', 'a..b', 'a b', 'a\tb', 'a\n', 'a\0b', 'a.>.b', '>.a']
const badSubjects = [...badPatterns, '*', '>', 'a.*', 'a.>', '*.a']

/** Publishes and returns the kind of the failure. */
function published(bus: Transport, message: Outgoing): string {
  try {
    bus.publish(message)
  } catch (error) {
    return error instanceof BusError ? error.kind : 'a bug'
  }
  return 'published'
}

export const refusals: readonly Case[] = [
  {
    name: 'an invalid subject to publish to is refused immediately, and nothing is sent',
    async run(scene) {
      const bus = await scene.connect()
      const subscription = await bus.subscribe('a')
      for (const subject of badSubjects) {
        expect(published(bus, {subject}), `subject ${JSON.stringify(subject)}`).toBe('usage')
        expect(published(bus, {subject: 'a', reply: subject}), `reply ${JSON.stringify(subject)}`).toBe('usage')
      }
      await publishAll(bus, 'a', ['x'])
      expect(texts(await scene.all(subscription, 1))).toEqual(['x'])
    },
  },
  {
    name: 'an invalid subject of a request is refused',
    async run(scene) {
      const bus = await scene.connect()
      for (const subject of badSubjects) {
        await expect(bus.request({subject}), JSON.stringify(subject)).rejects.toMatchObject({kind: 'usage'})
        const many = async () => bus.requestMany({subject})[Symbol.asyncIterator]().next()
        await expect(many(), JSON.stringify(subject)).rejects.toMatchObject({kind: 'usage'})
      }
    },
  },
  {
    name: 'an invalid pattern to subscribe to, or none, is refused, with the valid ones beside it',
    async run(scene) {
      const bus = await scene.connect()
      for (const pattern of badPatterns) {
        await expect(bus.subscribe(pattern), JSON.stringify(pattern)).rejects.toMatchObject({kind: 'usage'})
        await expect(bus.subscribe(['a', pattern]), JSON.stringify(pattern)).rejects.toMatchObject({kind: 'usage'})
      }
      await expect(bus.subscribe([])).rejects.toMatchObject({kind: 'usage'})
      if (!scene.features.noResponders) return
      await expect(bus.request({subject: 'a'})).rejects.toMatchObject({kind: 'noResponders'})
    },
  },
  {
    name: 'an invalid header is refused immediately, and nothing is sent',
    needs: {headers: true},
    async run(scene) {
      const bus = await scene.connect()
      const subscription = await bus.subscribe('a')
      const bad: Headers = [
        ['', 'x'],
        ['a:b', 'x'],
        ['a b', 'x'],
        ['ä', 'x'],
        ['a\n', 'x'],
        ['a', 'x\ny'],
        ['a', 'x\ry'],
        ['a', 'x\0y'],
      ]
      for (const header of bad) {
        expect(published(bus, {subject: 'a', headers: [['Ok', '1'], header]}), JSON.stringify(header)).toBe('usage')
      }
      await publishAll(bus, 'a', ['x'])
      expect(texts(await scene.all(subscription, 1))).toEqual(['x'])
    },
  },
]
