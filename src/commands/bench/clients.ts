/** Clients in processes of their own, so that the machine is measured and not one event loop. */
import {type ChildProcess, fork} from 'node:child_process'
import {type Client, gate, startClient} from '../../lib/bench/client.ts'
import type {Job} from '../../lib/bench/job.ts'
import type {Tally} from '../../lib/bench/meter.ts'
import {errorJson} from '../../lib/cli/base/error-report.ts'
import {makeLatencies} from '../../lib/cli/render/histogram.ts'
import {BusError, type FailureKind} from '../../lib/core/errors.ts'
import type {ServerOptions} from '../../lib/transport/contract.ts'
import {open} from '../../lib/transport/open.ts'
import {workOf} from './works.ts'

/** What a process is sent first. */
export interface Task {
  readonly job: Job
  readonly url: string
  readonly server: ServerOptions
}

type Order = Task | 'go' | 'quiet' | 'stop'

/** What a process says. */
type Word = 'ready' | {readonly done: number} | {readonly tally: Tally} | {readonly failure: Failure}

interface Failure {
  readonly kind: FailureKind | 'bug'
  readonly message: string
  readonly try?: readonly string[]
  readonly data?: Readonly<Record<string, unknown>>
}

/** How often a process tells what it has done, in milliseconds. */
const wordsMs = 100

/** A client in this process, for a bus that no other process can reach. */
export async function clientHere({job, url, server}: Task): Promise<Client> {
  const [work, latencies] = [await workOf(job), await makeLatencies()]
  const name = `bus bench ${job.role}`
  return startClient(() => open(url, {name, maxReconnects: 0, ...server}), {job, work, latencies})
}

/** A client in a process that runs this same program. */
export function clientElsewhere(task: Task): Client {
  const [, program = ''] = process.argv
  // In a group of its own: Ctrl-C on a terminal is for the one who leads, who then stops the others.
  const child = fork(program, ['bench', 'worker'], {detached: true, stdio: ['ignore', 'ignore', 'inherit', 'ipc']})
  const ready = gate()
  let done = 0
  // That it has gone meanwhile is told by its end.
  const tell = (order: Order) => void (child.connected && child.send(order, () => undefined))
  const ended = resultOf(child, (word) => {
    if (word === 'ready') ready.open()
    else if ('done' in word) done = word.done
  })
  ended.catch(ready.open)
  tell(task)
  return {
    ready: ready.opened,
    ended,
    get done() {
      return done
    },
    go: () => tell('go'),
    quiet: () => tell('quiet'),
    stop: () => tell('stop'),
  }
}

function resultOf(child: ChildProcess, hear: (word: 'ready' | {readonly done: number}) => void): Promise<Tally> {
  return new Promise((resolve, reject) => {
    child.on('message', (word: Word) => {
      if (word === 'ready' || 'done' in word) hear(word)
      else if ('tally' in word) resolve(word.tally)
      else reject(errorOf(word.failure))
    })
    child.on('error', reject)
    child.on('exit', (code, signal) =>
      reject(new BusError('interrupted', `a client of the measurement was ended: ${signal ?? `exit code ${code}`}`)),
    )
  })
}

/** The other end: leads one client by what the parent sends, until it has ended. */
export async function obey(): Promise<void> {
  const send = process.send?.bind(process)
  if (send === undefined)
    throw new BusError('usage', 'bus bench worker is for bus bench itself', {try: ['bus bench pub --clients 4']})
  let starting: Promise<Client> | undefined
  const tell = (order: Exclude<Order, Task>) => starting?.then((client) => client[order]())
  const finished = gate()
  process.on('message', async (order: Order) => {
    if (typeof order === 'string') return tell(order)
    starting = clientHere(order)
    const started = await starting
    started.ready.then(() => send('ready' satisfies Word))
    const timer = setInterval(() => send({done: started.done} satisfies Word), wordsMs)
    const end = started.ended.then(
      (tally) => ({tally}),
      (error: unknown) => ({failure: (errorJson(error) as {error: Failure}).error}),
    )
    const word: Word = await end
    clearInterval(timer)
    send(word, undefined, {}, finished.open)
  })
  // Whoever started us has gone.
  process.once('disconnect', () => {
    tell('stop')
    finished.open()
  })
  await finished.opened
  if (process.connected) process.disconnect()
}

function errorOf({kind, message, try: hints = [], data}: Failure): Error {
  return kind === 'bug' ? new Error(message) : new BusError(kind, message, {try: hints, ...(data && {data})})
}
