/** Conversion between bytes and text: UTF-8, base64, hex. */
import {isUtf8} from 'node:buffer'
import {BusError} from '../errors.ts'

export type Encoding = 'base64' | 'hex'

/** The payload as text; undefined if it is not UTF-8. Unlike `TextDecoder` it keeps a byte order mark. */
export function utf8Text(payload: string | Uint8Array): string | undefined {
  if (typeof payload === 'string') return payload
  return isUtf8(payload) ? bufferOver(payload).toString('utf8') : undefined
}

/** Text if the bytes are UTF-8, else the bytes: buses transport text faster. */
export function textWherePossible(bytes: Uint8Array): string | Uint8Array {
  return bytes.length <= longestText ? (utf8Text(bytes) ?? bytes) : bytes
}

export function toBase64(payload: string | Uint8Array): string {
  return (typeof payload === 'string' ? Buffer.from(payload) : bufferOver(payload)).toString('base64')
}

/** The first `count` bytes as `89 50 4e 47`. */
export function hexPreview(bytes: Uint8Array, count: number): string {
  return Array.from(bytes.subarray(0, count), (byte) => byte.toString(16).padStart(2, '0')).join(' ')
}

/**
 * Decodes base64 (URL-safe or not, with or without padding) or hex; white space is skipped. Throws `usage` with the position; `what`
 * begins the sentence, for example `the body`.
 */
export function decode(text: string, encoding: Encoding, what: string): Uint8Array {
  const bad = text.search(encoding === 'hex' ? /[^\s0-9a-f]/i : /[^\s\w+/=-]|=(?=\s*[^\s=])/)
  if (bad >= 0) {
    const found = JSON.stringify(String.fromCodePoint(text.codePointAt(bad) ?? 0))
    const sentence = `${what} is not ${encoding}: ${found} at position ${bad + 1}`
    throw new BusError('usage', sentence, {data: {position: bad + 1}})
  }
  const packed = text.replace(/[\s=]+/g, '')
  const isWhole = encoding === 'hex' ? packed.length % 2 === 0 : packed.length % 4 !== 1
  if (!isWhole) throw new BusError('usage', `${what} is not ${encoding}: it ends within a byte`)
  return Uint8Array.from(Buffer.from(packed, encoding))
}

/** Below V8's longest string, with a margin. */
const longestText = 256 * 1024 * 1024

/** A buffer that shares the memory. */
export function bufferOver(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
