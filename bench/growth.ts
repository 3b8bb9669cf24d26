/**
 * Repeats the same work with ten and fifty times as much data, on both buses: nothing may grow faster than linearly. `npm run
 * bench growth`; `GROWTH=1,10,50` are the millions of messages in the file (1,10 by default), each of which takes about 250 MB
 * and ten seconds.
 */
import {spawn} from 'node:child_process'
import {openSync, statSync} from 'node:fs'
import {join} from 'node:path'
import {open} from '../src/lib/transport/open.ts'
import {NatsServer} from '../test/nats-server.ts'
import {bus, type Case, inFolder, median, type Row, start, startBus, time, writeLines} from './measure.ts'

const million = 1_000_000
const sizes = (process.env['GROWTH'] ?? '1,10').split(',').map(Number)
const commandRounds = 5

export const growth: Case = {
  name: 'growth',
  rows: () =>
    inFolder(async (folder) => {
      const lines = join(folder, 'lines.txt')
      await writeLines(lines, million)
      await using server = await NatsServer.start((home) => `jetstream {store_dir: "${home}"}`)
      const rows: Row[] = []
      for (const [at, millions] of sizes.entries())
        rows.push(...(await ofFile(join(folder, `${at}.db`), lines, millions)))
      for (const url of [join(folder, 'many.db'), server.url()]) {
        const kind = url.startsWith('nats:') ? 'NATS' : 'file'
        rows.push(...(await ofSubjects(kind, url)), ...(await ofSubscriptions(kind, url)), ...ofPayloads(kind, url))
      }
      rows.push(...(await ofProcesses(join(folder, 'eight.db'))))
      return rows
    }),
}

/** A bus file of a given size. */
async function ofFile(path: string, lines: string, millions: number): Promise<Row[]> {
  await addStream(path, ['load'])
  const marks: number[] = []
  const began = performance.now()
  for (let i = 0; i < millions; i++) {
    marks.push(Date.now())
    time([bus, 'pub', 'load', '--lines', '--file', lines, '--quiet', '--bus', path])
  }
  const filledMs = performance.now() - began
  const half = new Date(marks[Math.floor(millions / 2)] ?? 0).toISOString()
  const middle = Math.floor(millions / 2) * million
  const run = (...args: string[]) => ms([...args, '--quiet', '--bus', path])
  const row = (what: string, value: number, unit: string): Row => ({
    what: `file of ${millions} M: ${what}`,
    value,
    unit,
  })
  const rows = [
    row('pub --lines', (millions * million) / filledMs, 'k msg/s'),
    row('pub of one message', run('pub', 'load', 'x'), 'ms'),
    row('first message', run('sub', 'load', '--from', 'first', '-n', '1', '--raw'), 'ms'),
    row('last message', run('stream', 'get', 'LOAD', '--last-for', 'load', '--raw'), 'ms'),
    row('one of the middle, by time', run('sub', 'load', '--from', `@${half}`, '-n', '1', '--raw'), 'ms'),
    row('stream info', run('stream', 'info', 'LOAD', '--json'), 'ms'),
    row('stream subjects', run('stream', 'subjects', 'LOAD', '--json'), 'ms'),
    row('a new durable and its first message', durableMs(path), 'ms'),
    row(
      'replay of a million from the middle',
      million / replayMs(path, `${middle + 1}..${middle + million}`),
      'k msg/s',
    ),
  ]
  const size = statSync(path).size
  const purged = once([
    'stream',
    'purge',
    'LOAD',
    '--keep',
    '1000',
    '--yes',
    '--quiet',
    '--timeout',
    '5m',
    '--bus',
    path,
  ])
  return [
    ...rows,
    row('stream purge --keep 1000', purged, 'ms'),
    row('the file before', size / 1e6, 'MB'),
    row('the file after', statSync(path).size / 1e6, 'MB'),
  ]
}

let durables = 0

function durableMs(path: string): number {
  return median(
    Array.from({length: commandRounds}, () =>
      once(['consumer', 'replay', 'LOAD', `d${++durables}`, '--create', '-n', '1', '--raw', '--quiet', '--bus', path]),
    ),
  )
}

function replayMs(path: string, range: string): number {
  return once(['consumer', 'replay', 'LOAD', '--range', range, '--raw', '--quiet', '--bus', path])
}

/** Ten thousand messages to one subject, and to as many subjects. */
async function ofSubjects(kind: string, url: string): Promise<Row[]> {
  await addStream(url, ['load', 'many.>'], 'MANY')
  const count = 200_000
  const published = (subjects: number) => {
    const args = [
      'bench',
      'pub',
      'many.x',
      '--msgs',
      String(count),
      '--subjects',
      String(subjects),
      '--json',
      '--quiet',
    ]
    return once([...args, '--bus', url])
  }
  const rows = [1, 100, 10_000, 100_000].map((subjects) => {
    const label = `${kind}, ${subjects.toLocaleString('en')} subjects`
    return [
      {what: `${label}: bench pub`, value: count / published(subjects), unit: 'k msg/s'},
      {
        what: `${label}: stream subjects`,
        value: once(['stream', 'subjects', 'MANY', '--json', '--quiet', '--bus', url]),
        unit: 'ms',
      },
    ]
  })
  return rows.flat()
}

/** A process with this many subscriptions, one of which gets the messages. */
async function ofSubscriptions(kind: string, url: string): Promise<Row[]> {
  const count = 100_000
  const rows: Row[] = []
  for (const subscriptions of [1, 100, 1000]) {
    const listening = start('subscriptions', url, String(subscriptions), String(count))
    await listening.line()
    time([bus, 'bench', 'pub', 'sub.0', '--msgs', String(count), '--quiet', '--json', '--bus', url])
    const rate = Number(await listening.line())
    await listening.ended
    rows.push({what: `${kind}, ${subscriptions} subscriptions in a process`, value: rate, unit: 'k msg/s'})
  }
  return rows
}

function ofPayloads(kind: string, url: string): Row[] {
  // Less than what a server buffers for a slightly slow subscriber (64 MiB).
  const total = 48 * 1024 * 1024
  return [128, 65_536, 1_000_000].map((size) => {
    const msgs = Math.min(500_000, Math.floor(total / size))
    const args = [
      'bench',
      'pub',
      'big',
      '--with-sub',
      '--msgs',
      String(msgs),
      '--size',
      String(size),
      '--json',
      '--quiet',
    ]
    return {
      what: `${kind}, ${size.toLocaleString('en')} B: bench pub --with-sub`,
      value: (msgs * size) / 1000 / once([...args, '--bus', url]),
      unit: 'MB/s',
    }
  })
}

/** Publishers on one file at the same time, and the same number of subscribers. */
async function ofProcesses(path: string): Promise<Row[]> {
  const each = 100_000
  const rows: Row[] = []
  for (const processes of [1, 2, 8]) {
    const began = performance.now()
    const args = ['bench', 'pub', 'load', '--msgs', String(each), '--quiet', '--json', '--bus', path]
    await Promise.all(Array.from({length: processes}, () => ended([bus, ...args])))
    const rate = (each * processes) / (performance.now() - began)
    rows.push({what: `${processes} publishers on one file, together`, value: rate, unit: 'k msg/s'})
  }
  for (const processes of [1, 2, 8]) {
    const args = ['sub', 'heard', '-n', String(each), '--raw', '--bus', path]
    const subscribers = await Promise.all(Array.from({length: processes}, () => startBus(args, 'ignore')))
    const began = performance.now()
    time([bus, 'bench', 'pub', 'heard', '--msgs', String(each), '--quiet', '--json', '--bus', path])
    await Promise.all(subscribers.map(({ended}) => ended))
    const rate = (each * processes) / (performance.now() - began)
    rows.push({what: `${processes} subscribers on one file, together`, value: rate, unit: 'k msg/s'})
  }
  return rows
}

async function addStream(url: string, subjects: string[], name = 'LOAD'): Promise<void> {
  await using transport = await open(url)
  await transport.streams.add({name, subjects})
}

/** Milliseconds of a whole command: the median of several runs. */
function ms(args: readonly string[]): number {
  return median(Array.from({length: commandRounds}, () => once(args)))
}

function once(args: readonly string[]): number {
  return time([bus, ...args], {stdio: ['ignore', openSync('/dev/null', 'w'), 'ignore']})
}

async function ended(args: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, args, {stdio: 'ignore'})
  await new Promise((resolve) => child.on('close', resolve))
}
