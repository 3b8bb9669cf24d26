/**
 * Transactions on the one connection. SQLite's own busy handler sleeps longer and longer and so starves a writer among
 * busy others; a short random pause and another try keeps the shares fair.
 */
import {BusError} from '../../core/errors.ts'
import type {Db} from './file.ts'

/** What `tryWrite` answers when others hold the lock. */
export const busy = Symbol('busy')

const tries = 20
const patienceMs = 10_000

export class Lock {
  readonly #db: Db
  readonly #path: string
  readonly #beforeCommit: () => void
  readonly #begin
  readonly #read
  readonly #commit
  readonly #rollback
  readonly #cell = new Int32Array(new SharedArrayBuffer(4))

  /** `beforeCommit` throws when nothing may be written any more. */
  constructor(db: Db, path: string, beforeCommit: () => void = () => {}) {
    this.#db = db
    this.#path = path
    this.#beforeCommit = beforeCommit
    this.#begin = db.prepare('BEGIN IMMEDIATE')
    this.#read = db.prepare('BEGIN')
    this.#commit = db.prepare('COMMIT')
    this.#rollback = db.prepare('ROLLBACK')
  }

  /** Runs `work` in a write transaction; blocks for at most about 3 ms, then answers `busy`. */
  tryWrite<T>(work: () => T): T | typeof busy {
    for (let i = 0; ; i++) {
      try {
        this.#begin.run()
        break
      } catch (error) {
        if (!isBusy(error)) throw error
        if (i === tries) return busy
        this.#pause()
      }
    }
    return this.#finish(() => {
      const result = work()
      this.#beforeCommit()
      return result
    })
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

  /** As `write`, but holds up the thread: for what must be done before the process ends. */
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
    return this.look(() => {
      this.#read.run()
      return this.#finish(work)
    })
  }

  /** Runs a single reading statement. A reader meets `busy` only while another recovers the log. */
  look<T>(statement: () => T): T {
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
    return new BusError(
      'connect',
      `the bus file ${this.#path} was locked by another process for ${patienceMs / 1000} s`,
      {
        try: ['see who holds it: lsof'],
      },
    )
  }

  #finish<T>(work: () => T): T {
    try {
      const result = work()
      this.#commit.run()
      return result
    } catch (error) {
      if (this.#db.inTransaction) this.#rollback.run()
      throw error
    }
  }

  #pause(): void {
    Atomics.wait(this.#cell, 0, 0, 0.05 + Math.random() * 0.1)
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('SQLITE_BUSY')
}
