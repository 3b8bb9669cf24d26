/** Reads the log page by page. No read is left open, because an open read lets the write-ahead log grow without bound. */
import type {Message} from '../../core/message.ts'
import {SubjectTrie} from '../../core/subject.ts'
import type {Db, Lock} from './db.ts'
import {type Filled, Pages} from './pages.ts'
import {limitedColumn, type Row, toMessage} from './rows.ts'
import {type KnownSubject, mostKnownSubjects, SubjectNames} from './subject-names.ts'

/** A reader's position: the last sequences seen in the log, and in inboxes. */
export interface Cursor {
  readonly seq: number
  readonly passing: number
}

export const everything: Cursor = {seq: Number.MAX_SAFE_INTEGER, passing: Number.MAX_SAFE_INTEGER}

export interface LogEntry {
  readonly message: Message
  /** The subject's number; 0 for an inbox message. */
  readonly sid: number
  /** The position after this entry. */
  readonly cursor: Cursor
}

export interface LogPage {
  readonly entries: readonly LogEntry[]
  readonly cursor: Cursor
  /** There may be more. */
  readonly isFull: boolean
  /** The part of the range that retention has already pruned. */
  readonly gap?: Gap | undefined
  readonly passingGap?: Gap | undefined
}

export interface PageOptions {
  readonly all: boolean
  readonly passing: boolean
  readonly rows?: number
  /** If the page begins after this position, removed messages are looked for as well. */
  readonly gapsAfter?: Cursor
}

/** Sequences from `first` to `last`, of which `messages` (possibly 0) are missing. */
export interface Gap {
  readonly first: number
  readonly last: number
  readonly messages: number
}

const pageRows = 512
/** Replies to read from an inbox at a time. */
export const inboxRows = 512
const pageBytes = 4 * 1024 * 1024

export class Log {
  readonly #db: Db
  readonly #lock: Lock
  readonly #names: SubjectNames
  readonly #patterns = new SubjectTrie<true>()
  /** Changes when the wanted subjects change. The rows of a subject that nobody wants are read once, and then never again. */
  #wantedAsOf = 1
  #unwanted = 0
  readonly #all: Pages
  readonly #maybeWanted: Pages
  readonly #statements

  constructor(db: Db, lock: Lock) {
    this.#db = db
    this.#lock = lock
    this.#names = new SubjectNames(db)
    db.exec('CREATE TEMP TABLE unwanted(sid INTEGER PRIMARY KEY)')
    const passing = `SELECT seq, subject, ts, ${['reply', 'hdr', 'data'].map(limitedColumn)} FROM eph WHERE seq > +?`
    const rows = 'FROM msg m WHERE m.seq >= ? AND m.seq <= ?'
    this.#all = new Pages(db, rows)
    this.#maybeWanted = new Pages(db, `${rows} AND m.sid NOT IN temp.unwanted`)
    this.#statements = {
      passing: db.prepare(`${passing} AND seq <= +? ORDER BY seq`).raw(),
      inbox: db.prepare(`${passing} AND dst = +? ORDER BY seq LIMIT ${inboxRows}`).raw(),
      end: db.prepare('SELECT ifnull((SELECT max(seq) FROM msg), 0), ifnull((SELECT max(seq) FROM eph), 0)').raw(),
      pruned: db.prepare("SELECT v FROM meta WHERE k = 'pruned'").pluck(),
      passed: db.prepare("SELECT v FROM meta WHERE k = 'passed'").pluck(),
      left: db.prepare('SELECT count(*) FROM msg WHERE seq > +? AND seq <= +?').pluck(),
      unwanted: db.prepare('INSERT OR IGNORE INTO temp.unwanted VALUES (?)'),
    }
  }

  /** Within the transaction in which the number was read. */
  nameOf(sid: number): string {
    return this.#names.of(sid).name
  }

  /** The current end of the log. */
  end(): Cursor {
    const [seq, passing] = this.#statements.end.get() as [number, number]
    return {seq, passing}
  }

  /** From now on `page` returns messages that match these patterns. */
  want(patterns: readonly string[]): void {
    for (const pattern of patterns) this.#patterns.add(pattern, true)
    this.#forgetWanted()
  }

  /** Reverts one `want`. */
  unwant(patterns: readonly string[]): void {
    for (const pattern of patterns) this.#patterns.remove(pattern, true)
    this.#forgetWanted()
  }

  /**
   * Messages after `from` up to `to`, oldest first, from one snapshot: those that are wanted, or all; and inbox messages if
   * `passing` is set.
   */
  page(from: Cursor, to: Cursor, what: PageOptions): LogPage {
    return this.#lock.read(() => {
      const {seq = Infinity, passing: passed = Infinity} = what.gapsAfter ?? {}
      const gap = from.seq >= seq ? this.gap(from.seq, to.seq) : undefined
      const passingGap = what.passing && from.passing >= passed ? this.#passingGap(from.passing, to.passing) : undefined
      const stored = (what.all ? this.#all : this.#maybeWanted).read(from.seq + 1, to.seq, what.rows ?? pageRows)
      const rows = {...stored, all: what.all}
      if (!what.passing) return {...this.#storedPage(rows, from, to), gap}
      const passing = fill(this.#statements.passing, from.passing, to.passing)
      return {...this.#mergedPage(rows, passing, from, to), gap, passingGap}
    })
  }

  /** Messages in one client's inbox after `from`, at most `inboxRows`. */
  inbox(client: number, from: number): Row<string>[] {
    return this.#lock.readStatement(() => this.#statements.inbox.all(from, client) as Row<string>[])
  }

  /** Within a transaction: the messages removed between the last sequence that was read and `to`. */
  gap(from: number, to: number): Gap | undefined {
    const last = Math.min(this.#statements.pruned.get() as number, to)
    if (from >= last) return undefined
    return {first: from + 1, last, messages: last - from - (this.#statements.left.get(from, last) as number)}
  }

  #passingGap(from: number, to: number): Gap | undefined {
    const last = Math.min((this.#statements.passed.get() as number | undefined) ?? 0, to)
    return from >= last ? undefined : {first: from + 1, last, messages: last - from}
  }

  #storedPage({rows, isFull, all}: StoredRows, from: Cursor, to: Cursor): LogPage {
    const entries: LogEntry[] = []
    for (const row of rows) this.#add(entries, row, from.passing, all)
    const last = rows.at(-1)?.[0] ?? from.seq
    const seq = isFull ? last : Math.max(from.seq, Math.min(this.end().seq, to.seq))
    return {entries, cursor: {seq, passing: from.passing}, isFull}
  }

  /** Merged by time; if one of the two has more, the other one stops at that point. */
  #mergedPage(stored: StoredRows, passing: ReturnType<typeof fill>, from: Cursor, to: Cursor): LogPage {
    const entries: LogEntry[] = []
    let {seq, passing: pass} = from
    let s = 0
    let p = 0
    for (;;) {
      const a = stored.rows[s]
      const b = passing.rows[p]
      if ((a === undefined && stored.isFull) || (b === undefined && passing.isFull)) break
      if (a !== undefined && (b === undefined || a[2] <= b[2])) {
        seq = a[0]
        s++
        this.#add(entries, a, pass, stored.all)
      } else if (b !== undefined) {
        pass = b[0]
        p++
        entries.push({message: toMessage(b, b[1], false), sid: 0, cursor: {seq, passing: pass}})
      } else break
    }
    const isFull = stored.isFull || passing.isFull
    if (isFull) return {entries, cursor: {seq, passing: pass}, isFull}
    const end = this.end()
    const cursor = {
      seq: Math.max(seq, Math.min(end.seq, to.seq)),
      passing: Math.max(pass, Math.min(end.passing, to.passing)),
    }
    return {entries, cursor, isFull}
  }

  /** Adds an entry if a subscription wants it. */
  #add(entries: LogEntry[], row: Row<number>, passing: number, all: boolean): void {
    const subject = this.#names.of(row[1])
    if (!all && !this.#wants(subject)) return
    entries.push({message: toMessage(row, subject.name, true), sid: row[1], cursor: {seq: row[0], passing}})
  }

  #wants(subject: KnownSubject): boolean {
    if (subject.wantedAsOf === this.#wantedAsOf) return subject.isWanted
    subject.isWanted = this.#patterns.match(subject.name).length > 0
    if (!subject.isWanted) {
      if (this.#unwanted >= mostKnownSubjects) this.#forgetWanted()
      this.#unwanted++
      this.#statements.unwanted.run(subject.id)
      this.#statements.unwanted.run(-subject.id)
    }
    subject.wantedAsOf = this.#wantedAsOf
    return subject.isWanted
  }

  #forgetWanted(): void {
    this.#wantedAsOf++
    this.#unwanted = 0
    this.#db.exec('DELETE FROM temp.unwanted')
  }
}

interface StoredRows extends Filled {
  /** Whether all are wanted. */
  readonly all: boolean
}

/** Adds rows until the page has enough of them, or enough bytes. */
function fill(
  statement: {iterate(...args: unknown[]): IterableIterator<unknown>},
  from: number,
  to: number,
): {rows: readonly Row<string>[]; isFull: boolean} {
  const rows: Row<string>[] = []
  let bytes = 0
  for (const row of statement.iterate(from, to) as IterableIterator<Row<string>>) {
    rows.push(row)
    bytes += row[5]?.length ?? 0
    if (rows.length === pageRows || bytes >= pageBytes) return {rows, isFull: true}
  }
  return {rows, isFull: false}
}
