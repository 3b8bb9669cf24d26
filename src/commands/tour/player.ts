/** The main job in a few steps, played with the real binary in several processes; what it prints is checked. */
import {type ChildProcess, spawn} from 'node:child_process'
import {BusError, exitCodes, type FailureKind} from '../../lib/core/errors.ts'
import {type Step, steps} from './steps.ts'

export interface Stage {
  /** The binary, run with this Node. */
  readonly binary: string
  /** Added to the environment of each process. */
  readonly env: Readonly<Record<string, string>>
  readonly print: (text: string) => void
  /** Called between the steps. */
  readonly next: () => Promise<void>
  readonly signal: AbortSignal
}

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

interface Running {
  readonly child: ChildProcess
  /** Resolves when it listens, or with how it ended before that. */
  readonly live: Promise<Ended | undefined>
  readonly ended: Promise<Ended>
}

/** Plays the steps in order. Fails at the first that does: as its exit code says, or with `expectation`. */
export async function play(stage: Stage): Promise<void> {
  const running = new Map<string, Running>()
  const crashed = new Map<string, string>()
  let keepsStreams = true
  let n = 0
  try {
    for (const step of steps) {
      if (step.needsStreams && !keepsStreams) continue
      stage.print(`\n${++n}. ${step.title}\n   $ ${commandLine(step)}\n`)
      const started = start(stage, step.args)
      if (step.crash !== undefined) {
        const {stdout} = await crash(started, step.crash.lines)
        stage.print(`${indented(stdout)}   kill -9\n`)
        crashed.set(step.crash.as, stdout)
      } else if (step.background === undefined) {
        const ended = await started.ended
        keepsStreams = !step.needsStreams || ended.code !== exitCodes.notFound
        if (keepsStreams) check(stage, step, ended)
        else stage.print('   this bus keeps no streams: what follows needs none\n')
        if (step.completes !== undefined) checkTogether(step, crashed.get(step.completes.crashed) ?? '', ended.stdout)
      } else {
        running.set(step.background, started)
        const failed = await started.live
        if (failed !== undefined) check(stage, step, failed)
      }
      const shown = step.show === undefined ? undefined : running.get(step.show)
      if (shown !== undefined) check(stage, {...step, stdout: step.shown}, await shown.ended)
      await stage.next()
    }
  } finally {
    for (const {child, ended} of running.values()) {
      child.kill('SIGINT')
      await ended
    }
  }
}

/** Ends it with kill -9 once it has written so many lines. */
async function crash({child, ended}: Running, lines: number): Promise<Ended> {
  let seen = 0
  child.stdout?.on('data', (chunk: Buffer) => {
    seen += chunk.toString().split('\n').length - 1
    if (seen >= lines) child.kill('SIGKILL')
  })
  return ended
}

/** What was written before the crash and after it must be everything. */
function checkTogether(step: Step, before: string, after: string): void {
  const seen = new Set(`${before}${after}`.split('\n'))
  const missing = step.completes?.lines.find((line) => !seen.has(line))
  if (missing === undefined) return
  throw new BusError('expectation', `"${commandLine(step)}" has lost ${JSON.stringify(missing)}`)
}

function check(stage: Stage, step: Step, {code, stdout, stderr}: Ended): void {
  const wanted = step.exitCode ?? 0
  stage.print(indented(code === wanted && wanted === 0 ? stdout : stdout + stderr))
  if (wanted !== 0) stage.print(`   exit code ${code}\n`)
  if (code !== wanted) throw failure(step, code)
  if (step.stdout?.test(stdout) !== false) return
  throw new BusError('expectation', `"${commandLine(step)}" printed something else: ${JSON.stringify(stdout)}`)
}

/** The failure of a step that ended with another exit code than it should. */
function failure(step: Step, code: number | null): BusError {
  const kinds = Object.keys(exitCodes).filter((kind): kind is FailureKind => kind !== 'bug')
  const kind = kinds.find((candidate) => exitCodes[candidate] === code) ?? 'expectation'
  return new BusError(kind, `"${commandLine(step)}" ended with exit code ${code}, not ${step.exitCode ?? 0}`)
}

function start(stage: Stage, args: readonly string[]): Running {
  const child = spawn(process.execPath, [stage.binary, ...args], {
    env: {...process.env, ...stage.env},
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: stage.signal,
    killSignal: 'SIGINT',
  })
  let stdout = ''
  let stderr = ''
  let isLive = (_ended?: Ended) => {}
  const live = new Promise<Ended | undefined>((resolve) => {
    isLive = resolve
  })
  child.stdout.on('data', (chunk) => {
    stdout += chunk
  })
  child.stderr.on('data', (chunk) => {
    stderr += chunk
    if (stderr.includes('listening on')) isLive()
  })
  child.on('error', () => {})
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (code) => {
      const end = {code, stdout, stderr}
      isLive(end)
      resolve(end)
    })
  })
  return {child, live, ended}
}

function commandLine({args}: Step): string {
  return ['bus', ...args.map(quoted)].join(' ')
}

function quoted(word: string): string {
  return /^[\w.:/-]+$/.test(word) ? word : `'${word}'`
}

function indented(text: string): string {
  return text.replace(/^(?=.)/gm, '   ')
}
