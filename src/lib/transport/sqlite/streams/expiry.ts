/**
 * Messages with a TTL. Each has a row in `expiry`, with the time in Unix milliseconds after which no reader gets the message.
 * The next process that uses the stream removes it. The table exists in files with a stream that allows TTLs.
 */
import type {Db} from '../db.ts'
import {rowSize, type SizedRow} from '../rows.ts'
import type {KeptStream} from './catalogue.ts'

/** The time of a message that never expires, not even at the maximum age of its stream. */
const never = Number.MAX_SAFE_INTEGER

/** Messages that are removed in one transaction. */
const step = 1000

/** SQL: whether a row `m` of the log has not expired. */
export const isUnexpired =
  "NOT EXISTS (SELECT 1 FROM expiry e WHERE e.seq = m.seq AND e.at <= unixepoch('now', 'subsec') * 1000)"

export class Expiry {
  readonly #statements

  constructor(db: Db) {
    const members = `FROM msg m JOIN held h ON h.sid = m.sid
                     WHERE m.seq >= +? AND m.seq < +? AND h.stream = +? AND m.seq >= h.first
                       AND NOT EXISTS (SELECT 1 FROM expiry e WHERE e.seq = m.seq AND e.at = ${never})`
    this.#statements = {
      set: db.prepare('INSERT OR REPLACE INTO expiry(seq, stream, at) VALUES (?, ?, ?)'),
      hasDue: db.prepare('SELECT EXISTS (SELECT 1 FROM expiry WHERE stream = ? AND at <= ?)').pluck(),
      due: db
        .prepare(
          `SELECT m.seq, m.sid, ${rowSize} FROM expiry e JOIN msg m ON m.seq = e.seq JOIN held h ON h.sid = m.sid
           JOIN stream t ON t.id = h.stream
           WHERE e.stream = +? AND e.at <= +? AND h.stream = e.stream AND m.seq >= h.first AND m.seq >= t.first
           ORDER BY m.seq LIMIT ${step}`,
        )
        .raw(),
      forget: db.prepare('DELETE FROM expiry WHERE stream = ? AND (at <= ? OR seq < ?)'),
      forgetOne: db.prepare('DELETE FROM expiry WHERE seq = ?'),
      aged: db.prepare(`SELECT m.seq, m.sid, ${rowSize} ${members} ORDER BY m.seq LIMIT ${step}`).raw(),
      hasAged: db.prepare(`SELECT EXISTS (SELECT 1 ${members})`).pluck(),
      isMarker: db.prepare(`SELECT hdr LIKE '%"Nats-Marker-Reason"%' FROM msg WHERE seq = ?`).pluck(),
    }
  }

  /** Within a write transaction: the message expires at this time, in Unix milliseconds. */
  set(seq: number, stream: KeptStream, at: number): void {
    this.#statements.set.run(seq, stream.id, Math.min(at, never))
  }

  hasDue({id}: KeptStream, now: number): boolean {
    return this.#statements.hasDue.get(id, now) === 1
  }

  /** The first messages whose TTL is over. */
  due({id}: KeptStream, now: number): SizedRow[] {
    return this.#statements.due.all(id, now) as SizedRow[]
  }

  /** The first messages between two sequences that expire at the maximum age of the stream. */
  aged({id}: KeptStream, from: number, before: number): SizedRow[] {
    return this.#statements.aged.all(from, before, id) as SizedRow[]
  }

  hasAged({id}: KeptStream, from: number, before: number): boolean {
    return this.#statements.hasAged.get(from, before, id) === 1
  }

  /** Within a write transaction: forgets messages that were removed. */
  forget(rows: readonly SizedRow[]): void {
    for (const [seq] of rows) this.#statements.forgetOne.run(seq)
  }

  /** Within a write transaction: forgets the messages that are due, and those before this sequence. All of them were removed. */
  forgetBefore({id}: KeptStream, now: number, first: number): void {
    this.#statements.forget.run(id, now, first)
  }

  /** Whether a message is a marker. No other marker replaces it when it expires. */
  isMarker(seq: number): boolean {
    return this.#statements.isMarker.get(seq) === 1
  }
}
