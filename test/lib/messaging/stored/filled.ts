import type {Transport} from '../../../../src/lib/transport/contract.ts'
import {openMemory} from '../../../../src/lib/transport/memory/driver.ts'

/** A bus with a stream `S` that has messages `1`, `2`, … on `s.a` and `s.b` in turn, and their sequences. */
export async function filled(count: number): Promise<{bus: Transport; seqs: readonly number[]}> {
  const bus = openMemory(`memory:${crypto.randomUUID()}`)
  await bus.streams.add({name: 'S', subjects: ['s.>']})
  const seqs: number[] = []
  for (let n = 1; n <= count; n++) {
    seqs.push((await bus.streams.publish({subject: n % 2 === 1 ? 's.a' : 's.b', data: String(n)})).seq)
  }
  return {bus, seqs}
}
