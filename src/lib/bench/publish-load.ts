import type {Transport} from '../transport/contract.ts'
import type {Workload} from './client.ts'
import {type Job, subjectAt} from './job.ts'
import type {Meter} from './meter.ts'
import {plainPayload, stampedPayloads} from './payload.ts'
import {Schedule} from './schedule.ts'

/**
 * Publishes. A latency is the time from when a message was due, or was published, until `flush` confirms it; with
 * acknowledgements, until a stream has stored it. Eight batches are in flight at a time, unless they are large: then two.
 */
export const publishLoad: Workload = async (bus, job, meter, {ready, stop}) => {
  await ready()
  meter.begin()
  const schedule = new Schedule(job, meter.now, stop)
  await (job.ack ? stored(bus, job, meter, schedule) : flushed(bus, job, meter, schedule))
}

async function flushed(bus: Transport, job: Job, meter: Meter, schedule: Schedule): Promise<void> {
  const payloads = payloadsOf(job, schedule)
  const most = job.batch * job.size <= largeBatch ? 8 : 2
  const inFlight: Promise<void>[] = []
  for (let sent = 0; ; ) {
    const count = await schedule.next()
    if (count === 0) break
    const first = sent
    const begun = job.rate === undefined ? schedule.due(first) : undefined
    for (const data of payloads(first, count)) bus.publish({subject: subjectAt(job, sent++), data})
    const flushing = bus.flush().then(() => {
      const at = meter.now()
      meter.add(count, count * job.size, at)
      if (begun !== undefined) meter.latencies.record(at - begun, count)
      else for (let i = 0; i < count; i++) meter.latencies.record(at - schedule.due(first + i))
    })
    // Waited for below, in a later round.
    flushing.catch(() => undefined)
    inFlight.push(flushing)
    if (inFlight.length >= most) await inFlight.shift()
  }
  await Promise.all(inFlight)
}

/** Bytes of a batch that is large. */
const largeBatch = 1024 * 1024

async function stored(bus: Transport, job: Job, meter: Meter, schedule: Schedule): Promise<void> {
  const payloads = payloadsOf(job, schedule)
  const dues = new Map<number, number>()
  await using publisher = bus.streams.publisher({
    window: job.window,
    timeoutMs: job.timeoutMs,
    onStored(index) {
      const at = meter.now()
      meter.add(1, job.size, at)
      meter.latencies.record(at - (dues.get(index) ?? at))
      dues.delete(index)
    },
  })
  for (let sent = 0; ; ) {
    const count = await schedule.next()
    if (count === 0) break
    for (const data of payloads(sent, count)) {
      dues.set(sent, job.rate === undefined ? meter.now() : schedule.due(sent))
      const full = publisher.push({subject: subjectAt(job, sent++), data})
      if (full !== undefined) await full
    }
  }
  await publisher.flush()
}

/** Makes the payloads of a batch, given the index of its first message. */
function payloadsOf({stamped, size}: Job, schedule: Schedule): (first: number, count: number) => Iterable<Uint8Array> {
  if (stamped) return (first, count) => stampedPayloads(count, size, (i) => schedule.due(first + i))
  const payload = plainPayload(size)
  let same: Uint8Array[] = []
  return (_first, count) => {
    if (same.length !== count) same = new Array(count).fill(payload)
    return same
  }
}
