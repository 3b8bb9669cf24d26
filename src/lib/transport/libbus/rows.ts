import {Message} from '../../core/message.ts'
import {farthestMs} from '../../core/time/timestamp.ts'

/** SQLite does not enforce column types: other programs may have written any type. */
export type Data = Uint8Array | string | number | null

export type EventRow = [id: number, subject: Data, data: Data, createdAt: Data]
export type RequestRow = [id: string, subject: Data, data: Data, createdAt: Data]

/** A message published to this prefix plus the id of a request is its reply. */
export const replyPrefix = '_INBOX.'

export function eventMessage([id, subject, data, createdAt]: EventRow): Message {
  return new Message(textOf(subject), payloadOf(data), undefined, undefined, id, timeOf(createdAt))
}

export function requestMessage([id, subject, data, createdAt]: RequestRow): Message {
  return new Message(textOf(subject), payloadOf(data), undefined, replyPrefix + id, undefined, timeOf(createdAt))
}

export function payloadOf(data: Data): Uint8Array | string {
  return typeof data === 'number' ? String(data) : (data ?? '')
}

/** Always a blob: empty data would be NULL, which the tables refuse. */
export function blobOf(data: Uint8Array | string | undefined): Uint8Array {
  return typeof data === 'string' ? Buffer.from(data) : (data ?? new Uint8Array(0))
}

function textOf(value: Data): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString() : String(value ?? '')
}

/** The column has whole seconds; 1970 for an invalid time. */
function timeOf(createdAt: Data): number {
  const timeMs = Number(createdAt) * 1000
  return Math.abs(timeMs) < farthestMs ? timeMs : 0
}
