/** Counts system calls and similar costs of a run, so that a regression is detected without a clock. */
import {existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {StatementSync} from 'node:sqlite'
import {afterAll, describe, expect, it, vi} from 'vitest'
import type {Transport} from '../src/lib/transport/contract.ts'
import {open} from '../src/lib/transport/open.ts'
import {Database} from '../src/lib/transport/sqlite/database.ts'
import type {PurgeOptions} from '../src/lib/transport/streams-contract.ts'
import {bus, start} from './bus.ts'

const folder = mkdtempSync(join(tmpdir(), 'bus-counts-'))
afterAll(() => rmSync(folder, {recursive: true}))

const count = 10_000
const probe = join(folder, 'probe.cjs')
const counts = join(folder, 'counts')
writeFileSync(
  probe,
  `process.on('exit', () => {
    const fs = process.getBuiltinModule('fs')
    fs.writeFileSync(process.env.COUNTS, fs.readFileSync('/proc/self/io', 'utf8'))
  })`,
)

/** Runs a command and resolves with the number of its write calls, all files together. */
function counted(name: string, args: readonly string[], stdin?: string) {
  const running = start(args, {node: [process.execPath, '--require', probe], env: {COUNTS: counts + name}, stdin})
  const writes = async () => {
    expect((await running.ended).code).toBe(0)
    return Number(/syscw: (\d+)/.exec(readFileSync(counts + name, 'utf8'))?.[1])
  }
  return {running, writes}
}

const lines = `${'x'.repeat(127)}\n`.repeat(count)

// Linux counts them for each process; other systems do not.
describe.skipIf(!existsSync('/proc/self/io'))('the number of writes per thousand messages, on a bus file,', () => {
  it.each([['--raw'], ['--json'], ['--format={subject}\\n']])('is small for sub %s and pub --lines', async (view) => {
    const bus = ['--bus', join(folder, `${view.length}.db`)]
    const sub = counted('sub', ['sub', 'load', '-n', String(count), view, ...bus])
    await sub.running.stderrLine('listening on load')
    const pub = counted('pub', ['pub', 'load', '--lines', ...bus], lines)
    // 1.28 MB are 20 chunks of 64 KiB and 320 pages; the rest are wake files, wake-ups of threads and polls.
    const perThousand = [await pub.writes(), await sub.writes()].map((writes) => (writes * 1000) / count)
    expect(Math.max(...perThousand)).toBeLessThan(200)
  })
})

describe('the memory per message of 128 B, as counted by Node without garbage collection,', () => {
  const heap = join(folder, 'heap.cjs')
  const file = join(folder, 'heap.db')
  writeFileSync(
    heap,
    `process.on('exit', () => {
      const {used_heap_size} = process.getBuiltinModule('v8').getHeapStatistics()
      process.getBuiltinModule('fs').writeFileSync(process.env.HEAP, String(used_heap_size))
    })`,
  )
  const node = [process.execPath, '--max-semi-space-size=512', '--min-semi-space-size=512', '--require', heap]
  const inputs = [count, 3 * count].map((messages) => {
    const path = join(folder, `${messages}.txt`)
    writeFileSync(path, `${'x'.repeat(127)}\n`.repeat(messages))
    return {messages, path}
  })

  it.each([
    ['pub --lines', 800, (_: number, path: string) => ['pub', 'load', '--lines', '--file', path]],
    ['sub --raw', 1100, (n: number) => ['sub', 'load', '--from', 'first', '-n', String(n), '--raw']],
    ['sub --json', 2000, (n: number) => ['sub', 'load', '--from', 'first', '-n', String(n), '--json']],
    ['sub --format', 900, (n: number) => ['sub', 'load', '--from', 'first', '-n', String(n), '--format={subject}\n']],
    [
      'consumer replay --raw',
      1900,
      (n: number) => ['consumer', 'replay', 'LOAD', `d${n}`, '--create', '-n', String(n), '--raw'],
    ],
  ])('is at most, for %s, %i bytes', async (_, most, args) => {
    await using transport = await open(file)
    if ((await transport.streams.list()).length === 0) await transport.streams.add({name: 'LOAD', subjects: ['load']})
    const used: number[] = []
    for (const {messages, path} of inputs) {
      const output = join(folder, 'used')
      const {code} = await bus([...args(messages, path), '--quiet', '--bus', file], {node, env: {HEAP: output}})
      expect(code).toBe(0)
      used.push(Number(readFileSync(output, 'utf8')))
    }
    const [few = 0, many = 0] = used
    expect((many - few) / (2 * count)).toBeLessThan(most)
  })
})

describe('the number of statements for ten thousand messages, on a bus file,', () => {
  const file = join(folder, 'statements.db')
  const statement = Object.getPrototypeOf(new Database(':memory:').prepare('SELECT 1'))

  /** How many statements this process runs during `work`. */
  async function counting(work: () => Promise<void>): Promise<number> {
    const spies = ['run', 'get', 'all', 'iterate'].map((name) => vi.spyOn(statement, name))
    await work()
    const calls = spies.reduce((sum, spy) => sum + spy.mock.calls.length, 0)
    for (const spy of spies) spy.mockRestore()
    return calls
  }

  it('is small for publishing to one subject and to many, for reading and for acknowledging', async () => {
    await using transport = await open(file)
    await transport.streams.add({name: 'LOAD', subjects: ['load.>']})
    const publish = async (subjects: number) => {
      for (let n = 0; n < count; n++) transport.publish({subject: `load.${n % subjects}`, data: 'x'})
      await transport.flush()
    }
    await publish(100)
    // Ten batches of a thousand in rows of 64, and a few statements per batch; each of a hundred subjects has its own counter.
    expect(await counting(() => publish(1))).toBeLessThan(350)
    expect(await counting(() => publish(100))).toBeLessThan(1500)
    const subscription = await transport.subscribe('load.0')
    expect(
      await counting(async () => {
        await publish(1)
        for (let seen = 0; seen < count; ) seen += (await subscription.take(1024)).length
      }),
    ).toBeLessThan(500)
    await subscription.close()
    await transport.streams.consumers.add('LOAD', {name: 'c'})
    expect(
      await counting(async () => {
        const consuming = await transport.streams.consumers.consume('LOAD', 'c')
        for (let seen = 0; seen < count; ) {
          const taken = await consuming.take(512)
          for (const delivery of taken) consuming.ack(delivery)
          seen += taken.length
        }
        await consuming.close()
      }),
    ).toBeLessThan(1000)
  })
})

describe.skipIf(!existsSync('/proc/self/io'))('the bytes that a purge of a bus file reads and writes', () => {
  const io = () => {
    const [read, written] = ['rchar', 'wchar'].map((name) =>
      Number(new RegExp(`${name}: (\\d+)`).exec(readFileSync('/proc/self/io', 'utf8'))?.[1]),
    )
    return (read ?? 0) + (written ?? 0)
  }

  it.each<[string, PurgeOptions]>([
    ['that keeps the last messages', {keep: 10}],
    ['of a subject that keeps the last messages', {pattern: 'load.1', keep: 10}],
  ])('do not depend on how many messages a purge %s removes', async (_, which) => {
    const bytes: number[] = []
    for (const messages of [60_000, 180_000]) {
      const path = join(mkdtempSync(join(folder, 'purge-')), 'bus.db')
      await using filling = await open(path)
      await filling.streams.add({name: 'LOAD', subjects: ['load.>']})
      for (let n = 0; n < messages; n += 2) {
        for (const subject of ['load.1', 'load.2']) filling.publish({subject, data: 'xxxxxxxx'})
        if (n % 10_000 === 0) await filling.flush()
      }
      await filling.close()
      await using purging = await open(path)
      const before = io()
      const removed = (which.pattern === undefined ? messages : messages / 2) - (which.keep ?? 0)
      expect(await purging.streams.purge('LOAD', which)).toBe(removed)
      bytes.push(io() - before)
    }
    const [few = 0, many = 0] = bytes
    expect(many - few).toBeLessThan(100_000)
  })
})

describe('the number of write transactions on a bus file', () => {
  const file = join(folder, 'transactions.db')

  /** How many this process begins during `work`. */
  async function counting(work: () => Promise<void>): Promise<number> {
    const {run} = StatementSync.prototype
    let begun = 0
    const spy = vi.spyOn(StatementSync.prototype, 'run').mockImplementation(function (this: StatementSync, ...values) {
      if (this.sourceSQL === 'BEGIN IMMEDIATE') begun++
      return Reflect.apply(run, this, values)
    })
    await work()
    spy.mockRestore()
    return begun
  }

  it.each([
    ['none to open and close it', 0, async () => {}],
    [
      'one to publish',
      1,
      async (transport: Transport) => {
        transport.publish({subject: 'a', data: 'x'})
        await transport.flush()
      },
    ],
    [
      'two to subscribe and leave',
      2,
      async (transport: Transport) => {
        const subscription = await transport.subscribe('a')
        await subscription.drain()
        await subscription.close()
      },
    ],
  ])('for %s', async (_, transactions, use) => {
    await (await open(file)).close()
    const begun = await counting(async () => {
      await using transport = await open(file)
      await use(transport)
    })
    expect(begun).toBe(transactions)
  })
})
