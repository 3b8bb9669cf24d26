import {type ChildProcess, spawn, spawnSync} from 'node:child_process'
import {createWriteStream, mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import {finished} from 'node:stream/promises'

/** One line of the report. A row without a target is a limit of the machine, measured in the same run. */
export interface Row {
  readonly what: string
  readonly value: number
  readonly unit: string
  readonly bar?: {readonly atMost: number} | {readonly atLeast: number}
}

/** A case describes what it measures and returns its rows, each a median. */
export interface Case {
  readonly name: string
  rows(): Promise<Row[]>
}

const root = new URL('..', import.meta.url).pathname
export const bus = join(root, 'bin/run.js')
const programs = join(root, 'bench/programs.ts')

export function percentile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5)
}

/** A bare nats.js loop and the command, in thousands per second. */
export interface Pair {
  readonly bare: number
  readonly ours: number
}

export function besideBare(bareName: string, name: string, pairs: readonly Pair[], least: number): Row[] {
  return [
    {what: `bare nats.js: ${bareName}`, value: median(pairs.map(({bare}) => bare)), unit: 'k/s'},
    {what: name, value: median(pairs.map(({ours}) => ours)), unit: 'k/s'},
    {
      what: '  of the bare loop',
      value: median(pairs.map(({bare, ours}) => (100 * ours) / bare)),
      unit: '%',
      bar: {atLeast: least},
    },
  ]
}

/** Runs `work` with a folder that is removed afterwards. */
export async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'busline-bench-'))
  try {
    return await work(folder)
  } finally {
    rmSync(folder, {recursive: true, force: true})
  }
}

/** Runs a command to its end without output; returns the milliseconds of the whole process. */
export function time(
  args: readonly string[],
  options: {stdio?: ['ignore' | number, 'ignore' | number, 'ignore']} = {},
): number {
  const begin = performance.now()
  const {status} = spawnSync(process.execPath, args, {stdio: options.stdio ?? ['ignore', 'ignore', 'ignore']})
  const ms = performance.now() - begin
  if (status !== 0) throw new Error(`node ${args.join(' ')} exited ${status}`)
  return ms
}

export interface Running {
  readonly child: ChildProcess
  /** The next line of its stdout. */
  line(): Promise<string>
  readonly ended: Promise<void>
}

/** Starts one of `programs.ts`. */
export function start(...args: string[]): Running {
  const child = spawn(process.execPath, [programs, ...args], {stdio: ['ignore', 'pipe', 'inherit']})
  const lines = createInterface({input: child.stdout})[Symbol.asyncIterator]()
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()))
  return {child, ended, line: async () => String((await lines.next()).value)}
}

/** The rate that one of `programs.ts` reports, in thousands per second. */
export async function rateOf(...program: string[]): Promise<number> {
  const running = start(...program)
  const rate = Number(await running.line())
  await running.ended
  return rate
}

/** Starts `bus` with its standard output going to `stdout`, and waits for the line that reports that it is live. */
export async function startBus(
  args: readonly string[],
  stdout: number | 'ignore',
): Promise<{child: ChildProcess; ended: Promise<number | null>}> {
  const child = spawn(process.execPath, [bus, ...args], {stdio: ['ignore', stdout, 'pipe']})
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  const errors = child.stderr
  if (errors === null) throw new Error('no stderr')
  await new Promise<void>((resolve) => {
    errors.on('data', (chunk) => {
      if (String(chunk).includes('listening on')) resolve()
    })
  })
  return {child, ended}
}

/** A file with this many lines of 128 bytes, each a JSON object. */
export async function writeLines(path: string, count: number): Promise<void> {
  const out = createWriteStream(path)
  for (let i = 0; i < count / 1000; i++) {
    const line = JSON.stringify({n: i, text: 'y'.repeat(111 - String(i).length)})
    out.write(`${line}\n`.repeat(1000))
  }
  await finished(out.end())
}
