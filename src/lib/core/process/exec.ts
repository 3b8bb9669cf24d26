/**
 * Runs a program for a message: with exactly the given arguments and no shell, the payload on its stdin, its stdout as bytes,
 * the last line of its stderr as the reason if it fails. Each program leads its own process group, so that Ctrl-C on the
 * terminal reaches only us and work in progress is finished, and a timeout also kills the program's children.
 */
import type {ChildProcess} from 'node:child_process'
import {Timer} from '../time/timer.ts'

/** The default of --exec-timeout. */
export const programTimeoutMs = 30_000

export interface Program {
  /** The program and its arguments, never empty. */
  readonly argv: readonly string[]
  /** Added to our own environment. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
  readonly input?: Uint8Array | string | undefined
  /** Milliseconds until the process group is killed. */
  readonly timeoutMs?: number | undefined
  /** Kills the process group. */
  readonly signal?: AbortSignal | undefined
  /** Called with its stderr as it arrives. */
  readonly onStderr?: ((chunk: Uint8Array) => void) | undefined
}

/** How a program ended. `reason` is the last line of stderr, or empty. */
export type Ending =
  | {readonly kind: 'exited'; readonly code: number; readonly reason: string}
  | {readonly kind: 'killed'; readonly by: string; readonly reason: string}
  | {readonly kind: 'timeout'; readonly timeoutMs: number; readonly reason: string}
  | {readonly kind: 'stopped'; readonly reason: string}
  | NotStarted

/** Why a program was not started: no such program, `input` that no program can be given, or the state of the system. */
export interface NotStarted {
  readonly kind: 'notStarted'
  readonly because: 'program' | 'input' | 'system'
  readonly reason: string
}

export interface Running {
  /** Its stdout as it arrives; ends when every process that holds it has closed it. Must be read. */
  readonly stdout: AsyncIterable<Uint8Array>
  /** Never rejects. */
  readonly ended: Promise<Ending>
  /** Kills the process group. */
  kill(): void
}

export interface Captured {
  readonly ending: Ending
  readonly stdout: Uint8Array
  /** Its stdout exceeded the limit, so it was killed. */
  readonly overflow: boolean
}

/** Time to clean up for a program that exceeded its time limit. A program that is stopped gets none. */
const graceMs = 500

/** Starts a program. A failure to start is reported by `ended`. */
export function start(program: Program): Running {
  const [file = '', ...args] = program.argv
  let child: ChildProcess
  try {
    // Not imported, because that would load Node's networking, and commands that run no program load this file too.
    child = process.getBuiltinModule('node:child_process').spawn(file, args, {
      detached: true,
      env: {...process.env, ...program.env},
      stdio: ['pipe', 'pipe', 'pipe'],
    })
  } catch (error) {
    return notStarted(error)
  }
  const tail = new StderrTail()
  let cut: 'timeout' | 'stopped' | undefined
  let over = false
  const kill = (why: 'timeout' | 'stopped') => {
    if (over || cut !== undefined) return
    cut = why
    killGroup(child, why === 'timeout' ? graceMs : 0)
  }
  const stop = () => kill('stopped')
  const timer = program.timeoutMs === undefined ? undefined : new Timer(program.timeoutMs, () => kill('timeout'))
  program.signal?.addEventListener('abort', stop)
  child.stderr?.on('data', (chunk: Buffer) => {
    tail.add(chunk)
    program.onStderr?.(chunk)
  })
  // A program that does not read its stdin closes the pipe; EPIPE is then not a failure.
  child.stdin?.on('error', () => {})
  child.stdin?.end(program.input ?? '')
  const ended = endOf(child, () => cut !== undefined).then((end): Ending => {
    over = true
    timer?.cancel()
    program.signal?.removeEventListener('abort', stop)
    const reason = tail.lastLine()
    if (end.error !== undefined) return spawnFailure(end.error)
    if (cut === 'timeout') return {kind: 'timeout', timeoutMs: program.timeoutMs ?? 0, reason}
    if (cut === 'stopped') return {kind: 'stopped', reason}
    if (end.signal !== null) return {kind: 'killed', by: end.signal, reason}
    return {kind: 'exited', code: end.code ?? 0, reason}
  })
  if (program.signal?.aborted) stop()
  return {stdout: outputOf(child), ended, kill: stop}
}

/** Runs a program to its end and returns its stdout, up to `maxBytes`. */
export async function run(program: Program, maxBytes: number): Promise<Captured> {
  const running = start(program)
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of running.stdout) {
    bytes += chunk.length
    if (bytes > maxBytes) break
    chunks.push(chunk)
  }
  if (bytes > maxBytes) running.kill()
  return {ending: await running.ended, stdout: Buffer.concat(chunks), overflow: bytes > maxBytes}
}

/** The failure in one sentence; undefined if it exited with 0. */
export function failureOf(ending: Ending, argv: readonly string[]): string | undefined {
  const name = argv[0] ?? ''
  const because = ending.reason === '' ? '' : `: ${ending.reason}`
  switch (ending.kind) {
    case 'exited':
      return ending.code === 0 ? undefined : `${name} exited with ${ending.code}${because}`
    case 'killed':
      return `${name} was killed by ${ending.by}${because}`
    case 'timeout':
      return `${name} did not exit within ${ending.timeoutMs} ms${because}`
    case 'stopped':
      return `${name} was stopped${because}`
    case 'notStarted':
      return `${name} did not start${because}`
  }
}

/**
 * The end of a child: when its pipes are closed as well or, once it was killed, without waiting for other holders of the pipes.
 */
function endOf(
  child: ChildProcess,
  wasCut: () => boolean,
): Promise<{code: number | null; signal: string | null; error?: unknown}> {
  return new Promise((resolve) => {
    child.on('error', (error) => resolve({code: null, signal: null, error}))
    child.once('close', (code, signal) => resolve({code, signal}))
    child.once('exit', (code, signal) => {
      if (wasCut()) resolve({code, signal})
    })
  })
}

async function* outputOf(child: ChildProcess): AsyncGenerator<Uint8Array> {
  if (child.stdout === null) return
  try {
    for await (const chunk of child.stdout) yield chunk as Buffer
  } catch {
    // Destroyed because the program was killed: `ended` says so.
  }
}

/** Kills the process group, immediately or after a SIGTERM. Its output is not read after that. */
export function killGroup(child: ChildProcess, afterMs: number): void {
  const kill = () => {
    sendGroup(child, 'SIGKILL')
    child.stdout?.destroy()
    child.stderr?.destroy()
  }
  if (afterMs === 0) {
    kill()
    return
  }
  sendGroup(child, 'SIGTERM')
  const sure = setTimeout(kill, afterMs)
  child.once('close', () => clearTimeout(sure))
}

function sendGroup(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): void {
  if (child.pid === undefined) return
  try {
    if (process.platform === 'win32') child.kill(signal)
    else process.kill(-child.pid, signal)
  } catch {
    // The whole group has ended already.
  }
}

function notStarted(error: unknown): Running {
  return {stdout: (async function* () {})(), ended: Promise.resolve(spawnFailure(error)), kill() {}}
}

function spawnFailure(error: unknown): NotStarted {
  const {code = '', message} = error as NodeJS.ErrnoException
  const known = spawnFailures[code]
  return {kind: 'notStarted', ...(known ?? {because: 'system', reason: message})}
}

/** A failure that would occur for every message is the program's fault. Any other may be temporary. */
const spawnFailures: Readonly<Record<string, Omit<NotStarted, 'kind'>>> = {
  ENOENT: {because: 'program', reason: 'no such program'},
  ENOTDIR: {because: 'program', reason: 'no such program'},
  EACCES: {because: 'program', reason: 'it is not executable'},
  EPERM: {because: 'program', reason: 'it is not executable'},
  ENOEXEC: {because: 'program', reason: 'its format cannot be executed on this machine'},
  E2BIG: {because: 'input', reason: 'its arguments and headers are too long'},
  // Node checks the environment before it starts anything.
  ERR_INVALID_ARG_VALUE: {
    because: 'input',
    reason: 'the subject or the reply subject contains a NUL, which an environment variable cannot contain',
  },
}

/** Keeps only the last line of a stderr. */
class StderrTail {
  #tail = Buffer.alloc(0)

  add(chunk: Buffer): void {
    this.#tail = Buffer.concat([this.#tail, chunk]).subarray(-8192)
  }

  lastLine(): string {
    return (
      this.#tail
        .toString()
        .trimEnd()
        .split(/\r?\n|\r/)
        .at(-1)
        ?.trim() ?? ''
    )
  }
}
