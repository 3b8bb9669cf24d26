/** The messages of a stream, or those that match some patterns, read page by page. */
import type {Message} from '../../../core/message.ts'
import {covers, matches} from '../../../core/subject.ts'
import type {Start} from '../../streams-contract.ts'
import type {Db, Lock} from '../db.ts'
import type {Log} from '../log.ts'
import {Pages} from '../pages.ts'
import {limitedColumn, type Row, rowSize, type SizedRow, toMessage} from '../rows.ts'
import {nameRange} from '../subject-names.ts'
import type {Catalogue, KeptStream, State} from './catalogue.ts'
import {isUnexpired} from './expiry.ts'
import {findByTime} from './times.ts'

export interface ViewDeps {
  readonly db: Db
  readonly lock: Lock
  readonly log: Log
  readonly catalogue: Catalogue
}

export interface RowPage {
  readonly rows: readonly Row<number>[]
  /** `rows` contains everything from the start of the range up to here. */
  readonly upTo: number
}

/** Sequences to read at a time: if few rows match, others get their turn in between. */
const window = 100_000
/** Sequences in which the oldest message is looked for, before all subjects are asked for theirs. */
const nearby = 100

export class StreamView {
  readonly stream: KeptStream
  readonly #deps: ViewDeps
  readonly #pages: Pages
  readonly #statements
  readonly #filters: readonly string[]
  /** The temporary table of the subjects, unless it is the whole stream. */
  readonly table: string | undefined
  /** The newest subject that was checked for the table. */
  #known = 0

  constructor(deps: ViewDeps, stream: KeptStream, filters: readonly string[], table: string | undefined) {
    this.stream = stream
    this.#deps = deps
    this.#filters = filters
    this.table = table
    const {db} = deps
    if (table !== undefined) db.exec(`CREATE TEMP TABLE IF NOT EXISTS ${table}(sid INTEGER PRIMARY KEY)`)
    const only = (sid: string) => (table === undefined ? '' : `AND ${sid} IN temp.${table}`)
    const rows = `FROM msg m CROSS JOIN held h ON h.sid = m.sid
                  WHERE m.seq >= +? AND m.seq <= +? AND h.stream = ${stream.id} AND m.seq >= h.first ${only('m.sid')}`
    const unexpired = stream.config.allowTtl ? `AND ${isUnexpired}` : ''
    const held = `FROM held WHERE stream = ${stream.id} ${only('sid')}`
    const from = `${rows} ${unexpired}`
    this.#pages = new Pages(db, from)
    this.#statements = {
      next: db.prepare(`SELECT m.seq ${from} ORDER BY m.seq LIMIT 1`).pluck(),
      last: db.prepare(`SELECT m.seq ${from} ORDER BY m.seq DESC LIMIT 1 OFFSET +?`).pluck(),
      count: db.prepare(`SELECT count(*) ${from}`).pluck(),
      total: db.prepare(`SELECT ifnull(sum(messages), 0) ${held}`).pluck(),
      sized: db.prepare(`SELECT m.seq, m.sid, ${rowSize} ${rows} ORDER BY m.seq LIMIT +?`).raw(),
      lasts: db.prepare(`SELECT last ${held} AND last <= +? ORDER BY last`).pluck(),
      newest: db.prepare(`SELECT max(last) ${held}`).pluck(),
      oldest: db.prepare(`SELECT min(first) ${held}`).pluck(),
      isOnly: db.prepare('SELECT count(*) = 1 FROM stream').pluck(),
      all: db.prepare('SELECT count(*) FROM held').pluck(),
      subjects: db.prepare(`SELECT count(*) ${held}`).pluck(),
      bySubject: db
        .prepare(
          `SELECT ${limitedColumn('s.name')}, h.messages FROM (SELECT sid, messages ${held}) h JOIN subject s ON s.id = h.sid`,
        )
        .raw(),
      byTime: findByTime(db),
      filtered: table === undefined ? undefined : prepareFiltered(db, table),
    }
  }

  /** Runs `look` on one snapshot of the file. Fails with `notFound` if the stream is gone. */
  read<T>(look: (state: State) => T): T {
    return this.#deps.lock.read(() => {
      this.learn()
      return look(this.#deps.catalogue.state(this.stream))
    })
  }

  /** Within a transaction: loads new subjects. */
  learn(): void {
    const {filtered} = this.#statements
    if (filtered === undefined) return
    const newest = filtered.newest.get() as number
    if (newest === this.#known) return
    for (const filter of this.#known === 0 ? this.#filters : []) {
      for (const [sid, name] of filtered.within.all(...nameRange(filter)) as [number, string][])
        if (matches(filter, name)) filtered.want.run(sid)
    }
    for (const [sid, name] of this.#known === 0 ? [] : (filtered.later.all(this.#known) as [number, string][]))
      if (this.#filters.some((filter) => matches(filter, name))) filtered.want.run(sid)
    this.#known = newest
  }

  /** Up to `most` rows from one sequence to another, inclusive. It may end earlier. */
  page(state: State, from: number, to: number, most: number): RowPage {
    const first = Math.max(from, state.first)
    const end = Math.min(to, state.last, first + window)
    if (first > end) return {rows: [], upTo: Math.min(first - 1, to)}
    const {rows, isFull} = this.#pages.read(first, end, most)
    return {rows, upTo: isFull ? (rows.at(-1)?.[0] ?? first) : end}
  }

  /** Within the transaction in which the row was read. */
  nameOf(row: Row<number>): string {
    return this.#deps.log.nameOf(row[1])
  }

  /** Within the transaction in which the row was read. */
  message(row: Row<number>): Message {
    return toMessage(row, this.nameOf(row), true)
  }

  /** The sequence of the first message at or after `from`. */
  next(state: State, from: number, to: number = state.last): number | undefined {
    const first = Math.max(from, state.first)
    return first > to ? undefined : (this.#statements.next.get(first, to) as number | undefined)
  }

  /** The sequence of the last message up to `to`, or of a message before it. */
  last(state: State, to: number, before = 0): number | undefined {
    return this.#statements.last.get(state.first, Math.min(to, state.last), before) as number | undefined
  }

  /** The sequence of the newest message. */
  newest(): number | undefined {
    return (this.#statements.newest.get() as number | null) ?? undefined
  }

  /** The sequence of the oldest message. */
  oldest(state: State): number | undefined {
    const near = this.next(state, state.first, Math.min(state.last, state.first + nearby))
    if (near !== undefined) return near
    const first = this.#statements.oldest.get() as number | null
    return first === null ? undefined : this.next(state, Math.max(first, state.first))
  }

  /** The number of messages from one sequence to another, inclusive. */
  count(state: State, from: number, to: number): number {
    const first = Math.max(from, state.first)
    return first > to ? 0 : (this.#statements.count.get(first, to) as number)
  }

  /** The number of messages from this sequence on, counted on the shorter side of it. */
  countFrom(state: State, from: number): number {
    const total = this.table === undefined ? state.messages : (this.#statements.total.get() as number)
    if (from <= state.first) return total
    if (from - state.first < state.last - from) return total - this.count(state, state.first, from - 1)
    return this.count(state, from, state.last)
  }

  /** Sequences, subjects and sizes of up to `most` messages from one sequence to another, including expired ones. */
  sized(state: State, from: number, to: number, most: number): SizedRow[] {
    const first = Math.max(from, state.first)
    return first > to ? [] : (this.#statements.sized.all(first, to, most) as SizedRow[])
  }

  /** The sequences of the last message of each subject, up to `to`, in order. */
  lasts(to: number): number[] {
    return this.#statements.lasts.all(to) as number[]
  }

  /** The number of different subjects. */
  subjects(): number {
    // SQLite counts all rows of a table without reading them.
    if (this.table === undefined && this.#statements.isOnly.get() === 1) return this.#statements.all.get() as number
    return this.#statements.subjects.get() as number
  }

  bySubject(): Map<string, number> {
    return new Map(this.#statements.bySubject.all() as [string, number][])
  }

  /** The sequence at which to start; after the end if there is nothing. */
  begin(state: State, start: Start): number {
    if ('seq' in start) return start.seq
    if ('timeMs' in start) return this.at(state, start.timeMs * 1000)
    return this.last(state, state.last, Math.max(0, start.last - 1)) ?? state.first
  }

  /** The first sequence of the log at or after a time in microseconds. */
  at(state: State, ts: number): number {
    return this.#statements.byTime(state, ts)
  }
}

function prepareFiltered(db: Db, table: string) {
  return {
    newest: db.prepare('SELECT ifnull(max(id), 0) FROM subject').pluck(),
    within: db.prepare(`SELECT id, ${limitedColumn('name')} FROM subject WHERE name >= ? AND name <= ?`).raw(),
    later: db.prepare(`SELECT id, ${limitedColumn('name')} FROM subject WHERE id > ?`).raw(),
    want: db.prepare(`INSERT OR IGNORE INTO temp.${table} VALUES (?)`),
  }
}

/** Views kept for the next use, besides those in use. */
const mostViews = 64

/** Caches views by stream and patterns, so that their statements are prepared once. */
export class StreamViews {
  readonly #deps: ViewDeps
  /** The most recently used view comes last. */
  readonly #views = new Map<string, StreamView>()
  readonly #tables = new FinalizationRegistry<string>((table) => this.#drop(table))
  #made = 0

  constructor(deps: ViewDeps) {
    this.#deps = deps
  }

  of(stream: KeptStream, filters: readonly string[] = []): StreamView {
    const isCovered = (subject: string) => filters.some((filter) => covers(filter, subject))
    const isAll = filters.length === 0 || stream.config.subjects.every(isCovered)
    const key = JSON.stringify([stream.id, ...(isAll ? [] : filters)])
    let view = this.#views.get(key)
    if (view === undefined || view.stream !== stream) {
      view = new StreamView(this.#deps, stream, filters, isAll ? undefined : `want_${this.#made++}`)
      if (view.table !== undefined) this.#tables.register(view, view.table)
    }
    this.#views.delete(key)
    this.#views.set(key, view)
    const [oldest] = this.#views.keys()
    if (this.#views.size > mostViews && oldest !== undefined) this.#views.delete(oldest)
    return view
  }

  /** Removes the table of a view that is no longer used. */
  #drop(table: string): void {
    const {db} = this.#deps
    if (db.isOpen && !db.inTransaction) db.exec(`DROP TABLE IF EXISTS temp.${table}`)
  }
}
