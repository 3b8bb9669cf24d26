import {join} from 'node:path'
import {describe, expect, test} from 'vitest'
import {open} from '../../src/lib/transport/open.ts'
import {Database} from '../../src/lib/transport/sqlite/database.ts'
import {root} from '../bus.ts'
import {type Program, start, startCommand, temporaryFolder} from '../lib/transport/sqlite/processes.ts'
import {fill, sequences, tally} from './tally.ts'

const programs = new URL('../lib/transport/sqlite/programs.ts', import.meta.url).pathname

/** Simulates a disk that is full when a file has this many blocks of 512 bytes. */
function onSmallDisk(blocks: number, argv: readonly string[]): Program {
  const line = `trap '' XFSZ; ulimit -f ${blocks}; exec "$0" "$@"`
  return startCommand('sh', ['-c', line, process.execPath, ...argv])
}

/** How it ends: with a sentence about the disk. */
async function endsFull(program: Program): Promise<void> {
  expect(await program.ended, program.stderr()).toBe(3)
  expect(program.stderr()).toMatch(/disk is full|disk reports an error/)
}

async function isSound(path: string): Promise<void> {
  await using bus = await open(path)
  expect((await bus.examine?.())?.file?.damage).toEqual([])
}

describe('a disk that becomes full (simulated by a limit on file sizes)', () => {
  test('while publishing ends the publisher with exit code 3, and acknowledged messages are stored', async () => {
    const path = join(temporaryFolder(), 'bus.db')
    await fill(path, 0)
    const publisher = onSmallDisk(4096, [programs, 'store', path, 's.a'])
    await endsFull(publisher)
    await using bus = await open(path)
    expect(tally('file: disk full while publishing', publisher.lines, await sequences(bus, 'S')).lost).toBe(0)
    await bus.streams.publish({subject: 's.a', data: 'there is room again'})
    await isSound(path)
  })

  test('while acknowledging ends the consumer with exit code 3, and acknowledged messages are not redelivered', async () => {
    const path = join(temporaryFolder(), 'bus.db')
    const stored = await fill(path, 20_000)
    const first = onSmallDisk(160, [programs, 'settle', path, 'S', 'c', '50'])
    await endsFull(first)
    const second = start('settle', path, 'S', 'c', '500')
    expect(await second.ended, second.stderr()).toBe(0)
    const found = tally('file: disk full while acknowledging', stored, [...first.lines, ...second.lines])
    expect(found).toMatchObject({lost: 0, duplicated: 0})
    expect(first.lines.length).toBeGreaterThan(0)
    await isSound(path)
  })

  test.each([
    ['sub --durable', ['sub', 's.>', '--durable', 'c', '--raw']],
    ['consumer replay', ['consumer', 'replay', 'S', 'c', '--raw']],
    ['consumer next', ['consumer', 'next', 'S', 'c', '-n', '20000', '--raw']],
  ])('ends bus %s with exit code 3, and every message is shown, then or by the next run', async (name, args) => {
    const path = join(temporaryFolder(), 'bus.db')
    await fill(path, 20_000)
    const all = Array.from({length: 20_000}, (_, n) => String(n))
    const first = onSmallDisk(160, [join(root, 'bin', 'run.js'), ...args, '-b', path])
    await endsFull(first)
    const second = startCommand(process.execPath, [join(root, 'bin', 'run.js'), ...replayed, '-b', path])
    expect(await second.ended, second.stderr()).toBe(0)
    const found = tally(`file: disk full, bus ${name}`, all, [...first.lines, ...second.lines])
    expect(found.lost).toBe(0)
    await isSound(path)
  })

  test('while pruning loses nothing that was acknowledged, and pruning continues once there is space', async () => {
    const path = join(temporaryFolder(), 'bus.db')
    await fill(path, 0)
    const aged = 20_000
    await ageMessages(path, aged)
    const publisher = onSmallDisk(2048, [programs, 'store', path, 's.a'])
    await endsFull(publisher)
    const left = leftOf(path)
    await using bus = await open(path)
    const found = tally(
      `file: disk full while pruning (${aged - left} of ${aged} were)`,
      publisher.lines,
      await sequences(bus, 'S'),
    )
    expect(found.lost).toBe(0)
    for (let n = 0; leftOf(path) > 0 && n < 1000; n++) await bus.streams.publish({subject: 's.a', data: 'room'})
    expect(leftOf(path)).toBe(0)
    await isSound(path)
  })
})

const replayed = ['consumer', 'replay', 'S', 'c', '--raw']

/** This many messages outside streams, from two hours ago. */
async function ageMessages(path: string, count: number): Promise<void> {
  const db = new Database(path)
  const ts = (Date.now() - 2 * 3_600_000) * 1000
  db.exec(`INSERT INTO subject(id, name) VALUES (1000, 'aged');
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
    INSERT INTO msg(sid, ts, data) SELECT 1000, ${ts} + i, printf('%20d', i) FROM n`)
  db.close()
}

function leftOf(path: string): number {
  const db = new Database(path, {readOnly: true})
  const left = db.prepare('SELECT count(*) FROM msg WHERE sid = 1000').pluck().get() as number
  db.close()
  return left
}
