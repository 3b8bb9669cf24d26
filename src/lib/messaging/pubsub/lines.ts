/** Splits bytes at a delimiter as they arrive; in batches, because a promise per line would cost more than the line. */

import {BusError} from '../../core/errors.ts'
import {freeBytes} from '../../core/free-bytes.ts'
import {bufferOver, utf8Text} from '../../core/text/encoding.ts'

/** A line without its delimiter: text if it is UTF-8, else bytes. */
export type TextLine = string | Uint8Array

export interface LineOptions {
  /** Not empty. */
  readonly delimiter: string
  /** Bytes of the longest line. */
  readonly longest: number
}

/** Splits into lines. A delimiter at the very end does not start another line. Fails with `usage` for a line that is too long. */
export async function* splitLines(
  chunks: AsyncIterable<Uint8Array>,
  {delimiter, longest}: LineOptions,
): AsyncGenerator<readonly TextLine[]> {
  const mark = Buffer.from(delimiter)
  const carried = new Carried(mark.length)
  let count = 0
  for await (const chunk of chunks) {
    const block = carried.add(chunk, mark)
    if (block !== undefined) {
      const cut = lastMark(block, mark)
      const isLarge = block.length > chunk.length
      // A copy, so that the rest does not hold on to a large block.
      carried.start(isLarge ? Buffer.from(block.subarray(cut + mark.length)) : block.subarray(cut + mark.length))
      const lines = cutBlock(block.subarray(0, cut), delimiter, mark)
      if (isLarge && lines.every((line) => typeof line === 'string')) freeBytes(block)
      count += lines.length
      yield lines
    }
    if (carried.bytes > longest) throw tooLong(count + 1, longest)
  }
  if (carried.bytes > 0) yield [lineOf(carried.all())]
}

/**
 * The data since the last delimiter. It is joined only at the next delimiter, so that the cost of a long line is proportional
 * to its length.
 */
class Carried {
  readonly #overlap: number
  #pieces: Uint8Array[] = []
  /** The last bytes, in which a delimiter may have begun. */
  #tail: Uint8Array = new Uint8Array()
  bytes = 0

  constructor(markLength: number) {
    this.#overlap = markLength - 1
  }

  /** Adds a chunk. If it completes a delimiter, returns everything collected. */
  add(chunk: Uint8Array, mark: Buffer): Buffer | undefined {
    const seam = this.#overlap === 0 ? bufferOver(chunk) : Buffer.concat([this.#tail, chunk])
    this.#pieces.push(chunk)
    this.bytes += chunk.length
    if (seam.includes(mark)) return this.all()
    if (this.#overlap > 0) this.#tail = seam.subarray(-this.#overlap)
    return undefined
  }

  start(rest: Uint8Array): void {
    this.#pieces = rest.length === 0 ? [] : [rest]
    this.bytes = rest.length
    this.#tail = rest.subarray(Math.max(0, rest.length - this.#overlap))
  }

  all(): Buffer {
    const [only, ...more] = this.#pieces
    return only !== undefined && more.length === 0 ? bufferOver(only) : Buffer.concat(this.#pieces)
  }
}

function cutBlock(block: Buffer, delimiter: string, mark: Buffer): TextLine[] {
  const text = utf8Text(block)
  if (text !== undefined) return text.split(delimiter)
  const lines: TextLine[] = []
  let from = 0
  for (let at = block.indexOf(mark); at >= 0; at = block.indexOf(mark, from)) {
    lines.push(lineOf(block.subarray(from, at)))
    from = at + mark.length
  }
  return [...lines, lineOf(block.subarray(from))]
}

/** Searched from the left, because a delimiter such as `--` may overlap itself. */
function lastMark(block: Buffer, mark: Buffer): number {
  if (mark.length === 1) return block.lastIndexOf(mark)
  let last = -1
  for (let at = block.indexOf(mark); at >= 0; at = block.indexOf(mark, at + mark.length)) last = at
  return last
}

function lineOf(bytes: Uint8Array): TextLine {
  return utf8Text(bytes) ?? bytes
}

function tooLong(line: number, longest: number): BusError {
  return new BusError('usage', `line ${line} has more than ${longest} bytes, the limit of the bus`, {
    try: ['--delimiter, if the lines have another delimiter'],
    data: {line},
  })
}
