import type {Transport} from '../../../src/lib/transport/contract.ts'
import type {StreamState} from '../../../src/lib/transport/streams-contract.ts'

/** Publishes each text on `subject`, in order, each acknowledged; returns their sequences. */
export async function store(bus: Transport, subject: string, payloads: readonly string[]): Promise<number[]> {
  const seqs: number[] = []
  for (const data of payloads) seqs.push((await bus.streams.publish({subject, data})).seq)
  return seqs
}

/** Stores many, pipelined. */
export async function storeMany(bus: Transport, subject: string, payloads: readonly string[]): Promise<void> {
  await using publisher = bus.streams.publisher()
  for (const data of payloads) await publisher.push({subject, data})
  await publisher.flush()
}

export async function stateOf(bus: Transport, stream: string): Promise<StreamState> {
  return (await bus.streams.info(stream)).state
}

/** One text on each subject. */
export async function storeOn(bus: Transport, subjects: readonly string[]): Promise<number[]> {
  const seqs: number[] = []
  for (const [i, subject] of subjects.entries()) seqs.push(...(await store(bus, subject, [String(i + 1)])))
  return seqs
}

/** The element at `i`, which exists. */
export function at<T>(all: readonly T[], i: number): T {
  const one = all.at(i)
  if (one === undefined) throw new Error(`there is no element ${i} of ${all.length}`)
  return one
}

export async function failureOf(use: () => unknown): Promise<unknown> {
  try {
    await use()
  } catch (error) {
    return error
  }
  return 'no failure'
}
