/** Entries as lines of JSON: what `bus kv` prints and exports, and what `kv import` reads. */
import {BusError} from '../../core/errors.ts'
import {type Headers, noHeaders, type Outgoing} from '../../core/message.ts'
import {headersJson, payloadJson, recordHeaders, recordObject, recordPayload} from '../../core/record.ts'
import {reworded} from '../../core/rewording.ts'
import {isoClock} from '../../core/time/timestamp.ts'
import type {TextLine} from '../pubsub/lines.ts'
import type {KvEntry, KvOperation} from './entry.ts'
import {checkKey} from './names.ts'

/** Writes entries of a bucket: one line each, without its newline. */
export function entryWriter(bucket: string): (entry: KvEntry) => string {
  const iso = isoClock()
  const head = `{"bucket":${JSON.stringify(bucket)},"key":`
  return (entry) => {
    const {key, revision, operation, headers, message} = entry
    const time = iso(message.time)
    const at = time === undefined ? '' : `,"time":"${time}"`
    const more = headers.length === 0 ? '' : `,"headers":${headersJson(headers)}`
    const value = operation === 'put' ? payloadJson(message.payload) : ''
    return `${head}${JSON.stringify(key)},"revision":${revision}${at},"operation":"${operation}"${more}${value}}`
  }
}

/** A change to make. */
export interface KvChange {
  readonly key: string
  readonly operation: KvOperation
  readonly value: Outgoing['data']
  readonly headers: Headers
  readonly line: number
}

const members = ['bucket', 'key', 'revision', 'time', 'operation', 'headers', 'json', 'text', 'base64']
const hints = ['a line such as {"key":"log.level","text":"info"}', 'bus kv export writes them']

/** One change per line; blank lines are skipped. Fails with `usage` and the line number. */
export async function* parseEntries(
  batches: AsyncIterable<readonly TextLine[]>,
  name: string,
): AsyncGenerator<readonly KvChange[]> {
  let number = 0
  for await (const batch of batches) {
    const changes: KvChange[] = []
    for (const line of batch) {
      const change = changeOf(line, ++number, name)
      if (change !== undefined) changes.push(change)
    }
    yield changes
  }
}

function changeOf(text: TextLine, line: number, name: string): KvChange | undefined {
  if (typeof text !== 'string') throw new BusError('usage', `line ${line} of ${name} is not UTF-8`, {data: {line}})
  const json = line === 1 && text.startsWith('\ufeff') ? text.slice(1) : text
  if (json.trim() === '') return undefined
  try {
    return {...parseEntry(json), line}
  } catch (error) {
    if (!(error instanceof BusError)) throw error
    const said = new BusError(error.kind, error.message, {cause: error.cause, try: hints})
    throw reworded(said, `line ${line} of ${name} ${error.message}`, {line})
  }
}

function parseEntry(line: string): Omit<KvChange, 'line'> {
  const entry = recordObject(line)
  const unknown = Object.keys(entry).find((name) => !members.includes(name))
  if (unknown !== undefined) throw bad(`has a member that entries do not have: ${JSON.stringify(unknown.slice(0, 80))}`)
  const {key, operation = 'put', headers} = entry
  if (typeof key !== 'string') throw bad(key === undefined ? 'has no "key"' : 'has a "key" that is not a string')
  if (operation !== 'put' && operation !== 'del' && operation !== 'purge')
    throw bad('has an "operation" that is not put, del or purge')
  const hasValue = ['json', 'text', 'base64'].some((name) => name in entry)
  if (operation === 'put' && !hasValue) throw bad('has no value: "json", "text" or "base64"')
  return {
    key: keyIn(key),
    operation,
    value: operation === 'put' ? recordPayload(entry, line) : undefined,
    headers: headers === undefined || headers === null ? noHeaders : recordHeaders(headers),
  }
}

function keyIn(key: string): string {
  try {
    return checkKey(key)
  } catch (error) {
    if (!(error instanceof BusError)) throw error
    throw bad(`has a key that is not valid: ${error.message}`)
  }
}

function bad(what: string): BusError {
  return new BusError('usage', what)
}
