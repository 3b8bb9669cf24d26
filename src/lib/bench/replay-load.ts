import {BusError} from '../core/errors.ts'
import {type Message, sizeOf} from '../core/message.ts'
import {endOf, isDelivered} from '../messaging/stored/consumer-end.ts'
import {StallWatch, stallReport} from '../messaging/stored/stall.ts'
import type {Transport} from '../transport/contract.ts'
import {Deliveries} from '../transport/deliveries.ts'
import type {Workload} from './client.ts'
import type {Job} from './job.ts'
import type {Meter} from './meter.ts'
import {plainPayload} from './payload.ts'

/** A consumer without a message for this long is asked whether it is at its end. */
const idleMs = 500

/** Reads a stream: each client all of it, or all as members of one durable consumer, acknowledging. */
export const replayLoad: Workload = async (bus, job, meter, {ready, stop}) => {
  const {stream, durable, forMs} = job
  if (stream === undefined) throw new BusError('usage', 'a replay needs a stream')
  await ready()
  meter.begin()
  const signal = forMs === undefined ? stop : AbortSignal.any([stop, AbortSignal.timeout(forMs)])
  await (durable === undefined
    ? read(bus, {...job, stream}, meter, signal)
    : consume(bus, {...job, stream, durable}, meter, signal))
}

type StreamJob = Job & {readonly stream: string}

async function read(bus: Transport, {stream, count, batch}: StreamJob, meter: Meter, signal: AbortSignal) {
  await using reading = await bus.streams.read(stream, {signal})
  for (let left = count ?? Number.POSITIVE_INFINITY; left > 0; ) {
    const messages = await reading.take(Math.min(batch, left))
    if (messages.length === 0) return
    meter.add(messages.length, bytesOf(messages), meter.now())
    left -= messages.length
  }
}

async function consume(
  bus: Transport,
  {stream, durable, count: max, batch, window: prefetch}: StreamJob & {readonly durable: string},
  meter: Meter,
  signal: AbortSignal,
) {
  const {consumers} = bus.streams
  const info = await consumers.info(stream, durable)
  const end = await endOf(bus.streams, info)
  await using consuming = await consumers.consume(stream, durable, {prefetch, max, signal})
  const deliveries = new Deliveries(info)
  const watch = new StallWatch(
    consumers,
    info,
    stallReport(Date.now, () => {}),
  )
  while (!consuming.ended) {
    watch.waits()
    const taken = deliveries.add(await consuming.take(batch, idleMs))
    watch.waited(taken.length, consuming, deliveries.size)
    deliveries.settleAll(taken)
    if (taken.length > 0) meter.add(taken.length, bytesOf(taken), meter.now())
    else {
      await consuming.flush(signal)
      const {info, others} = await deliveries.ask(consumers)
      if (others === 0 && deliveries.held === 0 && (await isDelivered(bus.streams, info, end))) break
    }
  }
  if (deliveries.held > 0 && (await deliveries.ask(consumers)).others > 0) throw deliveries.heldError()
  await consuming.flush(signal)
}

function bytesOf(messages: readonly Message[]): number {
  let bytes = 0
  for (const {payload} of messages) bytes += sizeOf(payload)
  return bytes
}

export interface TemporaryStream {
  /** Messages to fill it with. */
  readonly count: number
  readonly size: number
  /** A consumer to add. */
  readonly durable?: string | undefined
  readonly signal: AbortSignal
}

/** Fills a new stream, passes its name to `work` and removes it afterwards. Fails as `Streams` does. */
export async function withTemporaryStream<T>(
  bus: Transport,
  options: TemporaryStream,
  work: (name: string) => Promise<T>,
): Promise<T> {
  const {count, size, durable, signal} = options
  const name = `BENCH_${crypto.randomUUID().slice(0, 8)}`
  const subject = `bench.${name}`
  await bus.streams.add({name, subjects: [subject]})
  try {
    const data = plainPayload(size)
    await using publisher = bus.streams.publisher({signal})
    for (let i = 0; i < count; i++) {
      const full = publisher.push({subject, data})
      if (full !== undefined) await full
    }
    await publisher.flush()
    if (durable !== undefined) await bus.streams.consumers.add(name, {name: durable, maxAckPending: 10_000})
    return await work(name)
  } finally {
    await bus.streams.remove(name)
  }
}
