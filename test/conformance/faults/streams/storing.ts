import type {Outgoing} from '../../../../src/lib/core/message.ts'
import type {Transport} from '../../../../src/lib/transport/contract.ts'
import {type StreamPublisher, storeHeaders} from '../../../../src/lib/transport/streams-contract.ts'
import {bentMessages, type Fault, later, never} from '../../faulty.ts'
import {bentPublisher, bentStoring, bentStreams} from './bending.ts'

/** Stores a message without one of its headers. */
function deaf(sound: Transport, header: string): Partial<Transport> {
  const strip = (message: Outgoing) => ({...message, headers: message.headers?.filter(([name]) => name !== header)})
  return {...bentStoring(sound, strip), publish: (message) => sound.publish(strip(message))}
}

/** Publishers that do some things otherwise. */
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

/** How messages come into a stream. */
export const storingFaults: readonly Fault[] = [
  {
    name: 'acknowledges every message as the first',
    fails: ['a stream acknowledges what it stored, with sequences that grow'],
    bend: (sound) =>
      bentStreams(sound, (streams) => ({
        publish: async (message) => ({...(await streams.publish(message)), seq: 1}),
      })),
  },
  {
    name: 'acknowledges what was not stored',
    fails: [
      'what no stream keeps is not stored, and the subject is named',
      'a bad message to store is refused',
      'a message that expects another last sequence is refused',
    ],
    bend: (sound) =>
      bentStreams(sound, (streams) => ({
        publish: (message) => streams.publish(message).catch(() => ({stream: 'A', seq: 1, duplicate: false})),
      })),
  },
  {
    name: 'tells nobody of the messages that were refused',
    fails: ['a publisher that tells of each refused message stores the others, and its flush does not fail'],
    bend: (sound) =>
      bentStreams(sound, ({publisher}) => ({publisher: (options) => publisher({...options, onRefused: () => {}})})),
  },
  {
    name: 'stores only what asks for an acknowledgement',
    fails: ['a plain publish is stored too, in order, and its message id is obeyed'],
    bend: () => ({publish() {}}),
  },
  {
    name: 'stores what is published plainly a moment later',
    fails: ['what a connection publishes plainly is stored before what it publishes then with an acknowledgement'],
    bend: (sound) => ({publish: (message) => later(5, () => sound.publish(message))}),
  },
  {
    name: 'shows subscribers nothing of what it stores',
    fails: ['who subscribes gets what is stored as well'],
    bend: (sound) => bentMessages(sound, () => []),
  },
  {
    name: 'does not look at message ids',
    fails: [
      'a message whose id was stored before is a duplicate of it, in its stream only',
      'a plain publish is stored too, in order, and its message id is obeyed',
      'a publisher counts duplicates',
      'of several who expect the same last sequence, or give the same id, one is stored',
    ],
    bend: (sound) => deaf(sound, storeHeaders.msgId),
  },
  {
    name: 'does not look at the expected last sequence',
    fails: ['a message that expects another last sequence is refused'],
    bend: (sound) => deaf(sound, storeHeaders.expectedLastSeq),
  },
  {
    name: 'does not look at the expected last message of a subject',
    fails: ['a message that expects another last message of its subject is refused'],
    bend: (sound) => deaf(sound, storeHeaders.expectedLastSubjectSeq),
  },
  {
    name: 'takes what is expected of a subject for what is expected of the stream',
    fails: ['the first message may expect that there is none before it'],
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
    name: 'does not look at the expected last message id',
    fails: ['a message that expects another last message id is refused'],
    bend: (sound) => deaf(sound, storeHeaders.expectedLastMsgId),
  },
  {
    name: 'does not look at the expected stream',
    fails: ['a message that expects another stream is refused'],
    bend: (sound) => deaf(sound, storeHeaders.expectedStream),
  },
  {
    name: 'stores bytes as text',
    fails: [
      'a stored message is as it was published, headers and every byte',
      'a delivery is as it was published, headers and every byte',
    ],
    bend: (sound) => bentStoring(sound, (message) => ({...message, data: Buffer.from(message.data ?? '').toString()})),
  },
  {
    name: 'tells of no acknowledgement',
    fails: ['a publisher stores in order and tells of each acknowledgement'],
    bend: (sound) =>
      bentStreams(sound, (streams) => ({
        publisher: (options) => streams.publisher({...options, onStored: undefined}),
      })),
  },
  {
    name: 'never asks a publisher to wait',
    fails: ['a publisher asks to wait when its window is full'],
    bend: (sound) => bentPublishers(sound, (publisher) => ({push: (message) => void publisher.push(message)})),
  },
  {
    name: 'never ends a flush of a publisher who pushed nothing',
    fails: ['a flush with nothing pushed resolves, and one after another'],
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
    name: 'lets a failure of a publisher go unseen',
    fails: [
      'the first message that a stream refuses fails the flush and is named by its index',
      'a message of a publisher that no stream keeps fails the flush and is named by its index',
    ],
    bend: (sound) => bentPublishers(sound, (publisher) => ({flush: () => publisher.flush().catch(() => {})})),
  },
  {
    name: 'lets a bad message of a publisher go unseen',
    fails: ['a publisher refuses a bad message at once and continues with the next'],
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
