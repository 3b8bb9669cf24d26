/** Reads a range of a stream. Nothing is buffered, because the stream is in memory. */
import {Mailbox} from '../shared/mailbox.ts'
import type {ReadOptions} from '../streams-contract.ts'
import {filterBy, type KeptMessage, type MemoryStream} from './stream.ts'

/** `open` is closed together with the connection. */
export function readStream(stream: MemoryStream, range: ReadOptions, open: Set<{close(): Promise<void>}>): Mailbox {
  const source = sourceOf(stream, range)
  const mailbox: Mailbox = new Mailbox({
    signal: range.signal,
    refill(max) {
      for (const {message} of source.next(max)) mailbox.hold(message)
    },
    onDrain: source.end,
    onClose() {
      open.delete(mailbox)
      stream.watchers.delete(watch)
    },
  })
  const watch = (failure?: Error): void => {
    if (failure === undefined) mailbox.wake()
    else mailbox.fail(failure)
  }
  open.add(mailbox)
  stream.watchers.add(watch)
  if (range.follow !== true) void mailbox.drain()
  return mailbox
}

interface RangeSource {
  next(max: number): KeptMessage[]
  /** Messages stored from now on do not belong to it. */
  end(): void
}

function sourceOf(stream: MemoryStream, {from, to, filters = [], lastPerSubject}: ReadOptions): RangeSource {
  const wanted = filterBy(filters)
  const isBefore = (kept: KeptMessage) => to === undefined || !('timeMs' in to) || kept.message.time < to.timeMs
  let last = to !== undefined && 'seq' in to ? to.seq : Number.POSITIVE_INFINITY
  if (lastPerSubject) {
    const all = stream.lastPerSubject(wanted).filter(({seq}) => seq <= last)
    return {next: (max) => all.splice(0, max), end() {}}
  }
  let seq = stream.begin(from ?? {seq: 1}, wanted)
  return {
    next(max) {
      const found = stream.next(seq, last, max, (kept) => wanted(kept) && isBefore(kept))
      seq = (found.at(-1)?.seq ?? seq - 1) + 1
      return found
    },
    end() {
      last = Math.min(last, stream.lastSeq)
    },
  }
}
