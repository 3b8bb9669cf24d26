/** Where messages to publish come from: a pattern said again and again, lines, or records. All in batches. */

import {directivesAsData, directivesRestored} from '../../core/directives.ts'
import {BusError} from '../../core/errors.ts'
import {type Headers, noHeaders, type Outgoing} from '../../core/message.ts'
import {parseRecord, type Recorded} from '../../core/record.ts'
import {reworded} from '../../core/rewording.ts'
import {decode, type Encoding} from '../../core/text/encoding.ts'
import type {TextLine} from './lines.ts'
import type {Maker} from './template.ts'

/** Batches of messages; each message is made when it is its turn. */
export type MessageSource = AsyncIterable<Iterable<Outgoing>> | Iterable<Iterable<Outgoing>>

/** The line of the input that a message came from. */
export interface Numbered {
  readonly line: number
}

/** `count` messages, which may be without end. */
export function repeated(make: Maker, count: number): MessageSource {
  return [messages()]
  function* messages(): Generator<Outgoing> {
    for (let n = 0; n < count; n++) yield make()
  }
}

/** One message a line; all but the payload comes from `make`. `name` is the input's, for failures. */
export async function* fromLines(
  batches: AsyncIterable<readonly TextLine[]>,
  make: Maker,
  {encoding, name}: {readonly encoding?: Encoding | undefined; readonly name: string},
): AsyncGenerator<Iterable<Outgoing & Numbered>> {
  let line = 0
  for await (const batch of batches) yield messages(batch)
  function* messages(batch: readonly TextLine[]): Generator<Outgoing & Numbered> {
    for (const text of batch) {
      line++
      const data = encoding === undefined ? text : decode(String(text), encoding, `line ${line} of ${name}`)
      const {subject, headers, reply} = make()
      yield {subject, data, headers, reply, line}
    }
  }
}

export interface RecordSource {
  /** Of the input, for failures. */
  readonly name: string
  /** Added to each message. */
  readonly headers?: Headers | undefined
  /** Headers of the records that ask something of a store are carried out; otherwise they become data. */
  readonly obeyHeaders?: boolean | undefined
}

/** One message a record; blank lines are passed over. Fails with `usage`, naming the line. */
export async function* fromRecords(
  batches: AsyncIterable<readonly TextLine[]>,
  {name, headers: added = noHeaders, obeyHeaders}: RecordSource,
): AsyncGenerator<Iterable<Recorded & Numbered>> {
  let line = 0
  for await (const batch of batches) yield messages(batch)
  function* messages(batch: readonly TextLine[]): Generator<Recorded & Numbered> {
    for (const text of batch) {
      line++
      const record = recordOf(text, line, name)
      if (record === undefined) continue
      const {headers: own = noHeaders} = record
      const kept = obeyHeaders ? directivesRestored(own) : directivesAsData(own)
      yield kept === own && added.length === 0 ? record : {...record, headers: [...kept, ...added]}
    }
  }
}

function recordOf(text: TextLine, line: number, name: string): (Recorded & Numbered) | undefined {
  if (typeof text !== 'string') throw new BusError('usage', `line ${line} of ${name} is not UTF-8`, {data: {line}})
  const json = line === 1 && text.startsWith('\ufeff') ? text.slice(1) : text
  if (json.trim() === '') return undefined
  try {
    return Object.assign(parseRecord(json), {line})
  } catch (error) {
    if (!(error instanceof BusError)) throw error
    throw reworded(error, `line ${line} of ${name} ${error.message}`, {line})
  }
}
