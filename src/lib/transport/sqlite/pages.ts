/**
 * Reads rows of the log a page at a time. Creating a buffer for each payload costs more than everything else together, so the
 * small binary payloads of a page are read as one buffer, and each is a part of it: twice as fast.
 */
import {type Db, damageError} from './db.ts'
import {limitedColumn, type Row} from './rows.ts'

/** A page ends with the row that reaches this many bytes. */
const pageBytes = 4 * 1024 * 1024
/**
 * Larger payloads are read one by one, up to the end of the page, and as bytes, also those that are text: most uses write them
 * as they are, and strings of megabytes would stay on the heap for long.
 */
const largeBytes = 16 * 1024
const pageRows = 4096

export interface Filled {
  readonly rows: readonly Row<number>[]
  /** There may be more. */
  readonly isFull: boolean
}

/** With the length in place of a payload that has yet to be read. */
type Sized = [
  seq: number,
  sid: number,
  ts: number,
  reply: string | null,
  hdr: string | null,
  data: string | Uint8Array | number | null,
]

export class Pages {
  readonly #rows
  readonly #joined
  readonly #one

  /** `from` is SQL of rows `m` of the log, with two parameters: the first and the last sequence. */
  constructor(db: Db, from: string) {
    // `+?`, as in every statement that sorts or has a limit: SQLite plans by the value of a bare parameter, so it would prepare
    // the statement again each time, which is ten times as slow.
    const isLater = `typeof(m.data) = 'blob' OR octet_length(m.data) > ${largeBytes}`
    this.#rows = db
      .prepare(
        `SELECT m.seq, m.sid, m.ts, ${limitedColumn('m.reply')}, ${limitedColumn('m.hdr')},
                iif(${isLater}, octet_length(m.data), m.data) ${from} ORDER BY m.seq LIMIT +?`,
      )
      .raw()
    this.#joined = db
      .prepare(
        `SELECT CAST(group_concat(CAST(m.data AS TEXT), '') AS BLOB)
         ${from} AND typeof(m.data) = 'blob' AND octet_length(m.data) <= ${largeBytes}`,
      )
      .pluck()
    this.#one = db.prepare(`SELECT CAST(${limitedColumn('data')} AS BLOB) FROM msg WHERE seq = ?`).pluck()
  }

  /** Within a read: rows from one sequence to another, inclusive, at most `most`. */
  read(from: number, to: number, most: number): Filled {
    const limit = Math.min(most, pageRows)
    const rows = this.#rows.all(from, to, limit) as Sized[]
    const kept = withinBytes(rows)
    let joined: Uint8Array | undefined
    let at = 0
    for (const row of kept) {
      const size = row[5]
      if (typeof size !== 'number') continue
      if (size > largeBytes) row[5] = this.#one.get(row[0]) as string | Uint8Array
      else {
        joined ??= this.#join(row[0], kept.at(-1)?.[0] ?? row[0])
        row[5] = joined.subarray(at, at + size)
        at += size
      }
    }
    return {rows: kept as Row<number>[], isFull: rows.length === limit || kept.length < rows.length}
  }

  #join(from: number, to: number): Uint8Array {
    const joined = this.#joined.get(from, to)
    if (!(joined instanceof Uint8Array)) throw damageError('a payload is a number')
    return joined
  }
}

/** As many rows as fit in a page by bytes. */
function withinBytes(rows: Sized[]): Sized[] {
  let bytes = 0
  for (const [i, row] of rows.entries()) {
    const data = row[5]
    bytes += typeof data === 'number' ? data : (data?.length ?? 0)
    if (bytes >= pageBytes) return rows.slice(0, i + 1)
  }
  return rows
}
