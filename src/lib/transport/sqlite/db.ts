/**
 * A SQLite database that others use at the same time, and one sentence for whatever SQLite says of it. Both drivers over
 * SQLite are built on this file.
 *
 * SQLite's own busy handler sleeps longer and longer and so starves a writer among busy others: a short random pause and
 * another try keep the shares fair.
 */
import type Database from 'better-sqlite3'
import {BusError} from '../../core/errors.ts'
import {sleep} from '../../core/time/timer.ts'

export type Db = Database.Database

/** "NBUS": distinguishes a bus file from any other SQLite database. */
export const applicationId = 0x4e425553

/** What `tryWrite` answers when others hold the lock. */
export const busy = Symbol('busy')

const tries = 20
/** How long anything waits for others that hold the lock. */
export const patienceMs = 10_000

/** Transactions on the one connection. */
export class Lock {
  readonly #db: Db
  readonly #what: string
  readonly #beforeCommit: () => void
  readonly #begin
  readonly #commit
  #read: {run(): unknown} | undefined
  readonly #cell = new Int32Array(new SharedArrayBuffer(4))

  /** `what` names the file in failures; `beforeCommit` throws when nothing may be written any more. */
  constructor(db: Db, what: string, beforeCommit: () => void = () => {}) {
    this.#db = db
    this.#what = what
    this.#beforeCommit = beforeCommit
    this.#begin = db.prepare('BEGIN IMMEDIATE')
    this.#commit = db.prepare('COMMIT')
  }

  /**
   * Runs `work` in a write transaction; blocks for at most about 3 ms at its begin and at its commit, then answers `busy`.
   * Without a write-ahead log it is the commit that waits for readers: then `work` has run in vain, and is run again.
   */
  tryWrite<T>(work: () => T): T | typeof busy {
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

  /** As `tryWrite`, but waits for its turn. Calls `then` right after the commit. Fails with `connect` after 10 s. */
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

  /** As `write`, but blocks the thread: for what must be done before the process ends. */
  writeNow<T>(work: () => T): T {
    const deadline = performance.now() + patienceMs
    for (;;) {
      const result = this.tryWrite(work)
      if (result !== busy) return result
      if (performance.now() > deadline) throw this.lockedError()
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

  /** Runs a single reading statement. A reader meets `busy` only while another recovers the log. */
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

  /** False when others hold the file. */
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

/** Runs `work`, and again while others hold the file; it must leave nothing behind when it throws. Fails with `connect` after 10 s. */
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

/** Whether SQLite only says that somebody else holds the file just now. */
export function isBusy(error: unknown): boolean {
  return systemCode(error).startsWith('SQLITE_BUSY')
}

/** What SQLite itself would say of a damaged file. */
export function damageError(what: string, cause?: unknown): Error {
  return Object.assign(new Error(what, {cause}), {code: 'SQLITE_CORRUPT'})
}

/** One sentence for whatever the file system or SQLite said of a `kind` of file. A `BusError` stays as it is. */
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

/** First match wins. `{kind}` is that of the file. */
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
  [/^SQLITE_CORRUPT/, 'connect', 'is damaged', 'copy it away before anything else, then see PRAGMA integrity_check'],
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

/** A table, a row or a JSON value of a bus file that is not as we wrote it. */
function isSchemaError(error: unknown): boolean {
  if (error instanceof SyntaxError || systemCode(error).startsWith('SQLITE_CONSTRAINT')) return true
  return (
    systemCode(error) === 'SQLITE_ERROR' &&
    /^(no such (table|column)|malformed|unsupported file format|table \w+ (has no column|already exists))/.test(
      (error as Error).message,
    )
  )
}

/** The code of an error of SQLite or of the system; empty when it has none. */
export function systemCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}
