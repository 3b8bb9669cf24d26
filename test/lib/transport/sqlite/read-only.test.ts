import {execFile} from 'node:child_process'
import {chmodSync, readdirSync, rmSync, statSync} from 'node:fs'
import {join} from 'node:path'
import {promisify} from 'node:util'
import {describe, expect, onTestFinished, test} from 'vitest'
import type {Transport} from '../../../../src/lib/transport/contract.ts'
import {open} from '../../../../src/lib/transport/open.ts'
import {Database} from '../../../../src/lib/transport/sqlite/database.ts'
import {start, temporaryFolder, withoutPrivileges} from './processes.ts'

const bin = new URL('../../../../bin/run.js', import.meta.url).pathname

/** A file with three messages in a stream, and a consumer. */
async function filled(folder = temporaryFolder()): Promise<string> {
  const path = join(folder, 'bus.db')
  await using bus = await open(path)
  await bus.streams.add({name: 'S', subjects: ['s.>']})
  await bus.streams.consumers.add('S', {name: 'c'})
  for (const data of ['1', '2', '3']) await bus.streams.publish({subject: 's.a', data})
  return path
}

/** As a user who may read the file and everything beside it, but write nothing. */
async function runLocked(path: string, ...args: string[]) {
  const folder = join(path, '..')
  const names = () => readdirSync(folder).filter((name) => !name.endsWith('.bells'))
  const modes = names().map((name) => [join(folder, name), statSync(join(folder, name)).mode] as const)
  for (const [each] of modes) chmodSync(each, 0o444)
  chmodSync(folder, 0o555)
  onTestFinished(() => chmodSync(folder, 0o755))
  const before = JSON.stringify(names().map((name) => [name, statSync(join(folder, name)).mtimeMs]))
  const result = await run(...withoutPrivileges(process.execPath, bin, ...args, '-b', path))
  const after = JSON.stringify(names().map((name) => [name, statSync(join(folder, name)).mtimeMs]))
  chmodSync(folder, 0o755)
  for (const [each, mode] of modes) chmodSync(each, mode)
  return {...result, isUntouched: before === after}
}

async function run(command: string, args: string[]) {
  const env = {...process.env, HOME: '/nonexistent'}
  const done = promisify(execFile)(command, args, {env, timeout: 20_000})
  done.child.stdin?.end()
  return done.then(
    ({stdout, stderr}) => ({code: 0, stdout, stderr}),
    ({code, stdout, stderr}) => ({code, stdout, stderr}) as {code: number; stdout: string; stderr: string},
  )
}

const readings: readonly (readonly [args: string, stdout: RegExp])[] = [
  ['stream ls', /^S .*3/m],
  ['stream info S', /messages +3/],
  ['stream get S 2', /^2\n$/],
  ['stream subjects S', /s\.a/],
  ['consumer ls S', /^S +c +3/m],
  ['consumer info S c', /lag +3/],
  ['consumer next S c --peek', /1/],
  ['consumer replay S --raw', /^1\n2\n3\n$/],
  ['consumer replay S c --dry-run', /3/],
  ['sub s.> --from first --end --raw', /^1\n2\n3\n$/],
  ['events ls', /^$/],
  ['doctor', /open read-only/],
]

const writings = [
  'pub s.a x',
  'pub s.a x --ack',
  'pub s.a --lines --ack',
  'req s.a x',
  'serve s.a --echo --for 1s',
  'serve s.a --echo --no-queue --for 1s',
  'sub s.a --queue q --for 1s',
  'sub s.> --durable c --for 1s',
  'stream add T t',
  'stream rm S --yes',
  'stream purge S --yes',
  'stream open s.a',
  'consumer add S d',
  'consumer rm S c --yes',
  'consumer reset S c --to first --yes',
  'consumer next S c',
  'consumer replay S c --raw',
  'rpc ls',
  'rpc call a b',
  'events rm S x --yes',
  'doctor --fix',
]

describe('a bus file that the user may read but not write', () => {
  describe.each([false, true])('while a writer has it open: %s', (isOpen) => {
    async function file() {
      const path = await filled()
      if (isOpen) {
        const writer = await open(path)
        onTestFinished(() => writer.close())
        await writer.subscribe('unused')
      }
      return path
    }

    test.each(readings)('is read by %s', async (args, stdout) => {
      const result = await runLocked(await file(), ...args.split(' '))
      expect(result).toMatchObject({code: 0, isUntouched: true, stdout: expect.stringMatching(stdout)})
    })

    test.each(writings)('refuses %s before anything is done', async (args) => {
      const result = await runLocked(await file(), ...args.split(' '))
      const sentence = /the bus file .* is open read-only: you may not write to it\n/
      expect(result).toMatchObject({code: 4, stderr: expect.stringMatching(sentence), isUntouched: true})
      if (!args.startsWith('doctor')) expect(result.stdout).toBe('')
    })
  })

  test('can be followed while a writer has it open', async () => {
    const path = await filled()
    const writer = start('store', path, 's.a', '100')
    await writer.atLeast(1)
    const heard = await runLocked(path, 'sub', 's.>', '-n', '3', '--for', '15s', '--raw')
    expect(heard).toMatchObject({code: 0, stdout: expect.stringMatching(/^(\d+\n){3}$/)})
  })

  test('cannot be followed while nobody has it open, and the error gives the reason', async () => {
    const result = await runLocked(await filled(), 'sub', 's.>', '--for', '1s')
    expect(result).toMatchObject({code: 4, stderr: expect.stringMatching(/no process has the bus file .* open, so/)})
  })

  test('is refused if its log cannot be read because something is missing', async () => {
    const path = await filled()
    const writer = start('store', path, 's.a', '60000')
    await writer.atLeast(50)
    writer.child.kill('SIGKILL')
    await writer.ended
    rmSync(`${path}-shm`)
    const result = await runLocked(path, 'stream', 'ls')
    expect(result).toMatchObject({code: 3, stderr: expect.stringMatching(/cannot be read without its -shm/)})
  })

  test('is read with the messages that a killed writer left in the log', async () => {
    const path = await filled()
    const writer = start('store', path, 's.a', '60000')
    await writer.atLeast(50)
    writer.child.kill('SIGKILL')
    await writer.ended
    const result = await runLocked(path, 'stream', 'info', 'S')
    expect(result).toMatchObject({code: 0, stdout: expect.stringMatching(/messages +53/), isUntouched: true})
  })

  test('is read without a write-ahead log', async () => {
    const from = await filled()
    const path = join(temporaryFolder(), 'copy.db')
    const db = new Database(from)
    db.exec(`VACUUM INTO '${path}'`)
    db.close()
    expect(await runLocked(path, 'stream', 'get', 'S', '3')).toMatchObject({code: 0, stdout: '3\n', isUntouched: true})
  })
})

describe('a bus file that is opened read-only', () => {
  test('is not written, and a writer does not notice the reader', async () => {
    const path = await filled()
    await using writer = await open(path)
    await writer.subscribe('unused')
    await using reader = await open(path, {readOnly: true})
    const heard = await reader.subscribe('s.>')
    writer.publish({subject: 's.b', data: 'new'})
    expect((await heard.take(1))[0]?.text).toBe('new')
    expect(await writer.interests?.()).toMatchObject({known: [{pattern: 'unused'}]})
    expect(await reader.interests?.()).toMatchObject({known: [{pattern: 'unused'}]})
    expect((await reader.facts()).messages).toBe(4)
  })

  test.each<[string, (bus: Transport) => unknown]>([
    ['publish', async (bus) => bus.publish({subject: 'a'})],
    ['request', (bus) => bus.request({subject: 'a'})],
    ['requestMany', async (bus) => bus.requestMany({subject: 'a'})],
    ['subscribe in a queue group', (bus) => bus.subscribe('a', {queue: 'q'})],
    ['repair', (bus) => bus.repair?.()],
    ['streams.add', (bus) => bus.streams.add({name: 'T', subjects: ['t']})],
    ['streams.publish', (bus) => bus.streams.publish({subject: 's.a'})],
    ['streams.purge', (bus) => bus.streams.purge('S')],
    ['streams.remove', (bus) => bus.streams.remove('S')],
    ['consumers.add', (bus) => bus.streams.consumers.add('S', {name: 'd'})],
    ['consumers.remove', (bus) => bus.streams.consumers.remove('S', 'c')],
    ['consumers.reset', (bus) => bus.streams.consumers.reset('S', 'c', undefined)],
    ['consumers.consume', (bus) => bus.streams.consumers.consume('S', 'c')],
  ])('refuses %s as denied', async (_, act) => {
    await using bus = await open(await filled(), {readOnly: true})
    await expect(act(bus)).rejects.toMatchObject({
      kind: 'denied',
      message: expect.stringMatching(/is open read-only: as requested$/),
    })
  })

  test('is not created', async () => {
    const folder = temporaryFolder()
    await expect(open(join(folder, 'bus.db'), {readOnly: true})).rejects.toMatchObject({
      kind: 'connect',
      message: expect.stringMatching(/^there is no bus file .*bus\.db$/),
    })
    expect(readdirSync(folder)).toEqual([])
  })

  test('must be a bus file', async () => {
    const path = join(temporaryFolder(), 'other.db')
    const db = new Database(path)
    await expect(open(path, {readOnly: true})).rejects.toMatchObject({kind: 'connect'})
    db.exec('CREATE TABLE t(x)')
    await expect(open(path, {readOnly: true})).rejects.toMatchObject({kind: 'connect'})
    db.close()
    await expect(open('memory:', {readOnly: true})).rejects.toMatchObject({kind: 'usage'})
  })
})
