import type {Fault} from '../../faulty.ts'
import {bentConsumers, bentStreams} from './bending.ts'

/** Faults in changes of streams and consumers, and in the options that restrict them. */
export const changingFaults: readonly Fault[] = [
  {
    name: 'changes nothing of a stream',
    fails: [
      'settings of a stream are changed, for other connections too, and the others stay',
      'messages beyond a new limit of a stream are removed',
      'a change that is not possible is refused, and the stream is unchanged',
      'a sealed stream refuses messages, purges and changes',
    ],
    bend: (sound) => bentStreams(sound, ({info}) => ({update: (stream) => info(stream)})),
  },
  {
    name: 'erases no message',
    fails: ['a single message is erased, and the last message of its subject is another one'],
    bend: (sound) => bentStreams(sound, () => ({erase: async () => {}})),
  },
  {
    name: 'changes nothing of a consumer',
    fails: ['settings of a consumer are changed, and the others stay'],
    bend: (sound) => bentConsumers(sound, ({info}) => ({update: (stream, consumer) => info(stream, consumer)})),
  },
  {
    name: 'does not pause a consumer',
    fails: ['a paused consumer delivers nothing until it is resumed or the time has come'],
    bend: (sound) => bentConsumers(sound, ({info}) => ({pause: (stream, consumer) => info(stream, consumer)})),
  },
  {
    name: 'ignores the less common options of a stream',
    fails: [
      'a stream that denies purging keeps its messages',
      'a stream that discards new messages per subject refuses them at the limit of their subject',
      'a message with a rollup of its subject replaces the earlier ones of the subject',
      'a message with a rollup of everything replaces all earlier messages',
      'messages that are sent together replace each other',
      'a rollup is refused by a stream that does not allow it, and with another value',
      'metadata of a stream is stored, and may differ when it is added again without any',
    ],
    bend: (sound) =>
      bentStreams(sound, ({add}) => ({
        add({allowRollup: _1, denyPurge: _2, discardNewPerSubject: _3, metadata: _4, ...settings}) {
          return add(settings)
        },
      })),
  },
]
