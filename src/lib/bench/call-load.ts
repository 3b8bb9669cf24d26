import {runCalls} from '../messaging/load.ts'
import type {Transport} from '../transport/contract.ts'
import type {Workload} from './client.ts'
import {type Job, subjectAt} from './job.ts'
import {plainPayload} from './payload.ts'
import {Schedule} from './schedule.ts'

/** Makes one call, by its index, and resolves with the bytes of its answer. */
export type BenchCall = (index: number) => Promise<number>

/** Sends requests. A latency is the time from when the request was due until the reply. */
export const requestLoad: Workload = callLoad(async (bus, job) => {
  const data = plainPayload(job.size)
  const options = {timeoutMs: job.timeoutMs}
  return async (index) => (await bus.request({subject: subjectAt(job, index), data}, options)).payload.length
})

/** A workload of calls; `make` prepares them on the bus before the clock starts. */
export function callLoad(make: (bus: Transport, job: Job) => Promise<BenchCall>): Workload {
  return async (bus, job, meter, {ready, stop}) => {
    const call = await make(bus, job)
    await ready()
    meter.begin()
    const schedule = new Schedule({...job, batch: 1}, meter.now, stop)
    await runCalls({
      concurrency: job.window,
      signal: stop,
      due() {
        const due = schedule.next()
        return typeof due === 'number' ? due > 0 : due.then((count) => count > 0)
      },
      async call(index) {
        const due = schedule.due(index)
        return {due, bytes: await call(index)}
      },
      onAnswer({due, bytes}) {
        const at = meter.now()
        meter.latencies.record(at - due)
        meter.add(1, bytes, at)
        return undefined
      },
      onFailure: (kind) => meter.failed(kind, meter.now()),
    })
  }
}
