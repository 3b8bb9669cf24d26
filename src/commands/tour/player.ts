/** Runs the steps of the tour with the real binary in several processes, and checks their output. */
import {type ChildProcess, spawn} from 'node:child_process'
import {BusError, exitCodes, type FailureKind, interruptedError} from '../../lib/core/errors.ts'
import {shellWord} from '../../lib/core/text/shell-word.ts'
import {steps, type TourStep} from './steps.ts'

export interface TourOptions {
  /** The script to run with this Node. */
  readonly binary: string
  /** Added to the environment of each process. */
  readonly env: Readonly<Record<string, string>>
  readonly print: (text: string) => void
  /** Called between the steps. */
  readonly next: () => Promise<void>
  readonly signal: AbortSignal
}

interface StepResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

interface StepProcess {
  readonly child: ChildProcess
  /** Resolves when it listens, or with its result if it ended before. */
  readonly live: Promise<StepResult | undefined>
  readonly ended: Promise<StepResult>
}

/** Runs the steps in order. Fails as the first step that fails: by its exit code, or with `expectation`. */
export async function play(options: TourOptions): Promise<void> {
  const running = new Map<string, StepProcess>()
  const crashed = new Map<string, string>()
  let keepsStreams = true
  let n = 0
  try {
    for (const step of steps) {
      if (step.needsStreams && !keepsStreams) continue
      options.print(`\n${++n}. ${step.title}\n   $ ${commandLine(step)}\n`)
      const started = start(options, step.args)
      if (step.crash !== undefined) {
        const {stdout} = await crash(started, step.crash.lines)
        options.print(`${indented(stdout)}   kill -9\n`)
        crashed.set(step.crash.as, stdout)
      } else if (step.background === undefined) {
        const ended = await started.ended
        keepsStreams = !step.needsStreams || ended.code !== exitCodes.notFound
        if (keepsStreams) check(options, step, ended)
        else options.print('   this bus has no streams: the steps that need them are skipped\n')
        if (step.completes !== undefined) checkTogether(step, crashed.get(step.completes.crashed) ?? '', ended.stdout)
      } else {
        running.set(step.background, started)
        const failed = await started.live
        if (failed !== undefined) check(options, step, failed)
      }
      const shown = step.show === undefined ? undefined : running.get(step.show)
      if (shown !== undefined) check(options, {...step, stdout: step.shown}, await shown.ended)
      await options.next()
      if (options.signal.aborted) throw interruptedError()
    }
  } finally {
    for (const {child, ended} of running.values()) {
      child.kill('SIGINT')
      await ended
    }
  }
}

/** Ends a process with kill -9 once it has written this many lines. */
async function crash({child, ended}: StepProcess, lines: number): Promise<StepResult> {
  let seen = 0
  child.stdout?.on('data', (chunk: Buffer) => {
    seen += chunk.toString().split('\n').length - 1
    if (seen >= lines) child.kill('SIGKILL')
  })
  return ended
}

/** The output before the crash and after it must contain all lines. */
function checkTogether(step: TourStep, before: string, after: string): void {
  const seen = new Set(`${before}${after}`.split('\n'))
  const missing = step.completes?.lines.find((line) => !seen.has(line))
  if (missing === undefined) return
  throw new BusError('expectation', `"${commandLine(step)}" did not print ${JSON.stringify(missing)}`)
}

function check(options: TourOptions, step: TourStep, {code, stdout, stderr}: StepResult): void {
  if (options.signal.aborted) throw interruptedError()
  const wanted = step.exitCode ?? 0
  options.print(indented(code === wanted && wanted === 0 ? stdout : stdout + stderr))
  if (wanted !== 0) options.print(`   exit code ${code}\n`)
  if (code !== wanted) throw failure(step, code)
  if (step.stdout?.test(stdout) !== false) return
  throw new BusError('expectation', `"${commandLine(step)}" printed something else: ${JSON.stringify(stdout)}`)
}

/** The failure of a step with an unexpected exit code. */
function failure(step: TourStep, code: number | null): BusError {
  const kinds = Object.keys(exitCodes).filter((kind): kind is FailureKind => kind !== 'bug')
  const kind = kinds.find((candidate) => exitCodes[candidate] === code) ?? 'expectation'
  return new BusError(kind, `"${commandLine(step)}" exited with code ${code}, not ${step.exitCode ?? 0}`)
}

function start(options: TourOptions, args: readonly string[]): StepProcess {
  const child = spawn(process.execPath, [options.binary, ...args], {
    env: {...process.env, ...options.env},
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: options.signal,
    killSignal: 'SIGINT',
  })
  let stdout = ''
  let stderr = ''
  const live = Promise.withResolvers<StepResult | undefined>()
  child.stdout.on('data', (chunk) => {
    stdout += chunk
  })
  child.stderr.on('data', (chunk) => {
    stderr += chunk
    if (stderr.includes('listening on')) live.resolve(undefined)
  })
  // A program that does not start closes, with a code below 0.
  child.on('error', () => {})
  const ended = Promise.withResolvers<StepResult>()
  child.on('close', (code) => {
    const end = {code, stdout, stderr}
    live.resolve(end)
    ended.resolve(end)
  })
  return {child, live: live.promise, ended: ended.promise}
}

function commandLine({args}: TourStep): string {
  return ['bus', ...args.map(shellWord)].join(' ')
}

function indented(text: string): string {
  return text.replace(/^(?=.)/gm, '   ')
}
