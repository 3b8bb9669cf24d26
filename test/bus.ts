/** Runs the real `bus` in a process of its own. BUS_BIN names another binary, such as that of an installed package. */
import {type ChildProcess, spawn} from 'node:child_process'
import {mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {delimiter, join} from 'node:path'
import type {Readable, Writable} from 'node:stream'
import {fileURLToPath} from 'node:url'
import {atProcessEnd} from '../src/lib/core/process/process-end.ts'

export const root = fileURLToPath(new URL('..', import.meta.url))
export const bin = process.env['BUS_BIN'] ?? join(root, 'bin', 'run.js')

/** HOME of every `bus` that this process runs, unless set otherwise: they share a bus file and nothing else. */
const home = mkdtempSync(join(tmpdir(), 'bus-home-'))
atProcessEnd(() => rmSync(home, {recursive: true, force: true}))

/** Where all of them keep compiled code, so that the first command of each test file does not compile it again. */
const cache = join(root, 'node_modules', '.cache')

/** A test that waits longer than this has failed. */
const patienceMs = 45_000

export interface BusOptions {
  /** If absent, stdin is empty. `start` leaves it open with `'open'`. */
  readonly stdin?: string | Uint8Array | 'open' | undefined
  /** In addition to PATH, a HOME of its own and the cache; no other variables are passed on. */
  readonly env?: Readonly<Record<string, string>> | undefined
  readonly cwd?: string | undefined
  /** The Node to run it with and its options, instead of the one that runs the tests. */
  readonly node?: readonly string[] | undefined
}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
  /** stdout unchanged. */
  readonly bytes: Buffer
}

export interface Running extends AsyncDisposable {
  readonly pid: number
  /** Only with `stdin: 'open'`. */
  readonly stdin: Writable
  readonly ended: Promise<Ended>
  /** The next line of stderr with this prefix; each line is found once. Fails if the process ends without it. */
  stderrLine(prefix?: string): Promise<string>
  stdoutLine(prefix?: string): Promise<string>
  /** Stops reading stdout, like `head -1` after its line. */
  hangUp(): void
  /** Ctrl-C. */
  interrupt(): void
  kill(signal: NodeJS.Signals): void
}

/** Runs a command line to its end. */
export async function bus(args: readonly string[], options: BusOptions = {}): Promise<Ended> {
  await using running = start(args, options)
  return await running.ended
}

/** Starts a command line that keeps running; leaving the scope kills it. */
export function start(args: readonly string[], options: BusOptions = {}): Running {
  const isScript = /\.[cm]?[jt]s$/.test(bin)
  const [file = '', ...first] = isScript ? [...(options.node ?? [process.execPath]), bin] : [bin]
  const child = launch(file, [...first, ...args], options)
  return running(child, (signal) => child.kill(signal))
}

/**
 * Starts a line of shell as written in the documentation, with `bus` on its PATH. As on a terminal, it has a process group, all
 * of which receives a signal; the exit code is that of the line.
 */
export function startLine(line: string, options: BusOptions = {}): Running {
  const PATH = [binFolder(), process.env['PATH']].join(delimiter)
  // The shell survives Ctrl-C, like an interactive one.
  const script = `trap : INT; ${line}`
  const child = launch('sh', ['-c', script], {...options, env: {PATH, ...options.env}}, true)
  return running(child, (signal) => {
    if (child.exitCode === null && child.signalCode === null && child.pid !== undefined)
      process.kill(-child.pid, signal)
  })
}

let madeFolder: string | undefined

/** A folder with `bus` in it. */
function binFolder(): string {
  if (madeFolder !== undefined) return madeFolder
  madeFolder = join(home, 'bin')
  mkdirSync(madeFolder)
  const program = /\.[cm]?[jt]s$/.test(bin) ? `"${process.execPath}" "${bin}"` : `"${bin}"`
  writeFileSync(join(madeFolder, 'bus'), `#!/bin/sh\nexec ${program} "$@"\n`, {mode: 0o755})
  return madeFolder
}

/** A process that has ended without being reaped does not count as alive. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return process.platform !== 'linux' || !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

function running(child: ChildProcess, kill: (signal: NodeJS.Signals) => void): Running {
  const stdout = new Lines(child.stdout as Readable)
  const stderr = new Lines(child.stderr as Readable)
  const impatient = setTimeout(() => kill('SIGKILL'), patienceMs)
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      clearTimeout(impatient)
      const bytes = stdout.bytes
      resolve({code, signal, stdout: bytes.toString(), stderr: stderr.bytes.toString(), bytes})
    })
  })
  return {
    pid: child.pid ?? 0,
    stdin: child.stdin as Writable,
    ended,
    stderrLine: (prefix) => stderr.next(prefix),
    stdoutLine: (prefix) => stdout.next(prefix),
    hangUp: () => void child.stdout?.destroy(),
    interrupt: () => kill('SIGINT'),
    kill,
    async [Symbol.asyncDispose]() {
      kill('SIGKILL')
      await ended
    },
  }
}

function launch(file: string, args: readonly string[], {stdin, env, cwd}: BusOptions, detached = false): ChildProcess {
  const child = spawn(file, args, {
    cwd: cwd ?? home,
    detached,
    env: {PATH: process.env['PATH'], HOME: home, XDG_CACHE_HOME: cache, ...env},
    stdio: [stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  })
  // A program that does not read stdin makes this fail, which is not an error.
  child.stdin?.on('error', () => undefined)
  if (stdin !== undefined && stdin !== 'open') child.stdin?.end(stdin)
  return child
}

/** The lines of a stream, and those who wait for one. */
class Lines {
  readonly #chunks: Buffer[] = []
  readonly #lines: string[] = []
  #rest = ''
  #ended = false
  #wake: (() => void)[] = []

  constructor(stream: Readable) {
    stream.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk)
      const lines = (this.#rest + chunk.toString('latin1')).split('\n')
      this.#rest = lines.pop() ?? ''
      this.#lines.push(...lines.map((line) => Buffer.from(line, 'latin1').toString()))
      this.#wakeAll()
    })
    stream.on('close', () => {
      this.#ended = true
      this.#wakeAll()
    })
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks)
  }

  async next(prefix = ''): Promise<string> {
    for (;;) {
      const at = this.#lines.findIndex((line) => line.startsWith(prefix))
      const [line] = at < 0 ? [] : this.#lines.splice(0, at + 1).slice(-1)
      if (line !== undefined) return line
      if (this.#ended) throw new Error(`no line ${JSON.stringify(prefix)} came, but:\n${this.bytes}`)
      await new Promise<void>((resolve) => this.#wake.push(resolve))
    }
  }

  #wakeAll(): void {
    for (const wake of this.#wake.splice(0)) wake()
  }
}
