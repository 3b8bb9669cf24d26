/** The content of an object in chunks, and what they add up to. */
import {createHash, randomBytes} from 'node:crypto'

/** The size of a chunk, unless the bus takes less. */
export const usualChunk = 128 * 1024

/** The same bytes in chunks of this size; only the last may be shorter. None is empty. */
export async function* chunked(source: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Uint8Array> {
  let held: Uint8Array[] = []
  let bytes = 0
  for await (const piece of source) {
    let rest = piece
    while (bytes + rest.length >= size) {
      const head = rest.subarray(0, size - bytes)
      yield bytes === 0 ? head : Buffer.concat([...held, head], size)
      rest = rest.subarray(head.length)
      held = []
      bytes = 0
    }
    if (rest.length > 0) held.push(rest)
    bytes += rest.length
  }
  if (bytes > 0) yield Buffer.concat(held, bytes)
}

/** Adds up chunks to a size and a digest. */
export class Tally {
  readonly #hash = createHash('sha256')
  size = 0
  chunks = 0

  add(chunk: Uint8Array): void {
    this.#hash.update(chunk)
    this.size += chunk.length
    this.chunks++
  }

  /** Once, at the end. */
  digest(): string {
    return `SHA-256=${padded(this.#hash.digest())}`
  }
}

/** base64url with padding, as in subjects and digests of ADR-20. */
export function padded(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString('base64url')
  return text.padEnd(Math.ceil(text.length / 4) * 4, '=')
}

/** Whether two digests are the same; some clients leave out the padding. */
export function isSameDigest(one: string, other: string): boolean {
  const bare = (digest: string) => digest.replace(/^SHA-256=/i, '').replace(/=+$/, '')
  return bare(one) === bare(other)
}

const letters = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** A unique name for the chunks of an object: 22 letters and digits. */
export function newNuid(): string {
  let nuid = ''
  // Larger bytes would make some letters more likely.
  while (nuid.length < 22)
    for (const byte of randomBytes(32)) if (byte < 248 && nuid.length < 22) nuid += letters[byte % 62]
  return nuid
}
