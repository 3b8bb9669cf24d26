import {existsSync, statSync} from 'node:fs'
import {join} from 'node:path'
import {describe, expect, onTestFinished, test} from 'vitest'
import {open} from '../../../../src/lib/transport/open.ts'
import {Database} from '../../../../src/lib/transport/sqlite/database.ts'
import {start, temporaryFolder} from './processes.ts'

function numbers(upTo: number): string[] {
  return Array.from({length: upTo}, (_, i) => String(i + 1))
}

describe('several processes on one file', () => {
  test('deliver the messages of all publishers to each subscriber, in the order of each publisher', async () => {
    const path = join(temporaryFolder(), 'bus.db')
    const subscribers = [start('subscribe', path, 'load.*', '4000'), start('subscribe', path, 'load.>', '4000')]
    for (const subscriber of subscribers) await subscriber.atLeast(1)
    const publishers = [start('load', path, 'load.a', '2000', 'a'), start('load', path, 'load.b', '2000', 'b')]
    for (const {ended} of [...publishers, ...subscribers]) expect(await ended).toBe(0)
    for (const {lines} of subscribers) {
      const seen = lines.slice(1).map((line) => line.split(' '))
      for (const who of ['a', 'b']) {
        expect(seen.filter(([, from]) => from === who).map(([n]) => n)).toEqual(numbers(2000))
      }
    }
  })

  test('share the messages of a queue group, each with one member', async () => {
    const path = join(temporaryFolder(), 'bus.db')
    const members = [1, 2, 3].map(() => start('subscribe', path, 'jobs.*', 'Infinity', 'workers'))
    for (const member of members) await member.atLeast(1)
    expect(await start('load', path, 'jobs.all', '3000').ended).toBe(0)
    const all = () => members.flatMap(({lines}) => lines.slice(1))
    await expect.poll(() => all().length, {timeout: 10_000}).toBe(3000)
    const seen = all().map((line) => Number(line))
    expect(seen.sort((a, b) => a - b).map(String)).toEqual(numbers(3000))
  })

  test('answer requests of each other, and a request fails immediately after its server was killed', async () => {
    const path = join(temporaryFolder(), 'bus.db')
    const server = start('serve', path, 'echo')
    await server.atLeast(1)
    await using bus = await open(path)
    expect((await bus.request({subject: 'echo', data: 'hello'})).text).toBe('hello')
    server.child.kill('SIGKILL')
    await server.ended
    await expect
      .poll(() => bus.request({subject: 'echo'}, {timeoutMs: 200}).catch((error) => error.kind))
      .toBe('noResponders')
  })
})

describe('a file that another process locks', () => {
  test('does not withhold the messages of a draining queue member', async () => {
    const path = join(temporaryFolder(), 'bus.db')
    await using bus = await open(path)
    const member = await bus.subscribe('jobs', {queue: 'q'})
    for (let n = 0; n < 10; n++) bus.publish({subject: 'jobs', data: String(n)})
    await bus.flush()
    const holder = new Database(path)
    onTestFinished(() => void holder.close())
    holder.exec('BEGIN IMMEDIATE')
    await member.drain()
    const taking = member.take(100)
    await new Promise((resolve) => setTimeout(resolve, 100))
    holder.exec('ROLLBACK')
    expect((await taking).map(({text}) => Number(text))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(await member.take(100)).toEqual([])
  })
})

describe('a publisher that is killed', () => {
  test('loses nothing that was confirmed as published, 20 times', async () => {
    const path = join(temporaryFolder(), 'bus.db')
    const acknowledged = new Map<string, number>()
    for (let round = 0; round < 20; round++) {
      const subject = `round.${round}`
      const publisher = start('publish', path, subject, round % 2 === 0 ? '1' : '50')
      await publisher.atLeast(5 + 20 * round)
      publisher.child.kill('SIGKILL')
      await publisher.ended
      acknowledged.set(subject, Number(publisher.lines.at(-1)))
    }
    const db = new Database(path)
    expect(db.pragmaValue('integrity_check')).toBe('ok')
    const stored = db
      .prepare('SELECT CAST(data AS TEXT) FROM msg JOIN subject ON id = sid WHERE name = ? ORDER BY seq')
      .pluck()
    for (const [subject, last] of acknowledged) {
      expect(stored.all(subject).slice(0, last), subject).toEqual(numbers(last))
    }
    db.close()
  })

  test('between commit and wake-up is noticed by the poll', async () => {
    const path = join(temporaryFolder(), 'bus.db')
    const subscriber = start('subscribe', path, 'quiet', '1')
    await subscriber.atLeast(1)
    // A commit without a wake-up, which is what such a kill leaves behind.
    const db = new Database(path)
    db.exec(`INSERT INTO subject(name) VALUES ('quiet');
             INSERT INTO msg(sid, ts, data) SELECT id, 1, 'heard' FROM subject WHERE name = 'quiet'`)
    const committed = performance.now()
    await subscriber.atLeast(2)
    expect(performance.now() - committed).toBeLessThan(20_000)
    expect(subscriber.lines.at(-1)).toBe('heard')
    db.close()
  })
})

describe('the write-ahead log', () => {
  test('does not grow because of a subscriber that never reads', async () => {
    const path = join(temporaryFolder(), 'bus.db')
    const sleeper = start('sleep', path, 'load')
    await sleeper.atLeast(1)
    await using bus = await open(path)
    const idle = await bus.subscribe('>')
    expect(await start('load', path, 'load', '80000', 'x'.repeat(1000)).ended).toBe(0)
    expect(existsSync(`${path}-wal`)).toBe(true)
    expect(statSync(`${path}-wal`).size).toBeLessThan(24 * 1024 * 1024)
    let seen = 0
    while (seen < 80_000) seen += (await idle.take(1000)).length
    expect(idle.dropped).toBe(0)
  })
})
