import {join} from 'node:path'
import {setFlagsFromString} from 'node:v8'
import {runInNewContext} from 'node:vm'
import {describe, expect, onTestFinished, test, vi} from 'vitest'
import type {Transport} from '../../../../src/lib/transport/contract.ts'
import {open} from '../../../../src/lib/transport/open.ts'
import {Database} from '../../../../src/lib/transport/sqlite/database.ts'
import {start, temporaryFolder} from './processes.ts'

const hourUs = 3_600_000_000

/** Sets back the time of every message, so that messages outside streams are due for removal. */
function age(path: string): void {
  const db = new Database(path)
  db.prepare('UPDATE msg SET ts = ts - ?').run(2 * hourUs)
  db.close()
}

function look<T>(path: string, sql: string): T[] {
  const db = new Database(path, {readOnly: true})
  try {
    return db.prepare(sql).pluck().all() as T[]
  } finally {
    db.close()
  }
}

const namesOf = (path: string) => look<string>(path, 'SELECT name FROM subject ORDER BY id')

async function publish(bus: Transport, ...subjects: string[]): Promise<void> {
  for (const subject of subjects) bus.publish({subject, data: subject})
  await bus.flush()
}

/** This many publishers in turn, each of which prunes once. */
async function prune(path: string, times: number, subject = 'now'): Promise<void> {
  for (let n = 0; n < times; n++) {
    await using bus = await open(path)
    await publish(bus, subject)
  }
}

const numbered = (count: number, prefix: string) => Array.from({length: count}, (_, n) => `${prefix}.${n}`)

describe('names of subjects in a bus file', () => {
  test('are removed with the messages that had them', async () => {
    const path = join(temporaryFolder(), 'bus.db')
    {
      await using bus = await open(path)
      await publish(bus, ...numbered(3000, 'once'))
    }
    age(path)
    await prune(path, 10)
    expect(namesOf(path)).toEqual(['now'])
  })

  test('are kept as long as there is a message, even one that a stream refused', async () => {
    const path = join(temporaryFolder(), 'bus.db')
    await using bus = await open(path)
    await bus.streams.add({name: 'S', subjects: ['kept.>', 'full.>'], maxMsgSize: 10})
    await publish(bus, 'a.1', 'kept.1', 'gone.1')
    age(path)
    bus.publish({subject: 'full.1', data: 'more than ten bytes'})
    await publish(bus, 'a.1')
    await prune(path, 5)
    expect(namesOf(path)).toEqual(['a.1', 'kept.1', 'full.1', 'now'])
    expect((await bus.streams.last('S', '>')).subject).toBe('kept.1')
  })

  test('are removed after a purge and when a stream is removed', async () => {
    const path = join(temporaryFolder(), 'bus.db')
    await using bus = await open(path)
    await bus.streams.add({name: 'P', subjects: ['p.>']})
    await bus.streams.add({name: 'R', subjects: ['r.>']})
    await bus.streams.add({name: 'L', subjects: ['l.>'], maxMsgs: 3})
    await publish(bus, ...numbered(100, 'p'), ...numbered(100, 'r'))
    age(path)
    await prune(path, 3)
    expect(namesOf(path)).toHaveLength(201)
    await bus.streams.purge('P', {pattern: 'p.>'})
    await bus.streams.remove('R')
    await prune(path, 3)
    expect(namesOf(path)).toEqual(['now'])
    await publish(bus, ...numbered(100, 'l'))
    age(path)
    await prune(path, 3)
    expect(namesOf(path)).toEqual(['now', 'l.97', 'l.98', 'l.99'])
  })

  test('get a number that no other subject has had', async () => {
    const path = join(temporaryFolder(), 'bus.db')
    const numbers = new Map<number, string>()
    const remember = () => {
      const db = new Database(path, {readOnly: true})
      for (const [id, name] of db.prepare('SELECT id, name FROM subject').raw().all() as [number, string][]) {
        expect(numbers.get(id) ?? name).toBe(name)
        numbers.set(id, name)
      }
      db.close()
    }
    for (let round = 0; round < 4; round++) {
      {
        await using bus = await open(path)
        await publish(bus, ...numbered(20, `round${round}`))
      }
      remember()
      age(path)
      await prune(path, 3, `last${round}`)
      remember()
    }
    expect(namesOf(path).length).toBeLessThan(5)
  })

  test('of a publisher and a subscriber that remember them match their messages afterwards', async () => {
    const path = join(temporaryFolder(), 'bus.db')
    await using publisher = await open(path)
    await using reader = await open(path)
    const all = await reader.subscribe('>')
    const some = await reader.subscribe('a.*')
    const subjects = numbered(50, 'a')
    for (let round = 0; round < 3; round++) {
      await publish(publisher, ...subjects)
      for (const subscription of [all, some]) {
        const seen: string[] = []
        while (seen.length < 50)
          for (const {subject, text} of await subscription.take(64))
            if (subject === text && subject !== 'z') seen.push(subject)
        expect(seen).toEqual(subjects)
      }
      age(path)
      await prune(path, 3, 'z')
      // The newest name is kept, so that its number is not assigned again.
      expect(namesOf(path).length).toBeLessThan(3)
      await publish(publisher, 'z')
      while ((await all.take(1))[0]?.subject === undefined);
    }
  })

  test('are also removed in a file of a version that did not remove them', async () => {
    const path = join(temporaryFolder(), 'bus.db')
    await (await open(path)).close()
    const db = new Database(path)
    db.exec('DROP TABLE idle; PRAGMA user_version = 1001')
    db.close()
    {
      await using bus = await open(path)
      await publish(bus, ...numbered(10, 'old'))
    }
    const before = look<number>(path, "SELECT v FROM meta WHERE k = 'streams'")
    age(path)
    await prune(path, 3)
    expect(namesOf(path)).toEqual(['now'])
    expect(look<number>(path, "SELECT v FROM meta WHERE k = 'streams'")).not.toEqual(before)
  })

  test('match their messages in processes that are killed while names are removed', {timeout: 60_000}, async () => {
    const path = join(temporaryFolder(), 'bus.db')
    await (await open(path)).close()
    await using reader = await open(path)
    const seen = await reader.subscribe('>')
    let wrong = 0
    let total = 0
    const reading = (async () => {
      for await (const {subject, text} of seen) {
        total++
        if (subject !== text) wrong++
      }
    })()
    for (let round = 0; round < 4; round++) {
      const programs = [1, 2, 3].map((n) => start('names', path, `p${n}`))
      await Promise.all(programs.map((program) => program.atLeast(3)))
      age(path)
      await Promise.all(programs.map((program) => program.atLeast(12)))
      for (const {child} of programs) child.kill('SIGKILL')
      await Promise.all(programs.map(({ended}) => ended))
    }
    await reader.close()
    await reading
    expect(total).toBeGreaterThan(500)
    expect(wrong).toBe(0)
    expect(look(path, 'SELECT count(*) FROM msg WHERE abs(sid) NOT IN (SELECT id FROM subject)')).toEqual([0])
    expect(
      look(path, 'SELECT count(*) FROM msg m JOIN subject s ON s.id = abs(m.sid) WHERE s.name <> CAST(m.data AS TEXT)'),
    ).toEqual([0])
    expect(look(path, 'PRAGMA integrity_check')).toEqual(['ok'])
  })
})

describe('a bus file that has seen many subjects', () => {
  test('is opened, published to and read without loading their names', async () => {
    const path = join(temporaryFolder(), 'bus.db')
    await prune(path, 1)
    const db = new Database(path)
    db.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
             INSERT INTO subject(name) SELECT 'past.' || i FROM n`)
    db.close()
    const statement = Object.getPrototypeOf(new Database(':memory:').prepare('SELECT 1'))
    const all = vi.spyOn(statement, 'all')
    onTestFinished(() => all.mockRestore())
    await using bus = await open(path)
    for (const pattern of ['>', 'past.*', '*.x', 'past.1']) {
      const subscription = await bus.subscribe(pattern)
      await publish(bus, 'past.1', 'b.x')
      expect((await subscription.take(1))[0]?.text).toMatch(/past|x/)
      await subscription.close()
    }
    const rows = all.mock.results.map(({value}) => (value as unknown[]).length)
    expect(Math.max(...rows)).toBeLessThan(1000)
  })

  test('drops the prepared names of a filter once it is no longer used', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const path = join(temporaryFolder(), 'bus.db')
    await using bus = await open(path)
    await bus.streams.add({name: 'S', subjects: ['a.>']})
    await publish(bus, 'a.1')
    const drops = vi.spyOn(Database.prototype, 'exec')
    onTestFinished(() => drops.mockRestore())
    for (let n = 0; n < 300; n++) {
      await using messages = await bus.streams.read('S', {filters: [`a.${n}`]})
      await messages.take(1)
    }
    await vi.waitFor(() => {
      collect()
      const dropped = drops.mock.calls.filter(([sql]) => sql.startsWith('DROP TABLE IF EXISTS temp.'))
      expect(dropped.length).toBeGreaterThan(200)
    })
    expect([...(await bus.streams.subjects('S', 'a.1')).keys()]).toEqual(['a.1'])
  })

  test('counts all subjects of a stream that a filter matches, including later ones', async () => {
    const path = join(temporaryFolder(), 'bus.db')
    await using bus = await open(path)
    await bus.streams.add({name: 'S', subjects: ['a.>', 'b']})
    await publish(bus, 'a.x.1', 'a.y.1', 'b')
    const counts = async (pattern: string) => [...(await bus.streams.subjects('S', pattern)).keys()].sort()
    expect(await counts('a.x.*')).toEqual(['a.x.1'])
    expect(await counts('b')).toEqual(['b'])
    expect(await counts('*.y.*')).toEqual(['a.y.1'])
    await publish(bus, 'a.x.2', 'a.y.2', 'a.x.3')
    expect(await counts('a.x.*')).toEqual(['a.x.1', 'a.x.2', 'a.x.3'])
    expect(await counts('*.y.*')).toEqual(['a.y.1', 'a.y.2'])
  })
})

describe('names of queue groups in a bus file', () => {
  const groupsOf = (path: string) =>
    look<string>(path, "SELECT name || ' ' || pattern FROM qgroup ORDER BY name, pattern")

  test('are removed when their members have left and their messages are gone', async () => {
    const path = join(temporaryFolder(), 'bus.db')
    await using bus = await open(path)
    const stays = await bus.subscribe('jobs', {queue: 'stays'})
    for (let n = 0; n < 5; n++) {
      const subscription = await bus.subscribe(`jobs.${n}`, {queue: 'shared'})
      await publish(bus, `jobs.${n}`)
      expect(await subscription.take(1)).toHaveLength(1)
      await subscription.close()
      const other = await bus.subscribe('jobs', {queue: `group${n}`})
      await other.close()
    }
    await publish(bus, 'jobs')
    expect(await stays.take(1)).toHaveLength(1)
    expect(groupsOf(path)).toHaveLength(11)
    age(path)
    await prune(path, 3)
    expect(groupsOf(path)).toEqual(['stays jobs'])
    await publish(bus, 'jobs')
    expect((await stays.take(1))[0]?.text).toBe('jobs')
  })

  test('are restored by a member that was considered dead, which repeats nothing', async () => {
    const path = join(temporaryFolder(), 'bus.db')
    await using bus = await open(path)
    const member = await bus.subscribe('jobs', {queue: 'q'})
    for (const data of ['1', '2']) bus.publish({subject: 'jobs', data})
    await bus.flush()
    expect((await member.take(2)).map(({text}) => text)).toEqual(['1', '2'])
    const db = new Database(path)
    db.exec('DELETE FROM interest; DELETE FROM client; DELETE FROM qgroup')
    db.close()
    for (const data of ['3', '4']) bus.publish({subject: 'jobs', data})
    await bus.flush()
    expect((await member.take(2)).map(({text}) => text)).toEqual(['3', '4'])
    expect(groupsOf(path)).toEqual(['q jobs'])
  })
})
