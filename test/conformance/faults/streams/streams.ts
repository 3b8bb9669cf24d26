import {BusError} from '../../../../src/lib/core/errors.ts'
import type {Transport} from '../../../../src/lib/transport/contract.ts'
import type {StreamInfo, Streams} from '../../../../src/lib/transport/streams-contract.ts'
import type {Fault} from '../../faulty.ts'
import {bentStreams} from './bending.ts'

/** Returns different information about a stream. */
function bentInfo(sound: Transport, change: (info: StreamInfo) => StreamInfo): Partial<Transport> {
  return bentStreams(sound, (streams) => ({
    add: async (settings) => change(await streams.add(settings)),
    info: async (stream) => change(await streams.info(stream)),
  }))
}

function bentAdd(sound: Transport, add: (streams: Streams) => Streams['add']): Partial<Transport> {
  return bentStreams(sound, (streams) => ({add: add(streams)}))
}

function bentPurge(
  sound: Transport,
  change: (which: NonNullable<Parameters<Streams['purge']>[1]>) => Parameters<Streams['purge']>[1],
): Partial<Transport> {
  return bentStreams(sound, ({purge}) => ({purge: (stream, which = {}) => purge(stream, change(which))}))
}

/** Faults in streams and in the information about them. */
export const streamFaults: readonly Fault[] = [
  {
    name: 'remembers message ids of a new stream for one minute',
    fails: ['a stream is created with its defaults filled in'],
    bend: (sound) => bentInfo(sound, (info) => ({...info, config: {...info.config, dedupeMs: 60_000}})),
  },
  {
    name: 'identifies streams by their names',
    fails: ['the id of a stream is the same for every connection, and different for each created stream'],
    bend: (sound) => bentInfo(sound, (info) => ({...info, id: info.config.name})),
  },
  {
    name: 'ignores all settings of a stream except its name and subjects',
    fails: [
      'a publisher that reports each refused message stores the others, and its flush does not fail',
      'every setting of a stream is stored, for other connections too',
      'an invalid name or invalid settings of a stream are refused, and nothing is created',
      'a message id is forgotten after the duplicate window',
      'the first message that a stream refuses fails the flush and is named by its index',
      'a stream with a limit of messages removes the oldest',
      'a stream with a limit of messages refuses new ones with discard policy new, until there is room',
      'a stream with a limit of bytes removes the oldest',
      'a stream with a limit of bytes refuses new messages with discard policy new',
      'a stream with a limit of messages per subject removes the oldest of a subject, also with discard policy new',
      'a stream refuses a message that exceeds its size limit, headers included',
      'a stream removes messages that are too old',
      'a consumer continues after messages removed by limits',
    ],
    bend: (sound) =>
      bentAdd(
        sound,
        ({add}) =>
          ({name, subjects}) =>
            add({name, subjects}),
      ),
  },
  {
    name: 'creates a new stream when it is added again',
    fails: [
      'adding a stream again with the same settings returns the existing one',
      'a stream with the name of another one and different settings is refused, and the first is unchanged',
    ],
    bend: (sound) =>
      bentAdd(sound, ({add, remove}) => async (settings) => {
        await remove(settings.name).catch(() => {})
        return add(settings)
      }),
  },
  {
    name: 'fails to create a stream at the same time as others',
    fails: [
      'several clients may create the same stream and consumer at the same time, and only one of several different streams',
    ],
    bend: (sound, {memory}) =>
      bentAdd(sound, ({add}) => async (settings) => {
        if (memory.has('adding')) throw new BusError('usage', 'somebody else is at it')
        memory.set('adding', true)
        await new Promise(setImmediate)
        memory.delete('adding')
        return add(settings)
      }),
  },
  {
    name: 'does not name the stream that overlaps',
    fails: ['a stream whose subjects overlap with those of another is refused with its name'],
    bend: (sound) =>
      bentAdd(
        sound,
        ({add}) =>
          (settings) =>
            add(settings).catch((error: unknown) => {
              throw error instanceof BusError ? new BusError(error.kind, 'the subjects overlap') : error
            }),
      ),
  },
  {
    name: 'lists streams without sorting them',
    fails: ['streams are listed by name, with their state'],
    bend: (sound) => bentStreams(sound, ({list}) => ({list: async () => [...(await list())].reverse()})),
  },
  {
    name: 'counts the subjects of a missing stream, or of a closed bus',
    fails: [
      'a missing stream is not found, with its name in the error of every operation',
      'using the streams of a closed bus fails with its name',
    ],
    bend: (sound) =>
      bentStreams(sound, ({subjects}) => ({subjects: (...given) => subjects(...given).catch(() => new Map())})),
  },
  {
    name: 'finds the stream that stores a subject only by its exact pattern',
    fails: ['the streams that store a subject, or some that a pattern matches, are found'],
    bend: (sound) =>
      bentStreams(sound, ({list}) => ({
        async keeping(pattern) {
          const found = (await list()).filter(({config}) => config.subjects.includes(pattern))
          return found.map(({config}) => config.name)
        },
      })),
  },
  {
    name: 'treats every message as one with its own subject',
    fails: ['the state of a stream describes its content'],
    bend: (sound) => bentInfo(sound, (info) => ({...info, state: {...info.state, subjects: info.state.messages}})),
  },
  {
    name: 'counts all subjects and ignores the pattern',
    fails: [
      'the messages of each subject are counted, all of them or those of a pattern',
      'the messages of each subject are passed on in pages, sorted by subject',
    ],
    bend: (sound) =>
      bentStreams(sound, ({subjects}) => ({subjects: (stream, _, onPage) => subjects(stream, undefined, onPage)})),
  },
  {
    name: 'passes on subjects in the order in which they were first published',
    fails: ['the messages of each subject are passed on in pages, sorted by subject'],
    bend: (sound) =>
      bentStreams(sound, ({subjects}) => ({
        async subjects(stream, pattern, onPage) {
          const counts = await subjects(stream, pattern)
          await onPage?.(counts)
          return onPage === undefined ? counts : new Map()
        },
      })),
  },
  {
    name: 'purges a stream that should be removed',
    fails: [
      'a removed stream is gone with its messages and consumers, and its subjects are free',
      'a removed stream fails the reads that follow it',
      'a recreated stream fails the reads that follow it',
      'a removed consumer fails its members, and so does a removed stream',
    ],
    bend: (sound) =>
      bentStreams(sound, ({purge}) => ({
        async remove(stream) {
          await purge(stream)
        },
      })),
  },
  {
    name: 'removes the streams of a connection that closes',
    fails: ['streams outlive the connections that created and filled them'],
    bend: (sound) => ({
      async close() {
        for (const {config} of await sound.streams.list().catch(() => [])) await sound.streams.remove(config.name)
        await sound.close()
      },
    }),
  },
  {
    name: 'purges nothing',
    fails: [
      'a purge empties a stream, and its sequences continue',
      'a purge removes unacknowledged messages too',
      'a read starts at a sequence, or at the next existing one',
    ],
    bend: (sound) => bentStreams(sound, () => ({purge: async () => 0})),
  },
  {
    name: 'ignores the pattern of a purge',
    fails: [
      'a purge may remove only messages that match a pattern',
      'a purge may remove messages that match a pattern, except the last N or later ones',
    ],
    bend: (sound) => bentPurge(sound, ({pattern, ...which}) => which),
  },
  {
    name: 'ignores the sequence of a purge',
    fails: [
      'a purge may remove only messages before a sequence',
      'a purge before a sequence that keeps the last N messages is refused',
    ],
    bend: (sound) => bentPurge(sound, ({beforeSeq, ...which}) => which),
  },
  {
    name: 'keeps one message more in a purge',
    fails: ['a purge may keep the last N messages'],
    bend: (sound) => bentPurge(sound, (which) => ({...which, keep: (which.keep ?? 0) + 1})),
  },
]
