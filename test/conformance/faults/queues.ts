import type {Transport} from '../../../src/lib/transport/contract.ts'
import {bentSubscriptions, type Fault, later} from '../faulty.ts'

/** Renames the group of each subscription that has one. */
function regrouped(
  sound: Transport,
  rename: (queue: string, pattern: string) => string | undefined,
): Partial<Transport> {
  return {
    subscribe(patterns, options) {
      const {queue} = options ?? {}
      return sound.subscribe(patterns, {...options, queue: queue && rename(queue, String(patterns))})
    },
  }
}

/** Faults in which member of a group gets a message. */
export const queueFaults: readonly Fault[] = [
  {
    name: 'delivers a message to every member of a group',
    fails: [
      'each message goes to exactly one member of a queue group',
      'members that take one message at a time share them too',
      'members join and leave while messages arrive, and none is lost or duplicated',
      'a request reaches one responder of a group',
    ],
    bend: (sound) => regrouped(sound, () => undefined),
  },
  {
    name: 'treats two groups as one',
    fails: ['two groups, and a plain subscription beside them, each get everything'],
    bend: (sound) => regrouped(sound, () => 'one'),
  },
  {
    name: 'treats members with different patterns as different groups',
    fails: ['members of one group with different patterns share messages that match both'],
    bend: (sound) => regrouped(sound, (queue, pattern) => `${queue} ${pattern}`),
  },
  {
    name: 'delivers messages to draining members',
    fails: ['members join and leave while messages arrive, and none is lost or duplicated'],
    bend: (sound) =>
      bentSubscriptions(sound, (subscription, patterns, options) => ({
        async drain() {
          await subscription.drain()
          const ghost = await sound.subscribe(patterns, options)
          later(20, () => ghost.close())
        },
      })),
  },
  {
    name: 'delivers messages to closed members',
    fails: ['a member that has gone takes no messages with it', 'a responder that has gone serves no more'],
    bend: (sound) =>
      bentSubscriptions(sound, (subscription, patterns, options) => ({
        async close() {
          await subscription.close()
          await sound.subscribe(patterns, options)
        },
      })),
  },
  {
    name: 'loses messages that wait for a member when one with another pattern joins',
    fails: ['a member that joins with another pattern takes nothing from the others'],
    bend(sound, world) {
      const joined = () => (world.memory.get('joined') ?? 0) as number
      return bentSubscriptions(sound, (subscription) => {
        let seen = joined() + 1
        world.memory.set('joined', seen)
        return {
          async take(max) {
            if (seen < joined()) await subscription.take(1000)
            seen = joined()
            return subscription.take(max)
          },
        }
      })
    },
  },
]
