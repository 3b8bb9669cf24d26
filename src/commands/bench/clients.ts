/** Clients in processes of their own, so that the machine is measured and not a single event loop. */
import {type ChildProcess, fork} from 'node:child_process'
import {type BenchClient, startClient} from '../../lib/bench/client.ts'
import type {Job} from '../../lib/bench/job.ts'
import type {ClientResult} from '../../lib/bench/meter.ts'
import {errorJson} from '../../lib/cli/base/error-report.ts'
import {makeLatencies} from '../../lib/cli/render/histogram.ts'
import {BusError, type FailureKind} from '../../lib/core/errors.ts'
import type {Notice, OpenOptions, ServerOptions} from '../../lib/transport/contract.ts'
import {open} from '../../lib/transport/open.ts'
import {workloadOf} from './workloads.ts'

/** The first message to a worker process. */
export interface Assignment {
  readonly job: Job
  readonly url: string
  readonly server: Pick<OpenOptions, keyof ServerOptions | 'timeoutMs'>
}

type ToWorker = Assignment | 'go' | 'quiet' | 'stop'

type FromWorker =
  | 'ready'
  | {readonly done: number}
  | {readonly notice: string}
  | {readonly result: ClientResult}
  | {readonly failure: WorkerFailure}

interface WorkerFailure {
  readonly kind: FailureKind | 'bug'
  readonly message: string
  readonly try?: readonly string[]
  readonly data?: Readonly<Record<string, unknown>>
}

/** How often a worker reports its count, in milliseconds. */
const reportMs = 100
/** For each server, about two seconds apart. */
const mostReconnects = 15

/** A client in this process, for a bus that no other process can reach. */
export async function localClient({job, url, server}: Assignment, say: (line: string) => void): Promise<BenchClient> {
  const latencies = await makeLatencies()
  const name = `bus bench ${job.role}`
  const workload = workloadOf(job)
  // Unacknowledged messages of a consumer are redelivered, so a lost connection does not end the measurement.
  const isDurable = job.role === 'replay' && job.durable !== undefined
  const told: readonly Notice['kind'][] = [
    'election',
    'stored',
    ...(isDurable ? (['disconnected', 'reconnected'] as const) : []),
  ]
  const notify = ({kind, text}: Notice) => void (told.includes(kind) && say(text))
  const maxReconnects = isDurable ? mostReconnects : 0
  return startClient((signal) => open(url, {name, notify, maxReconnects, signal, ...server}), {
    job,
    workload,
    latencies,
  })
}

/** A client in a new process that runs this program. */
export function workerClient(assignment: Assignment, say: (line: string) => void): BenchClient {
  const [, program = ''] = process.argv
  // In a process group of its own: Ctrl-C reaches only the parent, which then stops its workers.
  const child = fork(program, ['bench', 'worker'], {detached: true, stdio: ['ignore', 'ignore', 'inherit', 'ipc']})
  const ready = Promise.withResolvers<void>()
  let done = 0
  // If the worker is gone in the meantime, its exit says so.
  const send = (message: ToWorker) => void (child.connected && child.send(message, () => undefined))
  const ended = resultOf(child, (message) => {
    if (message === 'ready') ready.resolve()
    else if ('notice' in message) say(message.notice)
    else done = message.done
  })
  // A worker that failed before it was ready holds up no other; `ended` has the error.
  ended.catch(() => ready.resolve())
  send(assignment)
  return {
    ready: ready.promise,
    ended,
    get done() {
      return done
    },
    go: () => send('go'),
    quiet: () => send('quiet'),
    stop: () => send('stop'),
  }
}

function resultOf(
  child: ChildProcess,
  onProgress: (message: 'ready' | {readonly done: number} | {readonly notice: string}) => void,
): Promise<ClientResult> {
  return new Promise((resolve, reject) => {
    child.on('message', (message: FromWorker) => {
      if (message === 'ready' || 'done' in message || 'notice' in message) onProgress(message)
      else if ('result' in message) resolve(message.result)
      else reject(errorOf(message.failure))
    })
    child.on('error', reject)
    child.on('exit', (code, signal) =>
      reject(new BusError('interrupted', `a bench worker exited: ${signal ?? `exit code ${code}`}`)),
    )
  })
}

/** The other end: runs one client as the messages of the parent say, until it has ended. */
export async function runWorker(): Promise<void> {
  const send = process.send?.bind(process)
  if (send === undefined)
    throw new BusError('usage', 'bus bench worker is only for use by bus bench', {try: ['bus bench pub --clients 4']})
  let starting: Promise<BenchClient> | undefined
  const finished = Promise.withResolvers<void>()
  const handleMessage = async (message: ToWorker) => {
    if (typeof message === 'string') {
      const client = await starting
      client?.[message]()
      return
    }
    starting = localClient(message, (notice) => void send({notice} satisfies FromWorker))
    const client = await starting
    client.ready.then(() => send('ready' satisfies FromWorker))
    const timer = setInterval(() => send({done: client.done} satisfies FromWorker), reportMs)
    const last: FromWorker = await client.ended.then(
      (result) => ({result}),
      (error: unknown) => ({failure: (errorJson(error) as {error: WorkerFailure}).error}),
    )
    clearInterval(timer)
    send(last, undefined, {}, () => finished.resolve())
  }
  process.on('message', handleMessage)
  // The parent is gone.
  process.once('disconnect', () => {
    void handleMessage('stop')
    finished.resolve()
  })
  await finished.promise
  if (process.connected) process.disconnect()
}

function errorOf({kind, message, try: hints = [], data}: WorkerFailure): Error {
  return kind === 'bug' ? new Error(message) : new BusError(kind, message, {try: hints, ...(data && {data})})
}
