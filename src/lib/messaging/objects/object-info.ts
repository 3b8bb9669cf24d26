/** The metadata of an object (ADR-20): a message of JSON, which other clients read and write. */
import {BusError} from '../../core/errors.ts'
import {type Headers, headersByName, type Message} from '../../core/message.ts'
import {isObject, objectIn} from '../../core/text/json-text.ts'
import {isoTime} from '../../core/time/timestamp.ts'

export interface ObjectInfo {
  readonly bucket: string
  readonly name: string
  readonly description?: string | undefined
  readonly headers: Headers
  readonly metadata: Readonly<Record<string, string>>
  /** The last token of the subject of its chunks. */
  readonly nuid: string
  readonly size: number
  readonly chunks: number
  /** `SHA-256=` and the digest in base64url; empty for a deleted object and a link. */
  readonly digest: string
  /** Unix milliseconds. */
  readonly time: number
  readonly deleted: boolean
  /** The sequence of the metadata. */
  readonly revision: number
  readonly chunkSize?: number | undefined
  /** A link to this object, or without a name, to this bucket. */
  readonly link?: {readonly bucket: string; readonly name?: string | undefined} | undefined
}

/** What an object has besides its content. */
export type ObjectMeta = Pick<ObjectInfo, 'name' | 'description' | 'headers' | 'metadata'>

/** Reads the metadata. Fails with `remote` if another client wrote something else. */
export function parseObjectInfo(message: Message): ObjectInfo {
  const json = objectIn(message.text)
  const {name, bucket, nuid = '', size = 0, chunks = 0, digest = '', description, options} = json ?? {}
  const isText = [name, bucket, nuid, digest].every((value) => typeof value === 'string')
  if (json === undefined || !isText || !isCount(size) || !isCount(chunks))
    throw new BusError('remote', `the message #${message.seq} of ${message.subject} is not the metadata of an object`)
  const {link, max_chunk_size: chunkSize} = isObject(options) ? options : {}
  return {
    bucket: String(bucket),
    name: String(name),
    ...(typeof description === 'string' && description !== '' && {description}),
    headers: headerLines(json['headers']),
    metadata: texts(json['metadata']),
    // A pattern would match the chunks of other objects.
    nuid: /^[\w-]*$/.test(String(nuid)) ? String(nuid) : '',
    size,
    chunks,
    digest: String(digest),
    time: message.time,
    deleted: json['deleted'] === true,
    revision: message.seq ?? 0,
    ...(isCount(chunkSize) && {chunkSize}),
    ...(isObject(link) && {link: linkOf(link)}),
  }
}

/** The JSON of the metadata. */
export function objectInfoJson(info: Omit<ObjectInfo, 'revision'>): string {
  const {name, description, headers, metadata, bucket, nuid, size, time, chunks, digest, deleted, chunkSize} = info
  const lists = Object.entries(headersByName(headers)).map(([name, values]) => [name, [values].flat()])
  return JSON.stringify({
    name,
    ...(description !== undefined && {description}),
    ...(headers.length > 0 && {headers: Object.fromEntries(lists)}),
    ...(Object.keys(metadata).length > 0 && {metadata}),
    ...(chunkSize !== undefined && {options: {max_chunk_size: chunkSize}}),
    bucket,
    nuid,
    size,
    mtime: isoTime(time),
    chunks,
    digest,
    ...(deleted && {deleted}),
  })
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function linkOf({bucket, name}: Record<string, unknown>): ObjectInfo['link'] {
  return {bucket: String(bucket), ...(typeof name === 'string' && name !== '' && {name})}
}

function headerLines(headers: unknown): Headers {
  if (!isObject(headers)) return []
  return Object.entries(headers).flatMap(([name, values]) =>
    [values].flat().flatMap((value) => (typeof value === 'string' ? [[name, value] as const] : [])),
  )
}

function texts(values: unknown): Record<string, string> {
  if (!isObject(values)) return {}
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) => (typeof value === 'string' ? [[name, value]] : [])),
  )
}
