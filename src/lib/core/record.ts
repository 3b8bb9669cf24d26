/**
 * Records: a message as one line of JSON, and back without losing a byte. The payload is `json` if it is JSON, so that `jq` and
 * people can read it; `text` if it is not JSON or if JavaScript's compact form differs from the bytes (white space, 1.0,
 * repeated keys); `base64` if it is not UTF-8. Reading uses the most exact of them.
 */

import {BusError} from './errors.ts'
import {checkHeader, type Headers, type Message, type Outgoing, sizeOf} from './message.ts'
import {checkSubject} from './subject.ts'
import {isSurelyCompact} from './text/compact-json.ts'
import {decode, toBase64, utf8Text} from './text/encoding.ts'
import {compactJson, isObject, looksLikeJson, parseExact} from './text/json-text.ts'
import {isoClock, parseTime} from './time/timestamp.ts'

/** The content of a record: a message to publish, and when it was first sent (Unix milliseconds). */
export interface Recorded extends Outgoing {
  readonly timeMs: number | undefined
}

/** Which parts of a message a record contains. */
export interface RecordOptions {
  /** Omits the payload and gives its size as `bytes`. */
  readonly headersOnly?: boolean | undefined
}

/** Writes records: message in, one line out, without its newline. Create one writer per stream of messages, because it caches. */
export function recordWriter(options: RecordOptions = {}): (message: Message) => string {
  const iso = isoClock()
  let subject: string | undefined
  let head = ''
  return (message) => {
    if (message.subject !== subject) {
      subject = message.subject
      head = `{"subject":${JSON.stringify(subject)}`
    }
    let line = head
    if (message.seq !== undefined) line += `,"seq":${message.seq}`
    const time = iso(message.time)
    if (time !== undefined) line += `,"time":"${time}"`
    if (message.deliveries !== undefined) line += `,"deliveries":${message.deliveries}`
    if (message.reply !== undefined) line += `,"reply":${JSON.stringify(message.reply)}`
    if (message.headers.length > 0) line += `,"headers":${headersJson(message.headers)}`
    return `${line}${options.headersOnly ? `,"bytes":${sizeOf(message.payload)}` : payloadJson(message.payload)}}`
  }
}

/** Parses one record. Throws `usage` with the reason, even for a member that no record has. */
export function parseRecord(line: string): Recorded {
  const record = recordObject(line)
  checkMembers(record)
  const {subject, reply, headers, time} = record
  if (typeof subject !== 'string')
    throw bad(subject === undefined ? 'has no "subject"' : 'has a "subject" that is not a string')
  if (reply !== undefined && reply !== null && typeof reply !== 'string')
    throw bad('has a "reply" that is not a string')
  return {
    subject: checkSubject(subject),
    data: recordPayload(record, line),
    reply: reply ? checkSubject(reply) : undefined,
    headers: headers === undefined || headers === null ? undefined : recordHeaders(headers),
    timeMs: time === undefined || time === null ? undefined : timeOf(time),
  }
}

/** Milliseconds as in records and results, rounded to microseconds. */
export function roundedMs(ms: number): number {
  return Math.round(ms * 1000) / 1000
}

/** The members of a record for a payload: `,"json":…`, `,"text":…` or `,"base64":…`. */
export function payloadJson(payload: string | Uint8Array): string {
  const text = utf8Text(payload)
  if (text === undefined) return `,"base64":"${toBase64(payload)}"`
  if (isSurelyCompact(text)) return `,"json":${text}`
  const compact = looksLikeJson(text) ? inCompactForm(text) : undefined
  if (compact === undefined) return `,"text":${JSON.stringify(text)}`
  return compact === text ? `,"json":${text}` : `,"json":${compactJson(text)},"text":${JSON.stringify(text)}`
}

/** JavaScript's own form of a JSON text; undefined if it is not JSON or is nested too deeply to be written. */
function inCompactForm(text: string): string | undefined {
  try {
    return JSON.stringify(JSON.parse(text))
  } catch {
    // It is written as text.
    return undefined
  }
}

/** Names that cannot be keys: numbers come first, and V8 may take an escaped key of one character for another such key. */
const noKey = /^(?:\d+|__proto__|["\\])$/

/** An object in the order of the headers, or pairs if an object would lose the order or a name. */
export function headersJson(headers: Headers): string {
  const values = new Map<string, string[]>()
  let last: string | undefined
  for (const [name, value] of headers) {
    const earlier = values.get(name)
    if (noKey.test(name) || (earlier !== undefined && name !== last)) return JSON.stringify(headers)
    if (earlier === undefined) values.set(name, [value])
    else earlier.push(value)
    last = name
  }
  const members = [...values].map(
    ([name, all]) => `${JSON.stringify(name)}:${JSON.stringify(all.length === 1 ? all[0] : all)}`,
  )
  return `{${members.join(',')}}`
}

/** Throws `usage` with the reason if the line is not a JSON object. */
export function recordObject(line: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (cause) {
    throw new BusError('usage', `is not JSON: ${(cause as Error).message}`, {cause, try: hints})
  }
  if (isObject(value)) return value
  throw bad('is not a JSON object')
}

/** The members of records, and those that commands add to them in their JSON output. */
const members = [
  ...['subject', 'reply', 'headers', 'json', 'text', 'base64', 'time', 'seq', 'deliveries', 'bytes'],
  ...['ms', 'replyBytes', 'error', 'responseStream', 'frame', 'frames', 'close', 'left'],
]
const payloads = ['json', 'text', 'base64']

/** An ignored member may be the payload or the headers under another name, which would be lost. */
function checkMembers(record: Record<string, unknown>): void {
  const names = Object.keys(record)
  const unknown = names.find((name) => !members.includes(name))
  if (unknown !== undefined) {
    const shown = JSON.stringify(unknown.slice(0, 80))
    const meant = members.find((name) => name.replace(/s$/, '') === unknown.toLowerCase().replace(/s$/, ''))
    const hint = meant === undefined ? 'the payload is "json", "text" or "base64"' : `write "${meant}"`
    throw new BusError('usage', `has a member that records do not have: ${shown}`, {try: [hint, ...hints]})
  }
  if ('bytes' in record && !names.some((name) => payloads.includes(name)))
    throw new BusError('usage', 'has no payload, only its size: it was written with --headers-only')
}

/** The payload of a record, of which `line` is the text. Throws `usage`. */
export function recordPayload(record: Record<string, unknown>, line: string): string | Uint8Array {
  const {base64, text} = record
  if (base64 !== undefined) {
    if (typeof base64 !== 'string') throw bad('has a "base64" that is not a string')
    return decode(base64, 'base64', 'has a "base64" that')
  }
  if (text !== undefined) {
    if (typeof text !== 'string') throw bad('has a "text" that is not a string')
    return text
  }
  return 'json' in record ? jsonSource(record['json'], line) : ''
}

/** The compact form of the `json` member with its numbers as in the line: JavaScript would round 12345678901234567890. */
function jsonSource(value: unknown, line: string): string {
  try {
    const compact = JSON.stringify(value)
    if (line.endsWith(`"json":${compact}}`)) return compact
    return JSON.stringify((parseExact(line) as Record<string, unknown>)['json'])
  } catch (cause) {
    throw new BusError('usage', 'has a "json" that is nested too deeply', {cause, try: ['give it as "text"']})
  }
}

/** The headers of a record. Throws `usage`. */
export function recordHeaders(headers: unknown): Headers {
  if (!Array.isArray(headers) && !isObject(headers)) throw bad('has "headers" that are neither an object nor pairs')
  const pairs: unknown[] = Array.isArray(headers)
    ? headers
    : Object.entries(headers).flatMap(([name, value]) => [value].flat().map((one) => [name, one]))
  return pairs.map((pair) => {
    const [name, value] = Array.isArray(pair) && pair.length === 2 ? pair : []
    if (typeof name === 'string' && typeof value === 'string') return checkHeader(name, value)
    throw bad(`has a header that is not a string: ${JSON.stringify(pair).slice(0, 80)}`)
  })
}

function timeOf(time: unknown): number {
  const timeMs = typeof time === 'string' ? parseTime(time) : Number.NaN
  if (!Number.isNaN(timeMs)) return timeMs
  throw bad(`has a "time" that is not ISO 8601: ${JSON.stringify(time).slice(0, 80)}`)
}

const hints = ['a record is a line such as {"subject":"a.b","json":{"n":1}}', 'bus sub --json writes them']

function bad(what: string): BusError {
  return new BusError('usage', what, {try: hints})
}
