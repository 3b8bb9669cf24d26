import {BusError} from '../../../src/lib/core/errors.ts'
import {Message} from '../../../src/lib/core/message.ts'
import type {ManyOptions, Outgoing, RequestOptions, Transport} from '../../../src/lib/transport/contract.ts'
import {bentSubscriptions, type Fault, never} from '../faulty.ts'

type Replies = AsyncIterable<Message>

/** Requests whose replies are changed, or whose failure is. */
function bentReplies(
  sound: Transport,
  one: (reply: Promise<Message>, options: RequestOptions) => Promise<Message>,
  many: (replies: Replies, options: ManyOptions) => Replies = (replies) => replies,
): Partial<Transport> {
  return {
    request: (message, options = {}) => one(sound.request(message, options), options),
    requestMany: (message, options = {}) => many(sound.requestMany(message, options), options),
  }
}

function bentOptions(sound: Transport, change: (options: ManyOptions) => ManyOptions): Partial<Transport> {
  return {
    request: (message, options = {}) => sound.request(message, change(options)),
    requestMany: (message, options = {}) => sound.requestMany(message, change(options)),
  }
}

/** Passes replies on until there is a failure of `kind`, then does something else. */
async function* until(replies: Replies, kind: string, instead: () => Promise<void>): AsyncGenerator<Message> {
  try {
    yield* replies
  } catch (error) {
    if (!isOf(error, kind)) throw error
    await instead()
  }
}

function isOf(error: unknown, kind: string): boolean {
  return error instanceof BusError && error.kind === kind
}

async function timedOut(options: RequestOptions): Promise<never> {
  await new Promise((resolve) => setTimeout(resolve, options.timeoutMs ?? 5000))
  throw new BusError('timeout', 'no reply')
}

export const requestFaults: readonly Fault[] = [
  {
    name: 'does not hear responders in other connections',
    fails: ['a request gets its reply, from the same connection and from another'],
    bend(sound) {
      const mine = new Set<string>()
      return {
        ...bentSubscriptions(sound, (_, patterns) => {
          mine.add(String(patterns))
          return {}
        }),
        request: (message, options) =>
          mine.has(message.subject) ? sound.request(message, options) : timedOut({timeoutMs: 1}),
      }
    },
  },
  {
    name: 'loses the headers of a reply',
    fails: ['request and reply carry headers and bytes'],
    bend: (sound) => bentReplies(sound, async (reply) => new Message('x', (await reply).payload)),
  },
  {
    name: 'treats an empty reply as no reply',
    fails: ['an empty reply is a reply'],
    bend: (sound) =>
      bentReplies(sound, async (reply) => ((await reply).payload.length > 0 ? reply : timedOut({timeoutMs: 1}))),
  },
  {
    name: 'matches replies to requests in order of arrival',
    fails: [
      'two hundred simultaneous requests each get their own reply, in whatever order they arrive',
      'the first reply counts, and later ones are ignored',
      'a late reply is ignored, and the next request gets its own',
    ],
    bend(sound, world) {
      const inbox = `_INBOX.shared.${world.connections.length}`
      const waiting: ((reply: Message) => void)[] = []
      const early: Message[] = []
      const listening = sound.subscribe(inbox).then((replies) => {
        void (async () => {
          for await (const reply of replies) (waiting.shift() ?? ((each) => void early.push(each)))(reply)
        })()
      })
      return {
        async request(message: Outgoing, options: RequestOptions = {}) {
          await listening
          const [first] = early.splice(0, 1)
          const reply = first ?? new Promise<Message>((resolve) => waiting.push(resolve))
          sound.publish({...message, reply: inbox})
          return Promise.race([reply, timedOut(options).finally(() => waiting.splice(0))])
        },
      }
    },
  },
  {
    name: 'holds all replies in one inbox, up to a limit',
    fails: ['the loop may be left early, and later replies are ignored', 'a slow loop over 70,000 replies misses none'],
    bend(sound, world) {
      const inbox = `_INBOX.shared.${world.connections.length}`
      const listening = sound.subscribe(inbox, {pendingLimit: 65_536})
      return {
        async *requestMany(message: Outgoing, {count = 1e9}: ManyOptions = {}) {
          const replies = await listening
          sound.publish({...message, reply: inbox})
          for (let i = 0; i < count; i++) yield* await replies.take(1)
        },
      }
    },
  },
  {
    name: 'ignores the timeout',
    fails: [
      'a request that is not answered fails with a timeout',
      'replies end without an error at the deadline, after those that arrived, if any',
    ],
    bend: (sound) => bentOptions(sound, ({timeoutMs, ...rest}) => ({...rest, timeoutMs: 60_000})),
  },
  {
    name: 'reports no responders only at the timeout',
    fails: [
      'a request that nobody serves fails immediately',
      'replies to a request that nobody serves fail immediately',
    ],
    bend: (sound) =>
      bentReplies(
        sound,
        (reply, options) => reply.catch((error) => (isOf(error, 'noResponders') ? timedOut(options) : reply)),
        (replies, options) => until(replies, 'noResponders', () => timedOut(options)),
      ),
  },
  {
    name: 'ignores signals',
    fails: [
      'a request ends with `interrupted` when its signal aborts, before or while it waits',
      'replies end with `interrupted` when the signal aborts, before or while they are awaited',
      'a signal that has already aborted prevents a subscription',
      'a signal that aborts later ends the subscription as `close` does',
    ],
    bend: (sound) => ({
      ...bentOptions(sound, ({signal, ...rest}) => rest),
      subscribe: (patterns, {signal, ...rest} = {}) => sound.subscribe(patterns, rest),
    }),
  },
  {
    name: 'forgets requests when it is closed',
    fails: ['closing the bus fails a request that waits', 'closing the bus fails a loop that waits for replies'],
    bend: (sound) =>
      bentReplies(
        sound,
        (reply) => reply.catch((error) => (isOf(error, 'usage') ? never() : reply)),
        (replies) => until(replies, 'usage', async () => {}),
      ),
  },
  {
    name: 'hides inbox messages',
    fails: ['a subscriber to everything sees request and reply'],
    bend: (sound) =>
      bentSubscriptions(sound, (subscription) => ({
        async take(max) {
          for (;;) {
            const taken = await subscription.take(max)
            const shown = taken.filter((message) => !message.subject.startsWith('_INBOX.'))
            if (taken.length === 0 || shown.length > 0) return shown
          }
        },
      })),
  },
  {
    name: 'ignores the number of replies',
    fails: ['replies end with their count, without further waiting'],
    bend: (sound) => bentOptions(sound, ({count, ...rest}) => rest),
  },
  {
    name: 'ignores the idle time',
    fails: ['replies end when none arrived for the idle time, which begins with the first'],
    bend: (sound) => bentOptions(sound, ({idleMs, ...rest}) => rest),
  },
  {
    name: 'starts the idle time with the request',
    fails: ['replies end when none arrived for the idle time, which begins with the first'],
    bend: (sound) => bentOptions(sound, (options) => ({...options, timeoutMs: options.idleMs ?? options.timeoutMs})),
  },
  {
    name: 'ignores an empty reply',
    fails: ['replies end with an empty one, which is not returned, if requested'],
    bend: (sound) => bentOptions(sound, ({untilEmpty, ...rest}) => rest),
  },
  {
    name: 'fails at the deadline for replies',
    fails: ['replies end without an error at the deadline, after those that arrived, if any'],
    bend: (sound) => ({
      async *requestMany(message, options) {
        yield* sound.requestMany(message, options)
        throw new BusError('timeout', 'no more replies')
      },
    }),
  },
  {
    name: 'treats an invalid subject as one that nobody serves',
    fails: ['an invalid subject of a request is refused'],
    bend: (sound) =>
      bentReplies(sound, (reply) =>
        reply.catch((error) => (isOf(error, 'usage') ? timedOut({timeoutMs: 1}) : Promise.reject(error))),
      ),
  },
]
