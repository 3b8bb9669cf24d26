/** Programs as sinks: one process per message, or one long-running process that answers each message with a line. */
import {type ChildProcess, spawn} from 'node:child_process'
import {createInterface} from 'node:readline'
import {messageEnvironment} from '../../core/environment.ts'
import {BusError} from '../../core/errors.ts'
import {failureOf, killGroup, run} from '../../core/process/exec.ts'
import {recordWriter} from '../../core/record.ts'
import {Timer} from '../../core/time/timer.ts'
import {isoTime} from '../../core/time/timestamp.ts'
import type {Refusal, Sink} from './sink.ts'

export interface ProgramSinkOptions {
  readonly argv: readonly string[]
  readonly concurrency: number
  readonly timeoutMs: number
  /** Kills running programs. */
  readonly signal?: AbortSignal | undefined
  readonly onStderr?: ((chunk: Uint8Array) => void) | undefined
  /** Called with the output of the programs, one message at a time. */
  readonly onStdout: (data: Uint8Array) => Promise<void> | undefined
}

const mostBytes = 64 * 1024 * 1024

/** One process per message: the payload on stdin, the rest in the environment as in `serve`; exit code 0 means handled. */
export function programSink({argv, concurrency, onStdout, ...options}: ProgramSinkOptions): Sink {
  return {
    batch: 1,
    depth: concurrency,
    async take([message]) {
      if (message === undefined) return undefined
      const env = {
        ...messageEnvironment(message),
        BUS_SEQ: String(message.seq ?? ''),
        BUS_TIME: isoTime(message.time),
        BUS_DELIVERIES: String(message.deliveries ?? ''),
      }
      const {ending, stdout, overflow} = await run({argv, env, input: message.payload, ...options}, mostBytes)
      const failure = overflow ? `${argv[0]} wrote more than ${mostBytes} bytes` : failureOf(ending, argv)
      if (failure === undefined) await onStdout(stdout)
      if (failure === undefined) return undefined
      if (ending.kind !== 'notStarted') return {reason: failure}
      if (ending.because === 'program') throw new BusError('usage', failure, {try: ['check the name and PATH']})
      return {reason: failure, isFinal: ending.because === 'input'}
    },
    async [Symbol.asyncDispose]() {},
  }
}

export interface LinesOptions {
  readonly argv: readonly string[]
  /** Messages that may be waiting for their line. */
  readonly window: number
  /** Milliseconds within which the program has to write the next line while a message waits for its answer. */
  readonly timeoutMs: number
  /** Kills the program. */
  readonly signal?: AbortSignal | undefined
  readonly onStderr?: ((chunk: Uint8Array) => void) | undefined
}

/**
 * One long-running process: it reads one record per line, and writes a line for each, in order: `ack`, `nak` or `term`, the
 * latter two optionally with a reason after a space. Fails with `remote` if it ends, writes anything else, or writes nothing in time.
 */
export function linesSink({argv, window, timeoutMs, signal, onStderr}: LinesOptions): Sink {
  const [file = '', ...args] = argv
  // It leads its own process group, so that Ctrl-C on the terminal reaches only us and work in progress is finished.
  const child = spawn(file, args, {stdio: ['pipe', 'pipe', 'pipe'], detached: true})
  const waiting: {resolve(refusal: Refusal | undefined): void; reject(error: unknown): void}[] = []
  const write = recordWriter()
  let failure: BusError | undefined
  const fail = (sentence: string) => {
    failure ??= new BusError('remote', sentence, {try: ['check what it wrote to stderr']})
    for (const {reject} of waiting.splice(0)) reject(failure)
    late.cancel()
  }
  const kill = (sentence: string) => {
    fail(sentence)
    killGroup(child, 0)
  }
  const late = new Timer(timeoutMs, () => {
    if (waiting.length > 0) kill(`${file} did not answer within ${timeoutMs} ms`)
  }).unref()
  const stop = () => kill(`${file} was stopped`)
  if (signal?.aborted) stop()
  else signal?.addEventListener('abort', stop)
  child.on('error', (error: NodeJS.ErrnoException) =>
    fail(`${file} did not start: ${error.code === 'ENOENT' ? 'no such program' : error.message}`),
  )
  child.on('close', (code, signal) =>
    fail(`${file} ended (${signal ?? `exit code ${code}`}) before it had received all messages`),
  )
  // A program that ends closes its stdin first, and how it ended is more informative.
  child.stdin.on('error', () => setTimeout(() => fail(`${file} closed its stdin`), endingMs).unref())
  child.stderr.on('data', (chunk: Buffer) => onStderr?.(chunk))
  createInterface({input: child.stdout}).on('line', (line) => {
    const answer = answerOf(line)
    if (answer === undefined)
      return fail(`${file} wrote ${JSON.stringify(line.slice(0, 80))} instead of ack, nak or term`)
    const first = waiting.shift()
    if (first === undefined) return fail(`${file} wrote a line although it had no message to answer`)
    first.resolve(answer.refusal)
    late.refresh()
  })
  return {
    batch: 1,
    depth: window,
    take([message]) {
      if (failure !== undefined || message === undefined) return Promise.reject(failure)
      const {promise, resolve, reject} = Promise.withResolvers<Refusal | undefined>()
      if (waiting.length === 0) late.refresh()
      waiting.push({resolve, reject})
      child.stdin.write(`${write(message)}\n`)
      return promise
    },
    async [Symbol.asyncDispose]() {
      late.cancel()
      await ended(child)
      signal?.removeEventListener('abort', stop)
    },
  }
}

/** How long a program may take to end after its stdin was closed, and again after SIGTERM. */
const endingMs = 500

/** Closes its stdin, so that the program ends. If it does not end, it is killed together with its child processes. */
async function ended(child: ChildProcess): Promise<void> {
  if (child.pid === undefined) return
  const closed = new Promise((resolve) => child.once('close', resolve))
  if (child.stdout?.closed && (child.exitCode !== null || child.signalCode !== null)) return
  child.stdin?.end()
  const late = new Timer(endingMs, () => killGroup(child, endingMs))
  await closed
  late.cancel()
}

function answerOf(line: string): {refusal: Refusal | undefined} | undefined {
  const [, word, reason = ''] = /^(ack|nak|term)(?:\s+(.*))?$/.exec(line.trim()) ?? []
  if (word === undefined) return undefined
  if (word === 'ack') return {refusal: undefined}
  const refusal = {reason: reason === '' ? `the program answered ${word}` : reason}
  return {refusal: word === 'term' ? {...refusal, verdict: 'term'} : refusal}
}
