import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import {join} from 'node:path'
import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import type {Transport} from '../../../../src/lib/transport/contract.ts'
import {open} from '../../../../src/lib/transport/open.ts'
import {Database} from '../../../../src/lib/transport/sqlite/database.ts'
import {checkLog} from '../../../../src/lib/transport/sqlite/wal-chain.ts'
import {temporaryFolder} from './processes.ts'

/** A file and its log as they were at one moment. */
interface Snapshot {
  readonly path: string
  /** How many messages had been published by then. */
  readonly count: number
}

/** Copies of a bus file between rounds of publishing; occasionally its log is written into it. */
async function snapshots(folder: string, rounds: number): Promise<Snapshot[]> {
  mkdirSync(folder)
  const path = join(folder, 'bus.db')
  await using bus = await open(path)
  const checkpointer = new Database(path)
  const taken: Snapshot[] = []
  let count = 0
  for (let round = 0; round < rounds; round++) {
    count = await publish(bus, count, 40 + 30 * (round % 4))
    if (round % 3 === 1) checkpointer.pragma('wal_checkpoint(PASSIVE)')
    if (round % 5 === 4) checkpointer.pragma('wal_checkpoint(RESTART)')
    const copy = join(folder, `${round}.db`)
    copyFileSync(path, copy)
    copyFileSync(`${path}-wal`, `${copy}-wal`)
    taken.push({path: copy, count})
  }
  checkpointer.close()
  return taken
}

/** Numbers as payloads, about twenty per commit. */
async function publish(bus: Transport, from: number, count: number): Promise<number> {
  for (let n = from + 1; n <= from + count; n++) {
    bus.publish({subject: `s.${n % 7}`, data: String(n)})
    if (n % 20 === 0) await bus.flush()
  }
  await bus.flush()
  return from + count
}

/** The content of a file together with a log, or why it was refused. */
async function pair(folder: string, file: string, log: string): Promise<number[] | string> {
  mkdirSync(folder, {recursive: true})
  const path = join(folder, `${crypto.randomUUID()}.db`)
  copyFileSync(file, path)
  copyFileSync(log, `${path}-wal`)
  try {
    await using _ = await open(path)
  } catch (error) {
    return (error as Error).message
  }
  const db = new Database(path)
  expect(db.pragmaValue('integrity_check')).toBe('ok')
  const held = db.prepare('SELECT CAST(data AS INTEGER) FROM msg ORDER BY seq').pluck().all() as number[]
  db.close()
  return held
}

const numbers = (count: number) => Array.from({length: count}, (_, i) => i + 1)

describe('a bus file and the -wal beside it', () => {
  test('are opened together if and only if one continues the other', async () => {
    const folder = temporaryFolder()
    const ours = await snapshots(join(folder, 'ours'), 8)
    const others = await snapshots(join(folder, 'others'), 3)
    const mixed = join(folder, 'mixed')
    let refused = 0
    for (const file of ours) {
      expect(await pair(mixed, file.path, `${file.path}-wal`)).toEqual(numbers(file.count))
      for (const log of [...ours, ...others]) {
        const held = await pair(mixed, file.path, `${log.path}-wal`)
        if (typeof held === 'string') {
          expect(held).toContain('has a -wal beside it that belongs to another file')
          refused++
        } else {
          expect(others).not.toContain(log)
          expect(held).toEqual(numbers(log.count))
        }
      }
    }
    expect(refused).toBeGreaterThan(ours.length * others.length)
  })

  test('are left unchanged if they do not belong together, and the file is intact without it', async () => {
    const folder = temporaryFolder()
    const path = join(folder, 'bus.db')
    {
      await using bus = await open(path)
      await publish(bus, 0, 100)
    }
    const [other] = await snapshots(join(folder, 'others'), 1)
    copyFileSync(`${other?.path}-wal`, `${path}-wal`)
    const before = [path, `${path}-wal`].map((each) => readFileSync(each))
    await expect(open(path)).rejects.toMatchObject({
      kind: 'connect',
      try: [expect.any(String), expect.stringContaining(`mv '${path}-wal'`)],
    })
    expect([path, `${path}-wal`].map((each) => readFileSync(each))).toEqual(before)
    renameSync(`${path}-wal`, `${path}-wal.lost`)
    await using bus = await open(path)
    expect(await bus.facts()).toBeDefined()
  })

  test('are opened if another program was the last to write', async () => {
    const path = join(temporaryFolder(), 'bus.db')
    await using bus = await open(path)
    await publish(bus, 0, 100)
    const shell = new Database(path)
    shell.pragma('wal_checkpoint(RESTART)')
    shell.exec('UPDATE msg SET ts = ts - 1 WHERE seq < 50')
    await using other = await open(path)
    await publish(other, 100, 20)
    expect(shell.prepare('SELECT count(*) FROM msg').pluck().get()).toBe(120)
    shell.close()
  })

  test('are opened if the file is from before the chain existed', async () => {
    const path = join(temporaryFolder(), 'bus.db')
    await (await open(path)).close()
    const maker = new Database(path)
    maker.exec('DROP TABLE chain; PRAGMA user_version = 1000')
    for (const from of [0, 100]) {
      await using bus = await open(path)
      await publish(bus, from, 100)
      await using other = await open(path)
      expect(other.url).toBe(bus.url)
    }
    expect(maker.prepare('SELECT count(*) FROM msg').pluck().get()).toBe(200)
    maker.close()
  })

  test('are those that a symbolic link points to', async () => {
    const folder = temporaryFolder()
    const [path, link] = [join(folder, 'real.db'), join(folder, 'link.db')]
    symlinkSync('real.db', link)
    await expect(open(link)).rejects.toMatchObject({kind: 'connect', message: expect.stringContaining('symbolic link')})
    {
      await using bus = await open(path)
      await using other = await open(link)
      const subscription = await bus.subscribe('s.>')
      await publish(other, 0, 3)
      expect((await subscription.take(3))[0]?.text).toBe('1')
    }
    expect(readdirSync(folder).sort()).toEqual(['link.db', 'real.db', 'real.db.bells'])
    const [another] = await snapshots(join(folder, 'others'), 1)
    copyFileSync(`${another?.path}-wal`, `${path}-wal`)
    await expect(open(link)).rejects.toMatchObject({
      kind: 'connect',
      message: expect.stringContaining('belongs to another file'),
    })
  })

  test.each([
    ['one that another SQLite program has left', 'refused', foreignLog],
    ['an empty one', 'opened', (path: string) => writeFileSync(path, '')],
    ['one that is no log', 'opened', (path: string) => writeFileSync(path, Buffer.alloc(9000, 7))],
    ['a head without frames', 'opened', (path: string, log: string) => cut(path, log, 32)],
    ['a commit that is torn', 'opened', (path: string, log: string) => cut(path, log, 32 + 24 + 5000)],
  ] as const)('%s is %s', async (_, fate, make) => {
    const folder = temporaryFolder()
    const path = join(folder, 'bus.db')
    {
      await using bus = await open(path)
      await publish(bus, 0, 100)
    }
    const [other] = await snapshots(join(folder, 'others'), 1)
    make(`${path}-wal`, `${other?.path}-wal`)
    const opened = await open(path).then(
      (bus) => bus.close().then(() => 'opened'),
      () => 'refused',
    )
    expect(opened).toBe(fate)
    if (fate === 'opened') expect(existsSync(`${path}-wal`)).toBe(false)
  })
})

test('a bus file is opened or refused by a sentence, whatever is beside it', async () => {
  const folder = temporaryFolder()
  const [{path} = {path: ''}] = await snapshots(join(folder, 'ours'), 1)
  const log = readFileSync(`${path}-wal`)
  const places = fc.array(fc.tuple(fc.nat(log.length - 1), fc.nat(255)), {minLength: 1, maxLength: 20})
  const heads = fc.array(fc.tuple(fc.nat(55), fc.nat(255)), {maxLength: 4})
  fc.assert(
    fc.property(places, heads, fc.nat(log.length), (changes, more, length) => {
      const bytes = Buffer.from(log)
      for (const [at, byte] of [...changes, ...more]) bytes[at] = byte
      writeFileSync(`${path}-wal`, bytes.subarray(0, length))
      try {
        checkLog(path)
      } catch (error) {
        expect(error).toMatchObject({kind: 'connect'})
      }
    }),
    {numRuns: 300},
  )
})

function foreignLog(path: string): void {
  const db = new Database(`${path}.other`)
  db.exec('PRAGMA journal_mode = WAL; CREATE TABLE t(x); INSERT INTO t VALUES (1)')
  copyFileSync(`${path}.other-wal`, path)
  db.close()
}

function cut(path: string, log: string, bytes: number): void {
  copyFileSync(log, path)
  truncateSync(path, bytes)
}

test('a log whose first commits are older than the tables, as when several processes create a file at once, belongs to it', async () => {
  const path = join(temporaryFolder(), 'bus.db')
  const other = new Database(path)
  other.exec(
    'PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA user_version = 1; PRAGMA user_version = 0',
  )
  await using bus = await open(path)
  await using second = await open(path)
  second.publish({subject: 'a', data: 'x'})
  await second.flush()
  other.close()
  expect(bus.url).toBe(second.url)
})
