import type {Transport} from '../transport/contract.ts'
import {plainPayload} from './stamp.ts'

export interface Scratch {
  /** Messages to fill it with. */
  readonly count: number
  readonly size: number
  /** A consumer to make. */
  readonly durable?: string | undefined
  readonly signal: AbortSignal
}

/** Works with a stream that holds so many messages and is removed afterwards. Fails as `Streams` does. */
export async function withScratch<T>(bus: Transport, scratch: Scratch, work: (name: string) => Promise<T>): Promise<T> {
  const {count, size, durable, signal} = scratch
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
