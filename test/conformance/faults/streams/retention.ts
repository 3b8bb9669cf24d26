import type {StreamInfo} from '../../../../src/lib/transport/streams-contract.ts'
import {storeHeaders} from '../../../../src/lib/transport/streams-contract.ts'
import type {Fault} from '../../faulty.ts'
import {bentConsumers, bentStoring, bentStreams} from './bending.ts'

/** The information about a stream, with another retention. */
function claiming(info: StreamInfo, retention: StreamInfo['config']['retention'] | undefined): StreamInfo {
  return {...info, config: {...info.config, ...(retention !== undefined && {retention})}}
}

export const retentionFaults: readonly Fault[] = [
  {
    name: 'reports retention and ignores it',
    fails: [
      'a work queue removes a message when it is acknowledged or terminated, and not otherwise',
      'a work queue whose messages are all acknowledged is empty, and continues',
      'a work queue keeps a message that reached its limit of deliveries, and removes it after a late acknowledgement',
      'the consumers of a work queue need explicit acks, deliver policy all, and filters that do not overlap',
      'the retention of a stream can be changed between limits and interest, but not to or from workqueue',
      'with retention interest, a message that no consumer wants is acknowledged, and not kept',
      'with retention interest, a message is removed when every consumer that wants it has acknowledged it',
      'with retention interest, ack policy all covers earlier messages, and with ack policy none a delivery is enough',
      'with retention interest, a consumer needs a message that reached its limit of deliveries until it is removed',
    ],
    bend: (sound) =>
      bentStreams(sound, (streams) => ({
        add: async ({retention, ...settings}) => claiming(await streams.add(settings), retention),
        update: async (stream, {retention, ...changes}) => claiming(await streams.update(stream, changes), retention),
      })),
  },
  {
    name: 'purges a stream when a consumer is removed',
    fails: ['removing a consumer of a work queue removes no message, and the next consumer gets them all'],
    bend: (sound) =>
      bentConsumers(sound, (consumers) => ({
        async remove(stream, consumer) {
          await consumers.remove(stream, consumer)
          await sound.streams.purge(stream)
        },
      })),
  },
  {
    name: 'ignores TTLs',
    fails: [
      'a stream that does not allow TTLs refuses them, and every stream refuses an invalid one',
      'a message is removed when its TTL is over, and other messages stay',
      'an expired message is not delivered, even to a consumer that is older than the message',
      'a message that never expires outlives the maximum age of its stream, and one with a longer TTL does not',
      'a marker replaces the last message of a subject when it expires, and expires as well',
      'TTLs can be allowed later, but not be turned off again',
    ],
    bend: (sound) =>
      bentStoring(sound, ({headers = [], ...message}) => ({
        ...message,
        headers: headers.filter(([name]) => name !== storeHeaders.ttl),
      })),
  },
]
