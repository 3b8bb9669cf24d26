import {statSync} from 'node:fs'
import {join} from 'node:path'
import {describe, expect, onTestFinished, test, vi} from 'vitest'
import type {Transport} from '../../../../src/lib/transport/contract.ts'
import {open} from '../../../../src/lib/transport/open.ts'
import {Database, type Value} from '../../../../src/lib/transport/sqlite/database.ts'
import type {StreamSettings} from '../../../../src/lib/transport/streams-contract.ts'
import {start, temporaryFolder} from './processes.ts'

/** A new file with one stream, `S` of `s.>`. */
async function freshStream(settings: Partial<StreamSettings> = {}) {
  const path = join(temporaryFolder(), 'bus.db')
  const bus = await open(path)
  onTestFinished(() => bus.close())
  await bus.streams.add({name: 'S', subjects: ['s.>'], ...settings})
  return {path, bus}
}

async function publish(bus: Transport, subject: string, from: number, to: number, data = ''): Promise<void> {
  for (let n = from; n <= to; n++) {
    bus.publish({subject, data: `${n} ${data}`.trim()})
    if (n % 1000 === 0) await bus.flush()
  }
  await bus.flush()
}

async function readAll(bus: Transport): Promise<{seq: number; subject: string; text: string}[]> {
  const messages = []
  for await (const {seq = 0, subject, text} of await bus.streams.read('S')) messages.push({seq, subject, text})
  return messages
}

/** The result of a query on another connection to the file. */
function ask<T>(path: string, sql: string, ...values: Value[]): T {
  const db = new Database(path)
  try {
    return db
      .prepare(sql)
      .pluck()
      .get(...values) as T
  } finally {
    db.close()
  }
}

/** Makes everything so far look as if it had been published two hours ago. */
function age(path: string): void {
  const db = new Database(path)
  db.prepare('UPDATE msg SET ts = ts - 7200000000').run()
  db.close()
}

/** Publishes one more message on its own connection, which thereby removes expired messages. */
async function prune(path: string): Promise<void> {
  await using bus = await open(path)
  bus.publish({subject: 'other', data: 'newest'})
  await bus.flush()
}

/** Checks that the counters of the stream match its content. */
async function expectRightCounters(bus: Transport): Promise<void> {
  const {state} = await bus.streams.info('S')
  const messages = await readAll(bus)
  expect(state.messages).toBe(messages.length)
  expect(state.subjects).toBe(new Set(messages.map(({subject}) => subject)).size)
  expect(state.bytes).toBe(
    messages.reduce((sum, {subject, text}) => sum + Buffer.byteLength(subject) + Buffer.byteLength(text), 0),
  )
  expect(state.firstSeq).toBe(messages[0]?.seq ?? state.lastSeq + 1)
  const bySubject = Map.groupBy(messages, ({subject}) => subject)
  expect(await bus.streams.subjects('S')).toEqual(new Map([...bySubject].map(([name, {length}]) => [name, length])))
}

describe('limits of a stream', () => {
  const limits: [string, Partial<StreamSettings>, kept: number][] = [
    ['of messages', {maxMsgs: 100}, 100],
    ['of bytes', {maxBytes: 12 * 250}, 250],
    ['of messages per subject', {maxMsgsPerSubject: 7}, 14],
    ['of messages and messages per subject', {maxMsgsPerSubject: 7, maxMsgs: 10}, 10],
  ]
  test.each(limits)('%s are exact, for new rows and for those that retention has passed', async (_, settings, kept) => {
    const {path, bus} = await freshStream(settings)
    for (let n = 1000; n < 4000; n++) bus.publish({subject: n % 3 === 0 ? 's.aaaaaa' : 's.bbbbbb', data: String(n)})
    await bus.flush()
    expect((await readAll(bus)).length).toBe(kept)
    expect((await readAll(bus)).at(-1)?.text).toBe('3999')
    await expectRightCounters(bus)
    expect(ask(path, 'SELECT count(*) FROM msg')).toBe(3000)
    expect((await bus.streams.info('S')).state.reclaimable?.messages).toBe(3000 - kept)
    age(path)
    await prune(path)
    await prune(path)
    await prune(path)
    expect((await bus.streams.info('S')).state.reclaimable).toBeUndefined()
    expect(ask(path, 'SELECT count(*) FROM msg')).toBe(kept + 3)
    await expectRightCounters(bus)
    for (let n = 4000; n < 5000; n++) bus.publish({subject: n % 3 === 0 ? 's.aaaaaa' : 's.bbbbbb', data: String(n)})
    await bus.flush()
    await expectRightCounters(bus)
    expect(ask(path, "SELECT count(*) FROM msg WHERE seq <= (SELECT v FROM meta WHERE k = 'pruned')")).toBe(0)
  })

  test('on age hold without a publisher, and the counters follow', async () => {
    const {path, bus} = await freshStream({maxAgeMs: 3_600_000})
    await publish(bus, 's.old', 1, 2500)
    age(path)
    await publish(bus, 's.new', 1, 3)
    expect((await bus.streams.info('S')).state.messages).toBe(3)
    expect((await readAll(bus)).map(({subject}) => subject)).toEqual(['s.new', 's.new', 's.new'])
    await expectRightCounters(bus)
  })

  test('that refuse messages let subscribers see them', async () => {
    const {bus} = await freshStream({maxMsgs: 2, discard: 'new'})
    const subscription = await bus.subscribe('s.>')
    await publish(bus, 's.a', 1, 3)
    const id = [['Nats-Msg-Id', 'x']] as const
    await expect(bus.streams.publish({subject: 's.a', data: '4', headers: id})).rejects.toMatchObject({kind: 'remote'})
    const seen: string[] = []
    while (seen.length < 4) seen.push(...(await subscription.take(10)).map(({text}) => text))
    expect(seen).toEqual(['1', '2', '3', '4'])
    expect((await readAll(bus)).map(({text}) => text)).toEqual(['1', '2'])
    await expectRightCounters(bus)
  })
})

describe('retention', () => {
  test('keeps messages of a stream, and removes them after the stream was removed', async () => {
    const {path, bus} = await freshStream()
    for (let n = 0; n < 3000; n++) bus.publish({subject: n % 2 === 0 ? 's.a' : 'other', data: String(n)})
    await bus.flush()
    age(path)
    for (let i = 0; i < 3; i++) await prune(path)
    expect(ask(path, 'SELECT count(*) FROM msg')).toBe(1500 + 3)
    expect(await bus.streams.purge('S', {keep: 500})).toBe(1000)
    expect(ask(path, 'SELECT count(*) FROM msg')).toBe(500 + 3)
    await expectRightCounters(bus)
    await bus.streams.remove('S')
    await prune(path)
    expect(ask(path, 'SELECT count(*) FROM msg')).toBe(4)
  })

  test('releases the space of a mostly empty file, a little at a time after each commit', async () => {
    const {path, bus} = await freshStream()
    for (let n = 0; n < 90; n++) bus.publish({subject: 'other', data: new Uint8Array(1_000_000)})
    await bus.flush()
    const pages = () => ask<number>(path, 'SELECT page_count FROM pragma_page_count()')
    const before = pages()
    age(path)
    await using other = await open(path)
    const after: number[] = []
    for (let n = 0; n < 100 && (after.at(-1) ?? before) > 16_500; n++) {
      await publish(other, 's.a', n, n)
      after.push(pages())
    }
    expect(before).toBeGreaterThan(22_000)
    expect(after.at(-1)).toBeLessThanOrEqual(16_500)
    expect(after.length).toBeGreaterThan(20)
    expect((await readAll(bus)).length).toBe(after.length)
  })

  test('keeps a message that a late subscriber has yet to see, although its stream removed it', async () => {
    const {bus} = await freshStream({maxMsgs: 1})
    const subscription = await bus.subscribe('s.>')
    await publish(bus, 's.a', 1, 5000)
    let seen = 0
    while (seen < 5000) seen += (await subscription.take(100)).length
    expect((await bus.streams.info('S')).state.messages).toBe(1)
  })
})

describe('the counters of a stream', () => {
  test('are correct after many processes and kills, and acknowledged messages exist', async () => {
    const {path, bus} = await freshStream()
    const acknowledged: number[] = []
    for (let round = 0; round < 5; round++) {
      const publishers = [start('store', path, 's.a'), start('store', path, 's.b')]
      for (const publisher of publishers) await publisher.atLeast(40 + 100 * round)
      for (const {child} of publishers) child.kill('SIGKILL')
      for (const {ended, lines} of publishers) {
        await ended
        acknowledged.push(...lines.map(Number))
      }
    }
    const stored = new Set((await readAll(bus)).map(({seq}) => seq))
    expect(acknowledged.filter((seq) => !stored.has(seq))).toEqual([])
    await expectRightCounters(bus)
  })

  test('are correct after purges of every kind', async () => {
    const {bus} = await freshStream()
    for (let n = 0; n < 1000; n++) bus.publish({subject: `s.${n % 10}`, data: String(n)})
    await bus.flush()
    const middle = (await readAll(bus))[500]?.seq ?? 0
    expect(await bus.streams.purge('S', {pattern: 's.1'})).toBe(100)
    expect(await bus.streams.purge('S', {pattern: 's.2', keep: 3})).toBe(97)
    expect(await bus.streams.purge('S', {pattern: 's.3', beforeSeq: middle})).toBe(50)
    await expectRightCounters(bus)
    expect(await bus.streams.purge('S', {keep: 200})).toBe(553)
    await expectRightCounters(bus)
    await publish(bus, 's.1', 1, 5)
    expect(await bus.streams.subjects('S', 's.1')).toEqual(new Map([['s.1', 5]]))
    expect(await bus.streams.purge('S')).toBe(205)
    await expectRightCounters(bus)
  })
})

describe('what a purge or a limit removed from a long stream', () => {
  const streams: [string, boolean, Partial<StreamSettings>][] = [
    ['the only stream', false, {}],
    ['one of two, with a limit per subject', true, {maxMsgsPerSubject: 6000}],
  ]
  /** In steps, or by counting what stays. */
  const count = 45_000

  test.each(streams)('stays removed, and the counters are exact: %s', async (_, hasOther, settings) => {
    const {path, bus} = await freshStream(settings)
    if (hasOther) await bus.streams.add({name: 'OTHER', subjects: ['o.>'], maxMsgsPerSubject: 3})
    await publish(bus, 'o.a', 1, 5)
    for (let n = 0; n < count; n++) bus.publish({subject: `s.${n % 9}`, data: String(n)})
    await bus.flush()
    await publish(bus, 'o.a', 6, 7)
    await using reader = await bus.streams.read('S')
    const [first] = await reader.take(1024)
    const middle = (first?.seq ?? 0) + 30_000
    for (const which of [
      {pattern: 's.1'},
      {pattern: 's.2', keep: 3},
      {pattern: 's.*', beforeSeq: middle},
      {pattern: 's.3', beforeSeq: middle + 1000},
      {keep: 9000},
      {keep: 100},
    ]) {
      const {messages} = (await bus.streams.info('S')).state
      const removed = await bus.streams.purge('S', which)
      expect((await bus.streams.info('S')).state.messages).toBe(messages - removed)
      await expectRightCounters(bus)
    }
    const {firstSeq} = (await bus.streams.info('S')).state
    for await (const {seq} of reader) expect(seq).toBeGreaterThanOrEqual(firstSeq)
    await publish(bus, 's.1', 1, 7000)
    await expectRightCounters(bus)
    age(path)
    for (let i = 0; i < 70; i++) await prune(path)
    expect((await bus.streams.info('S')).state.firstSeq).toBe(firstSeq)
    await expectRightCounters(bus)
    await bus.streams.purge('S')
    await expectRightCounters(bus)
    await bus.streams.remove('S')
    for (let i = 0; i < 10; i++) await prune(path)
    expect(ask(path, "SELECT count(*) FROM msg WHERE sid IN (SELECT id FROM subject WHERE name LIKE 's.%')")).toBe(0)
    if (hasOther) expect((await bus.streams.info('OTHER')).state.messages).toBe(3)
  })

  test('is reported until its rows are gone, also after kills of the process that removes them', async () => {
    const {path, bus} = await freshStream()
    await publish(bus, 's.a', 1, count)
    const {state} = await bus.streams.info('S')
    expect(state.reclaimable).toBeUndefined()
    await bus.streams.purge('S', {keep: 10})
    const purged = await bus.streams.info('S')
    expect(purged.state.reclaimable?.messages).toBe(count - 10)
    expect((purged.state.reclaimable?.bytes ?? 0) + purged.state.bytes).toBe(state.bytes)
    age(path)
    const rows = () => ask<number>(path, 'SELECT count(*) FROM msg WHERE seq <= ?', state.lastSeq)
    const left = async () => (await bus.streams.info('S')).state.reclaimable?.messages ?? 0
    for (let round = 0; round < 3; round++) {
      const before = rows()
      const remover = start('load', path, 'other', '100000', 'x')
      await vi.waitUntil(() => rows() < before, {interval: 1, timeout: 20_000})
      remover.child.kill('SIGKILL')
      await remover.ended
      expect(Math.abs(rows() - 10 - (await left()))).toBeLessThanOrEqual(10)
      expect((await readAll(bus)).length).toBe(10)
    }
    for (let i = 0; i < 50; i++) await prune(path)
    expect(rows()).toBe(10)
    expect(await left()).toBe(0)
    await expectRightCounters(bus)
  })

  test('stays removed if the purge was killed between its steps', async () => {
    const {path, bus} = await freshStream()
    for (let n = 0; n < 240_000; n++) bus.publish({subject: `s.${n % 100}`, data: String(n)})
    await bus.flush()
    const {firstSeq, lastSeq} = (await bus.streams.info('S')).state
    const purging = start('purge', path, 'S', String(lastSeq - 110_000))
    const first = () => ask<number>(path, 'SELECT first FROM stream')
    await vi.waitUntil(() => first() > firstSeq, {interval: 1, timeout: 20_000})
    purging.child.kill('SIGKILL')
    await purging.ended
    expect(purging.lines).not.toContain('done')
    const reached = first()
    await expectRightCounters(bus)
    age(path)
    for (let i = 0; i < 150; i++) await prune(path)
    expect((await bus.streams.info('S')).state.firstSeq).toBe(reached)
    await expectRightCounters(bus)
    await bus.streams.purge('S', {beforeSeq: lastSeq - 110_000})
    expect((await bus.streams.info('S')).state.messages).toBe(110_001)
    await expectRightCounters(bus)
  })

  test('stays removed if it was too old', async () => {
    const {path, bus} = await freshStream({maxAgeMs: 3_600_000})
    await publish(bus, 's.old', 1, count)
    age(path)
    await publish(bus, 's.new', 1, 3)
    expect((await bus.streams.info('S')).state.messages).toBe(3)
    await expectRightCounters(bus)
    for (let i = 0; i < 70; i++) await prune(path)
    expect(ask(path, "SELECT count(*) FROM msg WHERE sid IN (SELECT id FROM subject WHERE name LIKE 's.%')")).toBe(3)
  })
})

describe('the write-ahead log', () => {
  test('does not grow because of a reader that follows and a slow consumer', async () => {
    const {path, bus} = await freshStream()
    await bus.streams.consumers.add('S', {name: 'c'})
    await using member = await bus.streams.consumers.consume('S', 'c')
    await using following = await bus.streams.read('S', {follow: true})
    const loading = start('load', path, 's.a', '120000', 'x'.repeat(1000))
    let read = 0
    while (read < 120_000) {
      read += (await following.take(500)).length
      for (const delivery of await member.take(10, 0)) delivery.ack()
    }
    expect(await loading.ended).toBe(0)
    expect(statSync(`${path}-wal`).size).toBeLessThan(40 * 1024 * 1024)
  })
})
