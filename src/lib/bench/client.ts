/** The clients of a measurement, each in this process or in one of its own, and the order in which they run. */
import type {Transport} from '../transport/contract.ts'
import type {Job} from './job.ts'
import {type ClientResult, type LatencySink, Meter} from './meter.ts'

/** How a running workload is controlled. */
export interface ClientControl {
  /** To be called once the client could begin. Resolves when all can. */
  readonly ready: () => Promise<void>
  /** Aborted when all senders are done: end as soon as nothing more arrives. */
  readonly quiet: AbortSignal
  /** Aborted to end now. */
  readonly stop: AbortSignal
}

/** What a role does on a bus. */
export type Workload = (bus: Transport, job: Job, meter: Meter, control: ClientControl) => Promise<void>

export interface BenchClient {
  /** Resolves when it could begin. */
  readonly ready: Promise<void>
  /** Resolves when it has ended; fails as its workload does. */
  readonly ended: Promise<ClientResult>
  /** Messages handled so far. */
  readonly done: number
  go(): void
  quiet(): void
  stop(): void
}

/** A client in this process, with a connection of its own. */
export function startClient(
  open: (stop: AbortSignal) => Promise<Transport>,
  {job, workload, latencies}: {readonly job: Job; readonly workload: Workload; readonly latencies: LatencySink},
): BenchClient {
  const meter = new Meter(latencies)
  const [ready, started] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const [quiet, stop] = [new AbortController(), new AbortController()]
  const control: ClientControl = {
    ready() {
      ready.resolve()
      return started.promise
    },
    quiet: quiet.signal,
    stop: stop.signal,
  }
  const run = async () => {
    await using bus = await open(stop.signal)
    await workload(bus, job, meter, control)
    return meter.result()
  }
  const ended = run()
  // A client that failed before it was ready holds up no other; `ended` has the error.
  ended.catch(() => ready.resolve())
  return {
    ready: ready.promise,
    ended,
    get done() {
      return meter.messages
    },
    go: () => started.resolve(),
    quiet: () => quiet.abort(),
    stop() {
      stop.abort()
      started.resolve()
    },
  }
}

export interface BenchClients {
  /** They listen before the senders begin. */
  readonly receivers: readonly BenchClient[]
  /** Once they have ended, the receivers end as soon as nothing more arrives. */
  readonly senders: readonly BenchClient[]
}

/** Runs both sides of a measurement to the end. Fails with the error of the first client that fails. */
export async function runClients(
  {receivers, senders}: BenchClients,
  {signal, onReady}: {readonly signal: AbortSignal; readonly onReady?: (() => void) | undefined},
): Promise<{received: ClientResult[]; sent: ClientResult[]}> {
  const all = [...receivers, ...senders]
  const stop = () => {
    for (const client of all) client.stop()
  }
  signal.addEventListener('abort', stop)
  if (signal.aborted) stop()
  const resultsOf = (clients: readonly BenchClient[]) => Promise.all(clients.map(({ended}) => ended))
  const ends = resultsOf(all)
  try {
    await Promise.race([Promise.all(all.map(({ready}) => ready)), ends])
    onReady?.()
    for (const client of all) client.go()
    const sent = resultsOf(senders)
    await Promise.race([sent, ends])
    if (senders.length > 0) for (const client of receivers) client.quiet()
    await ends
    return {received: await resultsOf(receivers), sent: await sent}
  } catch (error) {
    stop()
    await Promise.allSettled(all.map(({ended}) => ended))
    throw error
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
