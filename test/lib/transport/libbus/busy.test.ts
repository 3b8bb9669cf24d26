import {fork} from 'node:child_process'
import {existsSync, rmSync} from 'node:fs'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {describe, expect, onTestFinished, test} from 'vitest'
import type {Notice, Subscription, Transport} from '../../../../src/lib/transport/contract.ts'
import {open} from '../../../../src/lib/transport/open.ts'
import {start, temporaryFolder} from '../sqlite/processes.ts'
import {lookInto} from './peers.ts'

/** A database with the tables of libbus but without a write-ahead log. */
async function rollbackDatabase(): Promise<string> {
  const path = join(temporaryFolder(), 'local.db')
  await (await open(`libbus:${path}?create`)).close()
  const db = lookInto(path)
  db.pragma('journal_mode = DELETE')
  db.close()
  return path
}

/** Holds a snapshot open, which makes every commit wait with a rollback journal. */
function hold(path: string): () => void {
  const db = lookInto(path)
  db.exec('BEGIN')
  db.prepare('SELECT count(*) FROM bus_events').get()
  return () => db.exec('COMMIT')
}

describe('a libbus database without a write-ahead log', () => {
  test('commits an event once the reader that locks it has finished', async () => {
    const path = await rollbackDatabase()
    await using bus = await open(`libbus:${path}`)
    const release = hold(path)
    bus.publish({subject: 'a', data: 'kept'})
    const flushed = bus.flush()
    await sleep(600)
    release()
    await flushed
    expect(lookInto(path).prepare('SELECT CAST(data AS TEXT) FROM bus_events').pluck().all()).toEqual(['kept'])
  })

  test('answers every request of several servers and requesters', async () => {
    const path = await rollbackDatabase()
    const url = `libbus:${path}?poll=1ms`
    const servers = [start('serve', url, 's'), start('serve', url, 's')]
    for (const server of servers) await server.atLeast(1)
    const loads = [start('load', url, 'e', '2000'), start('load', url, 'e', '2000')]
    await using bus = await open(url)
    for (let n = 0; n < 10; n++) {
      const data = Array.from({length: 10}, (_, i) => `${n}.${i}`)
      const replies = await Promise.all(
        data.map((each) => bus.request({subject: 's', data: each}, {timeoutMs: 20_000})),
      )
      expect(replies).toHaveLength(10)
    }
    for (const {ended, stderr} of loads) expect(await ended, stderr()).toBe(0)
    for (const {lines} of servers) expect(lines.filter((line) => line.includes('Error'))).toEqual([])
  }, 40_000)

  test('that stays locked while a subscription is drained is reported to its reader', async () => {
    const path = await rollbackDatabase()
    await using bus = await open(`libbus:${path}`)
    const subscription = await bus.subscribe('a')
    const db = lookInto(path)
    db.exec('BEGIN EXCLUSIVE')
    const drained = new Promise<void>((resolve) => setTimeout(() => resolve(subscription.drain())))
    await drained
    await expect(subscription.take(1)).rejects.toMatchObject({
      kind: 'connect',
      message: expect.stringContaining('locked'),
    })
    db.exec('COMMIT')
  }, 30_000)

  test('that stays locked for ten seconds is reported by flush and without a flush', async () => {
    const path = await rollbackDatabase()
    const notices: Notice[] = []
    await using bus = await open(`libbus:${path}`, {notify: (notice) => notices.push(notice)})
    const release = hold(path)
    bus.publish({subject: 'a', data: 'lost'})
    await expect(bus.flush()).rejects.toMatchObject({
      kind: 'connect',
      message: `the libbus database ${path} was locked by another process for 10 s`,
    })
    expect(notices).toMatchObject([{kind: 'error', text: expect.stringContaining('locked by another process')}])
    release()
  }, 20_000)
})

describe.each(['DELETE', 'TRUNCATE', 'PERSIST', 'MEMORY', 'WAL'])(
  'a libbus database whose other process uses journal mode %s',
  (mode) => {
    test('loses no event of either, and claims each request once, while the other locks it again and again', async () => {
      const path = await rollbackDatabase()
      await using bus = await open(`libbus:${path}?poll=1ms`)
      const peer = lookInto(path)
      expect(peer.pragmaValue(`journal_mode = ${mode}`)).toBe(mode.toLowerCase())
      peer.pragma('busy_timeout = 5000')
      const events = await bus.subscribe('e')
      const requests = await bus.subscribe('r', {queue: 'r'})
      const texts: string[] = []
      const asked: string[] = []
      const listening = [listen(events, texts, 40), listen(requests, asked, 20)]
      for (let n = 0; n < 20; n++) {
        peer.exec('BEGIN IMMEDIATE')
        peer.prepare("INSERT INTO bus_events (subject, data) VALUES ('e', ?)").run(Buffer.from(`theirs ${n}`))
        peer
          .prepare("INSERT INTO bus_requests (id, subject, data) VALUES (?, 'r', ?)")
          .run(`id${n}`, Buffer.from(String(n)))
        bus.publish({subject: 'e', data: `ours ${n}`})
        const flushed = bus.flush()
        await sleep(15)
        peer.exec('COMMIT')
        await flushed
      }
      await Promise.all(listening)
      const numbers = Array.from({length: 20}, (_, n) => n)
      expect(texts.sort()).toEqual(numbers.flatMap((n) => [`theirs ${n}`, `ours ${n}`]).sort())
      expect(asked.map(Number).sort((a, b) => a - b)).toEqual(numbers)
    })
  },
)

async function listen(subscription: Subscription, texts: string[], count: number): Promise<void> {
  while (texts.length < count) texts.push(...(await subscription.take(64)).map(({text}) => text))
}

describe('a libbus database that is being created', () => {
  test('is created by three processes at the same time, and has a write-ahead log', async () => {
    const creators = Array.from({length: 3}, () => creator())
    for (let round = 0; round < 30; round++) {
      const path = join(temporaryFolder(), 'local.db')
      const at = Date.now() + 20
      const failures = await Promise.all(creators.map((create) => create(path, at)))
      expect(failures.filter(Boolean), `round ${round}`).toEqual([])
      expect(lookInto(path).pragmaValue('journal_mode')).toBe('wal')
      rmSync(path)
    }
  }, 60_000)

  test('waits for the process that locks it', async () => {
    const path = join(temporaryFolder(), 'local.db')
    const db = lookInto(path)
    db.exec('BEGIN EXCLUSIVE')
    const opening = open(`libbus:${path}?create`)
    await sleep(300)
    db.exec('COMMIT')
    await using bus = await opening
    expect(existsSync(path)).toBe(true)
    bus.publish({subject: 'a', data: 'x'})
    await bus.flush()
  })
})

/** A process that opens a database with `create` at a given time, and returns the failures. */
function creator(): (path: string, at: number) => Promise<string> {
  const child = fork(new URL('creator.ts', import.meta.url).pathname)
  onTestFinished(() => void child.kill('SIGKILL'))
  return (path, at) =>
    new Promise((resolve) => {
      child.once('message', resolve)
      child.send({path, at})
    })
}

describe('requests in a libbus database', () => {
  async function withRequests(count: number): Promise<{path: string; left: () => unknown}> {
    const path = join(temporaryFolder(), 'local.db')
    await (await open(`libbus:${path}?create`)).close()
    const db = lookInto(path)
    const add = db.prepare("INSERT INTO bus_requests (id, subject, data) VALUES (?, 's', x'')")
    for (let id = 1; id <= count; id++) add.run(`r${id}`)
    const left = () => db.prepare('SELECT count(*) FROM bus_requests').pluck().get()
    return {path, left}
  }

  test('are claimed one at a time, however many a server requests', async () => {
    const {path, left} = await withRequests(10)
    await using bus = await open(`libbus:${path}`)
    const subscription = await bus.subscribe('s', {queue: 'q'})
    expect(await subscription.take(64)).toHaveLength(1)
    expect(left()).toBe(9)
    expect(await subscription.take(64)).toHaveLength(1)
    expect(left()).toBe(8)
    await subscription.close()
    expect(left()).toBe(8)
  })

  test('that could not be written in time report the lock, end in time, and are never written', async () => {
    const {path, left} = await withRequests(0)
    const db = lookInto(path)
    db.exec('BEGIN IMMEDIATE')
    const began = performance.now()
    await expect(ask(await open(`libbus:${path}`))).rejects.toMatchObject({
      kind: 'timeout',
      message: expect.stringContaining('locked by another process'),
    })
    expect(performance.now() - began).toBeLessThan(5000)
    db.exec('COMMIT')
    await sleep(100)
    expect(left()).toBe(0)
  }, 20_000)

  async function ask(opened: Transport): Promise<void> {
    await using bus = opened
    await bus.request({subject: 's', data: 'x'}, {timeoutMs: 500})
  }
})
