/** Reads the log page by page. No read is ever left open: an open one lets the write-ahead log grow without bound. */
import type {Message} from '../../core/message.ts'
import {SubjectTrie} from '../../core/subject.ts'
import type {Db, Lock} from './db.ts'
import {type Filled, Pages} from './pages.ts'
import {type Row, toMessage} from './rows.ts'

/** How far someone has read: the last sequence seen of what is stored, and of what passes through inboxes. */
export interface Cursor {
  readonly seq: number
  readonly passing: number
}

export const everything: Cursor = {seq: Number.MAX_SAFE_INTEGER, passing: Number.MAX_SAFE_INTEGER}

export interface LogEntry {
  readonly message: Message
  /** The subject's number; 0 for what passes through an inbox. */
  readonly sid: number
  /** How far one has read with this entry. */
  readonly cursor: Cursor
}

export interface LogPage {
  readonly entries: readonly LogEntry[]
  readonly cursor: Cursor
  /** There may be more. */
  readonly isFull: boolean
  /** What core retention has gone through of what comes after the beginning. */
  readonly gap?: Gap | undefined
}

export interface PageOptions {
  readonly all: boolean
  readonly passing: boolean
  readonly rows?: number
  /** Also look for what was removed. */
  readonly gaps?: boolean
}

/** Sequences from `first` to `last`, of which `messages` are gone, perhaps none. */
export interface Gap {
  readonly first: number
  readonly last: number
  readonly messages: number
}

const pageRows = 512
/** Replies for one reading of an inbox. */
export const inboxRows = 512
const pageBytes = 4 * 1024 * 1024

export class Log {
  readonly #db: Db
  readonly #lock: Lock
  readonly #names: string[] = []
  readonly #wanted = new Set<number>()
  readonly #patterns = new SubjectTrie<true>()
  readonly #all: Pages
  readonly #wantedRows: Pages
  readonly #statements
  #last = 0

  constructor(db: Db, lock: Lock) {
    this.#db = db
    this.#lock = lock
    db.exec('CREATE TEMP TABLE want(sid INTEGER PRIMARY KEY)')
    const rows = 'FROM msg m WHERE m.seq >= ? AND m.seq <= ?'
    this.#all = new Pages(db, rows)
    this.#wantedRows = new Pages(db, `${rows} AND m.sid IN temp.want`)
    this.#statements = {
      passing: db
        .prepare('SELECT seq, subject, ts, reply, hdr, data FROM eph WHERE seq > +? AND seq <= +? ORDER BY seq')
        .raw(),
      inbox: db
        .prepare(
          `SELECT seq, subject, ts, reply, hdr, data FROM eph WHERE seq > +? AND dst = +? ORDER BY seq LIMIT ${inboxRows}`,
        )
        .raw(),
      subjects: db.prepare('SELECT id, name FROM subject WHERE id > +? ORDER BY id').raw(),
      end: db.prepare('SELECT ifnull((SELECT max(seq) FROM msg), 0), ifnull((SELECT max(seq) FROM eph), 0)').raw(),
      pruned: db.prepare("SELECT v FROM meta WHERE k = 'pruned'").pluck(),
      left: db.prepare('SELECT count(*) FROM msg WHERE seq > +? AND seq <= +?').pluck(),
      want: db.prepare('INSERT INTO temp.want VALUES (?)'),
    }
  }

  nameOf(sid: number): string {
    return this.#names[Math.abs(sid)] ?? ''
  }

  /** The end of the log as it is now. */
  end(): Cursor {
    const [seq, passing] = this.#statements.end.get() as [number, number]
    return {seq, passing}
  }

  /** From now on `page` gives what these patterns match. */
  want(patterns: readonly string[]): void {
    this.#lock.read(() => this.learn())
    const added = new SubjectTrie<true>()
    for (const pattern of patterns) {
      added.add(pattern, true)
      this.#patterns.add(pattern, true)
    }
    for (const [sid, name] of this.#names.entries()) {
      if (name !== undefined && !this.#wanted.has(sid) && added.match(name).length > 0) this.#add(sid)
    }
  }

  /** Takes back one `want`. Until the last is taken back a page may give more than is wanted. */
  unwant(patterns: readonly string[]): void {
    for (const pattern of patterns) this.#patterns.remove(pattern, true)
    if (this.#patterns.size > 0) return
    this.#wanted.clear()
    this.#db.exec('DELETE FROM temp.want')
  }

  /**
   * What comes after `from` up to `to`, oldest first, from one snapshot: what is wanted by somebody, or all; and what
   * passes through inboxes when `passing` is set.
   */
  page(from: Cursor, to: Cursor, what: PageOptions): LogPage {
    return this.#lock.read(() => {
      this.learn()
      const gap = what.gaps === true ? this.#gap(from.seq, to.seq) : undefined
      const stored = (what.all ? this.#all : this.#wantedRows).read(from.seq + 1, to.seq, what.rows ?? pageRows)
      if (!what.passing) return {...this.#storedPage(stored, from, to), gap}
      const passing = fill(this.#statements.passing, from.passing, to.passing)
      return {...this.#mergedPage(stored, passing, from, to), gap}
    })
  }

  /** What came to one client's inbox after `from`, `inboxRows` of it at most. */
  inbox(client: number, from: number): Row<string>[] {
    return this.#lock.readStatement(() => this.#statements.inbox.all(from, client) as Row<string>[])
  }

  #gap(from: number, to: number): Gap | undefined {
    const last = Math.min(this.#statements.pruned.get() as number, to)
    if (from >= last) return undefined
    return {first: from + 1, last, messages: last - from - (this.#statements.left.get(from, last) as number)}
  }

  #storedPage({rows, isFull}: Filled, from: Cursor, to: Cursor): LogPage {
    const entries = rows.map((row) => this.#stored(row, from.passing))
    const last = rows.at(-1)?.[0] ?? from.seq
    const seq = isFull ? last : Math.max(from.seq, Math.min(this.end().seq, to.seq))
    return {entries, cursor: {seq, passing: from.passing}, isFull}
  }

  /** By time; where one of the two has more to come, the other waits at that point. */
  #mergedPage(stored: Filled, passing: ReturnType<typeof fill>, from: Cursor, to: Cursor): LogPage {
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
        entries.push(this.#stored(a, pass))
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

  #stored(row: Row<number>, passing: number): LogEntry {
    return {message: toMessage(row, this.nameOf(row[1]), true), sid: row[1], cursor: {seq: row[0], passing}}
  }

  /** The subjects with their numbers, from a number on, as of the last `learn`. */
  *subjectsFrom(sid: number): Iterable<[sid: number, name: string]> {
    for (let i = sid; i < this.#names.length; i++) {
      const name = this.#names[i]
      if (name !== undefined) yield [i, name]
    }
  }

  /** Gets to know new subjects. */
  learn(): void {
    for (const [sid, name] of this.#statements.subjects.all(this.#last) as [number, string][]) {
      this.#names[sid] = name
      this.#last = sid
      if (this.#patterns.match(name).length > 0) this.#add(sid)
    }
  }

  #add(sid: number): void {
    this.#wanted.add(sid)
    this.#statements.want.run(sid)
    this.#statements.want.run(-sid)
  }
}

/** Rows until the page has enough of them, or enough bytes: a page of large payloads is a short one. */
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
