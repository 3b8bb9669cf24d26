/**
 * Removes messages from a stream: the oldest if it exceeds a limit, those that are too old, those that are purged. A message
 * leaves when `stream.first` or `held.first` moves past it. Its row stays until retention gets to it, so that a slightly late
 * subscriber still gets it; of a small range, rows that retention has passed are deleted immediately. Counters are exact, so
 * rows have to be counted: those that stay, if they are few, otherwise those that leave, a chunk per transaction.
 */
import {markerHeaders} from '../../shared/expectations.ts'
import type {Db} from '../db.ts'
import {rowSize, type SizedRow} from '../rows.ts'
import {countRemoved} from '../unused-names.ts'
import type {Catalogue, KeptStream, State} from './catalogue.ts'
import {type Departed, DepartedMessages, joined} from './departed.ts'
import {Expiry} from './expiry.ts'
import {findByTime} from './times.ts'

/** Messages of the log in which one step removes those of a stream, and what they may have in bytes, about. */
const chunk = 20_000
const chunkBytes = 16 * 1024 * 1024
/** Sequences that may follow what is removed in one step. */
const fewFollow = 100_000

/** The messages of a subject within a range. */
type Count = [sid: number, messages: number, bytes: number, last: number]
/** With the other columns of its row of `held`. */
type HeldCount = [...Count, first: number, width: number]

/** Messages before a sequence. */
export interface RemovalRange {
  readonly before: number
  /** Where the previous step ended. */
  readonly from?: number | undefined
  /** A temporary table of subjects; all if undefined. */
  readonly subjects?: string | undefined
  /** Their newest message when the removal began. */
  readonly newest?: number | undefined
}

/** One step of a removal; without `next` it was the last. */
export interface Removal {
  readonly removed: number
  readonly next?: number
}

export class Limits {
  readonly #db: Db
  readonly #catalogue: Catalogue
  #prepared: ReturnType<typeof prepare> | undefined
  #departed: DepartedMessages | undefined
  #expiry: Expiry | undefined
  readonly #ofSubjects = new Map<string, ReturnType<typeof prepareOf>>()

  constructor(db: Db, catalogue: Catalogue) {
    this.#db = db
    this.#catalogue = catalogue
  }

  get #statements() {
    this.#prepared ??= prepare(this.#db)
    return this.#prepared
  }

  /** The messages that left streams while their rows stay. */
  get departed(): DepartedMessages {
    this.#departed ??= new DepartedMessages(this.#db)
    return this.#departed
  }

  /** For streams that allow TTLs. */
  get expiry(): Expiry {
    this.#expiry ??= new Expiry(this.#db)
    return this.#expiry
  }

  write(stream: KeptStream, state: State): void {
    const {first, last, ts, mid, stored, messages, bytes, holes} = state
    this.#statements.write.run(first, last, ts, mid, stored, messages, bytes, holes, stream.id)
  }

  /** Enforces the limits of the stream for all messages together. */
  enforce(stream: KeptStream): void {
    const {maxMsgs = Infinity, maxBytes = Infinity} = stream.config
    if (maxMsgs === Infinity && maxBytes === Infinity) return
    const state = this.#catalogue.state(stream)
    let {messages, bytes} = state
    if (messages <= maxMsgs && bytes <= maxBytes) return
    const {oldest} = this.#statements
    const counts = new Map<number, Count>()
    let before = state.last + 1
    for (const [seq, sid, size] of oldest.iterate(state.first, state.last, stream.id) as Iterable<SizedRow>) {
      if (messages <= maxMsgs && bytes <= maxBytes) {
        before = seq
        break
      }
      const [, count, sum] = counts.get(sid) ?? [sid, 0, 0]
      counts.set(sid, [sid, count + 1, sum + size, seq])
      messages--
      bytes -= size
    }
    this.#removeRange(stream, state, {from: state.first, before}, counts.values())
  }

  /** Enforces the stream's limit per subject for all subjects. */
  keepLasts(stream: KeptStream): void {
    const {maxMsgsPerSubject: most} = stream.config
    if (most === undefined) return
    const exceeding = this.#db.prepare('SELECT sid FROM held WHERE stream = ? AND messages > ?').pluck()
    this.keepLastOf(stream, exceeding.all(stream.id, most) as number[], most)
  }

  /**
   * Removes one message from the stream and from the file; false if there is none. The newest row of the log stays, empty and
   * outside streams, because SQLite would assign its sequence again.
   */
  erase(stream: KeptStream, seq: number): boolean {
    const state = this.#catalogue.state(stream)
    const {one, overwrite, isNewest, deleteRow} = this.#statements
    const row = seq < state.first ? undefined : (one.get(seq, stream.id) as SizedRow | undefined)
    if (row === undefined) return false
    const [, sid, bytes] = row
    overwrite.run(seq)
    if (isNewest.get(seq) !== 1) deleteRow.run(seq)
    this.#statements.unkeepOne.run(sid, seq)
    this.#uncount([sid, 1, bytes, seq])
    this.write(stream, {...state, messages: state.messages - 1, bytes: state.bytes - bytes, holes: 1})
    return true
  }

  /**
   * Removes these messages, which are in order, anywhere in the stream. Their rows stay, like those of refused messages, until retention
   * removes them. Returns the subjects that have no message any more, each with the sequence of the last message that it had.
   */
  leave(stream: KeptStream, rows: readonly SizedRow[]): readonly (readonly [sid: number, last: number])[] {
    const [oldest] = rows
    if (oldest === undefined) return []
    const deleted = this.#deleteRows(rows)
    const counts = new Map<number, Count>()
    let bytes = 0
    for (const [i, [seq, sid, size]] of rows.entries()) {
      if (i >= deleted) this.#statements.putOutside.run(seq)
      if (stream.isKept) this.#statements.unkeepOne.run(sid, seq)
      const [, count, sum] = counts.get(sid) ?? [sid, 0, 0]
      counts.set(sid, [sid, count + 1, sum + size, seq])
      bytes += size
    }
    const emptied = [...counts.values()]
      .filter((count) => this.#uncount(count))
      .map((count) => [count[0], count[3]] as const)
    countRemoved(this.#db, emptied.length)
    const range = {from: oldest[0], before: (rows.at(-1)?.[0] ?? 0) + 1}
    this.departed.add(stream.id, left({...range, messages: rows.length, bytes}, deleted))
    this.#left(stream, oldest[0], rows.length, bytes)
    return emptied
  }

  /** Subtracts messages from the counters of their subject. True if it has no messages any more. */
  #uncount([sid, count, size, last]: Count): boolean {
    const {uncount, forget, lastOf, lastIs, before} = this.#statements
    const left = uncount.get(count, size, 0, sid) as {messages: number} | undefined
    if (left?.messages === 0) {
      forget.run(sid)
      return true
    }
    if (lastOf.get(sid) === last) lastIs.run((before.get(sid, last, sid) as number | undefined) ?? null, sid, last)
    return false
  }

  /** Writes the state after messages were removed, of which this was the oldest. */
  #left(stream: KeptStream, oldest: number, count: number, bytes: number): void {
    const state = this.#catalogue.state(stream)
    const messages = state.messages - count
    const next = (from: number, to: number) => this.#statements.next.get(from, to, stream.id) as number | undefined
    let {first, last} = state
    if (messages === 0) first = last + 1
    else if (next(first, oldest) === undefined) first = next(oldest, last) ?? first
    this.write(stream, {...state, first, messages, bytes: state.bytes - bytes, holes: messages === 0 ? 0 : 1})
  }

  /** Enforces the stream's limit per subject for these subjects. */
  keepLastOf(stream: KeptStream, subjects: Iterable<number>, most: number): void {
    let all: Departed | undefined
    for (const sid of subjects) {
      const departed = this.#keepLast(stream, sid, most)
      if (departed !== undefined) all = joined(all, departed)
    }
    if (all !== undefined) this.departed.add(stream.id, all)
  }

  /** Returns the messages whose rows stay. */
  #keepLast(stream: KeptStream, sid: number, most: number): Departed | undefined {
    const messages = (this.#statements.messagesOf.get(sid) as number | undefined) ?? 0
    if (messages <= most) return undefined
    const rows = this.#statements.excess.all(sid, messages - most) as SizedRow[]
    const last = rows.at(-1)?.[0] ?? 0
    const bytes = rows.reduce((sum, row) => sum + row[2], 0)
    const deleted = this.#deleteRows(rows)
    this.#statements.unkeep.run(sid, last)
    this.#statements.uncount.get(rows.length, bytes, last + 1, sid)
    const state = this.#catalogue.state(stream)
    this.write(stream, {
      ...state,
      messages: state.messages - rows.length,
      bytes: state.bytes - bytes,
      holes: 1,
    })
    return left({from: rows[0]?.[0] ?? 0, before: last + 1, messages: rows.length, bytes}, deleted)
  }

  /** Removes all messages of a subject, and returns their number and size. The state of the stream is not written. */
  dropSubject(stream: KeptStream, sid: number): {readonly messages: number; readonly bytes: number} {
    const row = (this.#statements.sizeOf.get(sid) ?? [0, 0, 0, 0]) as [number, number, number, number]
    const [messages, bytes, from, last] = row
    const {changes} = this.#statements.deleteKept.run(sid, this.#statements.pruned.get() as number)
    this.departed.add(stream.id, left({from, before: last + 1, messages, bytes}, changes))
    this.#statements.unkeep.run(sid, Number.MAX_SAFE_INTEGER)
    this.#statements.forget.run(sid)
    return {messages, bytes}
  }

  /** Removes all messages. The state of the stream is not written. */
  dropAll(stream: KeptStream, {first, last, messages, bytes}: State): void {
    const pruned = this.#statements.pruned.get() as number
    let deleted = 0
    if (pruned - first > chunk) this.leaveToRetention(first)
    else if (pruned >= first) deleted = this.#of(undefined).deleteRange.run(first, pruned, stream.id).changes
    this.departed.add(stream.id, left({from: first, before: last + 1, messages, bytes}, deleted))
    this.#catalogue.forgetSubjects(stream)
  }

  /** Whether a message is too old, or its TTL is over. Only reads. */
  hasExpired(stream: KeptStream, now: number): boolean {
    const {maxAgeMs, allowTtl} = stream.config
    if (allowTtl && this.expiry.hasDue(stream, now)) return true
    if (maxAgeMs === undefined) return false
    const state = this.#catalogue.state(stream)
    const {first, last, messages} = state
    if (messages === 0 || first > last) return false
    const ts = this.#statements.oldestTime.get(first)
    const isOld = typeof ts === 'number' && ts < (now - maxAgeMs) * 1000
    if (!isOld || !allowTtl) return isOld
    return this.expiry.hasAged(stream, first, this.#statements.byTime(state, (now - maxAgeMs) * 1000))
  }

  /** Removes messages that are too old, or whose TTL is over, in one step; true if there are no more. */
  expire(stream: KeptStream, now: number): boolean {
    const {maxAgeMs, allowTtl} = stream.config
    if (!this.hasExpired(stream, now)) return true
    if (allowTtl) return this.#expireEach(stream, now)
    const before = this.#statements.byTime(this.#catalogue.state(stream), (now - (maxAgeMs ?? 0)) * 1000)
    return this.remove(stream, {before}).next === undefined
  }

  /** Expires messages one by one: some stay longer than their neighbours, and some are replaced by a marker. */
  #expireEach(stream: KeptStream, now: number): boolean {
    const {maxAgeMs, markerTtlMs} = stream.config
    const {expiry} = this
    let rows = expiry.due(stream, now)
    if (rows.length === 0 && maxAgeMs !== undefined) {
      const state = this.#catalogue.state(stream)
      rows = expiry.aged(stream, state.first, this.#statements.byTime(state, (now - maxAgeMs) * 1000))
    }
    const isMarker = new Set(
      markerTtlMs === undefined ? [] : rows.map(([seq]) => seq).filter((seq) => expiry.isMarker(seq)),
    )
    const emptied = this.leave(stream, rows)
    expiry.forget(rows)
    if (markerTtlMs !== undefined)
      for (const [sid, last] of emptied) if (!isMarker.has(last)) this.#mark(stream, sid, now, markerTtlMs)
    if (this.hasExpired(stream, now) && rows.length > 0) return false
    expiry.forgetBefore(stream, now, this.#catalogue.state(stream).first)
    return true
  }

  /** Stores a marker for a subject whose last message was removed. */
  #mark(stream: KeptStream, sid: number, now: number, ttlMs: number): void {
    const headers = JSON.stringify(markerHeaders(ttlMs))
    const width = this.#statements.widthOf.get(sid) as number
    const {lastInsertRowid} = this.#statements.insert.run(sid, now * 1000, headers)
    const seq = Number(lastInsertRowid)
    const bytes = headers.length + width
    this.#statements.hold.run(sid, stream.id, seq, seq, 1, bytes, width)
    if (stream.isKept) this.#statements.keep.run(sid, seq)
    this.expiry.set(seq, stream, now + ttlMs)
    const state = this.#catalogue.state(stream)
    const {messages, stored} = state
    const ts = this.#statements.oldestTime.get(seq) as number
    const more = {last: seq, ts, mid: '', stored: stored + 1, messages: messages + 1, bytes: state.bytes + bytes}
    this.write(stream, {...state, ...more, first: messages === 0 ? seq : state.first})
  }

  /** Makes retention check everything from here on again. */
  leaveToRetention(first: number): void {
    if ((this.#statements.pruned.get() as number) < first) return
    this.departed.settle()
    this.#statements.prunedBack.run(first - 1)
  }

  /** Removes all of them if few messages follow, otherwise a chunk. */
  remove(stream: KeptStream, range: RemovalRange): Removal {
    const state = this.#catalogue.state(stream)
    const {subjects, newest = state.last} = range
    const from = Math.max(range.from ?? 0, state.first)
    const before = Math.min(range.before, state.last + 1)
    if (from >= before) return {removed: 0}
    const most = Math.max(1, Math.min(chunk, Math.floor((chunkBytes * state.messages) / state.bytes)))
    if (before - from <= most) return {removed: this.#removeRange(stream, state, {from, before, subjects})}
    this.leaveToRetention(from)
    if (newest - before <= fewFollow) return {removed: this.#keepFrom(stream, state, {before, subjects})}
    // Not a number of sequences: between two messages of a stream many may be missing.
    const end = Math.min(before, (this.#statements.chunkEnd.get(from, most) as number | undefined) ?? before)
    const removed = this.#removeRange(stream, state, {from, before: end, subjects})
    return end < before ? {removed, next: end} : {removed}
  }

  /** Removes everything before a sequence by counting what follows. Returns the number of messages. */
  #keepFrom(stream: KeptStream, state: State, {before, subjects}: RemovalRange): number {
    const {id} = stream
    const {totals, counts, following} = this.#of(subjects)
    let [messages, bytes, newest] = [state.messages, state.bytes, state.last]
    if (subjects !== undefined) [messages, bytes, newest] = totals.get(id) as [number, number, number]
    const left = counts.all(before, newest, id) as HeldCount[]
    const keep = stream.isKept ? (following.all(before, newest, id) as [sid: number, seq: number][]) : []
    this.#catalogue.forgetSubjects(stream, subjects)
    for (const [sid, count, size, last, first, width] of left) {
      messages -= count
      bytes -= size
      this.#statements.hold.run(sid, id, Math.max(first, before), last, count, size, width)
    }
    for (const each of keep) this.#statements.keep.run(...each)
    this.departed.add(id, {from: state.first, before, messages, bytes})
    this.#reduce(stream, state, {messages, bytes}, subjects === undefined ? before : undefined)
    return messages
  }

  /** Removes the messages of a range, counted by subject. Returns their number. */
  #removeRange(
    stream: KeptStream,
    state: State,
    {from = 0, before, subjects}: RemovalRange,
    counted?: Iterable<Count>,
  ): number {
    const {counts, deleteRange} = this.#of(subjects)
    const rows = counted ?? (counts.all(from, before - 1, stream.id) as Count[])
    const pruned = Math.min(this.#statements.pruned.get() as number, before - 1)
    const deleted = pruned >= from ? deleteRange.run(from, pruned, stream.id).changes : 0
    let [messages, bytes, forgotten] = [0, 0, 0]
    for (const [sid, count, size, last] of rows) {
      messages += count
      bytes += size
      if (stream.isKept) this.#statements.unkeep.run(sid, last)
      const left = this.#statements.uncount.get(count, size, subjects === undefined ? 0 : last + 1, sid)
      if ((left as {messages: number} | undefined)?.messages !== 0) continue
      this.#statements.forget.run(sid)
      forgotten++
    }
    countRemoved(this.#db, forgotten)
    this.departed.add(stream.id, left({from, before, messages, bytes}, deleted))
    this.#reduce(stream, state, {messages, bytes}, subjects === undefined ? before : undefined)
    return messages
  }

  /** Without a new first sequence, some subjects lost messages. */
  #reduce(stream: KeptStream, state: State, by: {messages: number; bytes: number}, first: number | undefined): void {
    const [messages, bytes] = [state.messages - by.messages, state.bytes - by.bytes]
    const holes = first === undefined && by.messages > 0 ? 1 : state.holes
    this.write(stream, {...state, first: first ?? state.first, holes, messages, bytes})
  }

  /**
   * Deletes rows that retention has already passed, because nobody else would, and returns their number. The newest row is never
   * among them.
   */
  #deleteRows(rows: readonly SizedRow[]): number {
    const pruned = this.#statements.pruned.get() as number
    const passed = rows.findIndex(([seq]) => seq > pruned)
    const deleted = passed < 0 ? rows : rows.slice(0, passed)
    for (const [seq] of deleted) this.#statements.deleteRow.run(seq)
    return deleted.length
  }

  #of(subjects = '') {
    let statements = this.#ofSubjects.get(subjects)
    if (statements === undefined) {
      statements = prepareOf(this.#db, subjects)
      this.#ofSubjects.set(subjects, statements)
    }
    return statements
  }
}

/** The rest, after this number of them was deleted. */
function left(departed: Departed, deleted: number): Departed {
  if (deleted === 0) return departed
  const messages = Math.max(0, departed.messages - deleted)
  return {...departed, messages, bytes: Math.ceil((departed.bytes * messages) / departed.messages)}
}

const members = `FROM msg m CROSS JOIN held h ON h.sid = m.sid
                 WHERE m.seq >= +? AND m.seq <= +? AND h.stream = +? AND m.seq >= h.first`

/** Statements for the messages of some subjects. Unlike `sum`, `total` does not fail if a damaged file has too large numbers. */
function prepareOf(db: Db, subjects: string) {
  const only = subjects === '' ? '' : `AND sid IN temp.${subjects}`
  const ofThese = subjects === '' ? '' : `AND m.sid IN temp.${subjects}`
  return {
    counts: db
      .prepare(
        `SELECT m.sid, count(*), total(${rowSize}), max(m.seq), h.first, h.width ${members} ${ofThese} GROUP BY m.sid`,
      )
      .raw(),
    totals: db
      .prepare(`SELECT total(messages), total(bytes), ifnull(max(last), 0) FROM held WHERE stream = ? ${only}`)
      .raw(),
    deleteRange: db.prepare(
      `DELETE FROM msg WHERE seq >= ? AND seq <= ? ${only}
       AND EXISTS (SELECT 1 FROM held h WHERE h.sid = msg.sid AND h.stream = ? AND msg.seq >= h.first)`,
    ),
    following: db.prepare(`SELECT m.sid, m.seq ${members} ${ofThese}`).raw(),
  }
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
    hold: db.prepare('INSERT INTO held(sid, stream, first, last, messages, bytes, width) VALUES (?, ?, ?, ?, ?, ?, ?)'),
    keep: db.prepare('INSERT INTO kept(sid, seq) VALUES (?, ?)'),
    forget: db.prepare('DELETE FROM held WHERE sid = ?'),
    messagesOf: db.prepare('SELECT messages FROM held WHERE sid = ?').pluck(),
    excess: db
      .prepare(
        `SELECT k.seq, k.sid, ${rowSize}
           FROM kept k JOIN msg m ON m.seq = k.seq JOIN held h ON h.sid = k.sid WHERE k.sid = +? ORDER BY k.seq LIMIT +?`,
      )
      .raw(),
    oldest: db.prepare(`SELECT m.seq, m.sid, ${rowSize} ${members} ORDER BY m.seq`).raw(),
    byTime: findByTime(db),
    chunkEnd: db.prepare('SELECT seq FROM msg WHERE seq >= +? ORDER BY seq LIMIT 1 OFFSET +?').pluck(),
    sizeOf: db.prepare('SELECT messages, bytes, first, last FROM held WHERE sid = ?').raw(),
    deleteKept: db.prepare('DELETE FROM msg WHERE seq IN (SELECT seq FROM kept WHERE sid = ? AND seq <= ?)'),
    one: db
      .prepare(`SELECT m.seq, m.sid, ${rowSize} FROM msg m JOIN held h ON h.sid = m.sid
                     WHERE m.seq = ? AND h.stream = ? AND m.seq >= h.first`)
      .raw(),
    overwrite: db.prepare('UPDATE msg SET sid = -sid, reply = NULL, hdr = NULL, data = NULL WHERE seq = ?'),
    isNewest: db.prepare('SELECT ? = (SELECT max(seq) FROM msg)').pluck(),
    unkeepOne: db.prepare('DELETE FROM kept WHERE sid = ? AND seq = ?'),
    before: db
      .prepare(
        `SELECT seq FROM msg WHERE sid = +? AND seq < +? AND seq >= (SELECT first FROM held WHERE sid = ?)
         ORDER BY seq DESC LIMIT 1`,
      )
      .pluck(),
    lastOf: db.prepare('SELECT last FROM held WHERE sid = ?').pluck(),
    next: db.prepare(`SELECT m.seq ${members} ORDER BY m.seq LIMIT 1`).pluck(),
    putOutside: db.prepare('UPDATE msg SET sid = -sid WHERE seq = ?'),
    widthOf: db.prepare('SELECT octet_length(name) FROM subject WHERE id = ?').pluck(),
    insert: db.prepare(
      `INSERT INTO msg(sid, ts, hdr) VALUES (?, max(?, (SELECT ts + 1 FROM msg ORDER BY seq DESC LIMIT 1)), ?)`,
    ),
    lastIs: db.prepare('UPDATE held SET last = ifnull(?, last) WHERE sid = ? AND last = ?'),
    unkeep: db.prepare('DELETE FROM kept WHERE sid = ? AND seq <= ?'),
    deleteRow: db.prepare('DELETE FROM msg WHERE seq = ?'),
    pruned: db.prepare("SELECT v FROM meta WHERE k = 'pruned'").pluck(),
    prunedBack: db.prepare("UPDATE meta SET v = min(v, ?) WHERE k = 'pruned'"),
    oldestTime: db.prepare('SELECT ts FROM msg WHERE seq >= +? ORDER BY seq LIMIT 1').pluck(),
  }
}
