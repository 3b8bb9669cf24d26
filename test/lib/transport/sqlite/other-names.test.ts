import {spawnSync} from 'node:child_process'
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {describe, expect, onTestFinished, test} from 'vitest'
import {open} from '../../../../src/lib/transport/open.ts'
import {Database} from '../../../../src/lib/transport/sqlite/database.ts'
import {WrittenOver} from '../../../../src/lib/transport/sqlite/wal-chain.ts'
import {start, startCommand, temporaryFolder, withoutPrivileges} from './processes.ts'

const programs = new URL('programs.ts', import.meta.url).pathname

async function withStream(path: string): Promise<string> {
  await using bus = await open(path)
  await bus.streams.add({name: 'S', subjects: ['s.>']})
  return path
}

async function stored(path: string): Promise<number> {
  await using bus = await open(path)
  return (await bus.streams.info('S')).state.messages
}

describe('a bus file opened through a symbolic link', () => {
  test.each(['switched to another file', 'removed'])(
    'that is %s keeps its log, and everything that was stored',
    async (fate) => {
      const folder = temporaryFolder()
      for (const name of ['v1', 'v2']) mkdirSync(join(folder, name))
      const [real, link] = [join(folder, 'v1', 'bus.db'), join(folder, 'current')]
      symlinkSync('v1', link)
      await withStream(real)
      await using bus = await open(real)
      const linked = await open(join(link, 'bus.db'))
      const told = expect((await linked.subscribe('s.>')).take(1)).rejects.toMatchObject({exitCode: 3})
      rmSync(link)
      if (fate !== 'removed') symlinkSync('v2', link)
      await told
      for (let n = 1; n <= 10; n++) await bus.streams.publish({subject: 's.a', data: 'x'})
      await linked.close().catch(() => {})
      await bus.streams.publish({subject: 's.a', data: 'x'})
      expect(existsSync(`${real}-wal.lost`)).toBe(false)
      expect(await stored(real)).toBe(11)
    },
  )
})

describe('a bus file that has', () => {
  test('a second name by a hard link is refused, through either name', async () => {
    const folder = temporaryFolder()
    const path = await withStream(join(folder, 'a.db'))
    linkSync(path, join(folder, 'b.db'))
    for (const name of ['a.db', 'b.db']) {
      await expect(open(join(folder, name))).rejects.toMatchObject({
        kind: 'connect',
        message: expect.stringContaining('hard link'),
      })
    }
    rmSync(join(folder, 'b.db'))
    expect(await stored(path)).toBe(0)
  })

  test('a second name by a bind mount is refused through that one', async (context) => {
    const folder = temporaryFolder()
    const path = await withStream(join(folder, 'host.db'))
    mkdirSync(join(folder, 'a box'))
    const box = join(folder, 'a box', 'bus.db')
    const script = 'touch "$1" && mount --bind "$0" "$1" && exec "$2" "$3" once "$1" s.a'
    const {status, stderr} = spawnSync('unshare', ['-m', 'sh', '-c', script, path, box, process.execPath, programs], {
      encoding: 'utf8',
    })
    if (/unshare|mount:/.test(stderr)) return context.skip()
    expect([status, stderr]).toEqual([3, expect.stringContaining('mounted as a single file')])
  })

  test('lost its -shm acknowledges nothing more, and nothing acknowledged before is lost', async () => {
    const path = await withStream(join(temporaryFolder(), 'bus.db'))
    const bus = await open(path)
    for (let n = 1; n <= 20; n++) await bus.streams.publish({subject: 's.a', data: 'x'})
    rmSync(`${path}-shm`)
    await sleep(10)
    await expect(bus.streams.publish({subject: 's.a', data: 'x'})).rejects.toMatchObject({
      exitCode: 3,
      message: expect.stringContaining('bus.db-shm was deleted while it was open'),
    })
    const other = start('store', path, 's.b')
    await other.atLeast(100)
    await bus.close().catch(() => {})
    other.child.kill('SIGKILL')
    await other.ended
    const db = new Database(path, {readOnly: true})
    expect(db.pragmaValue('integrity_check')).toBe('ok')
    db.close()
    expect(await stored(path)).toBeGreaterThanOrEqual(20 + other.lines.length)
  })

  test.each([
    ['VACUUM INTO', (from: Database, to: string) => void from.exec(`VACUUM INTO '${to}'`)],
    [
      'journal_mode = DELETE',
      (from: Database, to: string) => {
        from.pragma('journal_mode = DELETE')
        renameSync(String(from.prepare('SELECT file FROM pragma_database_list').pluck().get()), to)
      },
    ],
  ])('no write-ahead log after %s gets one again, and keeps its messages', async (_, make) => {
    const folder = temporaryFolder()
    const from = await withStream(join(folder, 'from.db'))
    const path = join(folder, 'bus.db')
    const db = new Database(from)
    make(db, path)
    db.close()
    const publishers = Array.from({length: 3}, () => start('once', path, 's.a'))
    for (const {ended, stderr} of publishers) expect(await ended, stderr()).toBe(0)
    const look = new Database(path, {readOnly: true})
    expect(look.pragmaValue('journal_mode')).toBe('wal')
    look.close()
    expect(await stored(path)).toBe(3)
  })

  test('no read permission for this user is refused as denied', async () => {
    const path = await withStream(join(temporaryFolder(), 'bus.db'))
    chmodSync(path, 0)
    const program = startCommand(...withoutPrivileges(process.execPath, programs, 'once', path, 's.a'))
    expect(await program.ended, program.stderr()).toBe(4)
    expect(program.stderr()).toContain('permission denied')
  })

  test('a group that shares it stays accessible to the group after repairs', async () => {
    const path = await withStream(join(temporaryFolder(), 'bus.db'))
    chmodSync(path, 0o664)
    await using bus = await open(path)
    await bus.repair?.()
    expect(statSync(path).mode & 0o777).toBe(0o660)
  })
})

describe('a process that cannot examine others', () => {
  test('considers no live process dead', async (context) => {
    const path = join(temporaryFolder(), 'bus.db')
    const server = start('serve', path, 'echo')
    await server.atLeast(1)
    const script = 'mount -t tmpfs none /proc && exec "$0" --input-type=module -e "$1" "$2" "$3"'
    const ask = `const {open} = await import(process.argv[1]); const bus = await open(process.argv[2])
      try { console.log((await bus.request({subject: 'echo', data: 'hello'})).text) } catch (error) { console.log(error.message) }
      await bus.close()`
    const opener = new URL('../../../../src/lib/transport/open.ts', import.meta.url).pathname
    const {stdout, stderr} = spawnSync('unshare', ['-m', 'sh', '-c', script, process.execPath, ask, opener, path], {
      encoding: 'utf8',
    })
    if (/unshare|mount:/.test(stderr)) return context.skip()
    expect(stdout).toBe('hello\n')
  })
})

describe.runIf(process.platform === 'linux')('opening a bus file', () => {
  const opener = new URL('../../../../src/lib/transport/open.ts', import.meta.url).pathname
  const openAndSay = `const {open} = await import(process.argv[1])
    for (const path of process.argv.slice(2)) await open(path).then(
      (bus) => { console.log('opened'); return bus.close() }, ({kind, message}) => console.log(kind, message))`

  test('reports that no descriptor is free, for a new file and for an existing one', async () => {
    const folder = temporaryFolder()
    const old = await withStream(join(folder, 'old.db'))
    const crowd = `const {openSync} = await import('node:fs')
      await import(new URL('./sqlite/driver.ts', 'file://' + process.argv[1]))
      try { for (;;) openSync('/dev/null', 'r') } catch {}`
    const script = `ulimit -n 128; exec "$0" --input-type=module -e "$1" "$2" "$3" "$4"`
    const {stdout} = spawnSync(
      'sh',
      [
        '-c',
        script,
        process.execPath,
        `await import(process.argv[1])\n${crowd}\n${openAndSay}`,
        opener,
        join(folder, 'new.db'),
        old,
      ],
      {encoding: 'utf8'},
    )
    expect(stdout.trim().split('\n')).toEqual(
      [join(folder, 'new.db'), old].map(
        (path) => `connect the bus file ${path} cannot be opened: no file descriptor is free`,
      ),
    )
  })

  test('reports that the disk has no free inode, for a new file and for the log of an existing one', async (context) => {
    const folder = temporaryFolder()
    const script = `mount -t tmpfs -o size=4m,nr_inodes=8 none ${folder} && cd ${folder} &&
      "$0" --input-type=module -e "$1" "$2" old.db && rm -rf old.db.bells &&
      i=0; while touch f$i; do i=$((i+1)); done 2>/dev/null; "$0" --input-type=module -e "$1" "$2" "$PWD/new.db" "$PWD/old.db"`
    const {stdout, stderr} = spawnSync('unshare', ['-m', 'sh', '-c', script, process.execPath, openAndSay, opener], {
      encoding: 'utf8',
    })
    if (/unshare|mount:/.test(stderr ?? 'unshare')) return context.skip()
    expect(stdout.trim().split('\n')).toEqual([
      'opened',
      ...['new.db', 'old.db'].map(
        (name) => `connect the bus file ${join(folder, name)} cannot be opened: the disk has no free inode`,
      ),
    ])
  })
})

describe('a stream of a bus file', () => {
  test.each([
    ['Nats-TTL', '1s', 'per-message TTL is disabled'],
    ['Nats-Rollup', 'sub', 'rollup not permitted'],
    ['Nats-Incr', '+1', 'message counters is disabled'],
    ['Nats-Schedule', '@at 2030-01-01T00:00:00Z', 'message schedules is disabled'],
    ['Nats-Batch-Id', 'b', 'atomic publish is disabled'],
    ['Nats-Stream-Source', 'S 1 > > s.a', 'message stream source header is not allowed'],
    ['Nats-Expected-Last-Subject-Sequence-Subject', 's.a', 'missing sequence for expected last sequence per subject'],
  ])('refuses %s, which it does not support, as a server refuses it', async (name, value, message) => {
    const path = await withStream(join(temporaryFolder(), 'bus.db'))
    await using bus = await open(path)
    await expect(bus.streams.publish({subject: 's.a', data: 'x', headers: [[name, value]]})).rejects.toMatchObject({
      kind: 'remote',
      message: expect.stringContaining(message),
    })
    expect((await bus.streams.info('S')).state.messages).toBe(0)
  })

  test('refuses the headers of a batch in a single message, also if it accepts batches', async () => {
    await using bus = await open(await withStream(join(temporaryFolder(), 'bus.db')))
    await bus.streams.update('S', {allowAtomic: true})
    const headers = [['Nats-Batch-Id', 'b']] as const
    await expect(bus.streams.publish({subject: 's.a', headers})).rejects.toMatchObject({
      kind: 'remote',
      message: expect.stringContaining('published as a whole'),
    })
    expect((await bus.streams.info('S')).state.messages).toBe(0)
  })

  test('refuses an expectation about another subject, which it does not check', async () => {
    const path = await withStream(join(temporaryFolder(), 'bus.db'))
    await using bus = await open(path)
    const publish = (about: string) =>
      bus.streams.publish({
        subject: 's.a',
        headers: [
          ['Nats-Expected-Last-Subject-Sequence', '0'],
          ['Nats-Expected-Last-Subject-Sequence-Subject', about],
        ],
      })
    await expect(publish('s.b')).rejects.toMatchObject({kind: 'remote', data: {code: 10193}})
    await expect(publish('s.a')).resolves.toMatchObject({stream: 'S'})
    expect((await bus.streams.info('S')).state.messages).toBe(1)
  })
})

describe('a bus file that is written over in place', () => {
  test.each(['an earlier copy', 'another bus file', 'something else'])(
    'by %s is detected, and keeps its new content',
    async (by) => {
      const folder = temporaryFolder()
      const path = await withStream(join(folder, 'bus.db'))
      const other = by === 'an earlier copy' ? path : await withStream(join(folder, 'other.db'))
      const copy = by === 'something else' ? Buffer.alloc(100_000, 'x') : readFileSync(other)
      for (const each of ['1', '2']) expect(await start('once', path, `s.${each}`).ended).toBe(0)
      const programs = [
        start('store', path, 's.a', '20'),
        start('store', path, 's.b', '20'),
        start('subscribe', path, 's.>'),
        start('subscribe', path, 's.a'),
      ]
      for (const program of programs) await program.atLeast(60)
      writeFileSync(path, copy)
      for (const {ended, stderr} of programs) expect(await ended, stderr()).not.toBe(0)
      const said = programs.map(({stderr}) => stderr()).join('')
      // A program may look between the moments at which the file is emptied and written.
      expect(said).toMatch(/was written over while it was open|not a bus file|is damaged/)
      expect(readFileSync(path).equals(copy)).toBe(true)
      if (by !== 'something else') expect(await stored(path)).toBe(0)
    },
  )

  test('is detected when it is closed, also right after a long check', async () => {
    const path = await withStream(join(temporaryFolder(), 'bus.db'))
    await using bus = await open(path)
    const db = new Database(path)
    onTestFinished(() => void db.close())
    const writtenOver = new WrittenOver(path, db, undefined)
    for (let i = 0; i < 3000; i++) bus.publish({subject: 's.a', data: 'x'.repeat(1000)})
    await bus.flush()
    db.pragma('wal_checkpoint(PASSIVE)')
    const before = statSync(path).mtimeMs
    expect(writtenOver.isSo(before)).toBe(false)
    const content = readFileSync(path)
    // The clock of a file system is coarse.
    do writeFileSync(path, 'x'.repeat(100_000))
    while (statSync(path).mtimeMs === before)
    expect(writtenOver.isSo(statSync(path).mtimeMs, {isLast: true})).toBe(true)
    writeFileSync(path, content)
  })

  test('is distinguished from one with much work, checkpoints and VACUUM', async () => {
    const path = await withStream(join(temporaryFolder(), 'bus.db'))
    const publishers = [
      start('load', path, 's.a', '40000', 'x'.repeat(500)),
      start('load', path, 's.b', '40000', 'y'.repeat(500)),
    ]
    const subscriber = start('sleep', path, 's.>')
    await subscriber.atLeast(1)
    let isOver = false
    const ended = Promise.all(publishers.map(({ended}) => ended)).finally(() => (isOver = true))
    while (!isOver) {
      const db = new Database(path, {timeout: 5000})
      db.pragma('wal_checkpoint(TRUNCATE)')
      db.close()
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    expect(await ended, publishers.map(({stderr}) => stderr()).join('')).toEqual([0, 0])
    subscriber.child.kill()
    expect(await subscriber.ended, subscriber.stderr()).toBe('SIGTERM')
    expect(await stored(path)).toBe(80_000)
  })
})
