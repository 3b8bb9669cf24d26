import type {StreamInfo} from '../../../../src/lib/transport/streams-contract.ts'
import {storeHeaders} from '../../../../src/lib/transport/streams-contract.ts'
import type {Fault} from '../../faulty.ts'
import {bentConsumers, bentStoring, bentStreams} from './bending.ts'

/** The information about a stream with a retention that it does not have. */
function claiming(info: StreamInfo, retention: StreamInfo['config']['retention'] | undefined): StreamInfo {
  return {...info, config: {...info.config, ...(retention !== undefined && {retention})}}
}

export const retentionFaults: readonly Fault[] = [
  {
    name: 'retention is reported and not heeded',
    fails: [
      'a work queue removes a message when it is acknowledged or terminated, and no other one',
      'a work queue whose messages are all acknowledged is empty, and continues',
      'a work queue keeps a message that reached its limit of deliveries, and removes it by a late acknowledgement',
      'the consumers of a work queue have explicit acknowledgements, all messages, and filters that do not overlap',
      'the retention of a stream changes between limits and interest, and not to or from a work queue',
      'with retention interest, a message that no consumer wants is acknowledged, and not kept',
      'with retention interest, a message is removed when every consumer that wants it has acknowledged it',
      'with retention interest, an acknowledgement of all covers earlier messages, and without any a delivery counts',
      'with retention interest, a consumer needs a message that reached its limit of deliveries until it is removed',
    ],
    bend: (sound) =>
      bentStreams(sound, (streams) => ({
        add: async ({retention, ...settings}) => claiming(await streams.add(settings), retention),
        update: async (stream, {retention, ...changes}) => claiming(await streams.update(stream, changes), retention),
      })),
  },
  {
    name: 'the removal of a consumer purges its stream',
    fails: ['the removal of a consumer removes no message of a work queue, and the next one gets them all'],
    bend: (sound) =>
      bentConsumers(sound, (consumers) => ({
        async remove(stream, consumer) {
          await consumers.remove(stream, consumer)
          await sound.streams.purge(stream)
        },
      })),
  },
  {
    name: 'TTLs are ignored',
    fails: [
      'a stream that does not allow TTLs refuses them, and so does every stream an invalid one',
      'a message is removed when its TTL is over, and nothing else',
      'what has expired is not delivered to a consumer that was there before',
      'a message that never expires stays at the maximum age of its stream, and a longer TTL does not extend that',
      'the last message of a subject that expires leaves a marker, which expires as well',
      'TTLs can be allowed later, and not be refused again',
    ],
    bend: (sound) =>
      bentStoring(sound, ({headers = [], ...message}) => ({
        ...message,
        headers: headers.filter(([name]) => name !== storeHeaders.ttl),
      })),
  },
]
