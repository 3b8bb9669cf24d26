/**
 * Searches a stream, the newest messages first or in order. The stream is read in blocks of consecutive sequences, small ones
 * first, so that a message near the start of the search is found at once; several blocks are read at the same time, and searched
 * in order.
 */
import {interruptedError} from '../../core/errors.ts'
import type {Message} from '../../core/message.ts'
import type {StreamInfo, Streams} from '../../transport/streams-contract.ts'

/** Sequences of the first block and of the largest ones. */
const firstBlock = 256
const largestBlock = 32_768
/** Bytes that the messages of a block should have, and may have; a larger one is read in parts. */
const usualBytes = 4 * 1024 * 1024
const mostBytes = 16 * 1024 * 1024
/** Messages to take at a time. */
const pageSize = 1024
/** Blocks that are read at the same time, after the first. */
const mostReads = 4

export interface SearchOptions {
  /** The first and the last sequence. */
  readonly from: number
  readonly to: number
  /** Patterns of subjects. */
  readonly filters?: readonly string[] | undefined
  /** From the first message to the last; otherwise backwards. */
  readonly forwards: boolean
  readonly signal: AbortSignal
}

/** The messages of a range, a block at a time, in the order of the search. */
export async function* blocksOf(
  streams: Streams,
  {config: {name}, state}: StreamInfo,
  options: SearchOptions,
): AsyncGenerator<readonly Message[]> {
  const {forwards} = options
  const bytesEach = state.messages === 0 ? 0 : state.bytes / state.messages
  const largest = Math.max(1, Math.min(largestBlock, Math.floor(usualBytes / Math.max(1, bytesEach))))
  const waiting: Promise<Block>[] = []
  let size = Math.min(firstBlock, largest)
  let next = forwards ? options.from : options.to
  const isLeft = () => (forwards ? next <= options.to : next >= options.from)
  const readNext = () => {
    const [from, to] = forwards
      ? [next, Math.min(options.to, next + size - 1)]
      : [Math.max(options.from, next - size + 1), next]
    next = forwards ? to + 1 : from - 1
    size = Math.min(size * 2, largest)
    const reading = readBlock(streams, name, {...options, from, to})
    // A failure is reported in its turn.
    reading.catch(() => {})
    waiting.push(reading)
  }
  let isFirst = true
  try {
    while (isLeft() || waiting.length > 0) {
      while (isLeft() && waiting.length < (isFirst ? 1 : mostReads)) readNext()
      isFirst = false
      const block = await waiting.shift()
      if (block !== undefined) yield* parts(streams, name, block, options)
    }
  } finally {
    // The bus may be closed afterwards.
    await Promise.allSettled(waiting)
  }
}

interface Block {
  readonly from: number
  readonly to: number
  /** Undefined if they are too large to be in memory together. */
  readonly messages: readonly Message[] | undefined
}

/** The messages of a block in the order of the search, if necessary in parts. */
async function* parts(
  streams: Streams,
  stream: string,
  {from, to, messages}: Block,
  options: SearchOptions,
): AsyncGenerator<readonly Message[]> {
  const {forwards, signal} = options
  if (signal.aborted) throw interruptedError()
  if (messages !== undefined) {
    if (messages.length > 0) yield forwards ? messages : messages.toReversed()
    return
  }
  const middle = Math.floor((from + to) / 2)
  const halves = [
    {from, to: middle},
    {from: middle + 1, to},
  ]
  for (const half of forwards ? halves : halves.reverse())
    yield* parts(streams, stream, await readBlock(streams, stream, {...options, ...half}), options)
}

async function readBlock(streams: Streams, stream: string, {from, to, filters, signal}: SearchOptions): Promise<Block> {
  await using reading = await streams.read(stream, {from: {seq: from}, to: {seq: to}, filters, signal})
  const messages: Message[] = []
  let bytes = 0
  for (;;) {
    const more = await reading.take(pageSize)
    if (more.length === 0) return {from, to, messages}
    messages.push(...more)
    for (const {payload} of more) bytes += payload.length
    if (bytes > mostBytes && from < to) return {from, to, messages: undefined}
  }
}

/** How many messages to add before and after each match. */
export interface Neighbours {
  readonly before: number
  readonly after: number
}

/** A message to show. */
export interface ShownMessage {
  readonly message: Message
  readonly isMatch: boolean
  /** It does not follow the one that was shown before it. */
  readonly isApart: boolean
}

/** Selects matches and their neighbours; "before" and "after" refer to the order of the search. */
export class MatchWindow {
  readonly #neighbours: Neighbours
  #before: Message[] = []
  #after = 0
  #isApart = false
  matches = 0

  constructor(neighbours: Neighbours) {
    this.#neighbours = neighbours
  }

  /** Neighbours of the last match are still missing. */
  get isOpen(): boolean {
    return this.#after > 0
  }

  /** Messages without a match have to be passed too. */
  get keepsBefore(): boolean {
    return this.#neighbours.before > 0 || (this.#neighbours.after > 0 && this.matches > 0 && !this.#isApart)
  }

  /** What to show now that this message comes next. */
  next(message: Message, isMatch: boolean): readonly ShownMessage[] {
    const {before, after} = this.#neighbours
    if (isMatch) {
      this.matches++
      this.#after = after
      const shown = [...this.#before.splice(0), message]
      const isApart = this.#isApart
      this.#isApart = false
      return shown.map((each, i) => ({message: each, isMatch: each === message, isApart: i === 0 && isApart}))
    }
    if (this.#after > 0) {
      this.#after--
      return [{message, isMatch: false, isApart: false}]
    }
    this.#before.push(message)
    if (this.#before.length > before) {
      this.#before.shift()
      this.#isApart = this.matches > 0
    }
    return []
  }
}
