/**
 * `npm run test:soak`: publishes, subscribes, sends requests, consumes, replays and purges on both buses at once, with new
 * connections every minute and, on the server, connections that are cut. SOAK_MINUTES, default 15. Prints the memory and the
 * number of files of each process every minute, and fails if something grows or is lost. The bus file starts as if it had been
 * in use for an hour, so that as much is pruned as is published.
 */
import {type ChildProcess, execFileSync, spawn} from 'node:child_process'
import {once} from 'node:events'
import {mkdtempSync, readdirSync, readFileSync, rmSync, statSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {text} from 'node:stream/consumers'
import {setTimeout as sleep} from 'node:timers/promises'
import {open} from '../../src/lib/transport/open.ts'
import {Database} from '../../src/lib/transport/sqlite/database.ts'
import {FaultyProxy} from '../faulty-proxy.ts'
import {NatsServer} from '../nats-server.ts'
import {perSecond} from './programs.ts'

const minutes = Number(process.env['SOAK_MINUTES'] ?? 15)
const everyMs = 5000
const mebi = 1024 * 1024
const roles = ['publish', 'consume', 'subscribe', 'replay', 'serve']

/** By quantity: a value for each measurement. */
type Series = Map<string, number[]>

interface Soak {
  readonly name: string
  readonly ended: Promise<Record<string, unknown>>
  readonly series: Series
  look(): void
  end(): void
}

const folder = mkdtempSync(join(tmpdir(), 'busline-soak-'))
const server = await NatsServer.start((home) => `jetstream {store_dir: "${home}"}`)
const proxy = await FaultyProxy.before(server)
try {
  const file = join(folder, 'bus.db')
  await prepare(file)
  ageByAnHour(file)
  await prepare(server.url())
  const soaks = [
    startSoak('file', file, (add) => {
      add('wal', bytesOf(`${file}-wal`))
      add('file', bytesOf(file))
    }),
    startSoak('server', proxy.url, (add) => add('nats-server rss', rssOf(server.pid))),
  ]
  const until = performance.now() + minutes * 60_000
  const looking = setInterval(() => {
    for (const soak of soaks) soak.look()
  }, everyMs)
  const cutting = setInterval(() => proxy.cut(), 60_000)
  await sleep(until - performance.now())
  clearInterval(cutting)
  clearInterval(looking)
  for (const soak of soaks) process.exitCode = (await report(soak)) ? process.exitCode : 1
} finally {
  await proxy[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
  rmSync(folder, {recursive: true})
}
process.exit()

async function prepare(url: string): Promise<void> {
  await using bus = await open(url)
  await bus.streams.add({name: 'S', subjects: ['s.>'], maxMsgs: 10_000})
  await bus.streams.consumers.add('S', {name: 'c', ackWaitMs: 5000})
}

/**
 * The messages that an hour of the soak test would have left, byte for byte: outside streams, so that they are removed minute
 * by minute.
 */
function ageByAnHour(file: string): void {
  const db = new Database(file)
  const count = 3600 * perSecond
  db.exec(`BEGIN; INSERT INTO subject(id, name) VALUES (1000000, 'before');
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ${count})
    INSERT INTO msg(sid, ts, data) SELECT 1000000, ${Date.now() * 1000} - (${count} - i) * ${1e6 / perSecond}, printf('%330d', i) FROM n;
    COMMIT`)
  db.close()
}

function startSoak(name: string, url: string, also: (add: (what: string, value: number) => void) => void): Soak {
  const program = new URL('programs.ts', import.meta.url).pathname
  const children = roles.map((role) => {
    const child = spawn(process.execPath, ['--expose-gc', program, role, url], {stdio: ['pipe', 'pipe', 'inherit']})
    return {role, child, said: text(child.stdout)}
  })
  const series: Series = new Map()
  const add = (what: string, value: number) => {
    const values = series.get(what)
    if (values === undefined) series.set(what, [value])
    else values.push(value)
  }
  return {
    name,
    series,
    ended: Promise.all(children.map(async ({role, said}) => [role, parsed(await said)] as const)).then(
      (all) => Object.fromEntries(all) as Record<string, unknown>,
    ),
    look() {
      for (const {role, child} of children) {
        add(`${role} rss`, rssOf(child.pid ?? 0))
        add(`${role} fds`, fdsOf(child))
      }
      also(add)
    },
    /** Publishers first, so that the consumer can get everything. */
    async end() {
      for (const {role, child} of children) {
        child.stdin.end()
        if (role === 'publish') await once(child, 'exit')
      }
    },
  }
}

function parsed(said: string): unknown {
  return said === '' ? 'ended before its time' : JSON.parse(said)
}

/** True when nothing grows and nothing is lost. */
async function report({name, ended, end, series}: Soak): Promise<boolean> {
  end()
  const said = await ended
  process.stdout.write(`${name}: ${JSON.stringify(said)}\n`)
  const grown = [...series].filter(([what, values]) => {
    const bad = grows(what, values)
    const line = perMinute(values).map((value) => (what.endsWith('fds') ? value : (value / mebi).toFixed(1)))
    process.stdout.write(`${name}: ${what}: ${line.join(' ')}${bad ? '  GROWS' : ''}\n`)
    return bad
  })
  const {acknowledged = 0} = said['publish'] as {acknowledged?: number}
  const {lost, delivered = 0, duplicated = 0} = said['consume'] as Record<string, number>
  return grown.length === 0 && lost === 0 && acknowledged > 0 && delivered - duplicated >= acknowledged
}

/** Compares the last third with the one before: warming up happens in the first. */
function grows(what: string, values: readonly number[]): boolean {
  const third = Math.floor(values.length / 3)
  const before = median(values.slice(third, 2 * third))
  const after = median(values.slice(2 * third))
  return after > (what.endsWith('fds') ? before + 2 : before * 1.1 + 4 * mebi)
}

function perMinute(values: readonly number[]): number[] {
  const looks = Math.max(1, Math.floor(60_000 / everyMs))
  return Array.from({length: Math.ceil(values.length / looks)}, (_, i) =>
    Math.max(...values.slice(i * looks, (i + 1) * looks)),
  )
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

function rssOf(pid: number): number {
  if (process.platform !== 'linux') return Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)])) * 1024
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024
}

function fdsOf({pid}: ChildProcess): number {
  return process.platform === 'linux' ? readdirSync(`/proc/${pid}/fd`).length : 0
}

function bytesOf(path: string): number {
  return statSync(path, {throwIfNoEntry: false})?.size ?? 0
}
