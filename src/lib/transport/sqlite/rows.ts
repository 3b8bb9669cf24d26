import {BusError} from '../../core/errors.ts'
import {type Headers, Message, noHeaders, type Outgoing, sizeOf} from '../../core/message.ts'
import {overlaps} from '../../core/subject.ts'
import {farthestMs} from '../../core/time/timestamp.ts'
import {withServerSpelling} from '../shared/header-names.ts'
import {streamInboxPrefix} from '../shared/outgoing.ts'
import {damageError} from './db.ts'

/** A stored message as SQLite returns it in raw mode; `key` is the subject's id in `msg`, the subject itself in `eph`. */
export type Row<Key> = [
  seq: number,
  key: Key,
  ts: number,
  reply: string | null,
  hdr: string | null,
  data: string | Uint8Array | null,
]

/** A stored message whose size includes headers and subject. */
export type SizedRow = [seq: number, sid: number, size: number]

/** SQL: the size of a row `m` of the log whose subject has the row `h` of `held`. */
export const rowSize = 'ifnull(octet_length(m.data), 0) + ifnull(octet_length(m.hdr), 0) + h.width'

const empty = new Uint8Array(0)

/** The largest message in bytes, and the largest value of a row that is read. */
export const mostBytes = 64 * 1024 * 1024

/** SQL for a column that fails with SQLITE_TOOBIG, without reading it, if the value is larger than busline writes. */
export function limitedColumn(column: string): string {
  return `iif(octet_length(${column}) > ${mostBytes}, zeroblob(2000000000 + octet_length(${column})), ${column})`
}

export function toMessage(row: Row<unknown>, subject: string, isStored: boolean): Message {
  const headers = row[4] === null ? noHeaders : parseStoredHeaders(row[4])
  const [seq, , ts] = row
  if (!isWhole(seq) || !isWhole(ts)) throw damageError('the sequence or the time of a message')
  return new Message(subject, row[5] ?? empty, headers, row[3] ?? undefined, isStored ? seq : undefined, ts / 1000)
}

/** Whether a stored number is one that we write: whole, not negative, and exact. Times up to then are dates. */
export function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/** Whether a stored number is a time in Unix milliseconds that a `Date` can have. */
export function isTime(value: unknown): value is number {
  return isWhole(value) && value < farthestMs
}

/** Throws like SQLite for a damaged file if they are not pairs of strings. */
function parseStoredHeaders(json: string): Headers {
  if (json.length > longHeaders && !isShallow(json)) throw damageError('the headers of a message')
  const headers: unknown = JSON.parse(json)
  if (!Array.isArray(headers) || !headers.every(isPair)) throw damageError('the headers of a message')
  return headers
}

function isPair(value: unknown): boolean {
  return Array.isArray(value) && value.length === 2 && typeof value[0] === 'string' && typeof value[1] === 'string'
}

const longHeaders = 64 * 1024

/** Whether brackets outside strings are nested at most twice: parsing deeper ones takes fifty times their size in memory. */
function isShallow(json: string): boolean {
  let depth = 0
  let isText = false
  for (let at = 0; at < json.length; at++) {
    const code = json.charCodeAt(at)
    if (isText && code === backslash) at++
    else if (code === quote) isText = !isText
    else if (isText) continue
    else if (code === open || code === brace) {
      if (++depth > 2 || code === brace) return false
    } else if (code === close) depth--
  }
  return true
}

const [quote, backslash, open, close, brace] = [0x22, 0x5c, 0x5b, 0x5d, 0x7b]

/** Headers in stored form: a JSON array of pairs, which keeps order, case and repetitions. */
export function storedHeaders(headers: Headers | undefined): string | null {
  return headers === undefined || headers.length === 0 ? null : JSON.stringify(withServerSpelling(headers))
}

/** Refuses headers that could not be read again. */
export function checkStoredHeaders(headers: Headers, url: string): void {
  // A control character becomes six in JSON.
  if (headers.reduce((length, [name, value]) => length + name.length + value.length + 6, 0) * 6 <= mostBytes) return
  const size = sizeOf(storedHeaders(headers) ?? '')
  if (size <= mostBytes) return
  throw new BusError('usage', `the headers have ${size} bytes, but ${url} accepts at most ${mostBytes}`, {
    code: 'tooLarge',
    data: {size, limit: mostBytes},
  })
}

export function storedData(data: Outgoing['data']): string | Uint8Array | null {
  return data === undefined || data.length === 0 ? null : data
}

/** `_INBOX.<client in base 36>.…`: subjects whose messages are kept only briefly. */
export const inboxPrefix = '_INBOX.'

/** Whether messages to this subject are kept only briefly: those of inboxes and of response streams. */
export function passesBy(subject: string): boolean {
  return subject.startsWith(inboxPrefix) || subject.startsWith(streamInboxPrefix)
}

/** Whether a subscription to this pattern can receive such messages. */
export function seesPassing(pattern: string): boolean {
  return overlaps(pattern, `${inboxPrefix}>`) || overlaps(pattern, `${streamInboxPrefix}>`)
}

/** The client to which an inbox subject belongs; 0 for one that no client assigned. */
export function inboxOwner(subject: string): number {
  if (!subject.startsWith(inboxPrefix)) return 0
  const end = subject.indexOf('.', inboxPrefix.length)
  if (end < 0) return 0
  const id = Number.parseInt(subject.slice(inboxPrefix.length, end), 36)
  return Number.isSafeInteger(id) ? id : 0
}
