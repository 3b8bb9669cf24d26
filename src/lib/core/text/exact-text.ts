import {isUtf8} from 'node:buffer'

/**
 * Converts bytes that should be UTF-8 to text without loss: a byte that is not valid UTF-8 becomes the lone surrogate U+DC00
 * plus the byte (as in Python's `surrogateescape`, PEP 383), which JSON keeps as `\udcff`.
 */
export function exactText(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const text = buffer.toString('utf8')
  if (!text.includes('\ufffd') || isUtf8(buffer)) return text
  let exact = ''
  for (let at = 0; at < buffer.length; ) {
    const size = sequenceSize(buffer, at)
    exact += size === 0 ? String.fromCharCode(0xdc00 + (buffer[at] ?? 0)) : buffer.toString('utf8', at, at + size)
    at += Math.max(1, size)
  }
  return exact
}

/** The length of the UTF-8 sequence that begins here; 0 if there is none. */
function sequenceSize(buffer: Buffer, at: number): number {
  for (let size = 1; size <= 4 && at + size <= buffer.length; size++)
    if (isUtf8(buffer.subarray(at, at + size))) return size
  return 0
}
