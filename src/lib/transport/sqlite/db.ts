/**
 * A SQLite database that other processes use at the same time, and the translation of its errors into one sentence. Both
 * drivers over SQLite use this file.
 *
 * SQLite's own busy handler sleeps longer and longer, which starves a writer among busy ones. Retrying after a short random
 * pause keeps the shares fair.
 */
import {BusError} from '../../core/errors.ts'
import {sleep} from '../../core/time/timer.ts'
import {unanswered} from '../shared/stream-errors.ts'
import {type Database, systemCode} from './database.ts'

export type Db = Database

/** "NBUS": distinguishes a bus file from any other SQLite database. */
export const applicationId = 0x4e425553

/** The result of `tryWrite` if another process holds the lock. */
export const busy = Symbol('busy')

const tries = 20
/** How long operations wait for other processes that hold the lock: the maximum and the default. */
const longestMs = 10_000
/** A late acknowledgement or reply has an error of its own, which comes first. */
const marginMs = 200
/** How long they continue to wait once the connection is to end. */
const afterAbortMs = 500

/** How long to wait for other processes that hold the lock, and a signal that ends the wait. */
export interface LockTimeoutOptions {
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** Decides when a wait for the lock of another process has lasted too long. */
export class LockTimeout {
  readonly #ms: number
  readonly #signal: AbortSignal | undefined
  #abortedAt: number | undefined

  constructor({timeoutMs = longestMs, signal}: LockTimeoutOptions = {}) {
    this.#ms = Math.min(timeoutMs, longestMs)
    this.#signal = signal
  }

  /** For a wait that began at `since`, a time of `performance.now()`. */
  isOver(since: number): boolean {
    const now = performance.now()
    if (this.#signal?.aborted) this.#abortedAt ??= now
    return (
      now - since > this.#ms + marginMs ||
      (this.#abortedAt !== undefined && now - Math.max(since, this.#abortedAt) > afterAbortMs)
    )
  }

  /** The error when the wait ends; `what` is the name of the file. */
  error(what: string): BusError {
    const hints = {try: ['find the process that holds the lock: lsof'], data: {written: false}}
    return this.#abortedAt === undefined
      ? new BusError('connect', `${what} was locked by another process for ${this.#ms / 1000} s`, hints)
      : new BusError('interrupted', `interrupted while ${what} was locked by another process`, hints)
  }
}

export interface LockOptions {
  /** Throws if nothing may be written any more. */
  readonly beforeCommit?: (() => void) | undefined
  /** The error of every write, if the database is open read-only. */
  readonly refusal?: (() => BusError) | undefined
  readonly lockTimeout?: LockTimeout | undefined
}

/** Transactions on the one connection. */
export class Lock {
  readonly #db: Db
  readonly #what: string
  readonly #options: LockOptions
  readonly #lockTimeout: LockTimeout
  readonly #begin
  readonly #commit
  #read: {run(): unknown} | undefined
  readonly #cell = new Int32Array(new SharedArrayBuffer(4))

  /** `what` is the name of the file in errors. */
  constructor(db: Db, what: string, options: LockOptions = {}) {
    this.#db = db
    this.#what = what
    this.#options = options
    this.#lockTimeout = options.lockTimeout ?? new LockTimeout()
    this.#begin = db.prepare('BEGIN IMMEDIATE')
    this.#commit = db.prepare('COMMIT')
  }

  get isReadOnly(): boolean {
    return this.#options.refusal !== undefined
  }

  /** Throws if the database is open read-only. */
  checkWritable(): void {
    const {refusal} = this.#options
    if (refusal !== undefined) throw refusal()
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
      this.#options.beforeCommit?.()
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
    const began = performance.now()
    for (;;) {
      const result = this.tryWrite(work)
      if (result !== busy) {
        then?.()
        return result
      }
      if (this.isTooLate(began)) throw this.lockedError()
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

  /** Whether a wait for the lock that began at `since` has lasted too long. */
  isTooLate(since: number): boolean {
    return this.#lockTimeout.isOver(since)
  }

  /** The error of a wait that has lasted too long. */
  lockedError(): BusError {
    return this.#lockTimeout.error(this.#what)
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

/**
 * The error of something that could not be written because another process locks the file called `name`; `what` begins the
 * sentence.
 */
export function unsentError(what: string, name: string, timeoutMs: number): BusError {
  const text = `${what} within ${timeoutMs} ms: ${name} is locked by another process`
  return new BusError('timeout', text, {
    try: ['find the process that holds the lock: lsof'],
    data: {written: false, ...unanswered},
  })
}

/**
 * Runs `work`, and again while another process holds the lock; it must have no effect if it throws. Fails when `lockTimeout` ends.
 */
export async function whenFree<T>(what: string, lockTimeout: LockTimeout, work: () => T): Promise<T> {
  const began = performance.now()
  for (;;) {
    try {
      return work()
    } catch (error) {
      if (!isBusy(error)) throw error
    }
    if (lockTimeout.isOver(began)) throw lockTimeout.error(what)
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
  [
    /^(SQLITE_TOOBIG|SQLITE_NOMEM|ERR_STRING_TOO_LONG)/,
    'connect',
    'has a value that is too large to be read',
    'remove its row with another program',
  ],
  [
    /^SQLITE_BUSY/,
    'connect',
    'is locked by another process',
    'find the process that holds the lock: lsof, and try again',
  ],
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
