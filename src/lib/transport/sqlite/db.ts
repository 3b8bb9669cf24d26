/**
 * A SQLite database that other processes use at the same time, and the translation of its errors into one sentence. Both
 * drivers over SQLite use this file.
 *
 * SQLite's own busy handler sleeps longer and longer, which starves a writer among busy ones. Retrying after a short random
 * pause keeps the shares fair.
 */
import type Database from 'better-sqlite3'
import {BusError} from '../../core/errors.ts'
import {sleep} from '../../core/time/timer.ts'

export type Db = Database.Database

/** "NBUS": distinguishes a bus file from any other SQLite database. */
export const applicationId = 0x4e425553

/** The result of `tryWrite` if another process holds the lock. */
export const busy = Symbol('busy')

const tries = 20
/** How long operations wait for other processes that hold the lock. */
export const patienceMs = 10_000

/** Transactions on the one connection. */
export class Lock {
  readonly #db: Db
  readonly #what: string
  readonly #beforeCommit: () => void
  /** The error of every write; undefined if the database can be written. */
  readonly #refusal: (() => BusError) | undefined
  readonly #begin
  readonly #commit
  #read: {run(): unknown} | undefined
  readonly #cell = new Int32Array(new SharedArrayBuffer(4))

  /**
   * `what` names the file in errors; `beforeCommit` throws if nothing may be written any more. With `refusal` the database is
   * open for reading only, and every write fails with this error.
   */
  constructor(db: Db, what: string, beforeCommit: () => void = () => {}, refusal?: () => BusError) {
    this.#refusal = refusal
    this.#db = db
    this.#what = what
    this.#beforeCommit = beforeCommit
    this.#begin = db.prepare('BEGIN IMMEDIATE')
    this.#commit = db.prepare('COMMIT')
  }

  get isReadOnly(): boolean {
    return this.#refusal !== undefined
  }

  /** Throws when the database is open for reading only. */
  checkWritable(): void {
    if (this.#refusal !== undefined) throw this.#refusal()
  }

  /**
   * Runs `work` in a write transaction; blocks for at most about 3 ms at its begin and at its commit, then returns `busy`.
   * Without a write-ahead log the commit waits for readers: then `work` has run in vain, and is run again.
   */
  tryWrite<T>(work: () => T): T | typeof busy {
    this.checkWritable()
    if (!this.#runSoon(this.#begin)) return busy
    try {
      const result = work()
      this.#beforeCommit()
      if (this.#runSoon(this.#commit)) return result
      this.#rollBack()
      return busy
    } catch (error) {
      this.#rollBack()
      if (isBusy(error)) return busy
      throw error
    }
  }

  /** Like `tryWrite`, but waits for the lock. Calls `then` right after the commit. Fails with `connect` after 10 s. */
  async write<T>(work: () => T, then?: () => void): Promise<T> {
    const deadline = performance.now() + patienceMs
    for (;;) {
      const result = this.tryWrite(work)
      if (result !== busy) {
        then?.()
        return result
      }
      if (performance.now() > deadline) throw this.lockedError()
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  /** Runs `work` on one snapshot of the file. */
  read<T>(work: () => T): T {
    if (this.#db.inTransaction) return work()
    return this.readStatement(() => {
      this.#read ??= this.#db.prepare('BEGIN')
      this.#read.run()
      try {
        const result = work()
        this.#commit.run()
        return result
      } catch (error) {
        this.#rollBack()
        throw error
      }
    })
  }

  /** Runs a single read statement. A reader gets `busy` only while another process recovers the log. */
  readStatement<T>(statement: () => T): T {
    for (let i = 0; ; i++) {
      try {
        return statement()
      } catch (error) {
        if (!isBusy(error) || i === 1000) throw error
        this.#pause()
      }
    }
  }

  lockedError(): BusError {
    return lockedError(this.#what)
  }

  /** False if another process holds the lock. */
  #runSoon(statement: {run(): unknown}): boolean {
    for (let i = 0; ; i++) {
      try {
        statement.run()
        return true
      } catch (error) {
        if (!isBusy(error)) throw error
        if (i === tries) return false
        this.#pause()
      }
    }
  }

  #rollBack(): void {
    if (this.#db.inTransaction) this.#db.exec('ROLLBACK')
  }

  #pause(): void {
    Atomics.wait(this.#cell, 0, 0, 0.05 + Math.random() * 0.1)
  }
}

/** The failure of a request that the lock of others kept out of the file called `name`. */
export function unsentError(name: string, timeoutMs: number): BusError {
  const text = `the request was not sent within ${timeoutMs} ms: ${name} is locked by another process`
  return new BusError('timeout', text, {try: ['find the process that locks it: lsof']})
}

function lockedError(what: string): BusError {
  return new BusError('connect', `${what} was locked by another process for ${patienceMs / 1000} s`, {
    try: ['find the process that locks it: lsof'],
  })
}

/**
 * Runs `work`, and again while another process holds the lock; it must have no effect if it throws. Fails with `connect` after
 * 10 s.
 */
export async function whenFree<T>(what: string, work: () => T): Promise<T> {
  const deadline = performance.now() + patienceMs
  for (;;) {
    try {
      return work()
    } catch (error) {
      if (!isBusy(error)) throw error
    }
    if (performance.now() > deadline) throw lockedError(what)
    await sleep(1 + Math.random())
  }
}

/** Whether an error of SQLite means only that another process holds the lock. */
export function isBusy(error: unknown): boolean {
  return systemCode(error).startsWith('SQLITE_BUSY')
}

/** An error like SQLite's own for a damaged file. */
export function damageError(what: string, cause?: unknown): Error {
  return Object.assign(new Error(what, {cause}), {code: 'SQLITE_CORRUPT'})
}

/**
 * Translates an error of the file system or SQLite into one sentence; `kind` is the kind of file. A `BusError` is returned
 * unchanged.
 */
export function databaseError(path: string, error: unknown, kind = 'bus file'): unknown {
  if (error instanceof BusError) return error
  const code = isSchemaError(error) ? 'SQLITE_CORRUPT' : systemCode(error)
  const known = sentences.find(([pattern]) => pattern.test(code))
  if (known === undefined) return error
  const [, failure, text, hint] = known
  return new BusError(failure, `the ${kind} ${path} ${text.replace('{kind}', kind)}`, {
    cause: error,
    ...(hint === undefined ? {} : {try: [hint]}),
  })
}

/** The first match counts. `{kind}` is replaced by the kind of file. */
const sentences: readonly (readonly [RegExp, 'connect' | 'denied', string, string?])[] = [
  [/^ENOENT$/, 'connect', 'cannot be created: its folder does not exist', 'create the folder first'],
  [/^(EACCES|EPERM|EROFS|SQLITE_PERM|SQLITE_AUTH)/, 'denied', 'cannot be opened: permission denied'],
  [
    /^SQLITE_READONLY/,
    'denied',
    'is not writable',
    'readers write to it too: check its permissions and those of its folder',
  ],
  [
    /^(ENOSPC|EDQUOT|SQLITE_FULL)/,
    'connect',
    'cannot be written: the disk is full',
    'free some space and run this again',
  ],
  [/^SQLITE_NOTADB/, 'connect', 'is not a {kind}, left untouched', 'another path: --bus ./bus.db'],
  [/^SQLITE_CORRUPT/, 'connect', 'is damaged', 'make a copy of it first, then run PRAGMA integrity_check'],
  [/^SQLITE_BUSY/, 'connect', 'is locked by another process', 'find the process that locks it: lsof, and try again'],
  [/^(EMFILE|ENFILE)/, 'connect', 'cannot be opened: no file descriptor is free', 'raise the limit: ulimit -n'],
  [/^ENOINODE/, 'connect', 'cannot be opened: the disk has no free inode', 'remove files and run this again'],
  [
    /^(SQLITE_CANTOPEN|ENOTDIR|ENAMETOOLONG|ELOOP|EISDIR|ENXIO)/,
    'connect',
    'cannot be opened',
    'check the path and its permissions',
  ],
  [
    /^(SQLITE_IOERR|EIO)/,
    'connect',
    'cannot be read or written: the disk reports an error',
    'check the disk, and whether it is full',
  ],
]

/** A table, a row or a JSON value of a bus file that we did not write this way. */
function isSchemaError(error: unknown): boolean {
  if (error instanceof SyntaxError || systemCode(error).startsWith('SQLITE_CONSTRAINT')) return true
  return (
    systemCode(error) === 'SQLITE_ERROR' &&
    /^(no such (table|column)|malformed|unsupported file format|table \w+ (has no column|already exists))/.test(
      (error as Error).message,
    )
  )
}

/** The code of an error of SQLite or of the system; empty if it has none. */
export function systemCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}
