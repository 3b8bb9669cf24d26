import type {Fault} from '../../faulty.ts'
import {bentConsumers, bentMembers} from './bending.ts'

/** Faults in the reports of messages that are no longer delivered. */
export const failingFaults: readonly Fault[] = [
  {
    name: 'settles terminated messages without a report',
    fails: [
      'an advisory is published for each message that reached the limit of deliveries or was terminated',
      'failed messages are listed with their reasons, until they are forgotten',
      'a bus keeps a copy of a failed message that is no longer in the stream',
    ],
    bend: (sound) => bentMembers(sound, (member) => ({term: (delivery) => member.ack(delivery)})),
  },
  {
    name: 'loses the reason of a termination',
    fails: ['failed messages are listed with their reasons, until they are forgotten'],
    bend: (sound) => bentMembers(sound, (member) => ({term: (delivery) => member.term(delivery)})),
  },
  {
    name: 'lists failed messages for ever',
    fails: ['failed messages are listed with their reasons, until they are forgotten'],
    bend: (sound) => bentConsumers(sound, () => ({forget: async () => undefined})),
  },
  {
    name: 'lists failed messages from the start each time',
    fails: ['failed messages are listed with their reasons, until they are forgotten'],
    bend: (sound) =>
      bentConsumers(sound, ({failures}) => ({failures: (stream, consumer) => failures(stream, consumer, 0)})),
  },
  {
    name: 'forgets failed messages with their stream',
    fails: ['a bus keeps a copy of a failed message that is no longer in the stream'],
    bend: (sound) =>
      bentConsumers(sound, ({failures}) => ({
        failures: async (...args) => (await failures(...args)).filter(({isThere}) => isThere),
      })),
  },
  {
    name: 'lists failed messages, and says that it does not',
    fails: ['without a list of failed messages, asking for it is refused'],
    bend: (sound) => ({features: {...sound.features, failures: false}}),
  },
]
