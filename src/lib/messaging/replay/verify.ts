/**
 * Compares the copies that a run stored with their originals, once it has ended. It keeps one bit per message: both streams are read
 * again, and each copy names the sequence of its original. A message that has left the source since, such as one that a consumer of a
 * work queue acknowledged, can only be looked for.
 */
import {interruptedError} from '../../core/errors.ts'
import type {Message} from '../../core/message.ts'
import type {Transport} from '../../transport/contract.ts'
import {compareMessages, type MessagePages} from '../backup/difference.ts'
import {sequenceOf} from './copy-position.ts'

const mostListed = 10
const bitsPerPage = 4096

/** A message that differs or has no copy; `right` is the sequence of the copy, and the subject is unknown if the source has lost it. */
export interface DifferingCopy {
  readonly subject?: string | undefined
  readonly left: number
  readonly right?: number | undefined
}

/** What became of the messages that a run copied. Each one counts once. */
export interface VerifiedCopies {
  readonly same: number
  readonly changed: number
  /** Not in the target. */
  readonly missing: number
  /** In the target, but no longer in the source. */
  readonly gone: number
  /** The first ten that are missing or changed. */
  readonly first: readonly DifferingCopy[]
}

/** A set of positive integers that takes little memory if they are close to each other. */
class SequenceSet {
  readonly #pages = new Map<number, Uint8Array>()
  size = 0

  has(seq: number): boolean {
    const bits = this.#pages.get(Math.floor(seq / bitsPerPage))
    return ((bits?.[(seq % bitsPerPage) >> 3] ?? 0) & (1 << (seq & 7))) !== 0
  }

  add(seq: number): void {
    if (this.has(seq)) return
    const page = Math.floor(seq / bitsPerPage)
    const bits = this.#pages.get(page) ?? new Uint8Array(bitsPerPage / 8)
    const at = (seq % bitsPerPage) >> 3
    bits[at] = (bits[at] ?? 0) | (1 << (seq & 7))
    this.#pages.set(page, bits)
    this.size++
  }

  *[Symbol.iterator](): Generator<number> {
    for (const page of this.#pages.keys())
      for (let seq = page * bitsPerPage; seq < (page + 1) * bitsPerPage; seq++) if (this.has(seq)) yield seq
  }
}

/** A part of a stream; empty if `from` is greater than `to`. */
interface Extent {
  readonly from: number
  readonly to: number
}

const noExtent: Extent = {from: Number.POSITIVE_INFINITY, to: 0}

function extended({from, to}: Extent, seq: number): Extent {
  return {from: Math.min(from, seq), to: Math.max(to, seq)}
}

/** The messages that a run copied: their sequences in the source, and where in the target their copies are. */
export class CopiedMessages {
  readonly #seqs = new SequenceSet()
  #originals: Extent = noExtent
  #copies: Extent = noExtent

  get count(): number {
    return this.#seqs.size
  }

  /** The copy of message `seq` was stored at `at`. */
  stored(seq: number, at: number): void {
    this.#seqs.add(seq)
    this.#originals = extended(this.#originals, seq)
    this.#copies = extended(this.#copies, at)
  }

  /** Reads both streams. Fails with `interrupted`. */
  async compare(
    source: StreamPlace & {readonly filters?: readonly string[] | undefined},
    /** `sourceId` is what the copies have in `Bus-Source`. */
    target: StreamPlace & {readonly sourceId: string},
    options: {readonly signal: AbortSignal; readonly onProgress?: ((messages: number) => void) | undefined},
  ): Promise<VerifiedCopies> {
    const {signal} = options
    const seqs = this.#seqs
    const seen = new SequenceSet()
    const originalOf = (copy: Message) => sequenceOf(copy, target.sourceId) ?? 0
    await using originals = await openPages(source, this.#originals, {
      signal,
      keep: ({seq = 0}) => seqs.has(seq),
    })
    await using copies = await openPages(target, this.#copies, {
      signal,
      keep(copy) {
        const seq = originalOf(copy)
        if (!seqs.has(seq)) return false
        seen.add(seq)
        return true
      },
    })
    const keyOf = (message: Message, side: 'left' | 'right') =>
      String(side === 'left' ? message.seq : originalOf(message))
    const {same, changed, first} = await compareMessages(originals, copies, {...options, keyOf})
    if (signal.aborted) throw interruptedError()
    const missing = seqs.size - seen.size
    const subjects = new Map(first.map(({left = 0, subject}) => [left, subject]))
    const listed: DifferingCopy[] = first.flatMap(({left, right, subject}) =>
      left === undefined || right === undefined ? [] : [{subject, left, right}],
    )
    for (const left of missing > 0 ? seqs : []) {
      if (listed.length >= mostListed) break
      if (!seen.has(left)) listed.push({subject: subjects.get(left), left})
    }
    return {same, changed, missing, gone: seqs.size - missing - same - changed, first: listed}
  }
}

interface StreamPlace {
  readonly bus: Transport
  readonly stream: string
}

/** The messages in a part of a stream that are to be compared. */
async function openPages(
  {bus, stream, filters}: StreamPlace & {readonly filters?: readonly string[] | undefined},
  {from, to}: Extent,
  {keep, signal}: {readonly keep: (message: Message) => boolean; readonly signal: AbortSignal},
): Promise<MessagePages & AsyncDisposable> {
  const {state} = await bus.streams.info(stream)
  const last = Math.min(to, state.lastSeq)
  if (state.messages === 0 || from > last) return {take: async () => [], async [Symbol.asyncDispose]() {}}
  const reading = await bus.streams.read(stream, {from: {seq: from}, to: {seq: last}, filters, signal})
  return {
    async take(max) {
      for (;;) {
        const page = await reading.take(max)
        const kept = page.filter(keep)
        if (kept.length > 0 || page.length === 0) return kept
      }
    },
    [Symbol.asyncDispose]: () => reading[Symbol.asyncDispose](),
  }
}
