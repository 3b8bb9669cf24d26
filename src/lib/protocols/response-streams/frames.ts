/**
 * The frames of a response stream: JSON, one message per frame. Written exactly as by the first implementation (in Go), and
 * read as leniently: member names are matched ignoring case, and `null` counts as absent.
 */
import {bufferOver, toBase64, utf8Text} from '../../core/text/encoding.ts'
import {kindOf, member, objectOf, textOf} from '../../core/text/json-members.ts'
import {type Close, closeCodes} from './close-reasons.ts'

/** A frame as it is on the wire: one message each. */
export type StreamingMsg =
  | {readonly type: typeof streamingMsgTypes.data; readonly data?: string}
  | {readonly type: typeof streamingMsgTypes.close; readonly closeError: {readonly Code: number; readonly Text: string}}

/** The types of frames. */
export const streamingMsgTypes = {data: 1, close: 2} as const

/** The content of a frame. */
export type Frame =
  | {readonly kind: 'data'; readonly data: Uint8Array}
  | {readonly kind: 'close'; readonly close: Close}
  /** An unknown type, which is ignored. */
  | {readonly kind: 'unknown'; readonly type: number}

/** Header with the number of a frame in its response stream, from 1; the close frame has the next number. */
export const numberHeader = 'Bus-Frame'

/** The text around the base64 of a data frame. */
const dataHead = '{"type":1,"data":"'
const dataTail = '"}'
const nothing = new Uint8Array(0)

/** A data frame. */
export function encodeData(data: Uint8Array | string): string {
  if (data.length === 0) return '{"type":1}'
  // The base64 of ASCII text can be made without converting it to bytes first, in half the time.
  const isAscii = typeof data === 'string' && Buffer.byteLength(data) === data.length
  return dataHead + (isAscii ? btoa(data) : toBase64(data)) + dataTail
}

/** Size of the data frame for this many bytes of data. */
export function dataFrameSize(bytes: number): number {
  return bytes === 0 ? '{"type":1}'.length : 4 * Math.ceil(bytes / 3) + dataHead.length + dataTail.length
}

/** The largest number of bytes of data whose frame does not exceed the limit. */
export function mostData(limit: number): number {
  return Math.max(0, Math.floor((limit - dataHead.length - dataTail.length) / 4) * 3)
}

/** A close frame. */
export function encodeClose({code, text}: Close): string {
  return `{"type":2,"closeError":{"Code":${code},"Text":${JSON.stringify(text)}}}`
}

/** Parses a frame. An invalid one becomes a close with code 1003 and the fault as its text. */
export function decodeFrame(payload: Uint8Array | string): Frame {
  const plain = plainData(payload)
  if (plain !== undefined) return {kind: 'data', data: plain}
  try {
    return frameOf(utf8Text(payload) ?? Buffer.from(payload).toString('utf8'))
  } catch (error) {
    return {kind: 'close', close: {code: closeCodes.unsupportedData, text: (error as Error).message, isOwn: true}}
  }
}

/** The data of a frame in its usual form; undefined for any other form, which is parsed. */
function plainData(payload: Uint8Array | string): Uint8Array | undefined {
  // Base64 is ASCII, so decoding as Latin-1 is sufficient and saves the time of UTF-8.
  const text = typeof payload === 'string' ? payload : bufferOver(payload).toString('latin1')
  if (!text.startsWith(dataHead) || !text.endsWith(dataTail)) return undefined
  return fromBase64(text.slice(dataHead.length, -dataTail.length))
}

function frameOf(text: string): Frame {
  const frame = objectOf(JSON.parse(text), 'the frame')
  const type = integerOf(member(frame, 'type'), 'type')
  if (type === streamingMsgTypes.data) return {kind: 'data', data: bytesOf(member(frame, 'data'))}
  if (type !== streamingMsgTypes.close) return {kind: 'unknown', type}
  const error = member(frame, 'closeError')
  if (error === undefined || error === null) {
    return {kind: 'close', close: {code: closeCodes.abnormal, text: 'the close frame gives no reason', isOwn: true}}
  }
  const fields = objectOf(error, 'closeError')
  const close = {code: integerOf(member(fields, 'Code'), 'Code'), text: textOf(member(fields, 'Text'), 'Text')}
  return {kind: 'close', close}
}

/** The bytes of a member in base64. */
export function bytesOf(value: unknown, what = 'data'): Uint8Array {
  const text = textOf(value, what).replace(/[\r\n]+/g, '')
  const bytes = text === '' ? nothing : fromBase64(text)
  if (bytes === undefined) throw new Error(`${what} is not base64`)
  return bytes
}

function integerOf(value: unknown, what: string): number {
  if (value === undefined || value === null) return 0
  if (Number.isSafeInteger(value)) return value as number
  throw new Error(`${what} is ${kindOf(value)}, not a whole number`)
}

/**
 * Standard base64 with padding; undefined for anything else. The platform also accepts the URL-safe alphabet and the low bytes
 * of other characters, and skips unknown characters, so that fewer bytes result. A regular expression costs three times as
 * much.
 */
function fromBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0 || text.includes('-') || text.includes('_')) return undefined
  if (Buffer.byteLength(text) !== text.length) return undefined
  const bytes = Buffer.from(text, 'base64')
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  return bytes.length === (text.length / 4) * 3 - padding ? bytes : undefined
}
