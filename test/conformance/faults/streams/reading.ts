import type {Transport} from '../../../../src/lib/transport/contract.ts'
import type {ReadOptions, Streams} from '../../../../src/lib/transport/streams-contract.ts'
import {bent, type Fault, never} from '../../faulty.ts'
import {bentReading, bentStreams} from './bending.ts'

/** Reads another range than the one that is asked for. */
function misread(sound: Transport, change: (range: ReadOptions) => ReadOptions): Partial<Transport> {
  return bentStreams(sound, ({read}) => ({read: (stream, range = {}) => read(stream, change(range))}))
}

function bentRead(sound: Transport, read: (streams: Streams) => Streams['read']): Partial<Transport> {
  return bentStreams(sound, (streams) => ({read: read(streams)}))
}

/** How messages are read from a stream. */
export const readingFaults: readonly Fault[] = [
  {
    name: 'reads from the first message, wherever it should begin',
    fails: [
      'ten thousand messages are read in order, by loop and by batch',
      'reading begins at a sequence, or at the next one that is there',
      'reading begins at a time, or at the first message after it',
      'reading begins with a number of last messages, of those that match',
      'reading that follows may begin at the end',
    ],
    bend: (sound) => misread(sound, ({from, ...range}) => range),
  },
  {
    name: 'reads to the end, wherever it should end',
    fails: ['reading ends with a sequence', 'reading ends before a time'],
    bend: (sound) => misread(sound, ({to, ...range}) => range),
  },
  {
    name: 'reads everything, whatever the filters',
    fails: [
      'reading takes only what matches one of its filters, each message once',
      'reading begins with a number of last messages, of those that match',
    ],
    bend: (sound) => misread(sound, ({filters, ...range}) => range),
  },
  {
    name: 'reads all messages where the last of each subject are wanted',
    fails: ['reading may take only the last message of each subject', 'a bad range to read is refused'],
    bend: (sound) => misread(sound, ({lastPerSubject, ...range}) => range),
  },
  {
    name: 'ends reading that should follow',
    fails: [
      'reading that follows continues with messages stored later',
      'nothing is lost or doubled where stored messages end and live ones begin',
      'reading that follows continues over a purge',
    ],
    bend: (sound) => misread(sound, ({follow, ...range}) => range),
  },
  {
    name: 'does not end reading with its signal',
    fails: [
      'reading ends when it is closed, drained or left, when its signal aborts, and with its bus',
      'a signal that is aborted already reads nothing',
    ],
    bend: (sound) => misread(sound, ({signal, ...range}) => range),
  },
  {
    name: 'reads each message twice',
    fails: [
      'a stream is read from its first message to its end, and again',
      'nothing is lost or doubled where stored messages end and live ones begin',
      'reading a stream that is purged meanwhile ends, in order',
    ],
    bend: (sound) =>
      bentReading(sound, (subscription) => ({
        take: async (max) => (await subscription.take(max)).flatMap((message) => [message, message]),
      })),
  },
  {
    name: 'never ends reading',
    fails: ['an empty stream ends at once', 'reading a stream that is purged meanwhile ends, in order'],
    bend: (sound) =>
      bentReading(sound, (subscription) => ({
        async take(max) {
          const taken = await subscription.take(max)
          return taken.length > 0 ? taken : never()
        },
      })),
  },
  {
    name: 'begins to read when somebody takes',
    fails: ['reading ends where the stream did when it began'],
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
    name: 'answers the last message where one is not there',
    fails: ['one message is read by its sequence, or as the last of a subject or pattern'],
    bend: (sound) =>
      bentStreams(sound, ({get, last}) => ({get: (stream, seq) => get(stream, seq).catch(() => last(stream, '>'))})),
  },
]
