import {randomInt} from 'node:crypto'
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import {join} from 'node:path'
import {describe, expect, test} from 'vitest'
import {BusError} from '../../src/lib/core/errors.ts'
import {open} from '../../src/lib/transport/open.ts'
import {root, bus as run} from '../bus.ts'
import {start, startCommand, temporaryFolder, withoutPrivileges} from '../lib/transport/sqlite/processes.ts'
import {fill, rounds, sequences, tally, until} from './tally.ts'

const program = join(root, 'bin', 'run.js')

describe('a bus file', () => {
  test('with flipped bytes or truncated is refused or found by the doctor, and never causes a bug report', async () => {
    const folder = temporaryFolder()
    const good = join(folder, 'good.db')
    await fill(good, 2000)
    const bytes = readFileSync(good)
    const ends = new Map<string, number>()
    for (let round = 0; round < rounds; round++) {
      const path = join(folder, `bad-${round}.db`)
      const bad = Buffer.from(bytes)
      // A few bytes leave more of it usable.
      const changes = 1 + randomInt(20)
      for (let n = 0; n < changes; n++) bad.writeUInt8(randomInt(256), randomInt(bad.length))
      writeFileSync(path, bad)
      if (round % 3 === 0) truncateSync(path, randomInt(bytes.length))
      const end = await look(path)
      ends.set(end, (ends.get(end) ?? 0) + 1)
      for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, {force: true})
    }
    process.stdout.write(`file: damaged ${rounds} times: ${JSON.stringify(Object.fromEntries(ends))}\n`)
    expect([...ends.keys()].filter((end) => end.startsWith('bug'))).toEqual([])
  })

  test('that is a folder, a device or missing is reported in one sentence', async () => {
    const folder = temporaryFolder()
    for (const path of [folder, '/dev/null', join(folder, 'none', 'bus.db'), join(folder, 'x'.repeat(300))]) {
      const {code, stderr} = await run(['pub', 'a', 'x', '-b', `sqlite:${path}`])
      expect([3, 4], stderr).toContain(code)
    }
    expect(existsSync(join(folder, 'none'))).toBe(false)
  })

  test('made read-only can be read by new processes, and does not block those that have it open', async () => {
    const folder = temporaryFolder()
    const path = join(folder, 'bus.db')
    await fill(path, 0)
    const publisher = start('store', path, 's.a')
    await publisher.atLeast(100)
    for (const each of [path, `${path}-wal`, `${path}-shm`]) chmodSync(each, 0o444)
    chmodSync(folder, 0o555)
    for (const args of [
      ['pub', 's.a', 'x', '--ack'],
      ['sub', 's.>', '--durable', 'c'],
      ['serve', 'echo', '--echo'],
    ]) {
      const other = startCommand(...withoutPrivileges(process.execPath, program, ...args, '-b', path))
      expect(await other.ended, other.stderr()).toBe(4)
      expect(other.stderr()).toMatch(/is open read-only: you may not write to it/)
    }
    const reader = startCommand(...withoutPrivileges(process.execPath, program, 'stream', 'get', 'S', '1', '-b', path))
    expect(await reader.ended, reader.stderr()).toBe(0)
    chmodSync(folder, 0o755)
    await publisher.atLeast(publisher.lines.length + 100)
    publisher.child.kill('SIGKILL')
    await publisher.ended
    await using bus = await open(path)
    expect(tally('file: made read-only', publisher.lines, await sequences(bus, 'S')).lost).toBe(0)
  })

  test('on a path with spaces and non-ASCII letters works with pub, sub, replay and the doctor', async () => {
    const folder = join(temporaryFolder(), "söme 文件夹 'quoted' %20 #1?")
    mkdirSync(folder)
    for (const path of [join(folder, 'büs 1.db'), `sqlite:${join(folder, 'bus#2?.db')}`]) {
      const on = (...args: string[]) => run([...args, '-b', path])
      expect((await on('stream', 'add', 'S', 's.>')).code).toBe(0)
      const sent = ['1', '2', '3']
      for (const each of sent) expect((await on('pub', 's.a', each, '--ack')).code).toBe(0)
      const {stdout} = await on('sub', 's.>', '--durable', 'd', '--create', '-n', '3', '--raw')
      const replayed = await on('consumer', 'replay', 'S', '--raw')
      const found = tally('file: a path with spaces and other letters', sent, stdout.trim().split('\n'))
      expect([found.lost, replayed.stdout]).toEqual([0, stdout])
      expect((await on('doctor')).code).toBe(0)
    }
  })

  test('beside the -wal of another file is refused in one sentence, and nothing is lost', async () => {
    const folder = temporaryFolder()
    const [path, other] = [join(folder, 'a.db'), join(folder, 'b.db')]
    const stored = await fill(path, 5000)
    await using holder = await open(other)
    await fill(other, 500)
    await holder.flush()
    copyFileSync(`${other}-wal`, `${path}-wal`)
    for (const args of [['pub', 's.a', 'x'], ['stream', 'info', 'S'], ['doctor']]) {
      const {code, stdout, stderr} = await run([...args, '-b', path])
      expect([code, stdout + stderr]).toEqual([
        3,
        expect.stringContaining('has a -wal beside it that belongs to another file'),
      ])
    }
    renameSync(`${path}-wal`, `${path}-wal.lost`)
    await using bus = await open(path)
    expect(tally('file: the -wal of another file', stored, await sequences(bus, 'S')).lost).toBe(0)
  })
})

describe.each(['deleted', 'replaced'] as const)('a bus file that is %s while it is in use', (fate) => {
  test('soon ends every process that has it open with exit code 3 and one sentence, and the new file is left untouched', async () => {
    const folder = temporaryFolder()
    const [path, other] = [join(folder, 'bus.db'), join(folder, 'other.db')]
    await fill(path, 100)
    const stored = await fill(other, 500)
    const users = [
      ['sub', 'a', '-b', path],
      ['sub', 's.>', '--durable', 'c', '-b', path],
      ['serve', 'echo', '--echo', '-b', path],
      ['consumer', 'replay', 'S', '--follow', '-b', path],
      ['events', 'serve', '--ws', '127.0.0.1:0', '--allow-anonymous', '-b', path],
    ].map((args) => startCommand(process.execPath, [program, ...args]))
    const publisher = start('store', path, 's.a')
    await publisher.atLeast(100)
    await Promise.all(users.map((user) => until(() => user.stderr().includes('listening') || user.lines.length > 100)))
    if (fate === 'deleted') rmSync(path)
    else renameSync(other, path)
    const [before, began] = [publisher.lines.length, performance.now()]
    const ends = await Promise.all([publisher, ...users].map((user) => user.ended))
    const tookMs = Math.round(performance.now() - began)
    const after = publisher.lines.length - before
    for (const user of [publisher, ...users]) expect(user.stderr()).toContain(`was ${fate} while it was open`)
    expect(ends).toEqual(ends.map(() => 3))
    expect(tookMs).toBeLessThan(5000)
    await using bus = await open(path)
    const there = fate === 'deleted' ? [] : stored
    const said = `file: ${fate} in use (${after} acknowledged after that, all ended in ${tookMs} ms)`
    const left = (await bus.streams.list()).length === 0 ? [] : await sequences(bus, 'S')
    expect(tally(said, there, left)).toMatchObject({lost: 0, delivered: there.length})
    expect((await bus.examine?.())?.file?.damage).toEqual([])
  })
})

describe.each(['truncated', 'overwritten in places'] as const)('a bus file that is %s while it is in use', (fate) => {
  test('ends each process that finds the damage with exit code 3, and the doctor finds it', async () => {
    const path = join(temporaryFolder(), 'bus.db')
    await fill(path, 20_000)
    const reader = startCommand(process.execPath, [program, 'sub', 's.>', '--from', 'first', '--raw', '-b', path])
    await reader.atLeast(20_000)
    if (fate === 'truncated') truncateSync(path, 200_000)
    else scribble(path, 200)
    const next = await run(['consumer', 'replay', 'S', '--raw', '-b', path])
    expect([0, 3], next.stderr).toContain(next.code)
    const publisher = start('store', path, 's.a')
    await Promise.race([publisher.ended, publisher.atLeast(1000)])
    publisher.child.kill('SIGKILL')
    expect(['SIGKILL', 3]).toContain(await publisher.ended)
    reader.child.kill('SIGINT')
    expect([0, 3, 130], reader.stderr()).toContain(await reader.ended)
    const doctor = await run(['doctor', '-b', path])
    process.stdout.write(
      `file: ${fate} in use: the doctor ends with ${doctor.code}: ${firstComplaint(doctor.stdout)}\n`,
    )
    expect(doctor.code, doctor.stderr).not.toBe(1)
  })
})

/** Uses a file in every way that reads another table. */
async function look(path: string): Promise<string> {
  try {
    await using bus = await open(path)
    const {file} = (await bus.examine?.()) ?? {}
    await sequences(bus, 'S')
    await bus.interests?.()
    const subscription = await bus.subscribe('s.>', {signal: AbortSignal.timeout(1000)})
    await bus.streams.publish({subject: 's.a', data: 'x'})
    await subscription.take(1)
    await using member = await bus.streams.consumers.consume('S', 'c')
    for (const delivery of await member.take(100, 100)) member.ack(delivery)
    await member.flush()
    return file?.damage.length ? 'found by quick_check' : 'in payloads or unused bytes only'
  } catch (error) {
    const bug = causes(error).find((each) => !(each instanceof BusError))
    return bug === undefined ? 'refused' : `bug: ${(bug as Error).stack}`
  }
}

/** The failures, and those of the clean-up. */
function causes(error: unknown): unknown[] {
  return error instanceof SuppressedError ? [...causes(error.error), ...causes(error.suppressed)] : [error]
}

function scribble(path: string, times: number): void {
  const {size} = statSync(path)
  const fd = openSync(path, 'r+')
  for (let n = 0; n < times; n++) writeSync(fd, Buffer.of(randomInt(256)), 0, 1, 4096 + randomInt(size - 4096))
  closeSync(fd)
}

function firstComplaint(text: string): string {
  return (
    text
      .split('\n')
      .find((line) => /damage|malformed/.test(line))
      ?.trim() ?? 'nothing'
  )
}
