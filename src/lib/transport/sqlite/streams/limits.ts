/**
 * Removes messages from a stream: the oldest if it exceeds a limit, those that are too old, those that are purged. A message
 * leaves when `stream.first` or `held.first` moves past it. Its row stays until retention gets to it, so that a slightly late
 * subscriber still gets it, or is deleted immediately if retention has already passed it. Everything runs within a write
 * transaction, in chunks.
 */
import type {Db} from '../db.ts'
import {countRemoved} from '../unused-names.ts'
import type {Catalogue, KeptStream, State} from './catalogue.ts'

const chunk = 10_000

/** The oldest message that may have to be removed, and the totals removed before it. */
export interface Oldest {
  readonly seq: number
  readonly ts: number
  readonly removed: number
  readonly bytes: number
}

type Row = [seq: number, sid: number, ts: number, size: number]

interface Removed {
  messages: number
  bytes: number
}

export class Limits {
  readonly #db: Db
  readonly #catalogue: Catalogue
  #prepared: ReturnType<typeof prepare> | undefined
  readonly #oldest = new Map<string, ReturnType<typeof selectOldest>>()

  constructor(db: Db, catalogue: Catalogue) {
    this.#db = db
    this.#catalogue = catalogue
  }

  get #statements() {
    this.#prepared ??= prepare(this.#db)
    return this.#prepared
  }

  write(stream: KeptStream, state: State): void {
    const {first, last, ts, mid, stored, messages, bytes, holes} = state
    this.#statements.write.run(first, last, ts, mid, stored, messages, bytes, holes, stream.id)
  }

  /** Enforces the limits of the stream for all messages together. */
  enforce(stream: KeptStream): void {
    const {maxMsgs = Infinity, maxBytes = Infinity} = stream.config
    if (maxMsgs === Infinity && maxBytes === Infinity) return
    const {messages, bytes} = this.#catalogue.state(stream)
    if (messages <= maxMsgs && bytes <= maxBytes) return
    this.remove(stream, (oldest) => messages - oldest.removed > maxMsgs || bytes - oldest.bytes > maxBytes, {
      most: Infinity,
    })
  }

  /** Enforces the stream's limit per subject for one subject. */
  keepLast(stream: KeptStream, sid: number, most: number): void {
    const messages = (this.#statements.messagesOf.get(sid) as number | undefined) ?? 0
    if (messages <= most) return
    const rows = this.#statements.excess.all(sid, messages - most) as Row[]
    const last = rows.at(-1)?.[0] ?? 0
    const bytes = rows.reduce((sum, row) => sum + row[3], 0)
    this.#deleteRows(rows)
    this.#statements.unkeep.run(sid, last)
    this.#statements.uncount.get(rows.length, bytes, last + 1, sid)
    const state = this.#catalogue.state(stream)
    this.write(stream, {
      ...state,
      messages: state.messages - rows.length,
      bytes: state.bytes - bytes,
      holes: 1,
    })
  }

  /** Whether something is too old. Only reads. */
  hasExpired(stream: KeptStream, now: number): boolean {
    const {maxAgeMs} = stream.config
    if (maxAgeMs === undefined) return false
    const {first, last, messages} = this.#catalogue.state(stream)
    if (messages === 0 || first > last) return false
    const ts = this.#statements.oldestTime.get(first)
    return typeof ts === 'number' && ts < (now - maxAgeMs) * 1000
  }

  /** Removes a chunk of messages that are too old; true if no more are. */
  expire(stream: KeptStream, now: number): boolean {
    const {maxAgeMs} = stream.config
    if (maxAgeMs === undefined) return true
    return this.remove(stream, ({ts}) => ts < (now - maxAgeMs) * 1000).isDone
  }

  /** Removes everything at once. Returns the number of messages. */
  removeAll(stream: KeptStream): number {
    const state = this.#catalogue.state(stream)
    this.#db.prepare('DELETE FROM kept WHERE sid IN (SELECT sid FROM held WHERE stream = ?)').run(stream.id)
    this.#db.prepare('DELETE FROM held WHERE stream = ?').run(stream.id)
    this.write(stream, {...state, first: Math.max(state.first, state.last + 1), messages: 0, bytes: 0})
    this.leaveToRetention(state.first)
    return state.messages
  }

  /** Makes retention check everything from here on again. */
  leaveToRetention(first: number): void {
    this.#statements.prunedBack.run(first - 1)
  }

  /**
   * Removes the oldest messages while they are due: of all subjects, or of those in a temporary table, before a sequence. Ends
   * at the first message that is not due.
   */
  remove(
    stream: KeptStream,
    isDue: (oldest: Oldest) => boolean,
    which: {readonly subjects?: string | undefined; readonly most?: number | undefined} = {},
  ): {removed: number; isDone: boolean} {
    const {subjects, most = chunk} = which
    const state = this.#catalogue.state(stream)
    const rows: Row[] = []
    let bytes = 0
    let isDone = true
    let next = state.last + 1
    for (const row of this.#select(subjects).iterate(state.first, state.last, stream.id) as Iterable<Row>) {
      const [seq, , ts, size] = row
      if (rows.length >= most || !isDue({seq, ts, removed: rows.length, bytes})) {
        isDone = rows.length < most
        next = seq
        break
      }
      rows.push(row)
      bytes += size
    }
    const first = subjects === undefined ? next : state.first
    const holes = subjects === undefined || rows.length === 0 ? state.holes : 1
    if (rows.length === 0 && first === state.first) return {removed: 0, isDone}
    this.#uncount(stream, rows, subjects === undefined ? 0 : (rows.at(-1)?.[0] ?? 0) + 1)
    this.write(stream, {...state, first, holes, messages: state.messages - rows.length, bytes: state.bytes - bytes})
    this.#deleteRows(rows)
    return {removed: rows.length, isDone}
  }

  #uncount(stream: KeptStream, rows: readonly Row[], first: number): void {
    const bySubject = new Map<number, Removed>()
    for (const [seq, sid, , size] of rows) {
      const removed = bySubject.get(sid)
      if (removed === undefined) bySubject.set(sid, {messages: 1, bytes: size})
      else {
        removed.messages++
        removed.bytes += size
      }
      if (stream.config.maxMsgsPerSubject !== undefined) this.#statements.unkeep.run(sid, seq)
    }
    let forgotten = 0
    for (const [sid, {messages, bytes}] of bySubject) {
      const left = this.#statements.uncount.get(messages, bytes, first, sid) as {messages: number} | undefined
      if (left?.messages !== 0) continue
      this.#statements.forget.run(sid)
      forgotten++
    }
    countRemoved(this.#db, forgotten)
  }

  /** Deletes rows that retention has already passed, because nobody else would. The newest row is never among them. */
  #deleteRows(rows: readonly Row[]): void {
    const pruned = this.#statements.pruned.get() as number
    for (const [seq] of rows) {
      if (seq > pruned) return
      this.#statements.deleteRow.run(seq)
    }
  }

  #select(subjects = '') {
    let statement = this.#oldest.get(subjects)
    if (statement === undefined) {
      statement = selectOldest(this.#db, subjects)
      this.#oldest.set(subjects, statement)
    }
    return statement
  }
}

function selectOldest(db: Db, subjects: string) {
  return db
    .prepare<[first: number, last: number, stream: number]>(
      `SELECT m.seq, m.sid, m.ts, ifnull(octet_length(m.data), 0) + ifnull(octet_length(m.hdr), 0) + h.width
       FROM msg m CROSS JOIN held h ON h.sid = m.sid
       WHERE m.seq >= +? AND m.seq <= +? AND h.stream = +? AND m.seq >= h.first
       ${subjects === '' ? '' : `AND m.sid IN temp.${subjects}`} ORDER BY m.seq`,
    )
    .raw()
}

/** Called only if there is a stream, so that a file without streams costs nothing. */
function prepare(db: Db) {
  return {
    write: db.prepare(
      'UPDATE stream SET first = ?, last = ?, ts = ?, mid = ?, stored = ?, messages = ?, bytes = ?, holes = ? WHERE id = ?',
    ),
    uncount: db.prepare(
      'UPDATE held SET messages = messages - ?, bytes = bytes - ?, first = max(first, ?) WHERE sid = ? RETURNING messages',
    ),
    forget: db.prepare('DELETE FROM held WHERE sid = ?'),
    messagesOf: db.prepare('SELECT messages FROM held WHERE sid = ?').pluck(),
    excess: db
      .prepare(
        `SELECT k.seq, k.sid, 0, ifnull(octet_length(m.data), 0) + ifnull(octet_length(m.hdr), 0) + h.width
           FROM kept k JOIN msg m ON m.seq = k.seq JOIN held h ON h.sid = k.sid WHERE k.sid = +? ORDER BY k.seq LIMIT +?`,
      )
      .raw(),
    unkeep: db.prepare('DELETE FROM kept WHERE sid = ? AND seq <= ?'),
    deleteRow: db.prepare('DELETE FROM msg WHERE seq = ?'),
    pruned: db.prepare("SELECT v FROM meta WHERE k = 'pruned'").pluck(),
    prunedBack: db.prepare("UPDATE meta SET v = min(v, ?) WHERE k = 'pruned'"),
    oldestTime: db.prepare('SELECT ts FROM msg WHERE seq >= +? ORDER BY seq LIMIT 1').pluck(),
  }
}
