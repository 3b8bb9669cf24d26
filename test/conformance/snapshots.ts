import {expect} from 'vitest'
import type {Snapshots, Transport} from '../../src/lib/transport/contract.ts'
import type {Case} from './case.ts'
import type {Scene} from './scene.ts'

interface Filled {
  readonly bus: Transport
  readonly snapshots: Snapshots
}

/** A connection with a stream `S`: messages 1, 3 and 4, and a consumer that acknowledged the first; undefined without snapshots. */
async function filled(scene: Scene): Promise<Filled | undefined> {
  const bus = await scene.connect()
  const {snapshots, streams} = bus
  if (snapshots === undefined) return undefined
  await streams.add({name: 'S', subjects: ['s.>'], description: 'kept', maxMsgs: 100})
  for (const n of [1, 2, 3, 4]) await streams.publish({subject: `s.${n}`, data: `data ${n}`, headers: [['N', `${n}`]]})
  await streams.erase('S', 2)
  await streams.consumers.add('S', {name: 'c', ackWaitMs: 60_000})
  await using member = await streams.consumers.consume('S', 'c', {max: 1})
  for (const delivery of await scene.within(member.take(1), 'delivery')) delivery.ack()
  await member.flush()
  return {bus, snapshots}
}

async function contents(scene: Scene, bus: Transport, stream: string) {
  const messages = await scene.untilEnd(await bus.streams.read(stream))
  return messages.map(({seq, time, subject, text, headers}) => ({seq, time, subject, text, headers}))
}

async function chunksOf(scene: Scene, snapshots: Snapshots, stream: string) {
  const {head, chunks} = await scene.within(snapshots.take(stream, {}), 'snapshot')
  const all: Uint8Array[] = []
  const reading = async () => {
    for await (const chunk of chunks) all.push(Uint8Array.from(chunk))
  }
  await scene.within(reading(), 'end of the snapshot')
  return {head, bytes: Buffer.concat(all)}
}

async function* inPieces(bytes: Uint8Array, length = 1000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length)
}

/** A case that runs on a bus with snapshots. */
function snapshotCase(name: string, run: (scene: Scene, filled: Filled) => Promise<void>): Case {
  return {
    name,
    needs: {streams: true},
    async run(scene) {
      const ready = await filled(scene)
      if (ready !== undefined) await run(scene, ready)
    },
  }
}

export const snapshots: readonly Case[] = [
  snapshotCase(
    'a snapshot restores a stream with its settings, sequences and times, and new messages follow',
    async (scene, {bus, snapshots}) => {
      const before = await contents(scene, bus, 'S')
      const {head, bytes} = await chunksOf(scene, snapshots, 'S')
      expect(head.config).toMatchObject({name: 'S'})
      await bus.streams.remove('S')
      const info = await scene.within(snapshots.restore(head, inPieces(bytes), {}), 'restored stream')
      expect(info.config).toMatchObject({name: 'S', subjects: ['s.>'], description: 'kept', maxMsgs: 100})
      expect(info.state).toMatchObject({messages: 3, firstSeq: 1, lastSeq: 4})
      expect(await contents(scene, bus, 'S')).toEqual(before)
      expect((await bus.streams.publish({subject: 's.5', data: 'later'})).seq).toBe(5)
    },
  ),
  snapshotCase(
    'a snapshot restores the consumers of a stream, which continue where they were',
    async (scene, {bus, snapshots}) => {
      const {head, bytes} = await chunksOf(scene, snapshots, 'S')
      await bus.streams.remove('S')
      await scene.within(snapshots.restore(head, inPieces(bytes), {}), 'restored stream')
      const restored = await bus.streams.consumers.info('S', 'c')
      expect(restored).toMatchObject({ackFloor: 1, pending: 2, config: {ackWaitMs: 60_000}})
      await using member = await bus.streams.consumers.consume('S', 'c', {max: 1})
      const [next] = await scene.within(member.take(1), 'delivery')
      expect(next).toMatchObject({seq: 3, text: 'data 3'})
      next?.ack()
      await member.flush()
    },
  ),
  snapshotCase('a snapshot does not replace a stream', async (scene, {bus, snapshots}) => {
    const {head, bytes} = await chunksOf(scene, snapshots, 'S')
    await bus.streams.publish({subject: 's.5', data: 'later'})
    const restoring = scene.within(snapshots.restore(head, inPieces(bytes), {}), 'refusal')
    await expect(restoring).rejects.toMatchObject({kind: 'usage', message: expect.stringContaining('S')})
    expect((await bus.streams.info('S')).state).toMatchObject({messages: 4, lastSeq: 5})
  }),
  snapshotCase('a snapshot that is not valid is refused, and no stream is left', async (scene, {bus, snapshots}) => {
    const {head, bytes} = await chunksOf(scene, snapshots, 'S')
    await bus.streams.remove('S')
    const bad = Buffer.alloc(bytes.length, 'no snapshot')
    const restoring = scene.within(snapshots.restore(head, inPieces(bad), {}), 'refusal')
    await expect(restoring).rejects.toMatchObject({kind: 'remote'})
    await scene.eventually(async () => {
      await expect(bus.streams.info('S')).rejects.toMatchObject({kind: 'notFound'})
    })
  }),
  snapshotCase('a snapshot of a stream that does not exist is not found', async (scene, {snapshots}) => {
    const taking = scene.within(snapshots.take('NONE', {}), 'refusal')
    await expect(taking).rejects.toMatchObject({kind: 'notFound'})
  }),
  snapshotCase(
    'reading a snapshot can be abandoned, and the next snapshot is complete',
    async (scene, {bus, snapshots}) => {
      const {chunks} = await scene.within(snapshots.take('S', {}), 'snapshot')
      const leaving = async () => {
        for await (const _ of chunks) break
      }
      await scene.within(leaving(), 'first chunk')
      const {head, bytes} = await chunksOf(scene, snapshots, 'S')
      await bus.streams.remove('S')
      const info = await scene.within(snapshots.restore(head, inPieces(bytes), {}), 'restored stream')
      expect(info.state).toMatchObject({messages: 3, consumers: 1})
    },
  ),
]
