import {Message} from '../../message.ts'

/** The data column; a peer that is not libbus may have left text or a number in it. */
export type Data = Buffer | string | number

export type EventRow = [id: number, subject: string, data: Data, createdAt: number]
export type RequestRow = [id: string, subject: string, data: Data, createdAt: number]

/** What is published to this prefix and the id of a request is its reply. */
export const inboxPrefix = '_INBOX.'

/** created_at is in whole seconds. */
export function eventOf([id, subject, data, createdAt]: EventRow): Message {
  return new Message(subject, payloadOf(data), undefined, undefined, id, createdAt * 1000)
}

export function requestOf([id, subject, data, createdAt]: RequestRow): Message {
  return new Message(subject, payloadOf(data), undefined, inboxPrefix + id, undefined, createdAt * 1000)
}

export function payloadOf(data: Data): Uint8Array | string {
  return typeof data === 'number' ? String(data) : data
}

/** Always a blob: absent data would be NULL, which the tables refuse. */
export function blobOf(data: Uint8Array | string | undefined): Uint8Array {
  return typeof data === 'string' ? Buffer.from(data) : (data ?? new Uint8Array(0))
}
