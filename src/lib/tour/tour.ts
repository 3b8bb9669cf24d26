/** The main job in a few steps, played with the real binary in several processes; what it prints is checked. */
import {type ChildProcess, spawn} from 'node:child_process'
import {BusError, exitCodes, type FailureKind} from '../errors.ts'

export interface Step {
  readonly title: string
  readonly args: readonly string[]
  /** Keeps running beside the next steps until `show` names it. */
  readonly background?: string
  /** What runs in the background under this name has ended now: its output is shown and checked against `shown`. */
  readonly show?: string
  readonly shown?: RegExp
  readonly stdout?: RegExp | undefined
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
    shown: /^\{"id":1,"total":42\}\n\{"id":1\}\n$/,
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
    title: 'a response stream: each line of a program is a frame as soon as it is there',
    args: ['serve', 'tour.countdown', '--stream', '--exec', '--', 'sh', '-c', 'for n in 3 2 1; do echo $n; done'],
    background: 'producer',
  },
  {
    title: 'who opens it sees the frames as they come, until the stream is closed',
    args: ['stream', 'open', 'tour.countdown', '--raw'],
    stdout: /^3\n2\n1\n$/,
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
  try {
    for (const [i, step] of steps.entries()) {
      stage.print(`\n${i + 1}. ${step.title}\n   $ ${commandLine(step)}\n`)
      const started = start(stage, step.args)
      if (step.background === undefined) check(stage, step, await started.ended)
      else {
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
