/**
 * Node's SQLite, https://nodejs.org/api/sqlite.html, and what the two drivers that use it need in addition: statements that
 * return arrays or one column, pragmas, transactions, and the names of SQLite's errors.
 */
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import type {DatabaseSync, StatementSync, SQLInputValue as Value} from 'node:sqlite'
import {pathToFileURL} from 'node:url'

/** A value of a parameter. */
export type {Value}

/** The default cache of 2 MB is too small for the counters of many subjects. SQLite reads the file to set it. */
export const pragmas = 'PRAGMA trusted_schema = OFF; PRAGMA cache_size = -16000'

interface DatabaseOptions {
  readonly readOnly?: boolean
  /** Fail if the file does not exist, instead of creating it. */
  readonly mustExist?: boolean
  /** Milliseconds for which SQLite waits while another process holds the lock; default 5,000. */
  readonly timeout?: number
}

/** An open database. */
export class Database {
  readonly #connection: DatabaseSync

  /** Opens the file at an absolute path; `:memory:` is a new database in memory. */
  constructor(path: string, {readOnly = false, mustExist = readOnly, timeout = 5000}: DatabaseOptions = {}) {
    const address = path === ':memory:' ? path : addressOf(path, readOnly ? 'ro' : mustExist ? 'rw' : 'rwc')
    this.#connection = new (connections())(address, {readOnly, timeout})
  }

  /** Opens a copy of these bytes, to be read. */
  static ofBytes(bytes: Uint8Array): Database {
    const connection = new Database(':memory:')
    if (connection.#connection.deserialize !== undefined) {
      connection.#connection.deserialize(bytes)
      return connection
    }
    connection.close()
    return throughFile(bytes)
  }

  get isOpen(): boolean {
    return this.#connection.isOpen
  }

  get inTransaction(): boolean {
    return this.#connection.isTransaction
  }

  prepare<Values extends readonly Value[] = readonly Value[], Row = unknown>(sql: string): Statement<Values, Row> {
    return new Statement(this.#connection.prepare(sql))
  }

  /** Runs one or more statements that return nothing. */
  exec(sql: string): void {
    this.#connection.exec(sql)
  }

  /** Runs `work` in a transaction, which is rolled back if it throws. */
  transaction<T>(work: () => T, kind: 'DEFERRED' | 'IMMEDIATE' = 'DEFERRED'): T {
    this.exec(`BEGIN ${kind}`)
    try {
      const result = work()
      this.exec('COMMIT')
      return result
    } catch (error) {
      if (this.inTransaction) this.exec('ROLLBACK')
      throw error
    }
  }

  /** The rows that `PRAGMA text` returns. */
  pragma(text: string): unknown[] {
    return this.#connection.prepare(`PRAGMA ${text}`).all()
  }

  /** The first column of the first row that `PRAGMA text` returns. */
  pragmaValue(text: string): unknown {
    return this.prepare(`PRAGMA ${text}`).pluck().get()
  }

  close(): void {
    if (this.isOpen) this.#connection.close()
  }
}

/** A prepared statement. Its rows are objects, unless `raw` or `pluck` was called. */
export class Statement<Values extends readonly Value[] = readonly Value[], Row = unknown> {
  readonly #statement: StatementSync
  #isPlucked = false

  constructor(statement: StatementSync) {
    this.#statement = statement
  }

  /** From now on rows are arrays. */
  raw(): this {
    this.#statement.setReturnArrays(true)
    return this
  }

  /** From now on only the first column is returned. */
  pluck(): this {
    this.#isPlucked = true
    return this.raw()
  }

  run(...values: Values): {changes: number; lastInsertRowid: number} {
    return this.#statement.run(...values) as {changes: number; lastInsertRowid: number}
  }

  /** `named` are the values of `@name`, `values` those of the `?` between them. */
  runNamed(named: Record<string, Value>, values: readonly Value[]): void {
    this.#statement.run(named, ...values)
  }

  get(...values: Values): Row | undefined {
    const row = this.#statement.get(...values) as Row | undefined
    return this.#isPlucked ? (row as readonly Row[] | undefined)?.[0] : row
  }

  all(...values: Values): Row[] {
    const rows = this.#statement.all(...values) as unknown as Row[]
    return this.#isPlucked ? (rows as unknown as Row[][]).map(([value]) => value as Row) : rows
  }

  /** For statements without `pluck`. */
  iterate(...values: Values): IterableIterator<Row> {
    return this.#statement.iterate(...values) as unknown as IterableIterator<Row>
  }
}

/** A URL, whose `mode` tells SQLite whether it may create the file. */
function addressOf(path: string, mode: string): URL {
  const url = pathToFileURL(path)
  url.search = `?mode=${mode}`
  return url
}

/** Loads SQLite, without the warning of Node 22 that this module is experimental. */
function connections(): typeof DatabaseSync {
  const {emitWarning} = process
  process.emitWarning = () => {}
  try {
    return process.getBuiltinModule('node:sqlite').DatabaseSync
  } finally {
    process.emitWarning = emitWarning
  }
}

/** For older versions of Node, which cannot open bytes in memory: through a temporary file, which is deleted as soon as it is open. */
function throughFile(bytes: Uint8Array): Database {
  const folder = mkdtempSync(join(tmpdir(), 'busline-'))
  try {
    const path = join(folder, 'copy.db')
    writeFileSync(path, bytes, {mode: 0o600, flag: 'wx'})
    return new Database(path, {readOnly: true})
  } finally {
    rmSync(folder, {recursive: true, force: true})
  }
}

/** SQLite's result codes, https://sqlite.org/rescode.html, from 1. */
const resultCodes = [
  ...['ERROR', 'INTERNAL', 'PERM', 'ABORT', 'BUSY', 'LOCKED', 'NOMEM', 'READONLY', 'INTERRUPT', 'IOERR', 'CORRUPT'],
  ...['NOTFOUND', 'FULL', 'CANTOPEN', 'PROTOCOL', 'EMPTY', 'SCHEMA', 'TOOBIG', 'CONSTRAINT', 'MISMATCH', 'MISUSE'],
  ...['NOLFS', 'AUTH', 'FORMAT', 'RANGE', 'NOTADB'],
]

/** The code of an error of SQLite, such as `SQLITE_BUSY`, or of the system; empty if it has none. */
export function systemCode(error: unknown): string {
  if (!(error instanceof Error && 'code' in error)) return ''
  // A number above 2^53, which this project never writes.
  if (error.code === 'ERR_OUT_OF_RANGE' && error.message.startsWith('Value is too large to be represented')) {
    return 'SQLITE_CORRUPT'
  }
  if (error.code !== 'ERR_SQLITE_ERROR' || !('errcode' in error)) return String(error.code)
  // The lower byte of an extended code is the code itself.
  return `SQLITE_${resultCodes[(Number(error.errcode) & 0xff) - 1]}`
}
