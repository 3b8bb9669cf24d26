import {randomInt} from 'node:crypto'
import {copyFileSync, existsSync, readFileSync, rmSync, truncateSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {describe, expect, test} from 'vitest'
import {BusError} from '../../src/lib/errors.ts'
import {open} from '../../src/lib/transport/open.ts'
import {bus as run} from '../bus.ts'
import {start, startCommand, temporaryFolder} from '../lib/transport/sqlite/processes.ts'
import {fill, rounds, sequences, tally} from './tally.ts'

const programs = new URL('../lib/transport/sqlite/programs.ts', import.meta.url).pathname

describe('a full disk (a limit of the size of files)', () => {
  test('ends a publisher with exit code 3, and loses nothing that was acknowledged', async () => {
    const path = join(temporaryFolder(), 'bus.db')
    await fill(path, 0)
    // In blocks of 512 bytes: 2 MiB.
    const line = `ulimit -f 4096; exec "${process.execPath}" "${programs}" store "${path}" s.a`
    const publisher = startCommand('sh', ['-c', line])
    const how = await publisher.ended
    await using bus = await open(path)
    expect(tally('file: disk full while publishing', publisher.lines, await sequences(bus, 'S')).lost).toBe(0)
    expect(how, publisher.stderr()).toBe(3)
    expect(publisher.stderr()).toMatch(/disk/)
    await bus.streams.publish({subject: 's.a', data: 'there is room again'})
    expect((await bus.examine?.())?.file?.damage).toEqual([])
  })

  test('ends a durable subscriber that comes, and its messages are delivered to the next', async () => {
    const path = join(temporaryFolder(), 'bus.db')
    const stored = await fill(path, 5000)
    const line = `ulimit -f 16; exec "${process.execPath}" "${programs}" consume "${path}" S c 50 2000`
    const first = startCommand('sh', ['-c', line])
    const how = await first.ended
    const second = start('consume', path, 'S', 'c', '500', '2000')
    expect(await second.ended).toBe(0)
    const said = [...first.lines, ...second.lines].filter((each) => each !== 'live')
    expect(tally(`file: disk full when a subscriber comes (exit ${how})`, stored, said).lost).toBe(0)
    expect([0, 3]).toContain(how)
  })
})

describe('a bus file', () => {
  test('beside the -wal of another file keeps what was acknowledged', async () => {
    const folder = temporaryFolder()
    const [path, other] = [join(folder, 'a.db'), join(folder, 'b.db')]
    const stored = await fill(path, 500)
    await fill(other, 500)
    const holder = start('sleep', other, 'x')
    await holder.atLeast(1)
    copyFileSync(`${other}-wal`, `${path}-wal`)
    await using bus = await open(path)
    expect(tally('file: the -wal of another file', stored, await sequences(bus, 'S')).lost).toBe(0)
    expect((await bus.examine?.())?.file?.damage).toEqual([])
  })

  test('with flipped bytes or cut off is refused or found by the doctor, and never a bug', async () => {
    const folder = temporaryFolder()
    const good = join(folder, 'good.db')
    await fill(good, 2000)
    const bytes = readFileSync(good)
    const ends = new Map<string, number>()
    for (let round = 0; round < rounds; round++) {
      const path = join(folder, `bad-${round}.db`)
      const bad = Buffer.from(bytes)
      for (let n = 0; n < 20; n++) bad.writeUInt8(randomInt(256), randomInt(bad.length))
      writeFileSync(path, bad)
      if (round % 3 === 0) truncateSync(path, randomInt(bytes.length))
      const end = await look(path)
      ends.set(end, (ends.get(end) ?? 0) + 1)
      for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, {force: true})
    }
    process.stdout.write(`file: damaged ${rounds} times: ${JSON.stringify(Object.fromEntries(ends))}\n`)
    expect([...ends.keys()].filter((end) => end.startsWith('bug'))).toEqual([])
  })

  test('that a reader may not write, or that is a folder or a device, is told of in a sentence', async () => {
    const folder = temporaryFolder()
    for (const path of [folder, '/dev/null', join(folder, 'none', 'bus.db'), join(folder, 'x'.repeat(300))]) {
      const {code, stderr} = await run(['pub', 'a', 'x', '-b', `sqlite:${path}`])
      expect([3, 4], stderr).toContain(code)
    }
    expect(existsSync(join(folder, 'none'))).toBe(false)
  })
})

/** Reads all of it, as far as that goes. */
async function look(path: string): Promise<string> {
  try {
    await using bus = await open(path)
    const {file} = (await bus.examine?.()) ?? {}
    await sequences(bus, 'S')
    return file?.damage.length ? 'found by quick_check' : 'in payloads or unused bytes only'
  } catch (error) {
    return error instanceof BusError ? `refused: ${error.kind}` : `bug: ${(error as Error).stack}`
  }
}
