import {BusError, type FailureKind} from '../core/errors.ts'
import type {Transport} from '../transport/contract.ts'
import type {Lead, Work} from './client.ts'
import {type Job, subjectOf} from './job.ts'
import type {Meter} from './meter.ts'
import {Schedule} from './schedule.ts'
import {plainPayload} from './stamp.ts'

/** Does one thing that somebody answers, by its number from 0; resolves with the bytes that came back. */
export type Call = (index: number) => Promise<number>

/** A request that fails so says something about the one who serves, and the run goes on; any other failure ends it. */
const counted: ReadonlySet<FailureKind> = new Set(['noResponders', 'timeout', 'remote'])

/** Sends requests. A latency is the time to the reply, from when the request was due. */
export const requesting: Work = async (bus, job, meter, lead) => {
  const data = plainPayload(job.size)
  const options = {timeoutMs: job.timeoutMs}
  const call: Call = async (index) => {
    const {payload} = await bus.request({subject: subjectOf(job, index), data}, options)
    return payload.length
  }
  await callAll(call, job, meter, lead)
}

/** Other calls, made ready on the bus before the time begins. */
export function calling(make: (bus: Transport, job: Job) => Promise<Call & Partial<AsyncDisposable>>): Work {
  return async (bus, job, meter, lead) => {
    await callAll(await make(bus, job), job, meter, lead)
  }
}

/** Calls, so many at a time as the window allows. Fails with `noResponders` when that is so before anything was answered. */
async function callAll(call: Call, job: Job, meter: Meter, {ready, stop}: Lead): Promise<void> {
  await ready()
  meter.begin()
  const schedule = new Schedule({...job, batch: 1}, meter.now, stop)
  const stopped = aborted(stop)
  let failure: unknown
  const one = async (index: number, due: number) => {
    try {
      const bytes = await Promise.race([call(index), stopped])
      if (bytes === undefined) return
      const at = meter.now()
      meter.latencies.record(at - due)
      meter.add(1, bytes, at)
    } catch (error) {
      const isCounted = error instanceof BusError && counted.has(error.kind)
      if (isCounted && !(error.kind === 'noResponders' && meter.messages === 0)) meter.failed(error.kind, meter.now())
      else failure ??= error
    }
  }
  let sent = 0
  const lane = async () => {
    while (failure === undefined && (await schedule.next()) > 0) {
      const index = sent++
      await one(index, schedule.due(index))
    }
  }
  if (job.rate === undefined) await Promise.all(Array.from({length: job.window}, lane))
  else await openLoop(schedule, job.window, one, () => failure !== undefined)
  if (failure !== undefined) throw failure
}

/** Begins each when it is due, whether or not those before are done, as long as the window has room. */
async function openLoop(
  schedule: Schedule,
  window: number,
  one: (index: number, due: number) => Promise<void>,
  failed: () => boolean,
): Promise<void> {
  const open = new Set<Promise<void>>()
  for (let index = 0; !failed() && (await schedule.next()) > 0; index++) {
    const done: Promise<void> = one(index, schedule.due(index)).then(() => void open.delete(done))
    open.add(done)
    if (open.size >= window) await Promise.race(open)
  }
  await Promise.all(open)
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined)
    else signal.addEventListener('abort', () => resolve(undefined), {once: true})
  })
}
