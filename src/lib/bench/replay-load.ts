import {BusError} from '../core/errors.ts'
import type {Message} from '../core/message.ts'
import {sizeOf} from '../core/message.ts'
import type {Transport} from '../transport/contract.ts'
import type {Work} from './client.ts'
import type {Job} from './job.ts'
import type {Meter} from './meter.ts'

/** A consumer that had nothing for so many milliseconds has no more. */
const idleMs = 500

/** Takes what a stream has: each client all of it, or as members of a durable consumer, with acknowledgements. */
export const replaying: Work = async (bus, job, meter, {ready, stop}) => {
  const {stream, durable, forMs} = job
  if (stream === undefined) throw new BusError('usage', 'a replay is of a stream')
  await ready()
  meter.begin()
  const signal = forMs === undefined ? stop : AbortSignal.any([stop, AbortSignal.timeout(forMs)])
  await (durable === undefined
    ? read(bus, stream, job, meter, signal)
    : consume(bus, stream, durable, job, meter, signal))
}

async function read(bus: Transport, stream: string, {count, batch}: Job, meter: Meter, signal: AbortSignal) {
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
  stream: string,
  durable: string,
  {count: max, batch, window: prefetch}: Job,
  meter: Meter,
  signal: AbortSignal,
) {
  await using consuming = await bus.streams.consumers.consume(stream, durable, {prefetch, max, signal})
  while (!consuming.ended) {
    const deliveries = await consuming.take(batch, idleMs)
    if (deliveries.length === 0) break
    for (const delivery of deliveries) consuming.ack(delivery)
    meter.add(deliveries.length, bytesOf(deliveries), meter.now())
  }
  await consuming.flush()
}

function bytesOf(messages: readonly Message[]): number {
  let bytes = 0
  for (const {payload} of messages) bytes += sizeOf(payload)
  return bytes
}
