import {type Db, isBusy, type Lock} from '../sqlite/db.ts'

export interface PollOptions {
  readonly db: Db
  readonly lock: Lock
  readonly everyMs: number
  /** Checks for changes. */
  readonly look: () => void
  /** Called when checking fails. */
  readonly failed: (error: unknown) => void
}

/**
 * Checks at an interval, but only after another connection has committed: that costs microseconds instead of a query per
 * subject.
 */
export class Poll {
  readonly #options: PollOptions
  readonly #version
  #timer: NodeJS.Timeout | undefined
  #seen: unknown
  #busySince: number | undefined

  constructor(options: PollOptions) {
    this.#options = options
    this.#version = options.db.prepare('PRAGMA data_version').pluck()
  }

  /** Runs as long as something waits. */
  run(isWanted: boolean): void {
    if (isWanted) this.#timer ??= setInterval(this.#tick, this.#options.everyMs)
    else this.stop()
  }

  /** Checks at the next interval even without a commit. */
  again(): void {
    this.#seen = undefined
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#seen = undefined
  }

  readonly #tick = (): void => {
    try {
      const version = this.#version.get()
      if (version !== this.#seen) {
        this.#seen = version
        this.#options.look()
      }
      this.#busySince = undefined
    } catch (error) {
      this.#seen = undefined
      this.#busySince ??= performance.now()
      if (!isBusy(error) || this.#options.lock.isTooLate(this.#busySince)) this.#options.failed(error)
    }
  }
}
