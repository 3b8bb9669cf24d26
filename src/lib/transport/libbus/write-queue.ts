import {busy, type Lock} from '../sqlite/db.ts'

export interface WriteQueueOptions {
  readonly lock: Lock
  /** Called after each commit, and after a failure. */
  readonly committed: () => void
  /** Makes the failure with which the next flush rejects. */
  readonly failed: (error: unknown) => unknown
}

/** Runs within a write transaction; runs again if the commit failed. */
type Write = () => void

interface QueuedWrite {
  readonly write: Write
  /** Called when it is committed, or given up. */
  readonly settled?: () => void
}

const mostWrites = 1000

/** Writes in order: everything of one turn of the event loop is one transaction. */
export class WriteQueue {
  readonly #options: WriteQueueOptions
  #waiting: QueuedWrite[] = []
  #isRunning = false
  #busySince: number | undefined
  #failure: {readonly error: unknown} | undefined

  constructor(options: WriteQueueOptions) {
    this.#options = options
  }

  push(write: Write): void {
    this.#add({write})
  }

  /** Withdraws a write; false if it is already committed. */
  withdraw(write: Write): boolean {
    const at = this.#waiting.findIndex((entry) => entry.write === write)
    if (at >= 0) this.#waiting.splice(at, 1)
    return at >= 0
  }

  /** Resolves when everything pushed so far is committed; rejects if some of it could not be. */
  async flush(): Promise<void> {
    if (this.#waiting.length > 0) {
      const {promise, resolve} = Promise.withResolvers<void>()
      this.#add({write: () => {}, settled: resolve})
      await promise
    }
    const failure = this.#failure
    this.#failure = undefined
    if (failure !== undefined) throw failure.error
  }

  #add(entry: QueuedWrite): void {
    this.#waiting.push(entry)
    if (this.#isRunning) return
    this.#isRunning = true
    setImmediate(this.#run)
  }

  readonly #run = (): void => {
    const batch = this.#waiting.slice(0, mostWrites)
    try {
      const isBusy = this.#options.lock.tryWrite(() => batch.forEach(({write}) => void write())) === busy
      if (isBusy) this.#checkTimeout()
      else this.#settle(batch.length)
    } catch (error) {
      this.#fail(error, batch.length)
    }
    this.#isRunning = this.#waiting.length > 0
    if (this.#isRunning) setImmediate(this.#run)
  }

  /** A batch that cannot be committed for too long is given up, with those after it. */
  #checkTimeout(): void {
    this.#busySince ??= performance.now()
    if (this.#options.lock.isTooLate(this.#busySince))
      this.#fail(this.#options.lock.lockedError(), this.#waiting.length)
  }

  #fail(error: unknown, count: number): void {
    this.#failure ??= {error: this.#options.failed(error)}
    this.#settle(count)
  }

  #settle(count: number): void {
    this.#busySince = undefined
    const settled = this.#waiting.splice(0, count)
    this.#options.committed()
    for (const entry of settled) entry.settled?.()
  }
}
