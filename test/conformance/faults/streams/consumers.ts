import type {Transport} from '../../../../src/lib/transport/contract.ts'
import type {ConsumerInfo, ConsumerSettings, Consumers} from '../../../../src/lib/transport/streams-contract.ts'
import type {Fault} from '../../faulty.ts'
import {bentConsumers} from './bending.ts'

/** Makes another consumer than the one that is asked for. */
function misconfigured(sound: Transport, change: (settings: ConsumerSettings) => ConsumerSettings): Partial<Transport> {
  return bentConsumers(sound, ({add}) => ({add: (stream, settings) => add(stream, change(settings))}))
}

function bentConsume(sound: Transport, consume: (consumers: Consumers) => Consumers['consume']): Partial<Transport> {
  return bentConsumers(sound, (consumers) => ({consume: consume(consumers)}))
}

/** What consumers there are, and where they are. */
export const consumerFaults: readonly Fault[] = [
  {
    name: 'gives a consumer a minute to acknowledge',
    fails: ['a consumer is made with its defaults filled in, and is as new'],
    bend: (sound) =>
      bentConsumers(sound, ({add}) => ({
        async add(stream, settings): Promise<ConsumerInfo> {
          const info = await add(stream, settings)
          return {...info, config: {...info.config, ackWaitMs: 60_000}}
        },
      })),
  },
  {
    name: 'heeds no setting of a consumer but its name',
    fails: [
      'every setting of a consumer is kept, for other connections too',
      'a consumer of a name that is taken with other settings is refused, and the first stays as it was',
      'a bad name or bad settings of a consumer are refused, and nothing is made',
      'a consumer begins where its policy says',
      'a consumer of new messages gets what comes after it was made, not after it is read',
      'a consumer gets only what its filter matches, from where it begins',
      'a consumer with several filters gets what one of them matches, or says that the server is too old',
      'on a consumer that acknowledges all, one acknowledgement stands for those before it',
      'a consumer without acknowledgements delivers each message once',
      'no more are in flight than the consumer allows, over all its members',
      'with one message in flight at a time they arrive strictly one after another',
      'what is not acknowledged in time is delivered again, and counted',
      'what another member does not acknowledge comes to those that are there',
      'a message is delivered so often and no more, and others go on',
      'the waits of a back-off come one after another, and the last one stays',
      'a reset keeps the configuration and goes past what is gone, by the filters',
    ],
    bend: (sound) => misconfigured(sound, ({name}) => ({name})),
  },
  {
    name: 'makes a new consumer when it is added again',
    fails: [
      'adding a consumer again with the same settings answers it as it is',
      'a consumer of a name that is taken with other settings is refused, and the first stays as it was',
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
    name: 'lists consumers as they come',
    fails: ['consumers are listed by name, and a removed one is gone'],
    bend: (sound) => bentConsumers(sound, ({list}) => ({list: async (stream) => [...(await list(stream))].reverse()})),
  },
  {
    name: 'lets removed consumers live on',
    fails: [
      'consumers are listed by name, and a removed one is gone',
      'a consumer that is removed fails its members, and so does its stream',
    ],
    bend: (sound) => bentConsumers(sound, () => ({async remove() {}})),
  },
  {
    name: 'begins a consumer with what comes next',
    fails: [
      'a consumer that is made late gets the first message, with all that a delivery tells',
      'a consumer begins where its policy says',
    ],
    bend: (sound) => misconfigured(sound, (settings) => ({...settings, deliver: 'new'})),
  },
  {
    name: 'begins a consumer of new messages when it is read',
    fails: ['a consumer of new messages gets what comes after it was made, not after it is read'],
    bend: (sound) =>
      bentConsume(sound, ({consume, reset}) => async (stream, consumer, options) => {
        await reset(stream, consumer, undefined)
        return consume(stream, consumer, options)
      }),
  },
  {
    name: 'lets one acknowledgement stand for all before it',
    fails: [
      'the acknowledgement floor rises only over what is acknowledged without a gap',
      'what is not acknowledged in time is delivered again, and counted',
    ],
    bend: (sound) => misconfigured(sound, (settings) => ({...settings, ack: 'all'})),
  },
  {
    name: 'waits for each acknowledgement as long as for the first',
    fails: ['the waits of a back-off come one after another, and the last one stays'],
    bend: (sound) => misconfigured(sound, ({backoffMs, ...settings}) => ({...settings, ackWaitMs: backoffMs?.[0]})),
  },
  {
    name: 'starts again with each connection',
    fails: ['a consumer resumes where the connection before it stopped'],
    bend: (sound) =>
      bentConsume(sound, ({consume, reset}) => async (stream, consumer, options) => {
        await reset(stream, consumer, {seq: 1})
        return consume(stream, consumer, options)
      }),
  },
  {
    name: 'gives everything to each member',
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
    name: 'takes all consumers of a stream for one',
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
    name: 'claims more than a member wants',
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
      'after a reset nothing from where it begins counts as acknowledged',
      'a consumer is moved to the first message, a sequence, a number of last messages, or the end',
      'a consumer is moved to a time',
      'a reset keeps the configuration and goes past what is gone, by the filters',
      'a reset forgets what is in flight: it is delivered as if for the first time',
    ],
    bend: (sound) => bentConsumers(sound, ({info}) => ({reset: (stream, consumer) => info(stream, consumer)})),
  },
]
