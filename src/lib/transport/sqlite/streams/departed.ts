/**
 * Messages that left a stream while their rows stay until retention gets to them. Only their number per range of sequences is
 * known, in `meta`: while retention is within the range, the rest is estimated from how far it got.
 */
import type {Db} from '../db.ts'
import {isWhole} from '../rows.ts'
import {storedObject} from '../stored-json.ts'

/** Messages with sequences from `from` on and before `before`. Bytes as the stream counts them. */
export interface Departed {
  readonly from: number
  readonly before: number
  readonly messages: number
  readonly bytes: number
}

const departedChecks = {from: isWhole, before: isWhole, messages: isWhole, bytes: isWhole}

/** Both together. */
export function joined(a: Departed | undefined, b: Departed): Departed {
  if (a === undefined || a.messages === 0) return b
  if (b.messages === 0) return a
  return {
    from: Math.min(a.from, b.from),
    before: Math.max(a.before, b.before),
    messages: a.messages + b.messages,
    bytes: a.bytes + b.bytes,
  }
}

/** The records of the streams of a file. */
export class DepartedMessages {
  readonly #find
  readonly #all
  readonly #set
  readonly #forget

  constructor(db: Db) {
    this.#find = db.prepare(
      "SELECT (SELECT v FROM meta WHERE k = 'departed.' || ?) AS record, (SELECT v FROM meta WHERE k = 'pruned') AS pruned",
    )
    this.#all = db
      .prepare("SELECT CAST(substr(k, 10) AS INTEGER) FROM meta WHERE k > 'departed.' AND k < 'departed/'")
      .pluck()
    this.#set = db.prepare("INSERT OR REPLACE INTO meta VALUES ('departed.' || ?, ?)")
    this.#forget = db.prepare("DELETE FROM meta WHERE k = 'departed.' || ?")
  }

  /** The messages of the stream with this number whose rows are still there, estimated; undefined if there are none. */
  of(stream: number): Departed | undefined {
    const {record, pruned} = this.#find.get(stream) as {record: string | null; pruned: number}
    if (record === null) return undefined
    const all = storedObject<Departed>(record, departedChecks, 'the record of removed messages')
    const from = Math.max(all.from, pruned + 1)
    if (from >= all.before) return undefined
    const part = (all.before - from) / (all.before - all.from)
    return {...all, from, messages: Math.ceil(all.messages * part), bytes: Math.ceil(all.bytes * part)}
  }

  /** Within a write transaction, before retention is moved back: writes down how far it got. */
  settle(): void {
    for (const stream of this.#all.all() as number[]) {
      const rest = this.of(stream)
      if (rest === undefined) this.forget(stream)
      else this.#set.run(stream, JSON.stringify(rest))
    }
  }

  /** Within a write transaction. */
  add(stream: number, departed: Departed): void {
    if (departed.messages > 0) this.#set.run(stream, JSON.stringify(joined(this.of(stream), departed)))
  }

  /** Within a write transaction: the stream is removed. */
  forget(stream: number): void {
    this.#forget.run(stream)
  }
}
