import {copyFileSync, mkdtempSync, readFileSync, rmSync, symlinkSync} from 'node:fs'
import {connect} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest'
import type {Headers} from '../../../src/lib/core/message.ts'
import type {Transport} from '../../../src/lib/transport/contract.ts'
import {open} from '../../../src/lib/transport/open.ts'
import type {StreamSettings} from '../../../src/lib/transport/streams-contract.ts'
import {bus, type Ended, start} from '../../bus.ts'
import {NatsServer} from '../../nats-server.ts'

const folder = mkdtempSync(join(tmpdir(), 'copies-'))
const servers: NatsServer[] = []
beforeAll(async () => {
  for (let n = 0; n < 2; n++)
    servers.push(await NatsServer.start((home) => `jetstream {store_dir: "${home}"}\nmax_payload: 2MB`))
})
afterAll(async () => {
  for (const server of servers) await server[Symbol.asyncDispose]()
  rmSync(folder, {recursive: true})
})

let files = 0

/** A new bus: a new file, or one of two servers without the streams of earlier tests. */
async function fresh(kind: string, server: number): Promise<string> {
  if (kind === 'file') return join(folder, `${++files}.db`)
  const url = servers[server]?.url() ?? ''
  await using connection = await open(url)
  for (const {config} of await connection.streams.list()) await connection.streams.remove(config.name)
  return url
}

async function fill(
  url: string,
  settings: StreamSettings,
  messages: readonly (readonly [subject: string, data: string, headers?: Headers])[],
): Promise<number[]> {
  await using connection = await open(url)
  await connection.streams.add(settings)
  const seqs: number[] = []
  for (const [subject, data, headers] of messages)
    seqs.push((await connection.streams.publish({subject, data, headers})).seq)
  return seqs
}

/** `count` messages `PREFIX1`, `PREFIX2`, … on `s.a`. */
function numbered(count: number, prefix = ''): [string, string][] {
  return Array.from({length: count}, (_, i) => ['s.a', `${prefix}${i + 1}`])
}

async function withBus<T>(url: string, work: (bus: Transport) => Promise<T>): Promise<T> {
  await using connection = await open(url)
  return await work(connection)
}

async function contents(url: string, stream = 'S'): Promise<string[]> {
  return withBus(url, async ({streams}) => {
    await using reading = await streams.read(stream)
    const texts: string[] = []
    for (let some = await reading.take(500); some.length > 0; some = await reading.take(500))
      texts.push(...some.map(({text}) => (text.length > 20 ? `${text.slice(0, 5)}…` : text)))
    return texts
  })
}

function result({stdout, stderr}: Ended): Record<string, unknown> {
  const text = (stdout.trim() || stderr.trim()).split('\n').at(-1) ?? ''
  const json = JSON.parse(text)
  return json.error?.data ?? json
}

describe.each([
  ['file', 'file'],
  ['nats', 'nats'],
  ['file', 'nats'],
  ['nats', 'file'],
])('copying from a bus of kind %s into one of kind %s', (from, to) => {
  let source: string
  let target: string
  beforeEach(async () => {
    source = await fresh(from, 0)
    target = await fresh(to, 1)
  })
  const into = (...args: string[]) => bus(['consumer', 'replay', 'S', ...args, '--into', target, '-b', source])
  const add = (settings: Partial<StreamSettings> = {}) => ({name: 'S', subjects: ['s.>'], ...settings})
  const consumer = (name: string) => withBus(source, ({streams}) => streams.consumers.add('S', {name, ackWaitMs: 2000}))
  const floor = (name: string) =>
    withBus(source, async ({streams}) => (await streams.consumers.info('S', name)).ackFloor)

  test.each([
    [{maxMsgs: 30}, 30, 100],
    [{maxMsgs: 30}, 30, 1300],
    [{maxMsgsPerSubject: 1}, 1, 100],
  ])(
    'a target that removes old messages keeps the newest ones in further runs (%j, %i, %i)',
    async (limits, size, count) => {
      await fill(source, add(), numbered(count))
      await fill(target, add(limits), [])
      const kept = async () => (await contents(target)).map(Number)
      const runs: unknown[] = []
      for (let run = 0; run < 3; run++) runs.push(result(await into('--json')))
      expect(runs).toMatchObject([
        {handled: count, alreadyThere: 0},
        {handled: 0, alreadyThere: count},
        {handled: 0, alreadyThere: count},
      ])
      expect((await kept()).sort((a, b) => a - b)).toEqual(Array.from({length: size}, (_, i) => count - size + 1 + i))
    },
  )

  test('--verify compares what this run copied, and says what is missing or differs', async () => {
    await fill(source, add(), [['s.b', 'x'], ...numbered(4), ['s.a', 'with', [['Own', 'header']]]])
    await fill(target, add(), [])
    const first = await into('--filter', 's.b', '--verify')
    expect([first.code, first.stderr]).toEqual([0, expect.stringMatching(/1 handled.*\nverified: 1 message\n$/)])
    const second = await into('--verify', '--json')
    expect(second.code).toBe(0)
    expect(result(second)).toMatchObject({
      ...{handled: 5, alreadyThere: 1},
      verified: {same: 5, changed: 0, missing: 0, gone: 0, first: []},
    })
    const third = await into('--verify')
    expect([third.code, third.stderr]).toEqual([0, expect.stringMatching(/6 already there.*\nverified: 0 messages\n$/)])
  })

  test('--verify finds copies that the target did not keep', async () => {
    await fill(source, add(), numbered(12))
    await fill(target, add({maxMsgs: 10}), [])
    const {code, stderr} = await into('--verify')
    expect(code).toBe(9)
    expect(stderr).toMatch(
      /missing: #1 on s\.a\nmissing: #2 on s\.a\nbus: 2 missing and 0 changed of 12 messages copied/,
    )
    const again = await into('--verify', '--json')
    expect([again.code, result(again)]).toMatchObject([0, {verified: {same: 0}}])
  })

  test('--verify of a consumer compares what it acknowledged', async () => {
    await fill(source, add(), numbered(5))
    await consumer('c')
    const {code, stderr} = await into('c', '--create', '--verify')
    expect([code, stderr]).toEqual([0, expect.stringMatching(/verified: 5 messages\n$/)])
  })

  test('a message that the target refuses is named, never acknowledged, and tried again by the next run', async () => {
    const seqs = await fill(
      source,
      add(),
      numbered(10).map(([subject, data]) => [subject, data === '5' ? 'large'.repeat(600) : data]),
    )
    await fill(target, add({maxMsgSize: 1200}), [])
    await consumer('c')
    for (let run = 0; run < 2; run++) {
      const {code, stderr} = await into('c', '--max-deliver', '2')
      expect([code, stderr]).toEqual([8, expect.stringContaining(`stopped at message ${seqs[4]} on "s.a"`)])
      expect(await floor('c')).toBe(seqs[3])
      const range = await into('--max-deliver', '1')
      expect([range.code, range.stderr]).toEqual([8, expect.stringContaining(`stopped at message ${seqs[4]} on "s.a"`)])
    }
    expect((await contents(target)).sort()).toEqual(['1', '10', '2', '3', '4', '6', '7', '8', '9'])
    const stopped = await into('--max-deliver', '1', '--json')
    expect(stopped.stderr).toContain('10 read · 0 handled · 9 already there · 1 failed')
    expect(result(stopped)).toMatchObject({seq: seqs[4], subject: 's.a', read: 10, alreadyThere: 9, failed: 1})
    const skipping = await into('--on-error', 'skip', '--json')
    expect(skipping.code).toBe(8)
    expect(result(skipping)).toMatchObject({read: 10, handled: 0, alreadyThere: 9, skipped: 1})
    expect(result(skipping)['unhandled']).toMatchObject([{seq: seqs[4], subject: 's.a', fate: 'skipped'}])
    const dead = join(folder, `${++files}.dead`)
    expect((await into('c', '--max-deliver', '1', '--dead', dead)).code).toBe(8)
    expect(JSON.parse(readFileSync(dead, 'utf8'))).toMatchObject({seq: seqs[4], subject: 's.a'})
    expect(await floor('c')).toBe(seqs[9])
  })

  test('a refused message is copied once the target accepts it', async () => {
    await fill(source, add(), numbered(6))
    await fill(target, add({maxMsgs: 3, discard: 'new'}), [])
    expect((await into('--max-deliver', '1')).code).toBe(8)
    await withBus(target, ({streams}) => streams.remove('S'))
    await fill(target, add(), [])
    const done = await into('--json')
    expect([done.code, result(done)]).toMatchObject([0, {read: 6, handled: 6, alreadyThere: 0}])
    expect(await contents(target)).toEqual(['1', '2', '3', '4', '5', '6'])
    const again = await into('--json')
    expect([again.code, result(again)]).toMatchObject([0, {read: 6, handled: 0, alreadyThere: 6}])
    expect((await into()).stderr).toContain('6 read · 0 handled · 6 already there')
  })

  test('ranges and filters in any order omit nothing and copy nothing twice', async () => {
    const seqs = await fill(
      source,
      add(),
      Array.from({length: 20}, (_, i) => [i % 2 === 0 ? 's.a' : 's.b', String(i + 1)]),
    )
    await fill(target, add(), [])
    expect(result(await into('--from', String(seqs[7]), '--to', String(seqs[9]), '--json'))).toMatchObject({handled: 3})
    expect(result(await into('--filter', 's.b', '--json'))).toMatchObject({read: 10, handled: 8, alreadyThere: 2})
    expect(result(await into('--where', 'json > 15', '--json'))).toMatchObject({
      handled: 2,
      alreadyThere: 3,
      unmatched: 15,
    })
    expect(result(await into('--json'))).toMatchObject({read: 20, handled: 7, alreadyThere: 13})
    expect((await contents(target)).map(Number).sort((a, b) => a - b)).toEqual(
      Array.from({length: 20}, (_, i) => i + 1),
    )
    expect(result(await into('--json'))).toMatchObject({read: 20, handled: 0, alreadyThere: 20})
  })

  test('a delayed message is copied later', async () => {
    await fill(source, add(), numbered(8))
    await fill(target, add(), [])
    await consumer('c')
    expect((await bus(['consumer', 'next', 'S', 'c', '--nak', '--delay', '1s', '-b', source])).code).toBe(0)
    const done = await into('c', '--json')
    expect([done.code, result(done)]).toMatchObject([0, {handled: 8}])
    expect((await contents(target)).sort()).toEqual(['1', '2', '3', '4', '5', '6', '7', '8'])
  })

  test('a durable consumer copies its deliveries unless the target has them', async () => {
    const seqs = await fill(source, add(), numbered(12))
    await fill(target, add(), [])
    await consumer('c')
    expect(result(await into('--from', String(seqs[3]), '--to', String(seqs[5]), '--json'))).toMatchObject({handled: 3})
    expect(result(await into('c', '-n', '5', '--json'))).toMatchObject({read: 5, handled: 3, alreadyThere: 2})
    expect(result(await into('c', '--json'))).toMatchObject({read: 7, handled: 6, alreadyThere: 1})
    expect(await floor('c')).toBe(seqs[11])
    expect((await contents(target)).length).toBe(12)
    expect(result(await into('c', '--reset', 'first', '--json'))).toMatchObject({handled: 0, alreadyThere: 12})
  })

  test('a stream that was removed and recreated counts as another source', async () => {
    await fill(source, add(), numbered(10, 'old'))
    expect((await into('--create')).code).toBe(0)
    await withBus(source, ({streams}) => streams.remove('S'))
    const seqs = await fill(source, add(), numbered(6, 'new'))
    await consumer('c')
    const asked = await into('c')
    expect([asked.code, asked.stderr]).toEqual([2, expect.stringContaining('which has 10 messages from elsewhere')])
    expect(await floor('c')).toBe(0)
    const done = await into('c', '--yes', '--json')
    expect([done.code, result(done)]).toMatchObject([0, {handled: 6, alreadyThere: 0}])
    expect(await floor('c')).toBe(seqs[5])
    expect((await contents(target)).filter((text) => text.startsWith('new')).length).toBe(6)
    expect(result(await into('--json'))).toMatchObject({handled: 0, alreadyThere: 6})
  })

  test('two sources with the same name are collected in one target', async () => {
    const other = await fresh('file', 0)
    await fill(source, add(), numbered(30, 'a'))
    await fill(other, add(), numbered(30, 'b'))
    await fill(target, add(), [])
    const both = await Promise.all(
      [source, other].map((url) => bus(['consumer', 'replay', 'S', '--yes', '--into', target, '--json', '-b', url])),
    )
    expect(both.map((one) => [one.code, result(one)['handled']])).toEqual([
      [0, 30],
      [0, 30],
    ])
    expect((await contents(target)).length).toBe(60)
    expect(result(await into('--json'))).toMatchObject({handled: 0, alreadyThere: 30})
  })

  test('several workers of one consumer copy everything when killed and restarted', async () => {
    await fill(source, add(), [])
    await withBus(source, async ({streams}) => {
      await using publisher = streams.publisher()
      for (let n = 1; n <= 4000; n++) void publisher.push({subject: 's.a', data: String(n)})
      await publisher.flush()
      await streams.consumers.add('S', {name: 'c', ackWaitMs: 1000, maxAckPending: 5000})
    })
    await fill(target, add(), [])
    const args = ['consumer', 'replay', 'S', 'c', '--into', target, '-b', source, '--rate', '3000/s']
    for (let round = 0; round < 2; round++) {
      const workers = [start(args), start(args)]
      const before = (await contents(target)).length
      await expect
        .poll(async () => (await contents(target)).length, {interval: 20, timeout: 10_000})
        .toBeGreaterThan(before + 300)
      for (const worker of workers) worker.kill('SIGKILL')
      await Promise.all(workers.map((worker) => worker.ended))
    }
    const last = await into('c')
    expect(last.code).toBe(0)
    const all = await contents(target)
    expect(new Set(all).size).toBe(4000)
    expect(all.length).toBe(4000)
  }, 60_000)

  test('a stream is refused as its own target', async () => {
    await fill(source, add(), numbered(3))
    const names = [source]
    if (from === 'file') {
      symlinkSync(source, join(folder, `link-${++files}.db`))
      names.push(join(folder, `link-${files}.db`))
    } else names.push(source.replace('127.0.0.1', 'localhost'))
    for (const name of names) {
      const {code, stderr} = await bus(['consumer', 'replay', 'S', '--into', name, '--yes', '-b', source])
      expect([code, stderr]).toEqual([2, expect.stringContaining('is the source itself')])
    }
    expect(await contents(source)).toEqual(['1', '2', '3'])
  })

  test('two streams that are copied into each other contain each message once', async () => {
    await fill(source, add(), numbered(3, 'a'))
    await fill(target, add(), numbered(2, 'b'))
    const back = (...args: string[]) => bus(['consumer', 'replay', 'S', ...args, '--into', source, '-b', target])
    expect(result(await into('--yes', '--json'))).toMatchObject({handled: 3})
    expect(result(await back('--yes', '--json'))).toMatchObject({read: 5, handled: 2, alreadyThere: 3})
    expect(result(await into('--json'))).toMatchObject({read: 5, handled: 0, alreadyThere: 5})
    expect(result(await back('--json'))).toMatchObject({read: 5, handled: 0, alreadyThere: 5})
    const all = ['a1', 'a2', 'a3', 'b1', 'b2']
    expect([(await contents(source)).sort(), (await contents(target)).sort()]).toEqual([all, all])
    await withBus(source, ({streams}) => streams.purge('S'))
    expect(result(await back('--json'))).toMatchObject({handled: 5, alreadyThere: 0})
    expect((await contents(source)).sort()).toEqual(all)
  })

  test('streams that are copied in a ring contain each message once', async () => {
    const third = await fresh('file', 0)
    await fill(source, add(), numbered(3))
    const ring = [source, target, third]
    for (let round = 0; round < 2; round++) {
      for (const [i, url] of ring.entries()) {
        const next = ring[(i + 1) % 3] ?? ''
        const args = ['consumer', 'replay', 'S', '--create', '--yes', '--into', next, '--json', '-b', url]
        const handled = round === 0 && i < 2 ? 3 : 0
        expect(result(await bus(args))).toMatchObject({read: 3, handled, alreadyThere: 3 - handled})
      }
    }
    for (const url of ring) expect(await contents(url)).toEqual(['1', '2', '3'])
  })

  test('two runs at once that take longer than the duplicate window copy each message once', async () => {
    await fill(source, add(), numbered(60))
    await fill(target, add({dedupeMs: 200}), [])
    const args = ['consumer', 'replay', 'S', '--into', target, '-b', source, '--json']
    const slow = start([...args, '--rate', '40/s'])
    await expect.poll(async () => (await contents(target)).length, {interval: 20, timeout: 10_000}).toBeGreaterThan(2)
    expect((await bus(args)).code).toBe(0)
    const {code} = await slow.ended
    expect(code).toBe(0)
    expect((await contents(target)).map(Number).sort((a, b) => a - b)).toEqual(
      Array.from({length: 60}, (_, i) => i + 1),
    )
  })

  test('with ack policy all nothing is acknowledged after a refused message', async () => {
    const seqs = await fill(
      source,
      add(),
      numbered(10).map(([subject, data]) => [subject, data === '5' ? 'large'.repeat(600) : data]),
    )
    await fill(target, add({maxMsgSize: 1200}), [])
    await withBus(source, ({streams}) => streams.consumers.add('S', {name: 'all', ack: 'all', ackWaitMs: 2000}))
    for (let run = 0; run < 2; run++) {
      const {code, stderr} = await into('all', '--max-deliver', '1')
      expect([code, stderr]).toEqual([8, expect.stringContaining(`stopped at message ${seqs[4]}`)])
      expect(await floor('all')).toBe(seqs[3])
    }
    expect((await into('all', '--on-error', 'term')).code).toBe(8)
    expect(await floor('all')).toBe(seqs[9])
  })

  test('messages removed from the source before they were copied are reported', async () => {
    await fill(source, add(), numbered(3))
    expect((await into('--create')).code).toBe(0)
    const last = await withBus(source, async ({streams}) => {
      for (const data of ['4', '5']) await streams.publish({subject: 's.a', data})
      const {seq} = await streams.publish({subject: 's.a', data: '6'})
      await streams.purge('S', {beforeSeq: seq})
      return seq
    })
    const {code, stderr} = await into()
    expect([code, stderr]).toEqual([0, expect.stringMatching(`between #\\d+ and #${last} are gone`)])
    expect(await contents(target)).toEqual(['1', '2', '3', '6'])
  })

  test('a target with other messages needs confirmation', async () => {
    await fill(source, add(), numbered(3))
    await fill(target, add(), [['s.x', 'theirs']])
    const {code, stderr} = await into()
    expect([code, stderr]).toEqual([2, expect.stringContaining('which has 1 message from elsewhere')])
    expect(stderr).toContain('--yes')
    expect((await into('--yes')).code).toBe(0)
    expect(await contents(target)).toEqual(['theirs', '1', '2', '3'])
    await withBus(target, ({streams}) => streams.publish({subject: 's.x', data: 'more'}))
    expect((await into()).code).toBe(0)
  })

  test('headers that a store would act on are data in a copy', async () => {
    const asks: Headers = [
      ['Nats-Expected-Stream', 'S'],
      ['Nats-Msg-Id', 'mine'],
      ['X', 'kept'],
    ]
    await fill(source, add(), [['s.a', '1', asks]])
    if (from === 'nats') await publishRaw(source, 's.a', 'Nats-Rollup: sub\r\n', '2')
    await fill(target, add(), [['s.x', 'theirs']])
    expect((await into('--yes')).code).toBe(0)
    const first = await withBus(target, ({streams}) => streams.last('S', 's.a'))
    expect(await contents(target)).toContain('theirs')
    const {stdout} = await bus(['sub', 's.a', '--from', 'first', '--end', '--json', '-b', target])
    const [record] = stdout.split('\n')
    expect(JSON.parse(record ?? '').headers).toMatchObject({
      'Bus-Expected-Stream': 'S',
      'Bus-Msg-Id': 'mine',
      X: 'kept',
    })
    expect(first.headers.some(([name]) => /^nats-(?!msg-id)/i.test(name))).toBe(false)
  })

  test('an interrupted copy of many messages reads back no more than the window', async () => {
    await fill(source, add(), [])
    await withBus(source, async ({streams}) => {
      await using publisher = streams.publisher()
      for (let n = 1; n <= 9000; n++) void publisher.push({subject: 's.a', data: String(n)})
      await publisher.flush()
    })
    expect((await into('--create', '-n', '8000')).code).toBe(0)
    const last = await withBus(target, ({streams}) => streams.last('S', 's.a'))
    const [, range, since] = /^\d+-(\d+);since=(\d+)$/.exec(last.header('Bus-Copied') ?? '') ?? []
    // Four batches of 512 in flight, as many since the last update of the position began, and 512 before it begins.
    expect(Number(last.header('Bus-Sequence')) - Number(range)).toBeLessThan(9 * 512)
    expect((last.seq ?? 0) - Number(since)).toBeLessThan(9 * 512)
    expect(result(await into('--json'))).toMatchObject({read: 9000, handled: 1000, alreadyThere: 8000})
  })
})

/** Stores bytes that our clients would not send. */
async function publishRaw(url: string, subject: string, headers: string | Buffer, data: string): Promise<void> {
  const {hostname, port} = new URL(url)
  const socket = connect(Number(port), hostname)
  const head = Buffer.concat([Buffer.from('NATS/1.0\r\n'), Buffer.from(headers), Buffer.from('\r\n')])
  socket.write('CONNECT {"verbose":false,"headers":true}\r\n')
  socket.write(`HPUB ${subject} ${head.length} ${head.length + data.length}\r\n`)
  socket.write(Buffer.concat([head, Buffer.from(`${data}\r\nPING\r\n`)]))
  await new Promise<void>((resolve) => {
    let got = ''
    socket.on('data', (chunk) => {
      got += chunk
      if (got.includes('PONG')) resolve()
    })
  })
  socket.destroy()
}

test('consumer replay --into refuses copies with a different history: a copied bus file', async () => {
  const [one, other, target] = [1, 2, 3].map(() => join(folder, `${++files}.db`)) as [string, string, string]
  await fill(one, {name: 'S', subjects: ['s.>']}, numbered(3))
  copyFileSync(one, other)
  await withBus(one, async ({streams}) => {
    for (const data of ['a', 'b']) await streams.publish({subject: 's.a', data})
  })
  await withBus(other, ({streams}) => streams.publish({subject: 's.a', data: 'c'}))
  const into = (source: string) => bus(['consumer', 'replay', 'S', '--create', '--yes', '--into', target, '-b', source])
  expect((await into(one)).code).toBe(0)
  const {code, stderr} = await into(other)
  expect([code, stderr]).toEqual([8, expect.stringContaining('differs from the original')])
  expect(await contents(target)).toEqual(['1', '2', '3', 'a', 'b'])
})

test('consumer replay --into refuses a stream that was restored from a backup of its source', async () => {
  const [one, restored] = [1, 2].map(() => join(folder, `${++files}.db`)) as [string, string]
  await fill(one, {name: 'S', subjects: ['s.>']}, numbered(3))
  copyFileSync(one, restored)
  const {code, stderr} = await bus(['consumer', 'replay', 'S', '--yes', '--into', restored, '-b', one])
  expect([code, stderr]).toEqual([2, expect.stringContaining('or was restored from a backup of it')])
  expect(await contents(restored)).toEqual(['1', '2', '3'])
})

describe('consumer replay of messages that cannot be sent unchanged', () => {
  const bad: [string, string | Buffer][] = [
    ['a header name with spaces', 'Key with space: 1\r\n'],
    ['a NUL in a header', 'X: a\0b\r\n'],
    ['header bytes that are not UTF-8', Buffer.from('X: caf\xe9\r\n', 'latin1')],
  ]

  async function filled(header: string | Buffer): Promise<string> {
    const source = await fresh('nats', 0)
    await fill(source, {name: 'S', subjects: ['s.>']}, [['s.a', '1']])
    await publishRaw(source, 's.b', header, '2')
    await withBus(source, async ({streams}) => {
      await streams.publish({subject: 's.a', data: '3'})
      await streams.consumers.add('S', {name: 'c', ackWaitMs: 2000})
    })
    return source
  }

  test.each(bad)('into a bus: %s refuses only that message', async (_what, header) => {
    const source = await filled(header)
    for (const kind of ['file', 'nats']) {
      const target = await fresh(kind, 1)
      const into = ['consumer', 'replay', 'S', '--create', '--into', target, '-b', source]
      const {code, stderr} = await bus(into)
      expect([code, stderr]).toEqual([8, expect.stringContaining('stopped at message 2 on "s.b": ')])
      const dead = join(folder, `${++files}.dead`)
      const put = await bus([...into, '--dead', dead, '--json'])
      expect([put.code, result(put)]).toMatchObject([8, {givenUp: 1, unhandled: [{seq: 2, subject: 's.b'}]}])
      expect(await contents(target)).toEqual(['1', '3'])
      const [[name, value] = []] = Object.entries(
        JSON.parse(readFileSync(dead, 'utf8')).headers as Record<string, string>,
      )
      const bytes = Buffer.from(
        `${name}: ${value}\r\n`.replace(/[\udc80-\udcff]/g, (c) => String.fromCharCode(c.charCodeAt(0) - 0xdc00)),
        'latin1',
      )
      expect(bytes).toEqual(Buffer.from(header))
    }
  })

  test.each(bad)('under another subject: %s refuses only that message', async (_what, header) => {
    const source = await filled(header)
    const dead = join(folder, `${++files}.dead`)
    const done = await bus([
      ...['consumer', 'replay', 'S', 'c', '--republish', 'zz.{subject}', '--on-error', 'skip', '--json', '-b', source],
    ])
    expect([done.code, result(done)]).toMatchObject([
      8,
      {handled: 2, skipped: 1, unhandled: [{seq: 2, subject: 's.b'}]},
    ])
    const put = await bus(['consumer', 'replay', 'S', 'c', '--republish', 'zz.{subject}', '--dead', dead, '-b', source])
    expect([put.code, JSON.parse(readFileSync(dead, 'utf8'))]).toMatchObject([8, {seq: 2}])
  })
})

test('consumer replay --republish waits for each stream that stores one of the subjects', async () => {
  for (const kind of ['file', 'nats']) {
    const url = await fresh(kind, 0)
    await fill(url, {name: 'S', subjects: ['s.>']}, [
      ['s.plain', '1'],
      ['s.kept', '2'],
    ])
    await fill(url, {name: 'K', subjects: ['copy.s.kept'], maxMsgSize: 1}, [])
    const {code, stderr} = await bus(['consumer', 'replay', 'S', '--republish', 'copy.{subject}', '-b', url])
    expect([code, stderr]).toMatchObject([0, expect.stringContaining('2 handled')])
    await withBus(url, ({streams}) => streams.publish({subject: 's.kept', data: '33'}))
    const refused = await bus([
      'consumer',
      'replay',
      'S',
      '--republish',
      'copy.{subject}',
      '--max-deliver',
      '1',
      '-b',
      url,
    ])
    expect([refused.code, refused.stderr]).toMatchObject([
      8,
      expect.stringMatching(/stopped at message \d+ on "s.kept"/),
    ])
  }
})

test('pub --records lets a store act on headers only with --obey-headers', async () => {
  const url = await fresh('nats', 0)
  await fill(url, {name: 'S', subjects: ['s.>']}, numbered(2))
  const record = JSON.stringify({subject: 's.a', headers: {'Nats-Expected-Last-Sequence': '99'}, text: '3'})
  for (const bus_url of [url, await fresh('file', 0)]) {
    if (bus_url !== url) await fill(bus_url, {name: 'S', subjects: ['s.>']}, numbered(2))
    const obeyed = await bus(['pub', '--records', '-', '--ack', '--obey-headers', '-b', bus_url], {stdin: record})
    expect([obeyed.code, obeyed.stderr]).toEqual([8, expect.stringContaining('wrong last sequence')])
    expect((await bus(['pub', '--records', '-', '--ack', '-b', bus_url], {stdin: record})).code).toBe(0)
    const last = await withBus(bus_url, ({streams}) => streams.last('S', 's.a'))
    expect([last.text, last.headers]).toEqual(['3', [['Bus-Expected-Last-Sequence', '99']]])
  }
})

/** Sends the server a request that the contract does not cover. */
async function asked(url: string, operation: string, body: object): Promise<{readonly config?: object}> {
  const reply = await withBus(url, (transport) =>
    transport.request({subject: `$JS.API.${operation}`, data: JSON.stringify(body)}),
  )
  const answer = JSON.parse(reply.text)
  expect(answer.error).toBeUndefined()
  return answer
}

describe('a stream with subjects outside its configuration', () => {
  const held: [string, object, string][] = [
    ['a mirror', {mirror: {name: 'S'}}, 's.a'],
    ['sources', {sources: [{name: 'S'}]}, 's.a'],
    ['a transform', {subjects: ['in.*'], subject_transform: {src: 'in.*', dest: 'out.{{wildcard(1)}}'}}, 'out.a'],
  ]

  test.each(held)(
    'such as %s is created by consumer replay --into --create, and copied',
    async (_what, settings, subject) => {
      const source = await fresh('nats', 0)
      await fill(source, {name: 'S', subjects: ['s.>']}, numbered(3))
      const {config} = await asked(source, 'STREAM.CREATE.M', {
        name: 'M',
        storage: 'file',
        retention: 'limits',
        ...settings,
      })
      // A server before 2.10 ignores a transform.
      if (Object.keys(settings).some((name) => !Object.hasOwn(config ?? {}, name))) return
      await withBus(source, async ({streams}) => {
        if (subject === 'out.a') for (const data of ['1', '2', '3']) await streams.publish({subject: 'in.a', data})
        await expect.poll(async () => (await streams.info('M')).state.messages).toBe(3)
      })
      for (const kind of ['file', 'nats']) {
        const target = await fresh(kind, 1)
        const into = ['consumer', 'replay', 'M', '--into', target, '-b', source]
        expect((await bus(into)).stderr).toContain(subject)
        const done = await bus([...into, '--create', '--json'])
        expect([done.code, result(done)]).toMatchObject([0, {handled: 3}])
        expect((await withBus(target, ({streams}) => streams.info('M'))).config.subjects).toContain(subject)
        expect(await contents(target, 'M')).toEqual(['1', '2', '3'])
      }
      if (subject === 's.a') await withBus(source, ({streams}) => streams.remove('S'))
      const shown = await bus(['sub', subject, '--from', 'first', '--end', '--raw', '-b', source])
      expect([shown.code, shown.stdout]).toEqual([0, '1\n2\n3\n'])
    },
  )

  test('that is an empty mirror is refused by consumer replay --into --create before anything is created', async () => {
    const source = await fresh('nats', 0)
    const target = await fresh('file', 0)
    await fill(source, {name: 'S', subjects: ['s.>']}, [])
    await asked(source, 'STREAM.CREATE.M', {name: 'M', storage: 'file', retention: 'limits', mirror: {name: 'S'}})
    const {code, stderr} = await bus(['consumer', 'replay', 'M', '--create', '--into', target, '-b', source])
    expect([code, stderr]).toEqual([2, expect.stringContaining('stream M has no subjects and no messages')])
    expect(await withBus(target, ({streams}) => streams.list())).toEqual([])
  })
})

test('messages of a consumer that delivers headers only are read from the stream by every command', async () => {
  const source = await fresh('nats', 0)
  await fill(source, {name: 'S', subjects: ['s.>']}, [...numbered(2), ['s.a', '3', [['X', 'y']]]])
  for (const name of ['into', 'again', 'shown', 'next', 'sub']) {
    const config = {durable_name: name, ack_policy: 'explicit', headers_only: true, max_deliver: -1}
    await asked(source, `CONSUMER.CREATE.S.${name}`, {stream_name: 'S', config})
  }
  const target = await fresh('file', 0)
  expect((await bus(['consumer', 'replay', 'S', 'into', '--create', '--into', target, '-b', source])).code).toBe(0)
  expect(await contents(target)).toEqual(['1', '2', '3'])
  const copy = await withBus(target, ({streams}) => streams.last('S', 's.a'))
  expect([copy.header('X'), copy.header('Nats-Msg-Size')]).toEqual(['y', undefined])
  expect((await bus(['consumer', 'replay', 'S', 'again', '--republish', 'copy.{subject}', '-b', source])).code).toBe(0)
  for (const args of [
    ['consumer', 'replay', 'S', 'shown', '--raw'],
    ['consumer', 'next', 'S', 'next', '-n', '3', '--raw'],
    ['sub', 's.>', '--durable', 'sub', '-n', '3', '--raw'],
  ])
    expect((await bus([...args, '-b', source])).stdout).toBe('1\n2\n3\n')
  expect((await bus(['consumer', 'info', 'S', 'sub', '-b', source])).stdout).toMatch(/delivers +headers only/)
})
