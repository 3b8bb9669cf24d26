import type {Transport} from '../../../../src/lib/transport/contract.ts'
import type {ReadOptions, Streams} from '../../../../src/lib/transport/streams-contract.ts'
import {bent, type Fault, never} from '../../faulty.ts'
import {bentReading, bentStreams} from './bending.ts'

/** Reads a range other than the requested one. */
function misread(sound: Transport, change: (range: ReadOptions) => ReadOptions): Partial<Transport> {
  return bentStreams(sound, ({read}) => ({read: (stream, range = {}) => read(stream, change(range))}))
}

function bentRead(sound: Transport, read: (streams: Streams) => Streams['read']): Partial<Transport> {
  return bentStreams(sound, (streams) => ({read: read(streams)}))
}

/** Faults in reading a stream. */
export const readingFaults: readonly Fault[] = [
  {
    name: 'gets nothing directly',
    fails: ['a message that any replica may answer is the same, or also missing'],
    bend: (sound) =>
      bentStreams(sound, ({get, last}) => ({
        get: (stream, seq, options) => get(stream, options?.direct ? seq + 1 : seq, options),
        last: (stream, pattern, options) => (options?.direct ? last(stream, 'none') : last(stream, pattern, options)),
      })),
  },
  {
    name: 'leaves out messages whose payloads are not needed',
    fails: ['a read that needs no payloads has all messages, with their headers and sizes'],
    bend: (sound) =>
      misread(sound, ({withoutPayload, ...range}) => (withoutPayload ? {...range, filters: ['a.2']} : range)),
  },
  {
    name: 'reads from the first message, ignoring the start',
    fails: [
      'ten thousand messages are read in order, by loop and by batch',
      'a read starts at a sequence, or at the next existing one',
      'a read starts at a time, or at the first message after it',
      'a read starts at the last N messages, of those that match',
      'a read with follow may start at the end',
    ],
    bend: (sound) => misread(sound, ({from, ...range}) => range),
  },
  {
    name: 'reads to the end, ignoring the given end',
    fails: ['a read ends with a sequence', 'a read ends before a time'],
    bend: (sound) => misread(sound, ({to, ...range}) => range),
  },
  {
    name: 'ignores the filters of a read',
    fails: [
      'a read returns only messages that match one of its filters, each once',
      'a read starts at the last N messages, of those that match',
    ],
    bend: (sound) => misread(sound, ({filters, ...range}) => range),
  },
  {
    name: 'reads all messages instead of the last of each subject',
    fails: ['a read may return only the last message of each subject', 'an invalid range to read is refused'],
    bend: (sound) => misread(sound, ({lastPerSubject, ...range}) => range),
  },
  {
    name: 'ends a read that should follow',
    fails: [
      'a read with follow continues with messages stored later',
      'nothing is lost or duplicated between stored and new messages',
      'a read with follow continues over a purge',
    ],
    bend: (sound) => misread(sound, ({follow, ...range}) => range),
  },
  {
    name: 'does not end a read with its signal',
    fails: [
      'a read ends when it is closed, drained or left, when its signal aborts, and with its bus',
      'a signal that has already aborted reads nothing',
    ],
    bend: (sound) => misread(sound, ({signal, ...range}) => range),
  },
  {
    name: 'reads each message twice',
    fails: [
      'a stream is read from its first message to its end, and again',
      'nothing is lost or duplicated between stored and new messages',
      'a read of a stream that is purged meanwhile ends, in order',
    ],
    bend: (sound) =>
      bentReading(sound, (subscription) => ({
        take: async (max) => (await subscription.take(max)).flatMap((message) => [message, message]),
      })),
  },
  {
    name: 'never ends a read',
    fails: ['a read of an empty stream ends immediately', 'a read of a stream that is purged meanwhile ends, in order'],
    bend: (sound) =>
      bentReading(sound, (subscription) => ({
        async take(max) {
          const taken = await subscription.take(max)
          return taken.length > 0 ? taken : never()
        },
      })),
  },
  {
    name: 'starts a read at the first take',
    fails: ['a read ends where the stream ended at its start'],
    bend: (sound) =>
      bentRead(sound, ({read}) => async (stream, range) => {
        let late: ReturnType<typeof read> | undefined
        return bent(await read(stream, range), {
          async take(max) {
            late ??= read(stream, range)
            return (await late).take(max)
          },
        })
      }),
  },
  {
    name: 'returns the last message instead of a missing one',
    fails: ['one message is read by its sequence, or as the last of a subject or pattern'],
    bend: (sound) =>
      bentStreams(sound, ({get, last}) => ({get: (stream, seq) => get(stream, seq).catch(() => last(stream, '>'))})),
  },
]
