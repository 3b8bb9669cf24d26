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

/** Faults in how subscriptions and connections end, and in what a slow reader gets. */
export const lifecycleFaults: readonly Fault[] = [
  {
    name: 'reports a round trip without making one',
    fails: ['a bus reports its software and its round-trip time, after earlier publishes'],
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
      'a loop gets every message, and ends after a drain',
      'a drain delivers messages flushed before it, accepts none after it, then ends',
    ],
    bend: (sound) => bentSubscriptions(sound, () => ({async drain() {}})),
  },
  {
    name: 'discards held messages at a drain',
    fails: [
      'a loop gets every message, and ends after a drain',
      'a drain delivers messages flushed before it, accepts none after it, then ends',
    ],
    bend: (sound) => bentSubscriptions(sound, (subscription) => ({drain: () => subscription.close()})),
  },
  {
    name: 'takes more messages after a drain',
    fails: ['a drain delivers messages flushed before it, accepts none after it, then ends'],
    bend: (sound) =>
      bentSubscriptions(sound, (subscription) => ({
        drain: async () => later(20, () => subscription.drain()),
      })),
  },
  {
    name: 'closes all subscriptions of a connection with one',
    fails: ['a subscription may be closed while messages arrive, and the others continue'],
    bend(sound) {
      const all: Subscription[] = []
      return bentSubscriptions(sound, (subscription) => {
        all.push(subscription)
        return {close: async () => void (await Promise.all(all.map((each) => each.close())))}
      })
    },
  },
  {
    name: 'does not end waits when it closes',
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
    fails: ['closing and draining again is allowed, in any order'],
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
    fails: ['closing one connection does not affect the others'],
    bend: (_, world) => ({close: async () => void (await Promise.all(world.connections.map((each) => each.close())))}),
  },
  {
    name: 'does not fail when it is used after its end',
    fails: ['using a closed bus fails with its name'],
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
    name: 'subscribes to the valid patterns beside an invalid one',
    fails: ['an invalid pattern to subscribe to, or none, is refused, with the valid ones beside it'],
    bend: (sound) => ({
      subscribe: (patterns, options) =>
        sound.subscribe(Array.isArray(patterns) ? patterns.filter(isSound) : patterns, options),
    }),
  },
  {
    name: 'stops when one subscription is full',
    fails: ['a subscriber that never reads blocks no other'],
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
    name: 'does not count dropped messages',
    fails: ['a slow subscriber loses messages beyond its limit, counted and reported'],
    bend: (sound) => bentSubscriptions(sound, () => ({dropped: 0})),
  },
  {
    name: 'does not report that it drops messages',
    fails: ['a slow subscriber loses messages beyond its limit, counted and reported'],
    bend(_sound, _world, options) {
      if (options !== undefined) Object.assign(options, {notify: undefined})
      return {}
    },
  },
  {
    name: 'ignores the pending limit',
    fails: ['a slow subscriber loses messages beyond its limit, counted and reported'],
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
    fails: ['messages that a slow subscriber has not read do not fill the memory'],
    bend: (sound) => ({
      subscribe: (patterns, options) => sound.subscribe(patterns, {...options, pendingLimit: Number.POSITIVE_INFINITY}),
    }),
  },
]
