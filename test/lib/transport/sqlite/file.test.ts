import {spawnSync} from 'node:child_process'
import {
  chmodSync,
  existsSync,
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
import {describe, expect, test} from 'vitest'
import {open} from '../../../../src/lib/transport/open.ts'
import {Database} from '../../../../src/lib/transport/sqlite/database.ts'
import {openFile} from '../../../../src/lib/transport/sqlite/file.ts'
import {start, startCommand, temporaryFolder, withoutPrivileges} from './processes.ts'

describe('a bus file', () => {
  test('is created on first use, for its owner only', async () => {
    const folder = temporaryFolder()
    const path = join(folder, 'a folder with ünïcode', 'bus.db')
    mkdirSync(join(folder, 'a folder with ünïcode'))
    const bus = await open(`sqlite:${path}`)
    const subscription = await bus.subscribe('a')
    bus.publish({subject: 'a', data: 'x'})
    expect((await subscription.take(1))[0]?.text).toBe('x')
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(statSync(`${path}.bells`).mode & 0o777).toBe(0o700)
    await bus.close()
  })

  test('waits for the disk at each commit with ?synchronous=full', async () => {
    const path = join(temporaryFolder(), 'bus.db')
    const levelOf = (isSynchronous: boolean) => {
      const file = openFile(path, {isSynchronous})
      const level = file.db.pragmaValue('synchronous')
      file.close()
      return level
    }
    expect([levelOf(true), levelOf(false)]).toEqual([2, 1])
    for (const url of [`sqlite:${path}?synchronous=full`, `${path}?synchronous=full`, `${path}?synchronous=normal`]) {
      await using bus = await open(url)
      expect(bus.url).toBe(`sqlite:${path}`)
      await bus.flush()
    }
    await expect(open(`${path}?synchronous=extra`)).rejects.toMatchObject({kind: 'usage'})
  })

  test('leaves nothing of a client behind when it closes', async () => {
    const folder = temporaryFolder()
    const path = join(folder, 'bus.db')
    const bus = await open(path)
    await bus.subscribe('a')
    await bus.request({subject: 'nobody'}).catch(() => {})
    await bus.close()
    const db = new Database(path, {readOnly: true})
    expect(db.prepare('SELECT (SELECT count(*) FROM client) + (SELECT count(*) FROM interest)').pluck().get()).toBe(0)
    db.close()
  })

  test('survives creation by many processes at the same time', async () => {
    for (let round = 0; round < 5; round++) {
      const path = join(temporaryFolder(), 'bus.db')
      const all = Array.from({length: 4}, () => start('once', path, 'made'))
      for (const {ended, stderr} of all) expect(await ended, stderr()).toBe(0)
      const db = new Database(path, {readOnly: true})
      expect(db.prepare('SELECT count(*) FROM msg').pluck().get()).toBe(4)
      db.close()
    }
  })

  test('gets version 2.0 with its first work queue, so that earlier versions refuse it', async () => {
    const path = join(temporaryFolder(), 'bus.db')
    const bus = await open(path)
    const db = new Database(path)
    const version = () => db.pragmaValue('user_version')
    await bus.streams.add({name: 'A'})
    const before = version()
    await bus.streams.add({name: 'B', retention: 'workqueue'})
    expect([before, version()]).toEqual([1002, 2000])
    await bus.close()
    await (await open(path)).close()
    db.close()
  })
})

describe('a request to a bus file that another process has locked', () => {
  test.each(['one', 'many'] as const)(
    'fails at its timeout with the reason, and is not written later: %s',
    async (kind) => {
      const path = join(temporaryFolder(), 'bus.db')
      await using server = await open(path)
      const heard = await server.subscribe('a')
      const other = new Database(path)
      await using bus = await open(path)
      other.exec('BEGIN IMMEDIATE')
      const began = performance.now()
      const failure = {
        kind: 'timeout',
        message: expect.stringMatching(/not sent within 300 ms: the bus file .* is locked/),
      }
      const request = {subject: 'a', data: 'x'}
      const many = bus.requestMany(request, {timeoutMs: 300})[Symbol.asyncIterator]()
      const reply = kind === 'one' ? bus.request(request, {timeoutMs: 300}) : many.next()
      await expect(reply).rejects.toMatchObject(failure)
      await bus.close()
      expect(performance.now() - began).toBeLessThan(3000)
      other.exec('COMMIT')
      other.close()
      server.publish({subject: 'a', data: 'after'})
      expect((await heard.take(2)).map(({text}) => text)).toEqual(['after'])
    },
  )
})

describe('a file that is not a bus file', () => {
  function refusal(path: string) {
    return open(`sqlite:${path}`).then(
      () => expect.unreachable(),
      (error) => ({kind: error.kind, exitCode: error.exitCode, message: error.message}),
    )
  }

  test('such as a database of another program is refused and stays unchanged', async () => {
    const path = join(temporaryFolder(), 'other.db')
    const db = new Database(path)
    db.exec('PRAGMA journal_mode = WAL; CREATE TABLE t(x); INSERT INTO t VALUES (1)')
    const guard = new Database(path, {readOnly: true})
    guard.prepare('SELECT * FROM t').all()
    db.close()
    const before = readFileSync(path)
    const log = readFileSync(`${path}-wal`)
    guard.close()
    expect(await refusal(path)).toMatchObject({kind: 'connect', message: expect.stringContaining('another program')})
    expect(readFileSync(path).equals(before)).toBe(true)
    expect(readFileSync(`${path}-wal`).equals(log)).toBe(true)
  })

  test('with another application id is refused', async () => {
    const path = join(temporaryFolder(), 'foreign.db')
    const db = new Database(path)
    db.pragma('application_id = 1234')
    db.close()
    expect(await refusal(path)).toMatchObject({exitCode: 3, message: expect.stringContaining('left untouched')})
  })

  test('such as a text file is refused and stays unchanged', async () => {
    const path = join(temporaryFolder(), 'notes.db')
    writeFileSync(path, 'dear diary\n'.repeat(1000))
    expect(await refusal(path)).toMatchObject({kind: 'connect', message: expect.stringContaining('is not a bus file')})
    expect(readFileSync(path, 'utf8')).toBe('dear diary\n'.repeat(1000))
  })

  test('but of a newer major version is refused', async () => {
    const path = join(temporaryFolder(), 'bus.db')
    await (await open(path)).close()
    const db = new Database(path)
    db.pragma('user_version = 3000')
    db.close()
    expect(await refusal(path)).toMatchObject({kind: 'connect', message: expect.stringContaining('newer busline')})
  })

  test('but of a newer minor version is used', async () => {
    const path = join(temporaryFolder(), 'bus.db')
    await (await open(path)).close()
    const db = new Database(path)
    db.pragma('user_version = 1007')
    db.close()
    await (await open(path)).close()
  })

  test('such as a folder, a path into a missing folder, or a path through a file is refused', async () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'file'), '')
    expect(await refusal(folder)).toMatchObject({exitCode: 3, message: expect.stringContaining('is a folder')})
    expect(await refusal(join(folder, 'no', 'bus.db'))).toMatchObject({
      exitCode: 3,
      message: expect.stringContaining('folder does not exist'),
    })
    expect(await refusal(join(folder, 'file', 'bus.db'))).toMatchObject({exitCode: 3})
  })

  test('because it may not be written is refused', async () => {
    const folder = temporaryFolder()
    const path = join(folder, 'bus.db')
    await (await open(path)).close()
    chmodSync(path, 0o400)
    chmodSync(folder, 0o555)
    chmodSync(path, 0o444)
    const program = startCommand(...withoutPrivileges(process.execPath, programs, 'once', path, 'a'))
    expect(await program.ended, program.stderr()).toBe(4)
    expect(program.stderr()).toMatch(/open read-only: you may not write to it|permission denied/)
    chmodSync(folder, 0o755)
  })

  test('because its folder of wake files is a symbolic link is refused', async () => {
    const folder = temporaryFolder()
    const path = join(folder, 'bus.db')
    symlinkSync(folder, `${path}.bells`)
    const bus = await open(path)
    await expect(bus.subscribe('a')).rejects.toThrow('is not a folder')
    await bus.close()
  })
})

describe('an open bus file that is', () => {
  test.each(['deleted', 'replaced'])('%s notifies listeners, and acknowledges nothing any more', async (fate) => {
    const folder = temporaryFolder()
    const [path, other] = [join(folder, 'bus.db'), join(folder, 'other.db')]
    const bus = await open(path)
    await bus.streams.add({name: 'S', subjects: ['s']})
    const subscription = await bus.subscribe('a')
    const told = expect(subscription.take(1)).rejects.toMatchObject({
      exitCode: 3,
      message: expect.stringContaining(`was ${fate} while it was open`),
    })
    await (await open(other)).close()
    if (fate === 'deleted') rmSync(path)
    else renameSync(other, path)
    await told
    await expect(bus.streams.publish({subject: 's', data: 'x'})).rejects.toMatchObject({exitCode: 3})
    await expect(bus.close()).rejects.toMatchObject({exitCode: 3})
    await using next = await open(path)
    expect(await next.streams.list()).toEqual([])
    expect(existsSync(`${path}-wal.lost`)).toBe(true)
  })

  test('moved away for a moment writes pending acknowledgements with flush', async () => {
    const path = join(temporaryFolder(), 'bus.db')
    await using bus = await open(path)
    await bus.streams.add({name: 'S', subjects: ['s']})
    await bus.streams.consumers.add('S', {name: 'c'})
    await bus.streams.publish({subject: 's', data: 'x'})
    const member = await bus.streams.consumers.consume('S', 'c')
    const [delivery] = await member.take(1)
    renameSync(path, `${path}.away`)
    await sleep(20)
    delivery?.ack()
    await sleep(50)
    await expect(member.flush()).rejects.toMatchObject({exitCode: 3})
    renameSync(`${path}.away`, path)
    await member.flush()
    expect(await bus.streams.consumers.info('S', 'c')).toMatchObject({ackPending: 0})
  })
})

test('a full disk is reported in one sentence, and the file is intact once there is space', async () => {
  const folder = temporaryFolder()
  const path = join(folder, 'bus.db')
  await (await open(path)).close()
  const limited = startCommand('sh', [
    '-c',
    `trap '' XFSZ; ulimit -f 300; exec "$0" "$@"`,
    process.execPath,
    programs,
    'load',
    path,
    'a',
    '5000',
    'x'.repeat(1000),
  ])
  expect(await limited.ended).toBe(3)
  expect(limited.stderr()).toMatch(/^BusError: the bus file .*bus.db cannot be (read or )?written: /)
  const full = spawnSync(
    'unshare',
    [
      '-rm',
      'sh',
      '-c',
      `mount -t tmpfs -o size=600k none ${folder} && exec "$0" "$@"`,
      process.execPath,
      programs,
      'load',
      path,
      'a',
      '5000',
      'x'.repeat(1000),
    ],
    {encoding: 'utf8'},
  )
  if (!/unshare|mount/.test(full.stderr)) {
    expect(full.stderr).toContain('the disk is full')
    expect(full.status).toBe(3)
  }
  const after = start('once', path, 'a')
  expect(await after.ended, after.stderr()).toBe(0)
  const db = new Database(path, {readOnly: true})
  expect(db.pragmaValue('quick_check')).toBe('ok')
  db.close()
})

const programs = new URL('programs.ts', import.meta.url).pathname
