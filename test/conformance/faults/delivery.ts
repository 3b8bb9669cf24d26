import {Message, type Outgoing} from '../../../src/lib/core/message.ts'
import {matches} from '../../../src/lib/core/subject.ts'
import type {Subscription} from '../../../src/lib/transport/contract.ts'
import {Mailbox} from '../../../src/lib/transport/shared/mailbox.ts'
import {bent, bentSubscriptions, type Fault, later} from '../faulty.ts'

/** Faults in which messages are delivered, to whom, and when. */
export const deliveryFaults: readonly Fault[] = [
  {
    name: 'declares features that it lacks',
    fails: ['the driver declares its features'],
    bend: (sound) => ({features: {...sound.features, keepsForSlow: true}}),
  },
  {
    name: 'drops every 1000th message',
    fails: [
      'messages arrive in the order of their publication, over all subjects',
      'each message goes to exactly one member of a queue group',
      'a hundred thousand messages arrive in order',
    ],
    bend(sound) {
      let count = 0
      return {publish: (message) => void (++count % 1000 === 0 || sound.publish(message))}
    },
  },
  {
    name: 'changes the order of two neighbours',
    fails: [
      'messages arrive in the order of their publication, over all subjects',
      'a group shares the messages that match its pattern, and one member gets them in order',
      'a hundred thousand messages arrive in order',
    ],
    bend(sound) {
      let count = 0
      let held: Outgoing | undefined
      const letGo = () => {
        if (held !== undefined) sound.publish(held)
        held = undefined
      }
      return {
        publish(message) {
          if (++count === 18) held = message
          else sound.publish(message)
          if (count === 19) letGo()
        },
        async flush() {
          letGo()
        },
      }
    },
  },
  {
    name: 'resolves a flush before the messages have left',
    fails: [
      'messages flushed by one connection precede messages that another one publishes then',
      'flushed messages have been sent: a later subscription does not see them, and a drain delivers all of them',
      'a publisher may reuse its buffer after the flush',
    ],
    bend(sound, world) {
      const delayMs = world.connections.length % 2 === 1 ? 10 : 1
      return {publish: (message) => void later(delayMs, () => sound.publish(message)), async flush() {}}
    },
  },
  {
    name: 'sends only at a flush',
    fails: ['a message is sent without a flush', 'closing the bus sends what was published and ends its subscriptions'],
    bend(sound) {
      const held: Outgoing[] = []
      return {
        publish: (message) => void held.push(message),
        async flush() {
          for (const message of held.splice(0)) sound.publish(message)
        },
      }
    },
  },
  {
    name: 'never ends a flush with nothing to send',
    fails: ['a flush with nothing to send resolves'],
    bend(sound) {
      let isEmpty = true
      return {
        publish(message) {
          isEmpty = false
          sound.publish(message)
        },
        flush: () => (isEmpty ? new Promise(() => {}) : sound.flush()),
      }
    },
  },
  {
    name: 'delivers a message to one subscription only',
    fails: ['every subscription gets every message, in the connection that publishes and in others'],
    bend: (sound) => ({subscribe: (patterns, options) => sound.subscribe(patterns, {...options, queue: 'all'})}),
  },
  {
    name: 'ignores "*"',
    fails: ['"*" matches one token and ">" one or more', 'five thousand subjects pass through one subscription'],
    bend: (sound) => ({
      subscribe: (patterns, options) =>
        sound.subscribe(
          [patterns].flat().map((p) => p.replaceAll('*', 'star')),
          options,
        ),
    }),
  },
  {
    name: 'lets ">" match no token, too',
    fails: ['"*" matches one token and ">" one or more'],
    bend: (sound) => ({
      subscribe(patterns, options) {
        const also = [patterns].flat().flatMap((p) => (p.endsWith('.>') ? [p, p.slice(0, -2)] : [p]))
        return sound.subscribe(also, options)
      },
    }),
  },
  {
    name: 'delivers a message to each subscription as often as subscriptions of the connection match it',
    fails: ['overlapping subscriptions each get a message once'],
    bend(sound) {
      const all: string[] = []
      return bentSubscriptions(sound, (subscription, patterns) => {
        all.push(...[patterns].flat())
        const times = (message: Message) => all.filter((pattern) => matches(pattern, message.subject)).length
        return {take: async (max) => (await subscription.take(max)).flatMap((m) => Array<Message>(times(m)).fill(m))}
      })
    },
  },
  {
    name: 'delivers once for each pattern of a subscription',
    fails: [
      'overlapping patterns of one subscription deliver a message once',
      'a subject that one subscription names twice is delivered once',
    ],
    bend: (sound) => ({
      async subscribe(patterns, options): Promise<Subscription> {
        const merged = new Mailbox()
        const parts = await Promise.all([patterns].flat().map((pattern) => sound.subscribe(pattern, options)))
        const pump = async (part: Subscription) => {
          for await (const message of part) merged.push(message)
        }
        const pumps = parts.map(pump)
        return bent(merged, {
          async drain() {
            await Promise.all(parts.map((part) => part.drain()))
            await Promise.all(pumps)
            await merged.drain()
          },
        })
      },
    }),
  },
  {
    name: 'uses one bus for all names',
    fails: ['two buses are separate', 'the streams of two buses are separate'],
    url: 'memory:faulty-shared',
    bend: () => ({}),
  },
  {
    name: 'subscribes some time after it resolves',
    fails: ['a subscription is live when it resolves'],
    bend: (sound) => ({
      async subscribe(patterns, options) {
        const live = new Promise((resolve) => setTimeout(resolve, 5)).then(() => sound.subscribe(patterns, options))
        live.catch(() => {})
        return bent(await sound.subscribe('unused'), {
          take: async (max) => (await live).take(max),
          drain: async () => (await live).drain(),
        })
      },
    }),
  },
  {
    name: 'shows a new subscription the last message from before',
    fails: ['a subscription does not see earlier messages', 'a group that was empty starts again at the end'],
    bend: (sound, {memory}) => ({
      ...bentSubscriptions(sound, (subscription, patterns) => {
        let last = memory.get(String(patterns)) as Message | undefined
        return {
          async take(max) {
            const first = last
            last = undefined
            return first === undefined ? subscription.take(max) : [first]
          },
        }
      }),
      publish(message) {
        sound.publish(message)
        memory.set(message.subject, new Message(message.subject, message.data ?? ''))
      },
    }),
  },
  {
    name: 'serves at most 500 subscriptions',
    fails: ['a thousand subscriptions each get their message'],
    bend(sound) {
      let count = 0
      return {subscribe: (patterns, options) => sound.subscribe(++count > 500 ? 'nothing' : patterns, options)}
    },
  },
  {
    name: 'knows at most 4,096 subjects',
    fails: ['five thousand subjects pass through one subscription'],
    bend(sound) {
      const known = new Set<string>()
      return {
        publish(message) {
          if (known.size < 4096) known.add(message.subject)
          if (known.has(message.subject)) sound.publish(message)
        },
      }
    },
  },
]
