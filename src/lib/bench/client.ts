/** How a client of a measurement is led, be it in this process or in one of its own. */
import type {Transport} from '../transport/contract.ts'
import type {Job} from './job.ts'
import type {LatencySink, Tally} from './meter.ts'
import {Meter} from './meter.ts'

/** What a client at work is told. */
export interface Lead {
  /** To be called once the client could begin. Resolves when all can. */
  readonly ready: () => Promise<void>
  /** Aborted when nobody sends any more: end as soon as nothing comes. */
  readonly quiet: AbortSignal
  /** Aborted when it is to end now. */
  readonly stop: AbortSignal
}

/** What a role does on a bus. */
export type Work = (bus: Transport, job: Job, meter: Meter, lead: Lead) => Promise<void>

export interface Client {
  /** Resolves when it could begin. */
  readonly ready: Promise<void>
  /** Resolves when it has ended; fails as its work does. */
  readonly ended: Promise<Tally>
  /** What it has done so far. */
  readonly done: number
  go(): void
  /** Nobody sends any more. */
  quiet(): void
  stop(): void
}

/** A client in this process, with a connection of its own. */
export function startClient(
  open: () => Promise<Transport>,
  {job, work, latencies}: {readonly job: Job; readonly work: Work; readonly latencies: LatencySink},
): Client {
  const meter = new Meter(latencies)
  const [readied, started] = [gate(), gate()]
  const [quiet, stop] = [new AbortController(), new AbortController()]
  const ready = () => {
    readied.open()
    return started.opened
  }
  const run = async () => {
    await using bus = await open()
    await work(bus, job, meter, {ready, quiet: quiet.signal, stop: stop.signal})
    return meter.tally()
  }
  const ended = run()
  // One that has failed before it could begin is not waited for any longer; how it failed stands in `ended`.
  ended.catch(readied.open)
  return {
    ready: readied.opened,
    ended,
    get done() {
      return meter.messages
    },
    go: started.open,
    quiet: () => quiet.abort(),
    stop() {
      stop.abort()
      started.open()
    },
  }
}

/** A promise that is resolved from outside. */
export function gate(): {readonly opened: Promise<void>; readonly open: () => void} {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return {opened, open}
}
