/** Sources of messages to publish: a repeated pattern, lines, or records. All in batches. */

import {directivesAsData, directivesRestored} from '../../core/directives.ts'
import {BusError} from '../../core/errors.ts'
import {type Headers, noHeaders, type Outgoing} from '../../core/message.ts'
import {parseRecord, type Recorded} from '../../core/record.ts'
import {reworded} from '../../core/rewording.ts'
import {decode, type Encoding} from '../../core/text/encoding.ts'
import type {TextLine} from './lines.ts'
import type {Maker} from './template.ts'

/** Batches of messages; each message is created when it is due. */
export type MessageSource = AsyncIterable<Iterable<Outgoing>> | Iterable<Iterable<Outgoing>>

/** The line of the input from which a message was made. */
export interface Numbered {
  readonly line: number
}

/** `count` messages, which may be infinite. */
export function repeated(make: Maker, count: number): MessageSource {
  return [messages()]
  function* messages(): Generator<Outgoing> {
    for (let n = 0; n < count; n++) yield make()
  }
}

/** One message per line; everything except the payload comes from `make`. `name` is the name of the input in errors. */
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
  /** The name of the input in errors. */
  readonly name: string
  /** Added to each message. */
  readonly headers?: Headers | undefined
  /** Keep headers that a store would act on unchanged; otherwise they become data. */
  readonly obeyHeaders?: boolean | undefined
}

/** One message per record; blank lines are skipped. Fails with `usage` and the line number. */
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
