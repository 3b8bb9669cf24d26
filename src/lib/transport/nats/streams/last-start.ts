/**
 * Where the last so many messages begin. Sequences may have gaps and filters pass over some, but a consumer tells when it
 * is made how many it will give: one made so many sequences before the end is mostly right at once; else another guess.
 */
import type {Ephemeral} from './ephemeral.ts'

export interface LastStart {
  readonly seq: number
  /** How many come before the first that is wanted. */
  readonly skip: number
  readonly consumer: Ephemeral
}

/** So many are rather passed over than looked for. */
const mostSkipped = 4096

/** `make` makes a consumer from a sequence on; `list` reads what there is from one on, where consumers cannot count. */
export async function lastStart(
  state: {readonly first_seq: number; readonly last_seq: number},
  count: number,
  make: (seq: number) => Promise<Ephemeral>,
  list: (seq: number) => Promise<readonly number[]>,
): Promise<LastStart> {
  const first = Math.max(1, state.first_seq)
  const end = state.last_seq + 1
  let few = end
  let seq = Math.max(first, end - count)
  for (let low = first; ; ) {
    const consumer = await make(seq)
    if (consumer.isWide) {
      consumer.remove()
      const exact = await listed(first, end, count, list)
      return {seq: exact, skip: 0, consumer: await make(exact)}
    }
    const {pending} = consumer
    const isEnough = pending >= count
    if (isEnough ? pending - count <= mostSkipped || few - seq <= 1 : seq <= low)
      return {seq, skip: Math.max(0, pending - count), consumer}
    consumer.remove()
    if (isEnough) low = seq
    else few = seq
    // As far back as it takes when messages are spread evenly, and some more; once there were too many, half way.
    const far = pending === 0 ? 8 : Math.min(8, (1.2 * count) / pending)
    const isBetween = low > first || isEnough
    seq = isBetween ? Math.floor((low + few) / 2) : Math.max(first, end - Math.ceil((end - seq) * far) - 1)
  }
}

/** Goes back in growing steps and reads what is there. */
async function listed(first: number, end: number, count: number, list: (seq: number) => Promise<readonly number[]>) {
  for (let size = count * 2; ; size *= 4) {
    const from = Math.max(first, end - size)
    const seqs = await list(from)
    if (seqs.length >= count || from === first) return seqs.at(-count) ?? first
  }
}
