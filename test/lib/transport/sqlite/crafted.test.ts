/** Bus files that others have written to: whatever is in them, everything ends within seconds, and failures are sentences. */
import {execFile} from 'node:child_process'
import {copyFileSync, mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {open} from '../../../../src/lib/transport/open.ts'
import {Database} from '../../../../src/lib/transport/sqlite/database.ts'
import {bus} from '../../../bus.ts'

const folder = mkdtempSync(join(tmpdir(), 'crafted-'))
afterAll(() => rmSync(folder, {recursive: true}))
const good = join(folder, 'good.db')
const program = fileURLToPath(new URL('crafted-program.ts', import.meta.url))
const endless = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT'

beforeAll(async () => {
  await using transport = await open(good)
  await transport.streams.add({name: 'S', subjects: ['s.>'], maxMsgsPerSubject: 100})
  await transport.streams.consumers.add('S', {name: 'c'})
  for (let i = 0; i < 5; i++)
    await transport.streams.publish({subject: 's.a', data: `${i}`, headers: [['Nats-Msg-Id', `m${i}`]]})
  await using member = await transport.streams.consumers.consume('S', 'c')
  const [, second] = await member.take(3, 1000)
  await second?.term('no')
  await using queue = await transport.subscribe('q.*', {queue: 'q'})
  transport.publish({subject: 'q.a', data: 'x'})
  transport.publish({subject: '_INBOX.0.x', data: 'x'})
  await transport.flush()
  await queue.take(1)
})

let copies = 0
function crafted(...sql: readonly string[]): string {
  const path = join(folder, `${++copies}.db`)
  copyFileSync(good, path)
  const db = new Database(path)
  for (const each of sql) db.exec(each)
  db.close()
  return path
}

describe('a bus file with a schema of others', () => {
  test.each([
    ['the trigger "t"', `CREATE TRIGGER t AFTER INSERT ON msg BEGIN SELECT count(*) FROM (${endless} i FROM n); END`],
    ['the view "msg"', 'ALTER TABLE msg RENAME TO m', `CREATE VIEW msg AS ${endless} i, i, i, NULL, NULL, NULL FROM n`],
    ['the view "pragma_user_version"', `CREATE VIEW pragma_user_version AS ${endless} i FROM n`],
    ['the virtual table "v"', 'CREATE VIRTUAL TABLE v USING fts5(x)'],
    ['a generated column in "g"', 'CREATE TABLE g(a INTEGER, b AS (a + 1))'],
    ['the index with an expression "x"', 'CREATE INDEX x ON msg(abs(ts))'],
    ['the index with an expression "x"', 'CREATE INDEX x ON msg(ts) WHERE ts > 0'],
    [
      'a condition in the table "meta"',
      'ALTER TABLE meta RENAME TO old',
      "CREATE TABLE meta(k TEXT PRIMARY KEY, v ANY CHECK (v <> 'x')) STRICT, WITHOUT ROWID",
    ],
  ])('that has %s is refused by every command', async (found, ...sql) => {
    const path = crafted(...sql)
    for (const args of [
      ['pub', 'a', 'x'],
      ['doctor', '--read-only'],
    ]) {
      const {code, stdout, stderr} = await bus([...args, '--bus', path])
      expect({args, code}).toEqual({args, code: expect.toBeOneOf([3, 9])})
      expect(stdout + stderr).toContain(`it has ${found}, which busline does not create`)
    }
  })

  test('that has plain tables and indices of others is opened', async () => {
    const path = crafted('CREATE TABLE mine(a, b DEFAULT 1)', 'CREATE INDEX mine_a ON mine(a)', 'ANALYZE')
    expect(await bus(['pub', 'a', 'x', '--bus', path])).toMatchObject({code: 0})
  })
})

describe('a libbus database with a schema of others', () => {
  test.each([
    ['trigger', `CREATE TRIGGER t AFTER INSERT ON bus_events BEGIN SELECT 1; END`],
    [
      'view',
      `DROP TABLE bus_events`,
      `CREATE VIEW bus_events AS ${endless} i AS id, 'a' AS subject, 'x' AS data, i AS created_at FROM n`,
    ],
  ])('is refused because of a %s on one of its tables', async (found, ...sql) => {
    const path = join(folder, `libbus-${found}.db`)
    await bus(['pub', 'a', 'x', '--bus', `libbus:${path}?create`])
    const db = new Database(path)
    db.exec('CREATE VIEW mine AS SELECT 1')
    expect(await bus(['pub', 'a', 'x', '--bus', `libbus:${path}`])).toMatchObject({code: 0})
    for (const each of sql) db.exec(each)
    db.close()
    const {code, stderr} = await bus(['pub', 'a', 'x', '--bus', `libbus:${path}`])
    expect({code, stderr}).toEqual({code: 3, stderr: expect.stringContaining(`it has the ${found}`)})
  })
})

describe('a value that is larger than the largest message', () => {
  const huge = 64 * 1024 * 1024 + 1
  const blob = `zeroblob(${huge})`
  const text = `printf('%.*c', ${huge}, 'x')`
  const sentence = 'has a value that is too large to be read'

  test.each([
    [`UPDATE msg SET data = ${blob} WHERE seq = 1`, 9],
    [`UPDATE msg SET data = ${text} WHERE seq = 1`, 9],
    [`UPDATE msg SET hdr = ${text} WHERE seq = 1`, 9],
    [`UPDATE msg SET reply = ${text} WHERE seq = 1`, 9],
    [`UPDATE subject SET name = ${text} WHERE name = 's.a'`, 0],
  ])('is not read: %s', async (sql, doctor) => {
    const path = crafted(sql)
    for (const args of [
      ['sub', '>', '--from', 'first', '--for', '2s'],
      ['stream', 'get', 'S', '1'],
      ['consumer', 'replay', 'S', '--dry-run'],
    ]) {
      const {code, stderr} = await bus([...args, '--bus', path])
      expect({args, code, stderr}).toEqual({args, code: 3, stderr: expect.stringContaining(sentence)})
    }
    const {code, stdout} = await bus(['doctor', '--bus', path])
    expect(code).toBe(doctor)
    if (doctor !== 0) expect(stdout).toContain('message 1 is too large to be read')
  })

  test('is not read from an inbox', async () => {
    const path = crafted()
    await using transport = await open(path)
    await using sub = await transport.subscribe('_INBOX.>')
    const db = new Database(path)
    db.exec(`INSERT INTO eph(dst, subject, ts, data) SELECT 1, '_INBOX.1.x', ts, ${blob} FROM eph LIMIT 1`)
    db.close()
    await expect(sub.take(1)).rejects.toThrow(sentence)
  })

  test('is not read from a libbus database', async () => {
    const path = join(folder, 'huge-libbus.db')
    const url = `libbus:${path}`
    await bus(['pub', 'a', 'x', '--bus', `${url}?create`])
    await using transport = await open(url)
    await using sub = await transport.subscribe('a')
    await using service = await transport.subscribe('b', {queue: 'q'})
    const db = new Database(path)
    const at = Math.floor(Date.now() / 1000)
    db.exec(`INSERT INTO bus_events(subject, data, created_at) VALUES ('a', ${blob}, ${at})`)
    await expect(sub.take(1)).rejects.toThrow(sentence)
    db.exec(`INSERT INTO bus_requests(id, subject, data, created_at) VALUES ('1', 'b', ${blob}, ${at})`)
    await expect(service.take(1)).rejects.toThrow(sentence)
    db.close()
  })

  test('is not written as headers', async () => {
    await using transport = await open(good)
    const headers = [['X', '\x01'.repeat(12 * 1024 * 1024)]] as const
    expect(() => transport.publish({subject: 'a', headers})).toThrow(
      /the headers have \d+ bytes, but .* at most 67108864/,
    )
  })
})

describe('a bus file with values that busline does not write', () => {
  const numbers = ['9223372036854775807', '-9223372036854775808', '-1', '9007199254740993', '8700000000000000']
  const texts = [
    "'null'",
    `'{"name":"c","subjects":[7],"filters":[7],"backoffMs":["x"],"dedupeMs":1}'`,
    "''",
    `'{"a":1}'`,
    "'['",
    "'[[1]]'",
    `'[["a",{}]]'`,
    `printf('%.*c', 20000000, '[')`,
  ]
  /** Keys and owners of rows are left as they are: with others the rows are simply not found. */
  const columns: Readonly<Record<string, readonly string[]>> = {
    msg: ['ts', 'hdr', 'reply', 'sid'],
    eph: ['ts', 'hdr', 'dst'],
    meta: ['v'],
    stream: ['config', 'created', 'first', 'last', 'ts', 'stored', 'messages', 'bytes', 'holes'],
    held: ['first', 'last', 'messages', 'bytes', 'width'],
    consumer: ['config', 'created', 'epoch', 'next', 'passed', 'delivered', 'active'],
    flight: ['lo', 'hi', 'messages', 'tries', 'owner', 'due'],
    dedup: ['seq', 'until'],
    dead: ['tries', 'ts', 'hdr'],
    qgroup: ['first', 'next'],
    client: ['beat', 'started'],
  }
  const isText = (column: string) => ['hdr', 'reply', 'config', 'started'].includes(column)
  const cases = Object.entries(columns).flatMap(([table, names]) => names.map((name) => [table, name] as const))

  test.each(cases)('in %s.%s is used or refused in one sentence, and never hangs', async (table, column) => {
    const only = table === 'meta' ? " WHERE k <> 'id'" : ''
    const paths = (isText(column) ? texts : numbers).map((value) =>
      crafted(`UPDATE OR REPLACE ${table} SET ${column} = ${value}${only}`),
    )
    const {stdout, stderr} = await new Promise<{stdout: string; stderr: string}>((resolve) =>
      execFile(
        process.execPath,
        ['--max-old-space-size=512', program, ...paths],
        {timeout: 50_000},
        (_, stdout, stderr) => resolve({stdout, stderr}),
      ),
    )
    expect({lines: stdout.split('\n').filter(Boolean), stderr}).toEqual({lines: ['all used'], stderr: ''})
  })
})
