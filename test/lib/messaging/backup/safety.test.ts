/** Files that were cut off or damaged, that two processes write, or that are not backups. */
import {execFileSync} from 'node:child_process'
import {copyFileSync, existsSync, linkSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync} from 'node:fs'
import {hostname} from 'node:os'
import {join} from 'node:path'
import {expect, test} from 'vitest'
import {backup, verifyBackup} from '../../../../src/lib/messaging/backup/backup.ts'
import {restore} from '../../../../src/lib/messaging/backup/restore.ts'
import type {Transport} from '../../../../src/lib/transport/contract.ts'
import {open} from '../../../../src/lib/transport/open.ts'
import {temporaryFolder} from '../../transport/sqlite/processes.ts'

const {signal} = new AbortController()
const restoring = {append: false, skipUnsupported: false, obeyHeaders: false, signal, say: () => {}}
/** A backup from before the frames had a CRC-32. */
const older = join(import.meta.dirname, '../../../commands/stream/lengths-only.zst')

/** A bus file with a stream `S`, and a path for its backup. */
async function scene(count = 5): Promise<{bus: Transport; path: string; folder: string} & AsyncDisposable> {
  const folder = temporaryFolder()
  const bus = await open(join(folder, 'bus.db'))
  await bus.streams.add({name: 'S', subjects: ['s.>']})
  await using publisher = bus.streams.publisher()
  for (let n = 1; n <= count; n++) await publisher.push({subject: 's.a', data: JSON.stringify({n, r: Math.random()})})
  await publisher.flush()
  return {bus, folder, path: join(folder, 'saved.zst'), [Symbol.asyncDispose]: () => bus.close()}
}

test('a file that was cut off anywhere is reported, is not restored, and can be continued', async () => {
  await using at = await scene()
  await backup(at.bus, ['S'], at.path, {signal})
  const whole = readFileSync(at.path)
  const cut = join(at.folder, 'cut.zst')
  await using target = await open(join(at.folder, 'target.db'))
  for (let length = 0; length < whole.length; length++) {
    writeFileSync(cut, whole.subarray(0, length))
    await expect(verifyBackup(cut, signal), `${length}`).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringContaining('is not a complete backup: it ends '),
    })
    if (length % 60 !== 0) continue
    await expect(restore(target, cut, restoring)).rejects.toThrow('is not a complete backup')
    await backup(at.bus, ['S'], cut, {signal})
    expect(await verifyBackup(cut, signal)).toMatchObject({messages: 5})
  }
  expect(await target.streams.list()).toEqual([])
}, 180_000)

test('one changed bit anywhere is found before anything is restored, and the file is not continued', async () => {
  await using at = await scene()
  await backup(at.bus, ['S'], at.path, {signal})
  const whole = readFileSync(at.path)
  const bad = join(at.folder, 'bad.zst')
  await using target = await open(join(at.folder, 'target.db'))
  for (let place = 0; place < whole.length; place++) {
    const bytes = Buffer.from(whole)
    bytes[place] = (bytes[place] ?? 0) ^ (1 << (place % 8))
    writeFileSync(bad, bytes)
    await expect(verifyBackup(bad, signal), `byte ${place}`).rejects.toMatchObject({kind: /usage|expectation/})
    if (place % 60 !== 0) continue
    await expect(restore(target, bad, restoring)).rejects.toThrow()
    await expect(backup(at.bus, ['S'], bad, {signal})).rejects.toThrow()
    expect(readFileSync(bad).equals(bytes)).toBe(true)
  }
  expect(await target.streams.list()).toEqual([])
  writeFileSync(bad, Buffer.concat([whole, whole]))
  await expect(verifyBackup(bad, signal)).rejects.toMatchObject({kind: 'expectation'})
}, 180_000)

test('a file in the earlier format is verified and restored, and one that was cut off is reported', async () => {
  await using at = await scene(0)
  expect(await verifyBackup(older, signal)).toMatchObject({messages: 6, streams: [{stream: 'OLD', consumers: 1}]})
  expect(await restore(at.bus, older, restoring)).toMatchObject([{stream: 'OLD', messages: 6, consumers: ['c1']}])
  const found = []
  for await (const {subject, data, headers} of await at.bus.streams.read('OLD'))
    found.push([subject, Buffer.from(data).toString('latin1'), headers])
  expect(found).toEqual([
    ['old.json', '{"n":1,"text":"x"}', [['Trace', 'a']]],
    ['old.json', '{ "n": 1.0 }', []],
    ['old.bytes', '\xff\0\n', []],
    ['old.text', 'a "quoted" text', []],
    ['old.empty', '', []],
    ['old.ü', 'gr\xc3\xbcn', []],
  ])
  const bytes = readFileSync(older)
  for (const length of [0, 4, 8, 100, 400, bytes.length - 1]) {
    writeFileSync(at.path, bytes.subarray(0, length))
    await expect(verifyBackup(at.path, signal), `${length}`).rejects.toThrow('is not a complete backup')
  }
})

test('a path with something other than a backup is refused, and stays unchanged', async () => {
  await using at = await scene()
  const refused = (path: string) => expect(backup(at.bus, ['S'], path, {signal})).rejects
  await refused(at.folder).toMatchObject({kind: 'usage', message: expect.stringContaining('it is a folder')})
  await refused(join(at.folder, 'none', 'x.zst')).toMatchObject({kind: 'notFound'})
  await refused(join(at.folder, 'bus.db', 'x.zst')).toThrow('cannot write')
  await refused('/dev/null').toMatchObject({kind: 'usage', message: expect.stringContaining('it is a device')})
  const pipe = join(at.folder, 'pipe')
  execFileSync('mkfifo', [pipe])
  await refused(pipe).toMatchObject({kind: 'usage', message: expect.stringContaining('it is a named pipe')})
  const link = join(at.folder, 'link.zst')
  symlinkSync(at.path, link)
  await refused(link).toMatchObject({kind: 'usage', message: expect.stringContaining('it is a symbolic link')})
  expect(existsSync(at.path)).toBe(false)
  await backup(at.bus, ['S'], at.path, {signal})
  expect(await verifyBackup(link, signal)).toMatchObject({messages: 5})
  const hard = join(at.folder, 'hard.zst')
  linkSync(at.path, hard)
  await refused(hard).toThrow('already contains a complete backup')
  writeFileSync(join(at.folder, 'letter'), 'P')
  await refused(join(at.folder, 'letter')).toMatchObject({kind: 'usage'})
  const text = join(at.folder, 'text')
  writeFileSync(text, 'something else')
  await refused(text).toThrow('is not a backup')
  expect(readFileSync(text, 'utf8')).toBe('something else')
  mkdirSync(join(at.folder, 'taken.zst.lock'))
  await refused(join(at.folder, 'taken.zst')).toThrow('taken.zst.lock: it is a folder')
})

test('only one process writes a file, and the lock of a killed process is removed', async () => {
  await using at = await scene(5000)
  const [one, two] = await Promise.allSettled([
    backup(at.bus, ['S'], at.path, {signal}),
    backup(at.bus, ['S'], at.path, {signal}),
  ])
  const failed = [one, two].filter(({status}) => status === 'rejected')
  expect(failed).toMatchObject([
    {reason: {kind: 'denied', message: `another process is writing ${at.path}: ${process.pid} on ${hostname()}`}},
  ])
  expect(await verifyBackup(at.path, signal)).toMatchObject({messages: 5000})
  expect(existsSync(`${at.path}.lock`)).toBe(false)
  rmSync(at.path)
  const {pid} = spawnEnded()
  writeFileSync(`${at.path}.lock`, `${pid} ${hostname()}\n`)
  expect(await backup(at.bus, ['S'], at.path, {signal})).toMatchObject({messages: 5000})
  const other = join(at.folder, 'other.zst')
  writeFileSync(`${other}.lock`, '1 elsewhere\n')
  await expect(backup(at.bus, ['S'], other, {signal})).rejects.toMatchObject({kind: 'denied'})
  copyFileSync(at.path, other)
  await expect(backup(at.bus, ['S'], other, {signal})).rejects.toMatchObject({kind: 'denied'})
})

test('a backup stops if something else writes to its file', async () => {
  await using at = await scene(20_000)
  const running = backup(at.bus, ['S'], at.path, {
    signal,
    onProgress: (messages) => messages > 5000 && writeFileSync(at.path, 'x', {flag: 'a'}),
  })
  await expect(running).rejects.toMatchObject({
    kind: 'expectation',
    message: expect.stringContaining('something else is writing'),
  })
})

function spawnEnded(): {pid: number} {
  return {pid: Number(execFileSync(process.execPath, ['-p', 'process.pid']))}
}
