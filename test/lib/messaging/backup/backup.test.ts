/** Backups by the library, between two buses: see test/commands/stream/backup.test.ts for whole command lines. */
import {existsSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, expect, test} from 'vitest'
import {backup, verifyBackup} from '../../../../src/lib/messaging/backup/backup.ts'
import {compareMessages, type Difference} from '../../../../src/lib/messaging/backup/difference.ts'
import {nativeFolders, restoreNative, saveNative, snapshotsOf} from '../../../../src/lib/messaging/backup/native.ts'
import {type RestoreOptions, restore} from '../../../../src/lib/messaging/backup/restore.ts'
import {type ComparedSide, copyMissing, fileSide, streamSide} from '../../../../src/lib/messaging/backup/sides.ts'
import type {Transport} from '../../../../src/lib/transport/contract.ts'
import {open} from '../../../../src/lib/transport/open.ts'
import {onBothBuses} from '../../../both-buses.ts'

const folder = mkdtempSync(join(tmpdir(), 'bus-backup-'))
afterAll(() => rmSync(folder, {recursive: true}))
let files = 0
const newPath = (name: string) => join(folder, `${++files}-${name}`)
const {signal} = new AbortController()

async function fill({streams}: Transport, name = 'A', count = 300): Promise<void> {
  const low = name.toLowerCase()
  await streams.add({name, subjects: [`${low}.>`], maxMsgsPerSubject: 1000, dedupeMs: 1000})
  for (let n = 1; n <= count; n++)
    await streams.publish({
      subject: `${low}.${n % 3}`,
      data: n % 5 === 0 ? Uint8Array.of(255, n % 256) : n % 7 === 0 ? `text ${n}` : `{"n":${n}}`,
      headers: n % 2 === 0 ? [['Trace', `${n}`]] : [],
    })
  await streams.consumers.add(name, {name: 'c', filters: [`${low}.*`], ackWaitMs: 60_000})
  await using member = await streams.consumers.consume(name, 'c')
  for (const delivery of await member.take(10)) await delivery.ack()
}

function restoring(options: Partial<RestoreOptions> = {}): RestoreOptions {
  return {
    ...{as: undefined, prefix: undefined, append: false, skipUnsupported: false, obeyHeaders: false},
    ...{signal, say: () => {}, ...options},
  } as RestoreOptions
}

async function contents(bus: Transport, stream: string): Promise<unknown[]> {
  await using reading = await bus.streams.read(stream)
  const found: unknown[] = []
  for await (const {subject, data, headers} of reading)
    found.push([subject, Buffer.from(data).toString('hex'), headers])
  return found
}

async function compared(left: ComparedSide, right: ComparedSide, missing?: Set<number>): Promise<Difference> {
  await using one = await left.open()
  await using other = await right.open()
  return await compareMessages(one, other, {signal, onMissing: (seq) => missing?.add(seq)})
}

onBothBuses((newScene) => {
  test('what is saved is restored on another bus, and a second time nothing more', async () => {
    await using scene = await newScene()
    const {transport} = scene
    await fill(transport)
    await fill(transport, 'B', 3)
    const path = newPath('two.zst')
    const content = await backup(transport, ['A', 'B'], path, {signal})
    expect(content).toMatchObject({messages: 303, streams: [{stream: 'A', consumers: 1}, {stream: 'B'}]})
    expect(await verifyBackup(path, signal)).toMatchObject({messages: 303, sha256: content.sha256})
    await expect(backup(transport, ['A', 'B'], path, {signal})).rejects.toThrow('already contains a complete backup')
    await using other = await open(`sqlite:${newPath('other.db')}`)
    expect(await restore(other, path, restoring())).toMatchObject([
      {stream: 'A', created: true, messages: 300, alreadyThere: 0, consumers: ['c']},
      {stream: 'B', messages: 3},
    ])
    expect(await contents(other, 'A')).toEqual(await contents(transport, 'A'))
    expect((await other.streams.consumers.info('A', 'c')).pending).toBe(290)
    expect(await restore(other, path, restoring())).toMatchObject([
      {created: false, messages: 0, alreadyThere: 300, consumers: []},
      {messages: 0, alreadyThere: 3},
    ])
    await expect(restore(other, path, restoring({as: 'X'}))).rejects.toThrow('has 2 streams')
  })

  test('a restore continues after the messages that are there, and refuses others', async () => {
    await using scene = await newScene()
    await fill(scene.transport)
    const path = newPath('one.zst')
    await backup(scene.transport, ['A'], path, {signal})
    const saved = await contents(scene.transport, 'A')
    const {streams} = scene.transport
    await streams.purge('A', {keep: 0})
    await expect(restore(scene.transport, path, restoring())).resolves.toMatchObject([{messages: 300}])
    expect(await contents(scene.transport, 'A')).toEqual(saved)
    await expect(restore(scene.transport, path, restoring({as: 'OLD', prefix: 'old.'}))).resolves.toMatchObject([
      {stream: 'OLD', created: true, messages: 300},
    ])
    await streams.add({name: 'OTHER', subjects: ['other.>']})
    await streams.publish({subject: 'other.x', data: 'x'})
    await expect(restore(scene.transport, path, restoring({as: 'OTHER', prefix: 'other.'}))).rejects.toThrow(
      'has other messages than the backup',
    )
    await expect(
      restore(scene.transport, path, restoring({as: 'OTHER', prefix: 'other.', append: true})),
    ).resolves.toMatchObject([{messages: 300}])
    expect((await streams.info('OTHER')).state.messages).toBe(301)
    await expect(restore(scene.transport, path, restoring({as: 'NEW'}))).rejects.toThrow(/overlaps?|stores/)
  })

  test('an interrupted backup is continued; damage is found', async () => {
    await using scene = await newScene()
    await fill(scene.transport)
    const path = newPath('cut.zst')
    const whole = await backup(scene.transport, ['A'], path, {signal})
    truncateSync(path, statSync(path).size - 20)
    await expect(verifyBackup(path, signal)).rejects.toThrow()
    await expect(restore(scene.transport, path, restoring())).rejects.toThrow()
    let had: number | undefined
    const again = await backup(scene.transport, ['A'], path, {signal, onResume: (messages) => (had = messages)})
    expect(again.messages).toBe(300)
    expect(again.streams).toEqual(whole.streams)
    expect(had).toBeTypeOf('number')
    await expect(backup(scene.transport, ['B'], path, {signal})).rejects.toThrow()
    const bytes = readFileSync(path)
    bytes[Math.floor(bytes.length / 2)] = (bytes[Math.floor(bytes.length / 2)] ?? 0) ^ 1
    writeFileSync(path, bytes)
    await expect(verifyBackup(path, signal)).rejects.toThrow()
    const text = newPath('text.zst')
    writeFileSync(text, 'no backup')
    await expect(verifyBackup(text, signal)).rejects.toThrow('is not a backup')
    await expect(verifyBackup(newPath('none.zst'), signal)).rejects.toThrow('there is no such file')
    await expect(backup(scene.transport, ['A'], newPath('x.zst'), {signal: AbortSignal.abort()})).rejects.toMatchObject(
      {
        kind: 'interrupted',
      },
    )
  })

  test('nothing is written for a stream that does not exist', async () => {
    await using scene = await newScene()
    await fill(scene.transport, 'A', 1)
    const path = newPath('none.zst')
    await expect(backup(scene.transport, ['A', 'NONE'], path, {signal})).rejects.toMatchObject({kind: 'notFound'})
    expect(existsSync(path)).toBe(false)
  })

  test('differences are found between streams and files, and missing messages are copied', async () => {
    await using scene = await newScene()
    await fill(scene.transport)
    const path = newPath('diff.zst')
    await backup(scene.transport, ['A'], path, {signal})
    await using other = await open(`sqlite:${newPath('diff.db')}`)
    await restore(other, path, restoring())
    const [here, there, file] = [
      await streamSide(scene.transport, 'A', signal),
      await streamSide(other, 'A', signal),
      await fileSide(path, undefined, signal),
    ]
    expect(await compared(here, there)).toMatchObject({same: 300, left: 0, right: 0, changed: 0})
    expect(await compared(file, here)).toMatchObject({same: 300, left: 0, right: 0})
    await scene.transport.streams.publish({subject: 'a.9', data: 'more'})
    await other.streams.erase('A', 5)
    const more = await streamSide(scene.transport, 'A', signal)
    const missing = new Set<number>()
    expect(await compared(more, await streamSide(other, 'A', signal), missing)).toMatchObject({left: 2, right: 0})
    expect(await copyMissing(more, await streamSide(other, 'A', signal), missing, signal)).toBe(2)
    expect(await compared(more, await streamSide(other, 'A', signal))).toMatchObject({left: 0, right: 0})
    await expect(copyMissing(more, file, missing, signal)).rejects.toThrow('is a file')
    await expect(fileSide(path, 'B', signal)).resolves.toMatchObject({name: `A in ${path}`})
  })

  test('native backups are for servers', async () => {
    await using scene = await newScene()
    const {transport} = scene
    await fill(transport)
    if (transport.snapshots === undefined) {
      expect(() => snapshotsOf(transport)).toThrow('has no native backups')
      return
    }
    const snapshots = snapshotsOf(transport)
    const path = newPath('native')
    expect(await saveNative(snapshots, 'A', path, {signal})).toMatchObject({stream: 'A', messages: 300, consumers: 1})
    await expect(saveNative(snapshots, 'A', path, {signal})).rejects.toThrow('is not empty')
    expect(await nativeFolders(path)).toEqual([path])
    expect(await nativeFolders(join(path, '..')).then((all) => all.includes(path))).toBe(true)
    await expect(restoreNative(snapshots, path, {signal})).rejects.toThrow('already')
    const saved = await contents(transport, 'A')
    await transport.streams.remove('A')
    expect(await restoreNative(snapshots, path, {signal})).toMatchObject({stream: 'A', messages: 300})
    expect(await contents(transport, 'A')).toEqual(saved)
    await expect(nativeFolders(newPath('none'))).rejects.toThrow('there is no such')
    await expect(saveNative(snapshots, 'NONE', newPath('native'), {signal})).rejects.toMatchObject({kind: 'notFound'})
  })
})
