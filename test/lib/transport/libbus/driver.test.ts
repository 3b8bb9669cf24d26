import {existsSync, readFileSync, statSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {afterEach, describe, expect, test, vi} from 'vitest'
import type {Notice} from '../../../../src/lib/transport/contract.ts'
import {open} from '../../../../src/lib/transport/open.ts'
import {Database} from '../../../../src/lib/transport/sqlite/database.ts'
import {temporaryFolder} from '../sqlite/processes.ts'
import {lookInto, peersDatabase} from './peers.ts'

const refusal = (url: string) =>
  open(url).then(
    () => expect.unreachable(),
    ({kind, message, data}) => ({kind, message, data}),
  )

function tablesIn(path: string): unknown[] {
  return lookInto(path)
    .prepare("SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name")
    .pluck()
    .all()
}

const libbusTables = ['bus_events', 'bus_replies', 'bus_requests', 'idx_bus_events_subject', 'idx_bus_requests_subject']

describe('a libbus database', () => {
  test('is not created without ?create', async () => {
    const path = join(temporaryFolder(), 'local.db')
    expect(await refusal(`libbus:${path}`)).toMatchObject({kind: 'notFound', message: expect.stringContaining(path)})
    expect(await refusal(`libbus:${path}/none/x.db`)).toMatchObject({kind: 'notFound'})
    expect(existsSync(path)).toBe(false)
    await using _ = await open(`libbus:${path}?create`)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(tablesIn(path)).toEqual(libbusTables)
    expect(lookInto(path).pragmaValue('journal_mode')).toBe('wal')
    await using again = await open(`libbus:${path}?create`)
    expect(again.url).toBe(`libbus:${path}`)
  })

  test('without its tables is refused with the missing ones, and stays unchanged', async () => {
    const path = join(temporaryFolder(), 'other.db')
    const db = lookInto(path)
    db.exec('CREATE TABLE kv (key TEXT); CREATE TABLE bus_requests (id TEXT PRIMARY KEY, subject TEXT, data BLOB)')
    db.close()
    const before = readFileSync(path)
    expect(await refusal(`libbus:${path}`)).toMatchObject({
      kind: 'notFound',
      message: `${path} is not a libbus database: it lacks the table bus_events, the column bus_requests.created_at, the table bus_replies`,
      data: {missing: ['the table bus_events', 'the column bus_requests.created_at', 'the table bus_replies']},
    })
    expect(readFileSync(path).equals(before)).toBe(true)
  })

  test('that is not a database is reported as such', async () => {
    const path = join(temporaryFolder(), 'text.db')
    writeFileSync(path, 'not a database, but longer than the head of one would be\n'.repeat(20))
    expect(await refusal(`libbus:${path}`)).toMatchObject({
      kind: 'connect',
      message: `the libbus database ${path} is not a libbus database, left untouched`,
    })
  })

  test('with other tables gets its own with ?create, and the others stay', async () => {
    const path = join(temporaryFolder(), 'other.db')
    const db = new Database(path)
    db.exec("CREATE TABLE kv (key TEXT); INSERT INTO kv VALUES ('mine')")
    db.close()
    await using _ = await open(`libbus:${path}?create`)
    expect(tablesIn(path)).toEqual([...libbusTables, 'kv'])
    expect(lookInto(path).pragmaValue('journal_mode')).toBe('delete')
  })

  test('is never a bus file of busline', async () => {
    const path = join(temporaryFolder(), 'bus.db')
    await (await open(path)).close()
    expect(await refusal(`libbus:${path}?create`)).toMatchObject({
      kind: 'usage',
      message: expect.stringContaining('bus file'),
    })
    expect(await refusal(`libbus:${path}`)).toMatchObject({kind: 'notFound'})
  })

  test('that is not a SQLite file is refused', async () => {
    const path = join(temporaryFolder(), 'text')
    writeFileSync(path, 'this is no database, and it is long enough to be looked at'.repeat(20))
    expect(await refusal(`libbus:${path}`)).toMatchObject({kind: 'connect'})
    expect(await refusal(`libbus:${temporaryFolder()}`)).toMatchObject({kind: 'connect'})
  })

  test.each(['libbus:', 'libbus:?create', 'libbus:x?poll=5', 'libbus:x?poll=0ms', 'libbus:x?poll=2m', 'libbus:x?poll'])(
    'cannot have the URL %j',
    async (url) => expect(await refusal(url)).toMatchObject({kind: 'usage'}),
  )

  test.each(['libbus:x?migrate', 'libbus:x?create=no'])('has no option as in %j', async (url) => {
    expect(await refusal(url)).toMatchObject({kind: 'usage'})
  })

  test('whose tables are removed while it is open is reported', async () => {
    const path = await peersDatabase()
    await using bus = await open(`libbus:${path}?poll=2ms`)
    const subscription = await bus.subscribe('a')
    lookInto(path).exec('DROP TABLE bus_events')
    await expect(subscription.take(1)).rejects.toMatchObject({kind: 'notFound'})
    bus.publish({subject: 'a'})
    await expect(bus.flush()).rejects.toMatchObject({kind: 'notFound', message: expect.stringContaining('bus_events')})
  })

  test('without a write-ahead log works as well', async () => {
    const path = await peersDatabase()
    lookInto(path).pragma('journal_mode = DELETE')
    await using bus = await open(`libbus:${path}?poll=2ms`)
    await using other = await open(`libbus:${path}?poll=2ms`)
    const requests = await other.subscribe('a', {queue: 'q'})
    void (async () => {
      for await (const {reply, data} of requests) other.publish({subject: reply ?? '', data})
    })()
    const asked = Array.from({length: 50}, (_, i) => bus.request({subject: 'a', data: String(i)}))
    expect((await Promise.all(asked)).map(({text}) => Number(text))).toEqual(Array.from({length: 50}, (_, i) => i))
  })
})

describe('libbus cannot transport, and the driver refuses,', () => {
  test('headers, reply subjects and wildcards', async () => {
    await using bus = await open(`libbus:${await peersDatabase()}`)
    const usage = (about: string) => expect.objectContaining({kind: 'usage', message: expect.stringContaining(about)})
    const thrown = (act: () => void) => {
      try {
        act()
      } catch (error) {
        return error
      }
      return undefined
    }
    expect(thrown(() => bus.publish({subject: 'a', headers: [['A', 'b']]}))).toEqual(usage('headers'))
    expect(thrown(() => bus.publish({subject: '_INBOX.x', headers: [['A', 'b']]}))).toEqual(usage('headers'))
    expect(thrown(() => bus.publish({subject: 'a', reply: 'b'}))).toEqual(usage('reply subject'))
    expect(thrown(() => bus.publish({subject: 'a', headers: []}))).toBeUndefined()
    await expect(bus.request({subject: 'a', headers: [['A', 'b']]})).rejects.toEqual(usage('headers'))
    for (const pattern of ['a.*', 'a.>', ['a', '*']])
      await expect(bus.subscribe(pattern)).rejects.toEqual(usage('exact'))
    await expect(bus.subscribe('>', {queue: 'q'})).rejects.toEqual(usage('exact'))
    await expect(bus.streams.list()).rejects.toMatchObject({kind: 'notFound'})
  })
})

describe('cleaning up a libbus database', () => {
  afterEach(() => void vi.useRealTimers())

  const left = (path: string) =>
    ['bus_events', 'bus_requests', 'bus_replies'].map((table) =>
      Number(lookInto(path).prepare(`SELECT count(*) FROM ${table}`).pluck().get()),
    )

  /** In each table one row of each age, in seconds. */
  function age(path: string, ...seconds: number[]): void {
    const db = lookInto(path)
    for (const old of seconds) {
      const at = `unixepoch('now') - ${old}`
      db.exec(`INSERT INTO bus_events (subject, data, created_at) VALUES ('a', x'', ${at});
        INSERT INTO bus_requests VALUES ('${old}', 'a', x'', ${at}); INSERT INTO bus_replies VALUES ('${old}', x'', ${at})`)
    }
  }

  test('removes rows older than five minutes, each minute, and none of other tables', async () => {
    vi.useFakeTimers({toFake: ['setInterval', 'clearInterval']})
    const path = await peersDatabase()
    await using _ = await open(`libbus:${path}`)
    age(path, 0, 200, 290, 310, 4000)
    vi.advanceTimersByTime(59_000)
    expect(left(path)).toEqual([5, 5, 5])
    vi.advanceTimersByTime(2000)
    expect(left(path)).toEqual([3, 3, 3])
    age(path, 301)
    vi.advanceTimersByTime(60_000)
    expect(left(path)).toEqual([3, 3, 3])
    expect(lookInto(path).prepare('SELECT value FROM kv').pluck().all()).toEqual(['untouched'])
  })

  test('waits for the next minute if others lock the file, and ends with the bus', async () => {
    vi.useFakeTimers({toFake: ['setInterval', 'clearInterval']})
    const path = await peersDatabase()
    const bus = await open(`libbus:${path}`)
    age(path, 4000)
    const holder = lookInto(path)
    holder.exec('BEGIN IMMEDIATE')
    vi.advanceTimersByTime(60_000)
    holder.exec('COMMIT')
    expect(left(path)).toEqual([1, 1, 1])
    vi.advanceTimersByTime(60_000)
    expect(left(path)).toEqual([0, 0, 0])
    age(path, 4000)
    await bus.close()
    vi.advanceTimersByTime(120_000)
    expect(left(path)).toEqual([1, 1, 1])
  })

  test('reports removed events that a slow subscriber has not read', async () => {
    const path = await peersDatabase()
    const notices: Notice[] = []
    await using bus = await open(`libbus:${path}?poll=2ms`, {notify: (notice) => notices.push(notice)})
    const slow = await bus.subscribe('a')
    for (const data of ['1', '2', '3']) bus.publish({subject: 'a', data})
    await bus.flush()
    lookInto(path).exec('DELETE FROM bus_events WHERE id <= 2')
    expect((await slow.take(10)).map(({text}) => text)).toEqual(['3'])
    bus.publish({subject: 'a', data: '4'})
    await bus.flush()
    lookInto(path).exec('DELETE FROM bus_events')
    await slow.drain()
    expect(await slow.take(10)).toEqual([])
    expect(notices.map(({kind, text}) => [kind, text.match(/\d+/g)])).toEqual([
      ['gap', ['1', '2']],
      ['gap', ['4', '4']],
    ])
  })

  test('tolerates any type in any column', async () => {
    const path = join(temporaryFolder(), 'lax.db')
    const db = lookInto(path)
    db.exec(`CREATE TABLE bus_events (id INTEGER PRIMARY KEY, subject, data, created_at);
      CREATE TABLE bus_requests (id, subject, data, created_at); CREATE TABLE bus_replies (request_id, data, created_at)`)
    await using bus = await open(`libbus:${path}`)
    const all = await bus.subscribe('>')
    db.exec(
      `INSERT INTO bus_events (subject, data, created_at) VALUES (7, NULL, 'x'), (NULL, 1.5, 1e300), (x'61', 't', NULL)`,
    )
    const found: unknown[] = []
    while (found.length < 3) for (const {subject, text, time} of await all.take(10)) found.push([subject, text, time])
    expect(found).toEqual([
      ['7', '', 0],
      ['', '1.5', 0],
      ['a', 't', 0],
    ])
  })
})
