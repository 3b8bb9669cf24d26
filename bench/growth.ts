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
/** The largest ratio of the times of a command with the most and the least data. */
const mostGrowth = 1.3

export const growth: Case = {
  name: 'growth',
  rows: () =>
    inFolder(async (folder) => {
      const lines = join(folder, 'lines.txt')
      await writeLines(lines, million)
      await using server = await NatsServer.start((home) => `jetstream {store_dir: "${home}"}`)
      const rows: Row[] = []
      const files: Filled[] = []
      for (const [at, millions] of sizes.entries()) files.push(await fill(join(folder, `${at}.db`), lines, millions))
      rows.push(...files.flatMap((file) => ofFile(file)))
      rows.push(...compared(`${sizes.at(-1)} M messages ÷ ${sizes[0]} M`, files[0], files.at(-1)))
      const [one, many] = [await fillSubjects(folder, 1), await fillSubjects(folder, million)]
      rows.push(...compared('1 M subjects ÷ 1, 2 M messages', one, many))
      rows.push(...files.flatMap((file) => ofPurge(file)))
      for (const url of [join(folder, 'many.db'), server.url()]) {
        const kind = url.startsWith('nats:') ? 'NATS' : 'file'
        rows.push(...(await ofSubjects(kind, url)), ...(await ofSubscriptions(kind, url)), ...ofPayloads(kind, url))
      }
      rows.push(...(await ofProcesses(join(folder, 'eight.db'))))
      return rows
    }),
}

/** A bus file with a stream, whose messages have subjects that match `pattern`. */
interface Filled {
  readonly path: string
  readonly millions: number
  readonly pattern: string
  /** When half of it was published. */
  readonly half: string
  readonly filledMs: number
}

/** A bus file of a given size. */
async function fill(path: string, lines: string, millions: number): Promise<Filled> {
  await addStream(path, ['load'])
  const marks: number[] = []
  const began = performance.now()
  for (let i = 0; i < millions; i++) {
    marks.push(Date.now())
    time([bus, 'pub', 'load', '--lines', '--file', lines, '--quiet', '--bus', path])
  }
  const filledMs = performance.now() - began
  const half = new Date(marks[Math.floor(millions / 2)] ?? 0).toISOString()
  return {path, millions, pattern: 'load', half, filledMs}
}

/** Two million messages of this many subjects. */
async function fillSubjects(folder: string, subjects: number): Promise<Filled> {
  const path = join(folder, `subjects-${subjects}.db`)
  await addStream(path, ['load.>'])
  const began = performance.now()
  const msgs = ['--msgs', String(million), '--subjects', String(subjects)]
  const publish = () => time([bus, 'bench', 'pub', 'load.x', ...msgs, '--json', '--quiet', '--bus', path])
  publish()
  const half = new Date().toISOString()
  publish()
  return {path, millions: 2, pattern: 'load.>', half, filledMs: performance.now() - began}
}

/** What takes as long however much there is, with the arguments of the command. */
function constantCommands({pattern, half}: Filled): Record<string, string[]> {
  const subject = pattern.replace('>', 'y')
  return {
    'pub of one message': ['pub', subject, 'x'],
    'first message': ['sub', pattern, '--from', 'first', '-n', '1', '--raw'],
    'last message': ['stream', 'get', 'LOAD', '--last-for', subject, '--raw'],
    'one of the middle, by time': ['sub', pattern, '--from', `@${half}`, '-n', '1', '--raw'],
    'stream info': ['stream', 'info', 'LOAD', '--json'],
    'next of a consumer': ['consumer', 'next', 'LOAD', 'NEXT', '--raw'],
  }
}

/** In turns, so that the load of the machine does not matter: the median of the ratios. */
function compared(what: string, least: Filled | undefined, most: Filled | undefined): Row[] {
  if (least === undefined || most === undefined || least === most) return []
  for (const {path} of [least, most]) once(['consumer', 'add', 'LOAD', 'NEXT', '--quiet', '--bus', path])
  const [few, many] = [constantCommands(least), constantCommands(most)]
  return Object.keys(few).map((name) => {
    const ratios = Array.from({length: 2 * commandRounds + 1}, () => {
      const before = once([...(few[name] ?? []), '--quiet', '--bus', least.path])
      return once([...(many[name] ?? []), '--quiet', '--bus', most.path]) / before
    })
    return {what: `${what}: ${name}`, value: median(ratios), unit: '×', bar: {atMost: mostGrowth}}
  })
}

function ofFile(file: Filled): Row[] {
  const {path, millions, filledMs} = file
  const middle = Math.floor(millions / 2) * million
  const row = rowOf(file)
  const commands = Object.entries(constantCommands(file)).filter(([name]) => !name.startsWith('next'))
  return [
    row('pub --lines', (millions * million) / filledMs, 'k msg/s'),
    ...commands.map(([name, args]) => row(name, ms([...args, '--quiet', '--bus', path]), 'ms')),
    row('stream subjects', ms(['stream', 'subjects', 'LOAD', '--json', '--quiet', '--bus', path]), 'ms'),
    row('a new durable and its first message', durableMs(path), 'ms'),
    row(
      'replay of a million from the middle',
      million / replayMs(path, `${middle + 1}..${middle + million}`),
      'k msg/s',
    ),
  ]
}

function ofPurge(file: Filled): Row[] {
  const {path} = file
  const size = statSync(path).size
  const args = ['stream', 'purge', 'LOAD', '--keep', '1000', '--yes', '--quiet', '--timeout', '5m', '--bus', path]
  const row = rowOf(file)
  return [
    row('stream purge --keep 1000', once(args), 'ms'),
    row('the file before', size / 1e6, 'MB'),
    row('the file after', statSync(path).size / 1e6, 'MB'),
  ]
}

function rowOf({millions}: Filled): (what: string, value: number, unit: string) => Row {
  return (what, value, unit) => ({what: `file of ${millions} M: ${what}`, value, unit})
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
  let oneMs = 0
  const rows = [1, 100, 10_000, 100_000].map((subjects) => {
    const label = `${kind}, ${subjects.toLocaleString('en')} subjects`
    const took = published(subjects)
    if (subjects === 1) oneMs = took
    const ofOne = {what: '  of one subject', value: oneMs / took, unit: 'x', bar: {atLeast: 0.75}}
    return [
      {what: `${label}: bench pub`, value: count / took, unit: 'k msg/s'},
      ...(kind === 'file' && subjects === 10_000 ? [ofOne] : []),
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
  let one = 0
  for (const processes of [1, 2, 8]) {
    const began = performance.now()
    const args = ['bench', 'pub', 'load', '--msgs', String(each), '--quiet', '--json', '--bus', path]
    await Promise.all(Array.from({length: processes}, () => ended([bus, ...args])))
    const rate = (each * processes) / (performance.now() - began)
    rows.push({what: `${processes} publishers on one file, together`, value: rate, unit: 'k msg/s'})
    if (processes === 1) one = rate
  }
  rows.push({what: '  eight publishers ÷ one', value: (rows.at(-1)?.value ?? 0) / one, unit: 'x', bar: {atLeast: 1}})
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
