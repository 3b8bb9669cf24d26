import {expect} from 'vitest'
import type {Subscription, Transport} from '../../src/lib/transport/contract.ts'
import type {Case} from './case.ts'
import {numbers, publishAll, type Scene, texts} from './scene.ts'

/** The members of one group, all of which are read; records every message that any of them got. */
class Group {
  readonly seen: string[] = []
  readonly #scene: Scene
  readonly #max: number
  readonly #loops = new Map<Subscription, Promise<void>>()
  #arrived = () => {}

  constructor(scene: Scene, max = 16) {
    this.#scene = scene
    this.#max = max
  }

  async join(bus: Transport, patterns: string | readonly string[] = 'a', queue = 'q'): Promise<Subscription> {
    const member = await bus.subscribe(patterns, {queue})
    const loop = this.#read(member)
    this.#loops.set(member, loop)
    loop.catch(() => {})
    return member
  }

  /** Lets a member finish its messages and leave. */
  async leave(member: Subscription): Promise<void> {
    await member.drain()
    await this.#scene.within(this.#loops.get(member) ?? Promise.resolve(), 'end of a member that drains')
  }

  /** Resolves when all members together got this many messages. */
  async got(count: number): Promise<void> {
    while (this.seen.length < count) {
      const {promise: more, resolve} = Promise.withResolvers<void>()
      this.#arrived = resolve
      await this.#scene.within(more, `message ${this.seen.length + 1} of ${count} of the group`)
    }
  }

  /** Waits for `count` messages, lets all members leave, and returns all messages seen, sorted by number. */
  async all(count: number): Promise<string[]> {
    await this.got(count)
    await Promise.all([...this.#loops.keys()].map((member) => this.leave(member)))
    return this.seen.sort((one, other) => Number(one) - Number(other))
  }

  async #read(member: Subscription): Promise<void> {
    for (;;) {
      const taken = await member.take(this.#max)
      if (taken.length === 0) return
      this.seen.push(...texts(taken))
      this.#arrived()
    }
  }
}

export const queues: readonly Case[] = [
  {
    name: 'each message goes to exactly one member of a queue group',
    needs: {queues: true},
    async run(scene) {
      const buses = [await scene.connect(), await scene.connect(), await scene.connect()]
      const group = new Group(scene)
      for (const bus of [...buses, ...buses]) await group.join(bus)
      const publisher = await scene.connect()
      for (let i = 0; i < 30; i++) await publishAll(publisher, 'a', numbers(3000).slice(i * 100, i * 100 + 100))
      expect(await group.all(3000)).toEqual(numbers(3000))
    },
  },
  {
    name: 'members that take one message at a time share them too',
    needs: {queues: true},
    async run(scene) {
      const [one, other] = [await scene.connect(), await scene.connect()]
      const group = new Group(scene, 1)
      await group.join(one)
      await group.join(other)
      await publishAll(one, 'a', numbers(100))
      expect(await group.all(100)).toEqual(numbers(100))
    },
  },
  {
    name: 'members join and leave while messages arrive, and none is lost or duplicated',
    needs: {queues: true},
    async run(scene) {
      const [publisher, ...buses] = [await scene.connect(), await scene.connect(), await scene.connect()]
      const group = new Group(scene)
      const members = [await group.join(buses[0] as Transport)]
      const all = numbers(2000)
      for (let round = 0; round < 20; round++) {
        const flushed = publishAll(publisher, 'a', all.slice(round * 100, round * 100 + 100))
        if (round % 2 === 0) members.push(await group.join(buses[round % 4 === 0 ? 1 : 0] as Transport))
        else await group.leave(members.shift() as Subscription)
        await flushed
      }
      expect(await group.all(2000)).toEqual(all)
    },
  },
  {
    name: 'a member that has gone takes no messages with it',
    needs: {queues: true},
    async run(scene) {
      const [bus, leaving] = [await scene.connect(), await scene.connect()]
      const group = new Group(scene)
      const [closed, drained] = [await bus.subscribe('a', {queue: 'q'}), await bus.subscribe('a', {queue: 'q'})]
      await leaving.subscribe('a', {queue: 'q'})
      await group.join(bus)
      await closed.close()
      await drained.drain()
      await leaving.close()
      await publishAll(bus, 'a', numbers(100))
      expect(await group.all(100)).toEqual(numbers(100))
    },
  },
  {
    name: 'two groups, and a plain subscription beside them, each get everything',
    needs: {queues: true},
    async run(scene) {
      const [bus, other] = [await scene.connect(), await scene.connect()]
      const groups = [new Group(scene), new Group(scene)]
      for (const [i, group] of groups.entries()) {
        await group.join(bus, 'a', `q${i}`)
        await group.join(other, 'a', `q${i}`)
      }
      const plain = await other.subscribe('a')
      await publishAll(bus, 'a', numbers(200))
      for (const group of groups) expect(await group.all(200)).toEqual(numbers(200))
      expect(texts(await scene.all(plain, 200))).toEqual(numbers(200))
    },
  },
  {
    name: 'a group shares the messages that match its pattern, and one member gets them in order',
    needs: {queues: true, wildcards: true},
    async run(scene) {
      const [bus, reader] = [await scene.connect(), await scene.connect()]
      const subscription = await reader.subscribe(['a.*', 'b'], {queue: 'q'})
      for (const data of numbers(300))
        bus.publish({subject: ['a.x', 'a.x.y', 'b', 'a.z'][Number(data) % 4] ?? '', data})
      await bus.flush()
      const wanted = numbers(300).filter((data) => Number(data) % 4 !== 1)
      expect(texts(await scene.all(subscription, wanted.length))).toEqual(wanted)
    },
  },
  {
    name: 'members of one group with different patterns share messages that match both',
    needs: {queues: true, wildcards: true},
    async run(scene) {
      const [one, other] = [await scene.connect(), await scene.connect()]
      const group = new Group(scene)
      await group.join(one, 'a.*')
      await group.join(other, 'a.>')
      await publishAll(one, 'a.x', numbers(100))
      expect(await group.all(100)).toEqual(numbers(100))
    },
  },
  {
    name: 'a member that joins with another pattern takes nothing from the others',
    needs: {queues: true, wildcards: true},
    async run(scene) {
      const [one, other] = [await scene.connect(), await scene.connect()]
      const first = await one.subscribe('a.>', {queue: 'q'})
      await publishAll(one, 'a.x', numbers(100))
      const second = await other.subscribe('a.*', {queue: 'q'})
      const got = []
      for (const member of [first, second]) {
        await member.drain()
        got.push(...texts(await scene.untilEnd(member)))
      }
      expect(got).toEqual(numbers(100))
    },
  },
  {
    name: 'a group that was empty starts again at the end',
    needs: {queues: true},
    async run(scene) {
      const [bus, reader] = [await scene.connect(), await scene.connect()]
      const first = await reader.subscribe('a', {queue: 'q'})
      await publishAll(bus, 'a', ['1'])
      expect(texts(await scene.all(first, 1))).toEqual(['1'])
      await publishAll(bus, 'a', ['unseen'])
      const second = await reader.subscribe('a', {queue: 'q'})
      await publishAll(bus, 'a', ['2'])
      expect(texts(await scene.all(second, 1))).toEqual(['2'])
    },
  },
  {
    name: 'a request reaches one responder of a group',
    needs: {queues: true},
    async run(scene) {
      const bus = await scene.connect()
      for (const name of ['one', 'two', 'three']) {
        const responder = await scene.connect()
        scene.serve(responder, await responder.subscribe('a', {queue: 'q'}), () => ({data: name}))
      }
      for (let i = 0; i < 5; i++) {
        const seen: string[] = []
        const replies = bus.requestMany({subject: 'a'}, {idleMs: 60, timeoutMs: 5000})
        for await (const reply of replies) seen.push(reply.text)
        expect(seen).toHaveLength(1)
      }
    },
  },
]
