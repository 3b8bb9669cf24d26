import type {Outgoing} from '../../../../src/lib/core/message.ts'
import type {Transport} from '../../../../src/lib/transport/contract.ts'
import {
  type Stored,
  type StoredBatch,
  type StreamPublisher,
  type Streams,
  storeHeaders,
} from '../../../../src/lib/transport/streams-contract.ts'
import {bentMessages, type Fault, later, never} from '../../faulty.ts'
import {bentPublisher, bentStoring, bentStreams} from './bending.ts'

/** Stores a message without one of its headers. */
function deaf(sound: Transport, header: string): Partial<Transport> {
  const strip = (message: Outgoing) => ({...message, headers: message.headers?.filter(([name]) => name !== header)})
  return {...bentStoring(sound, strip), publish: (message) => sound.publish(strip(message))}
}

/** Publishers that behave differently in some respect. */
function bentPublishers(
  sound: Transport,
  change: (publisher: StreamPublisher) => Partial<StreamPublisher>,
): Partial<Transport> {
  return bentStreams(sound, (streams) => ({
    publisher(options) {
      const publisher = streams.publisher(options)
      return bentPublisher(publisher, change(publisher))
    },
  }))
}

async function oneByOne(streams: Streams, messages: readonly Outgoing[]): Promise<StoredBatch> {
  let last: Stored = {stream: '', seq: 0, duplicate: false}
  for (const message of messages) last = await streams.publish(message)
  return {stream: last.stream, seq: last.seq, count: messages.length}
}

/** Faults in storing messages. */
export const storingFaults: readonly Fault[] = [
  {
    name: 'acknowledges every message as the first',
    fails: ['a stream acknowledges stored messages, with growing sequences'],
    bend: (sound) =>
      bentStreams(sound, (streams) => ({
        publish: async (message) => ({...(await streams.publish(message)), seq: 1}),
      })),
  },
  {
    name: 'acknowledges messages that were not stored',
    fails: [
      'a message that no stream stores fails, and the subject is named',
      'an invalid message to store is refused',
      'a message that expects another last sequence is refused',
    ],
    bend: (sound) =>
      bentStreams(sound, (streams) => ({
        publish: (message) => streams.publish(message).catch(() => ({stream: 'A', seq: 1, duplicate: false})),
      })),
  },
  {
    name: 'does not report refused messages',
    fails: ['a publisher that reports each refused message stores the others, and its flush does not fail'],
    bend: (sound) =>
      bentStreams(sound, ({publisher}) => ({publisher: (options) => publisher({...options, onRefused: () => {}})})),
  },
  {
    name: 'stores only messages published with acknowledgement',
    fails: ['a plain publish is stored too, in order, and its message id is obeyed'],
    bend: () => ({publish() {}}),
  },
  {
    name: 'stores plainly published messages a moment later',
    fails: ['messages of a connection published plainly are stored before later ones with an acknowledgement'],
    bend: (sound) => ({publish: (message) => later(5, () => sound.publish(message))}),
  },
  {
    name: 'does not deliver stored messages to subscribers',
    fails: ['subscribers get stored messages as well'],
    bend: (sound) => bentMessages(sound, () => []),
  },
  {
    name: 'ignores message ids',
    fails: [
      'a message with the id of a stored one is a duplicate of it, in its stream only',
      'a plain publish is stored too, in order, and its message id is obeyed',
      'a publisher counts duplicates',
      'of several messages that expect the same last sequence, or have the same id, one is stored',
    ],
    bend: (sound) => deaf(sound, storeHeaders.msgId),
  },
  {
    name: 'ignores the expected last sequence',
    fails: ['a message that expects another last sequence is refused'],
    bend: (sound) => deaf(sound, storeHeaders.expectedLastSeq),
  },
  {
    name: 'ignores the expected last message of a subject',
    fails: ['a message that expects another last message of its subject is refused'],
    bend: (sound) => deaf(sound, storeHeaders.expectedLastSubjectSeq),
  },
  {
    name: 'treats an expectation about a subject as one about the stream',
    fails: ['the first message may expect that the stream is empty'],
    bend: (sound) =>
      bentStoring(sound, (message) => ({
        ...message,
        headers: message.headers?.map(([name, value]) => [
          name === storeHeaders.expectedLastSubjectSeq ? storeHeaders.expectedLastSeq : name,
          value,
        ]),
      })),
  },
  {
    name: 'ignores the expected last message id',
    fails: ['a message that expects another last message id is refused'],
    bend: (sound) => deaf(sound, storeHeaders.expectedLastMsgId),
  },
  {
    name: 'ignores the expected stream',
    fails: ['a message that expects another stream is refused'],
    bend: (sound) => deaf(sound, storeHeaders.expectedStream),
  },
  {
    name: 'stores bytes as text',
    fails: [
      'a stored message is the published one, with headers and every byte',
      'a delivery is the published message, with headers and every byte',
    ],
    bend: (sound) => bentStoring(sound, (message) => ({...message, data: Buffer.from(message.data ?? '').toString()})),
  },
  {
    name: 'reports no acknowledgement',
    fails: ['a publisher stores in order and reports each acknowledgement'],
    bend: (sound) =>
      bentStreams(sound, (streams) => ({
        publisher: (options) => streams.publisher({...options, onStored: undefined}),
      })),
  },
  {
    name: 'never makes a publisher wait',
    fails: ['a publisher returns a promise when its window is full'],
    bend: (sound) => bentPublishers(sound, (publisher) => ({push: (message) => void publisher.push(message)})),
  },
  {
    name: 'never ends a flush of a publisher that pushed nothing',
    fails: ['a flush with nothing pushed resolves, also several times'],
    bend: (sound) =>
      bentPublishers(sound, (publisher) => ({
        flush: () => (publisher.last === undefined ? never() : publisher.flush()),
      })),
  },
  {
    name: 'counts no duplicates',
    fails: ['a publisher counts duplicates'],
    bend: (sound) => bentPublishers(sound, () => ({duplicates: 0})),
  },
  {
    name: 'ignores a failure of a publisher',
    fails: [
      'the first message that a stream refuses fails the flush and is named by its index',
      'a message of a publisher that no stream stores fails the flush and is named by its index',
    ],
    bend: (sound) => bentPublishers(sound, (publisher) => ({flush: () => publisher.flush().catch(() => {})})),
  },
  {
    name: 'stores the messages of a batch one by one',
    fails: [
      'a batch is stored in order, with consecutive sequences and the headers of a batch',
      'nothing of a batch is stored if the stream refuses one of its messages',
      'a batch has 1 to 1,000 messages without headers of a batch',
      'a batch is refused by a stream that does not accept any, and for subjects of other streams',
    ],
    bend: (sound) => bentStreams(sound, (streams) => ({publishBatch: (messages) => oneByOne(streams, messages)})),
  },
  {
    name: 'stores a batch without the headers of its messages',
    fails: [
      'expected sequences of a batch are those before it',
      'a batch rolls up earlier messages, subscribers get its messages, and readers see all of it',
    ],
    bend: (sound) =>
      bentStreams(sound, ({publishBatch}) => ({
        publishBatch: (messages) => publishBatch(messages.map(({subject, data}) => ({subject, data}))),
      })),
  },
  {
    name: 'ignores an invalid message of a publisher',
    fails: ['a publisher refuses an invalid message immediately and continues with the next'],
    bend: (sound) =>
      bentPublishers(sound, (publisher) => ({
        push(message) {
          try {
            return publisher.push(message)
          } catch {
            return undefined
          }
        },
      })),
  },
]
