import {expect} from 'vitest'
import type {Headers, Message} from '../../src/lib/core/message.ts'
import type {Outgoing, Transport} from '../../src/lib/transport/contract.ts'
import type {Case} from './case.ts'
import type {Scene} from './scene.ts'

/** The messages that arrive at another connection, and at the same one, when `messages` are published. */
async function carried(scene: Scene, messages: readonly Omit<Outgoing, 'subject'>[]): Promise<Message[][]> {
  const [publisher, reader] = [await scene.connect(), await scene.connect()]
  const open = [await reader.subscribe('a'), await publisher.subscribe('a')]
  for (const message of messages) publisher.publish({...message, subject: 'a'})
  await publisher.flush()
  return Promise.all(open.map((each) => scene.all(each, messages.length)))
}

async function carriedHeaders(scene: Scene, headers: readonly Headers[]): Promise<void> {
  const all = await carried(
    scene,
    headers.map((each) => ({headers: each})),
  )
  for (const got of all) expect(got.map((message) => message.headers)).toEqual(headers)
}

function refused(act: () => unknown): unknown {
  try {
    act()
  } catch (error) {
    return error
  }
  return undefined
}

export const payloads: readonly Case[] = [
  {
    name: 'headers keep their order, their case and all their values',
    needs: {headers: true},
    run: (scene) =>
      carriedHeaders(scene, [
        [
          ['X-Id', '2'],
          ['X-Id', '1'],
          ['x-id', '3'],
          ['b', 'z: y, "x"'],
          ['A', 'grüße 🐟'],
          ['Empty', ''],
        ],
        [],
        [['10', '__proto__']],
      ]),
  },
  {
    name: 'headers of one name need not be adjacent',
    needs: {headers: true},
    run: (scene) =>
      carriedHeaders(scene, [
        [
          ['A', '1'],
          ['B', '2'],
          ['A', '3'],
          ['1', '4'],
        ],
      ]),
  },
  {
    name: 'an empty payload is empty',
    async run(scene) {
      for (const got of await carried(scene, [{}, {data: ''}, {data: new Uint8Array()}, {data: undefined}])) {
        expect(got.map((message) => [message.data.length, message.text])).toEqual(Array(4).fill([0, '']))
      }
    },
  },
  {
    name: 'every byte arrives unchanged',
    async run(scene) {
      const bytes = Uint8Array.from({length: 512}, (_, i) => i % 256)
      for (const got of await carried(scene, [{data: bytes}, {data: bytes.subarray(100, 300)}])) {
        expect(got.map((message) => [...message.data])).toEqual([[...bytes], [...bytes.subarray(100, 300)]])
      }
    },
  },
  {
    name: 'text arrives unchanged, whether it was published as text or as its bytes',
    async run(scene) {
      const awkward = [
        '🐟 grüße 𝒳 日本',
        'a\0b',
        '0123',
        '1e5',
        'null',
        ' spaced \r\n',
        '\ufeffa',
        '"',
        '\u2028',
        'x'.repeat(5000),
      ]
      const messages = awkward.flatMap((text) => [{data: text}, {data: new TextEncoder().encode(text)}])
      for (const got of await carried(scene, messages)) {
        expect(got.map((message) => message.text)).toEqual(awkward.flatMap((text) => [text, text]))
        const bytes = got.map((message) => Buffer.from(message.data).toString('hex'))
        expect(bytes).toEqual(messages.map(({data}) => Buffer.from(data as string).toString('hex')))
      }
    },
  },
  {
    name: 'a payload of 1 MiB arrives completely',
    async run(scene) {
      const data = Uint8Array.from({length: 1024 * 1024}, (_, i) => (i * 7919) >> 5)
      for (const [got] of await carried(scene, [{data}])) {
        expect(got?.data.length).toBe(data.length)
        expect(Buffer.compare(got?.data ?? data.subarray(1), data)).toBe(0)
      }
    },
  },
  {
    name: 'a payload that exceeds the limit in bytes is refused, and no other',
    async run(scene) {
      const bus = await scene.connect()
      const subscription = await bus.subscribe('a')
      for (const data of [new Uint8Array(bus.maxPayload + 1), 'é'.repeat(bus.maxPayload / 2 + 1)]) {
        const error = refused(() => bus.publish({subject: 'a', data}))
        expect(error).toMatchObject({kind: 'usage', message: expect.stringContaining(String(bus.maxPayload))})
        await expect(bus.request({subject: 'a', data})).rejects.toMatchObject({kind: 'usage'})
      }
      await publishOne(bus, {data: 'x'})
      expect((await scene.all(subscription, 1)).map((message) => message.text)).toEqual(['x'])
    },
  },
  {
    name: 'a reply subject arrives, and is absent if there was none',
    needs: {requestsAreMessages: true},
    async run(scene) {
      for (const got of await carried(scene, [{reply: 'b.c', data: 'x'}, {data: 'y'}])) {
        expect(got.map((message) => [message.text, message.reply])).toEqual([
          ['x', 'b.c'],
          ['y', undefined],
        ])
      }
    },
  },
  {
    name: 'a publisher may reuse its buffer after the flush',
    async run(scene) {
      const [publisher, reader] = [await scene.connect(), await scene.connect()]
      const open = [await reader.subscribe('a'), await publisher.subscribe('a')]
      const buffer = Uint8Array.of(1, 2, 3)
      await publishOne(publisher, {data: buffer})
      buffer.fill(9)
      await publishOne(publisher, {data: buffer})
      buffer.fill(7)
      for (const each of open) {
        expect((await scene.all(each, 2)).map((message) => [...message.data])).toEqual([
          [1, 2, 3],
          [9, 9, 9],
        ])
      }
    },
  },
  {
    name: 'a message has the time of its publication or arrival, in milliseconds',
    async run(scene) {
      const before = Date.now()
      const all = await carried(scene, [{data: 'x'}])
      for (const [got] of all) {
        expect(got?.time).toBeGreaterThan(before - 1000)
        expect(got?.time).toBeLessThan(Date.now() + 1000)
      }
    },
  },
]

async function publishOne(bus: Transport, message: Omit<Outgoing, 'subject'>): Promise<void> {
  bus.publish({...message, subject: 'a'})
  await bus.flush()
}
