import type {Transport} from '../../../../src/lib/transport/contract.ts'
import type {ConsumerInfo, ConsumerSettings, Consumers} from '../../../../src/lib/transport/streams-contract.ts'
import type {Fault} from '../../faulty.ts'
import {bentConsumers} from './bending.ts'

/** Creates a consumer other than the requested one. */
function misconfigured(sound: Transport, change: (settings: ConsumerSettings) => ConsumerSettings): Partial<Transport> {
  return bentConsumers(sound, ({add}) => ({add: (stream, settings) => add(stream, change(settings))}))
}

function bentConsume(sound: Transport, consume: (consumers: Consumers) => Consumers['consume']): Partial<Transport> {
  return bentConsumers(sound, (consumers) => ({consume: consume(consumers)}))
}

/** Faults in consumers and their positions. */
export const consumerFaults: readonly Fault[] = [
  {
    name: 'sets every ack wait to a minute',
    fails: ['a consumer is created with its defaults filled in, and without progress'],
    bend: (sound) =>
      bentConsumers(sound, ({add}) => ({
        async add(stream, settings): Promise<ConsumerInfo> {
          const info = await add(stream, settings)
          return {...info, config: {...info.config, ackWaitMs: 60_000}}
        },
      })),
  },
  {
    name: 'ignores all settings of a consumer except its name',
    fails: [
      'every setting of a consumer is stored, for other connections too',
      'a consumer with the name of another one and different settings is refused, and the first is unchanged',
      'an invalid name or invalid settings of a consumer are refused, and nothing is created',
      'a consumer starts where its deliver policy says',
      'a consumer of new messages gets those stored after its creation, not after the first take',
      'a consumer gets only messages that match its filter, from its start on',
      'a consumer with several filters gets messages that match one of them, or fails because the server is too old',
      'with ack policy all, one acknowledgement covers earlier messages',
      'a consumer without acknowledgements delivers each message once',
      'no more messages are in flight than the consumer allows, over all its members',
      'with one message in flight at a time, messages arrive strictly one after another',
      'a message not acknowledged in time is redelivered, and counted',
      'a message that another member does not acknowledge is redelivered to the remaining members',
      'a message is delivered up to the maximum and no more, and others continue',
      'the waits of a back-off follow each other, and the last one is repeated',
      'a reset keeps the configuration, and skips removed messages by the filters',
    ],
    bend: (sound) => misconfigured(sound, ({name}) => ({name})),
  },
  {
    name: 'creates a new consumer when it is added again',
    fails: [
      'adding a consumer again with the same settings returns the existing one',
      'a consumer with the name of another one and different settings is refused, and the first is unchanged',
    ],
    bend: (sound) =>
      bentConsumers(sound, ({add, remove}) => ({
        async add(stream, settings) {
          await remove(stream, settings.name).catch(() => {})
          return add(stream, settings)
        },
      })),
  },
  {
    name: 'lists consumers without sorting them',
    fails: ['consumers are listed by name, and a removed one is gone'],
    bend: (sound) => bentConsumers(sound, ({list}) => ({list: async (stream) => [...(await list(stream))].reverse()})),
  },
  {
    name: 'keeps removed consumers',
    fails: [
      'consumers are listed by name, and a removed one is gone',
      'a removed consumer fails its members, and so does a removed stream',
    ],
    bend: (sound) => bentConsumers(sound, () => ({async remove() {}})),
  },
  {
    name: 'starts every consumer at the end',
    fails: [
      'a consumer created late gets the first message, with all properties of a delivery',
      'a consumer starts where its deliver policy says',
    ],
    bend: (sound) => misconfigured(sound, (settings) => ({...settings, deliver: 'new'})),
  },
  {
    name: 'starts a consumer at the first message if its start is after the end',
    fails: ['a consumer whose start is after the end gets the next message'],
    bend: (sound) =>
      misconfigured(sound, ({deliver, ...settings}) => {
        const isFar = typeof deliver === 'object' && 'seq' in deliver && deliver.seq > 1000
        return {...settings, deliver: isFar ? 'all' : deliver}
      }),
  },
  {
    name: 'starts a consumer of new messages at the first take',
    fails: ['a consumer of new messages gets those stored after its creation, not after the first take'],
    bend: (sound) =>
      bentConsume(sound, ({consume, reset}) => async (stream, consumer, options) => {
        await reset(stream, consumer, undefined)
        return consume(stream, consumer, options)
      }),
  },
  {
    name: 'lets one acknowledgement cover all earlier ones',
    fails: [
      'the ack floor advances only over messages acknowledged without a gap',
      'a message not acknowledged in time is redelivered, and counted',
    ],
    bend: (sound) => misconfigured(sound, (settings) => ({...settings, ack: 'all'})),
  },
  {
    name: 'reports an ack floor that does not advance',
    fails: [
      'a consumer of the last message of each subject has acknowledged everything once it has acknowledged these',
      'the ack floor advances only over messages acknowledged without a gap',
    ],
    bend: (sound) =>
      bentConsumers(sound, ({info}) => ({info: async (...args) => ({...(await info(...args)), ackFloor: 0})})),
  },
  {
    name: 'ignores the back-off',
    fails: ['the waits of a back-off follow each other, and the last one is repeated'],
    bend: (sound) => misconfigured(sound, ({backoffMs, ...settings}) => ({...settings, ackWaitMs: backoffMs?.[0]})),
  },
  {
    name: 'starts again with each connection',
    fails: ['a consumer resumes where the previous connection stopped'],
    bend: (sound) =>
      bentConsume(sound, ({consume, reset}) => async (stream, consumer, options) => {
        await reset(stream, consumer, {seq: 1})
        return consume(stream, consumer, options)
      }),
  },
  {
    name: 'delivers everything to each member',
    fails: [
      'members of a consumer share its messages, each going to one of them',
      'a member that wants a number of messages claims no more and ends with them',
    ],
    bend(sound, {memory}) {
      return bentConsume(sound, ({add, consume, info}) => async (stream, consumer, options) => {
        const count = ((memory.get('members') ?? 0) as number) + 1
        memory.set('members', count)
        const {config} = await info(stream, consumer)
        await add(stream, {...config, name: `${consumer}${count}`})
        return consume(stream, `${consumer}${count}`, options)
      })
    },
  },
  {
    name: 'treats all consumers of a stream as one',
    fails: ['two consumers of a stream each get everything'],
    bend: (sound) =>
      bentConsume(
        sound,
        ({consume}) =>
          (stream, _consumer, options) =>
            consume(stream, 'c', options),
      ),
  },
  {
    name: 'claims more messages than a member wants',
    fails: ['a member that wants a number of messages claims no more and ends with them'],
    bend: (sound) =>
      bentConsume(sound, ({consume}) => (stream, consumer, options) => {
        return consume(stream, consumer, {...options, max: undefined})
      }),
  },
  {
    name: 'does not end a member with its signal',
    fails: ['a wait for deliveries ends with a close, a signal and the bus'],
    bend: (sound) =>
      bentConsume(sound, ({consume}) => (stream, consumer, options) => {
        return consume(stream, consumer, {...options, signal: undefined})
      }),
  },
  {
    name: 'moves no consumer',
    fails: [
      'after a reset nothing from the new position on counts as acknowledged',
      'a consumer is moved to the first message, a sequence, the last N messages, or the end',
      'a position after the end is the end: later messages are not skipped',
      'after a reset the ack floor and the last delivery are below the position, and not below what precedes it',
      'a consumer is moved to a time',
      'a reset keeps the configuration, and skips removed messages by the filters',
      'a reset forgets messages in flight: they are delivered as if for the first time',
    ],
    bend: (sound) => bentConsumers(sound, ({info}) => ({reset: (stream, consumer) => info(stream, consumer)})),
  },
]
