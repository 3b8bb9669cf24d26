/** The main job in a few steps, played with the real binary in several processes; what it prints is checked. */
import {type ChildProcess, spawn} from 'node:child_process'
import {BusError} from '../errors.ts'

export interface Step {
  readonly title: string
  readonly args: readonly string[]
  /** Keeps running beside the next steps until `show` names it. */
  readonly background?: string
  /** Its output is shown and checked now, after it has ended. */
  readonly show?: string
  readonly stdout?: RegExp
  readonly exitCode?: number
}

const steps: readonly Step[] = [
  {
    title: 'one terminal subscribes to every order and waits for two messages',
    args: ['sub', 'tour.orders.>', '--count', '2', '--raw'],
    background: 'subscriber',
  },
  {title: 'another terminal publishes one', args: ['pub', 'tour.orders.created', '{"id":1,"total":42}'], stdout: /^$/},
  {
    title: 'and one more; this is what the first terminal has seen',
    args: ['pub', 'tour.orders.paid', '{"id":1}'],
    stdout: /^$/,
    show: 'subscriber',
  },
  {
    title: 'a service answers requests, with JSONata over the request',
    args: ['serve', 'tour.greet', '--expr', '"hello " & text'],
    background: 'service',
  },
  {title: 'a request gets its reply', args: ['req', 'tour.greet', 'world'], stdout: /^hello world\n$/},
  {
    title: 'a smoke check: the exit code says whether the reply is right',
    args: ['req', 'tour.greet', 'world', '--expect', 'text = "hello moon"'],
    stdout: /hello world/,
    exitCode: 9,
  },
  {
    title: 'a request that nobody serves fails at once, with an exit code of its own',
    args: ['req', 'tour.nobody', 'hello?'],
    stdout: /^$/,
    exitCode: 7,
  },
]

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

interface Running {
  readonly child: ChildProcess
  readonly live: Promise<void>
  readonly ended: Promise<{code: number | null; stdout: string; stderr: string}>
}

/** Plays the steps in order. Fails with `expectation` at the first whose output or exit code differs. */
export async function play(stage: Stage): Promise<void> {
  const running = new Map<string, Running>()
  try {
    for (const [i, step] of steps.entries()) {
      stage.print(`\n${i + 1}. ${step.title}\n   $ bus ${step.args.map(quoted).join(' ')}\n`)
      const started = start(stage, step.args)
      if (step.background !== undefined) {
        running.set(step.background, started)
        await started.live
      } else check(stage, step, await started.ended)
      const shown = step.show === undefined ? undefined : running.get(step.show)
      if (shown !== undefined) {
        const {stdout} = await shown.ended
        stage.print(indented(stdout))
        if (stdout !== '{"id":1,"total":42}\n{"id":1}\n') throw differs(step, stdout)
      }
      await stage.next()
    }
  } finally {
    for (const {child, ended} of running.values()) {
      child.kill('SIGINT')
      await ended
    }
  }
}

function check(
  stage: Stage,
  step: Step,
  {code, stdout, stderr}: {code: number | null; stdout: string; stderr: string},
): void {
  stage.print(indented(stdout + stderr))
  const wanted = step.exitCode ?? 0
  if (wanted !== 0) stage.print(`   exit code ${code}\n`)
  if (code !== wanted || step.stdout?.test(stdout) === false)
    throw differs(step, `exit code ${code}, ${JSON.stringify(stdout)}`)
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
  let isLive = () => {}
  const live = new Promise<void>((resolve) => {
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
  const ended = new Promise<{code: number | null; stdout: string; stderr: string}>((resolve) => {
    child.on('close', (code) => {
      isLive()
      resolve({code, stdout, stderr})
    })
  })
  return {child, live, ended}
}

function differs(step: Step, seen: string): BusError {
  return new BusError('expectation', `"bus ${step.args.join(' ')}" did not do what the tour promises: ${seen}`)
}

function quoted(word: string): string {
  return /^[\w.:/-]+$/.test(word) ? word : `'${word}'`
}

function indented(text: string): string {
  return text.replace(/^(?=.)/gm, '   ')
}
