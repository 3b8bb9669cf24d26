import type {Outgoing} from '../../core/message.ts'
import {type Headers, Message, noHeaders} from '../../core/message.ts'
import {overlaps} from '../../core/subject.ts'
import {withServerSpelling} from '../shared/header-names.ts'
import {streamInboxPrefix} from '../shared/outgoing.ts'

/** A stored message as SQLite returns it in raw mode; `key` is the subject's id in `msg`, the subject itself in `eph`. */
export type Row<Key> = [
  seq: number,
  key: Key,
  ts: number,
  reply: string | null,
  hdr: string | null,
  data: string | Buffer | null,
]

const empty = new Uint8Array(0)

export function toMessage(row: Row<unknown>, subject: string, isStored: boolean): Message {
  const headers = row[4] === null ? noHeaders : (JSON.parse(row[4]) as Headers)
  return new Message(
    subject,
    row[5] ?? empty,
    headers,
    row[3] ?? undefined,
    isStored ? row[0] : undefined,
    row[2] / 1000,
  )
}

/** Headers in stored form: a JSON array of pairs, which keeps order, case and repetitions. */
export function storedHeaders(headers: Headers | undefined): string | null {
  return headers === undefined || headers.length === 0 ? null : JSON.stringify(withServerSpelling(headers))
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
