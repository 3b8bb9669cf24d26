import {BusError} from '../../../../src/lib/core/errors.ts'
import type {Transport} from '../../../../src/lib/transport/contract.ts'
import type {StreamInfo, Streams} from '../../../../src/lib/transport/streams-contract.ts'
import type {Fault} from '../../faulty.ts'
import {bentStreams} from './bending.ts'

/** Tells something else of a stream. */
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

/** What streams there are, and what is known of them. */
export const streamFaults: readonly Fault[] = [
  {
    name: 'remembers message ids of a new stream for one minute',
    fails: ['a stream is made with its defaults filled in'],
    bend: (sound) => bentInfo(sound, (info) => ({...info, config: {...info.config, dedupeMs: 60_000}})),
  },
  {
    name: 'tells streams apart by their names',
    fails: ['the id of a stream is the same for every connection, and another one for each stream that is made'],
    bend: (sound) => bentInfo(sound, (info) => ({...info, id: info.config.name})),
  },
  {
    name: 'heeds no setting of a stream but its name and subjects',
    fails: [
      'a publisher that tells of each refused message stores the others, and its flush does not fail',
      'every setting of a stream is kept, for other connections too',
      'a bad name or bad settings of a stream are refused, and nothing is made',
      'a message id is forgotten after its time',
      'the first message that a stream refuses fails the flush and is named by its index',
      'a stream with a limit of messages removes the oldest',
      'a stream with a limit of messages refuses new ones, if configured so, until there is room',
      'a stream with a limit of bytes removes the oldest',
      'a stream with a limit of bytes refuses new messages, if configured so',
      'a stream with a limit of messages per subject removes the oldest of a subject, also where it refuses new ones',
      'a stream refuses a message that is too large for it, headers counted',
      'a stream lets go what is too old',
      'a consumer continues past what limits have removed',
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
    name: 'makes a new stream when it is added again',
    fails: [
      'adding a stream again with the same settings answers it as it is',
      'a stream of a name that is taken with other settings is refused, and the first stays as it was',
    ],
    bend: (sound) =>
      bentAdd(sound, ({add, remove}) => async (settings) => {
        await remove(settings.name).catch(() => {})
        return add(settings)
      }),
  },
  {
    name: 'makes a stream only where nobody else does',
    fails: [
      'several may make the same stream and the same consumer at the same time, and one of several different streams',
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
    name: 'does not say with which stream another overlaps',
    fails: ['a stream whose subjects overlap those of another is refused with its name'],
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
    name: 'lists streams as they come',
    fails: ['streams are listed by name, with their state'],
    bend: (sound) => bentStreams(sound, ({list}) => ({list: async () => [...(await list())].reverse()})),
  },
  {
    name: 'counts the subjects of a stream that is not there, or of a bus that is closed',
    fails: [
      'a stream that is not there is not found, with its name, whatever is asked of it',
      'a bus that is closed says so, with its name, when its streams are used',
    ],
    bend: (sound) =>
      bentStreams(sound, ({subjects}) => ({subjects: (...given) => subjects(...given).catch(() => new Map())})),
  },
  {
    name: 'finds the stream that keeps a subject only by the subject as it was given',
    fails: ['the streams that keep a subject, or some that a pattern matches, are found'],
    bend: (sound) =>
      bentStreams(sound, ({list}) => ({
        async keeping(pattern) {
          const found = (await list()).filter(({config}) => config.subjects.includes(pattern))
          return found.map(({config}) => config.name)
        },
      })),
  },
  {
    name: 'takes every message for one with a subject of its own',
    fails: ['the state of a stream tells what it has'],
    bend: (sound) => bentInfo(sound, (info) => ({...info, state: {...info.state, subjects: info.state.messages}})),
  },
  {
    name: 'counts all subjects, whatever the pattern',
    fails: ['the messages of each subject are counted, all or those of a pattern'],
    bend: (sound) => bentStreams(sound, ({subjects}) => ({subjects: (stream) => subjects(stream)})),
  },
  {
    name: 'empties a stream that should be removed',
    fails: [
      'a stream that is removed is gone with its messages and consumers, and its subjects are free',
      'a stream that is removed fails who follows it',
      'a stream that is removed and created again fails its followers',
      'a consumer that is removed fails its members, and so does its stream',
    ],
    bend: (sound) =>
      bentStreams(sound, ({purge}) => ({
        async remove(stream) {
          await purge(stream)
        },
      })),
  },
  {
    name: 'removes the streams of a connection with it',
    fails: ['streams outlive the connections that made and filled them'],
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
      'a purge empties a stream, and its sequences go on',
      'a purge takes what waits for its acknowledgement too',
      'reading begins at a sequence, or at the next one that is there',
    ],
    bend: (sound) => bentStreams(sound, () => ({purge: async () => 0})),
  },
  {
    name: 'purges whatever the subject',
    fails: [
      'a purge may take only what matches a pattern',
      'a purge may remove what matches a pattern, except a number of last messages or later ones',
    ],
    bend: (sound) => bentPurge(sound, ({pattern, ...which}) => which),
  },
  {
    name: 'purges beyond the sequence',
    fails: [
      'a purge may take only what comes before a sequence',
      'a purge before a sequence that keeps a number of last messages is refused',
    ],
    bend: (sound) => bentPurge(sound, ({beforeSeq, ...which}) => which),
  },
  {
    name: 'keeps one message more in a purge',
    fails: ['a purge may keep a number of last messages'],
    bend: (sound) => bentPurge(sound, (which) => ({...which, keep: (which.keep ?? 0) + 1})),
  },
]
