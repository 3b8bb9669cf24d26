import type {Message} from '../../../src/lib/core/message.ts'
import {checkPattern} from '../../../src/lib/core/subject.ts'
import type {Subscription} from '../../../src/lib/transport/contract.ts'
import {bentSubscriptions, type Fault, later, never} from '../faulty.ts'

function isSound(pattern: string): boolean {
  try {
    return checkPattern(pattern) === pattern
  } catch {
    return false
  }
}

/** How subscriptions and connections end, and what a slow reader gets. */
export const lifecycleFaults: readonly Fault[] = [
  {
    name: 'says that it answers without having asked itself',
    fails: ['a bus tells what keeps it and how soon it answers, after what was published before'],
    bend: () => ({facts: async () => ({software: 'memory', roundTripsMs: []})}),
  },
  {
    name: 'continues after a loop was left',
    fails: ['leaving a loop closes the subscription'],
    bend: (sound) =>
      bentSubscriptions(sound, (subscription) => ({
        async *[Symbol.asyncIterator](): AsyncGenerator<Message> {
          for (;;) yield* await subscription.take(256)
        },
      })),
  },
  {
    name: 'never ends a drain',
    fails: [
      'a loop gets everything, and ends after a drain',
      'a drain delivers what was flushed before it, takes nothing that comes after it, then ends',
    ],
    bend: (sound) => bentSubscriptions(sound, () => ({async drain() {}})),
  },
  {
    name: 'throws away at a drain what was held',
    fails: [
      'a loop gets everything, and ends after a drain',
      'a drain delivers what was flushed before it, takes nothing that comes after it, then ends',
    ],
    bend: (sound) => bentSubscriptions(sound, (subscription) => ({drain: () => subscription.close()})),
  },
  {
    name: 'takes more messages after a drain',
    fails: ['a drain delivers what was flushed before it, takes nothing that comes after it, then ends'],
    bend: (sound) =>
      bentSubscriptions(sound, (subscription) => ({
        drain: async () => later(20, () => subscription.drain()),
      })),
  },
  {
    name: 'closes all subscriptions of a connection with one',
    fails: ['a subscription may be closed while messages arrive, and the others go on'],
    bend(sound) {
      const all: Subscription[] = []
      return bentSubscriptions(sound, (subscription) => {
        all.push(subscription)
        return {close: async () => void (await Promise.all(all.map((each) => each.close())))}
      })
    },
  },
  {
    name: 'forgets who waits when it closes',
    fails: [
      'closing or draining a subscription ends a wait for messages',
      'closing the bus sends what was published and ends its subscriptions',
    ],
    bend: (sound) =>
      bentSubscriptions(sound, (subscription) => {
        let isEnded = false
        const ending = (end: () => Promise<void>) => async () => {
          await end()
          later(1, () => {
            isEnded = true
          })
        }
        return {
          async take(max) {
            const taken = await subscription.take(max)
            return taken.length > 0 || isEnded ? taken : never()
          },
          close: ending(() => subscription.close()),
          drain: ending(() => subscription.drain()),
        }
      }),
  },
  {
    name: 'cannot be closed twice',
    fails: ['closing and draining again is fine, in any order'],
    bend(sound) {
      let isClosed = false
      return {
        async close() {
          if (isClosed) throw new Error('closed already')
          isClosed = true
          await sound.close()
        },
      }
    },
  },
  {
    name: 'closes all connections with one',
    fails: ['closing one connection leaves the others alone'],
    bend: (_, world) => ({close: async () => void (await Promise.all(world.connections.map((each) => each.close())))}),
  },
  {
    name: 'says nothing when it is used after its end',
    fails: ['a bus that is closed says so, with its name, when it is used'],
    bend(sound) {
      let isClosed = false
      return {
        publish: (message) => void (isClosed || sound.publish(message)),
        async close() {
          isClosed = true
          await sound.close()
        },
      }
    },
  },
  {
    name: 'does not close at the end of a block',
    fails: ['the end of an `await using` block closes the bus and the subscription'],
    bend: () => ({async [Symbol.asyncDispose]() {}}),
  },
  {
    name: 'subscribes to the sound patterns beside a bad one',
    fails: ['a bad pattern to subscribe to, or none, is refused, with the sound ones beside it'],
    bend: (sound) => ({
      subscribe: (patterns, options) =>
        sound.subscribe(Array.isArray(patterns) ? patterns.filter(isSound) : patterns, options),
    }),
  },
  {
    name: 'stops when one subscription is full',
    fails: ['a subscriber that never reads stops nobody'],
    bend(sound, world) {
      return {
        ...bentSubscriptions(sound, (subscription) => {
          world.memory.set(String(world.memory.size), subscription)
          return {}
        }),
        publish(message) {
          const all = [...world.memory.values()] as Subscription[]
          if (all.every((subscription) => subscription.dropped === 0)) sound.publish(message)
        },
      }
    },
  },
  {
    name: 'does not count what it drops',
    fails: ['a slow subscriber loses what exceeds its limit, counted and reported'],
    bend: (sound) => bentSubscriptions(sound, () => ({dropped: 0})),
  },
  {
    name: 'does not tell that it drops',
    fails: ['a slow subscriber loses what exceeds its limit, counted and reported'],
    bend(_sound, _world, options) {
      if (options !== undefined) Object.assign(options, {notify: undefined})
      return {}
    },
  },
  {
    name: 'does not mind the pending limit',
    fails: ['a slow subscriber loses what exceeds its limit, counted and reported'],
    bend: (sound) => ({subscribe: (patterns, {pendingLimit, ...rest} = {}) => sound.subscribe(patterns, rest)}),
  },
  {
    name: 'claims to keep messages for slow subscribers, and does not',
    claims: {keepsForSlow: true},
    fails: ['a slow subscriber gets everything later, in order'],
    bend: () => ({}),
  },
  {
    name: 'keeps all messages for slow subscribers in memory',
    claims: {keepsForSlow: true},
    fails: ['what a slow subscriber has not read does not fill the memory'],
    bend: (sound) => ({
      subscribe: (patterns, options) => sound.subscribe(patterns, {...options, pendingLimit: Number.POSITIVE_INFINITY}),
    }),
  },
]
