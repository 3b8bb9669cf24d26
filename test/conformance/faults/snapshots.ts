import type {SnapshotHead, Snapshots, Transport} from '../../../src/lib/transport/contract.ts'
import type {Fault, World} from '../faulty.ts'
import {withSnapshots} from '../memory-snapshots.ts'

/** A connection whose snapshots have a fault. */
function bentSnapshots(
  sound: Transport,
  world: World,
  change: (snapshots: Snapshots) => Partial<Snapshots>,
): Partial<Transport> {
  const {snapshots, streams} = withSnapshots(sound, world.memory)
  return {streams, snapshots: {...snapshots, ...change(snapshots)}}
}

/** Changes what a snapshot contains. */
function bentContents(
  sound: Transport,
  world: World,
  change: (saved: {messages: object[]; consumers: object[]}) => object,
) {
  return bentSnapshots(sound, world, ({take}) => ({
    async take(stream, options) {
      const {head, chunks} = await take(stream, options)
      async function* changed() {
        for await (const chunk of chunks)
          yield Buffer.from(JSON.stringify(change(JSON.parse(Buffer.from(chunk).toString()))))
      }
      return {head, chunks: changed()}
    },
  }))
}

const restoring = 'a snapshot restores a stream with its settings, sequences and times, and new messages follow'

export const snapshotFaults: readonly Fault[] = [
  {
    name: 'gives restored messages new times',
    fails: [restoring],
    bend: (sound, world) =>
      bentContents(sound, world, ({messages, ...rest}) => ({
        ...rest,
        messages: messages.map((message) => ({...message, time: Date.now()})),
      })),
  },
  {
    name: 'gives restored messages new sequences',
    fails: [restoring],
    bend: (sound, world) =>
      bentContents(sound, world, ({messages, ...rest}) => ({
        ...rest,
        messages: messages.map((message, at) => ({...message, seq: at + 1})),
      })),
  },
  {
    name: 'restores no consumers',
    fails: [
      'a snapshot restores the consumers of a stream, which continue where they were',
      'reading a snapshot can be abandoned, and the next snapshot is complete',
    ],
    bend: (sound, world) => bentContents(sound, world, (saved) => ({...saved, consumers: []})),
  },
  {
    name: 'restores a snapshot into a stream that exists',
    fails: ['a snapshot does not replace a stream'],
    bend: (sound, world) =>
      bentSnapshots(sound, world, ({restore}) => ({
        async restore(head: SnapshotHead, chunks, options) {
          await sound.streams.remove(head.config.name).catch(() => {})
          return await restore(head, chunks, options)
        },
      })),
  },
  {
    name: 'leaves an empty stream behind when a snapshot is not valid',
    fails: ['a snapshot that is not valid is refused, and no stream is left'],
    bend: (sound, world) =>
      bentSnapshots(sound, world, ({restore}) => ({
        async restore(head: SnapshotHead, chunks, options) {
          try {
            return await restore(head, chunks, options)
          } catch (error) {
            await sound.streams.add({name: head.config.name, subjects: ['s.>']}).catch(() => {})
            throw error
          }
        },
      })),
  },
  {
    name: 'takes empty snapshots of streams that do not exist',
    fails: ['a snapshot of a stream that does not exist is not found'],
    bend: (sound, world) =>
      bentSnapshots(sound, world, ({take}) => ({
        take: (stream, options) =>
          take(stream, options).catch(() => ({
            head: {config: {name: stream}, state: {}},
            chunks: (async function* () {})(),
          })),
      })),
  },
]
