import {type Db, isBusy, patienceMs} from '../sqlite/db.ts'

export interface PollOptions {
  readonly db: Db
  readonly everyMs: number
  /** Looks for what is new. */
  readonly look: () => void
  /** Told when it cannot look any more. */
  readonly failed: (error: unknown) => void
}

/** Looks at an interval, and then only when somebody else has committed: that costs microseconds, not a query a subject. */
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

  /** Goes on for as long as somebody waits. */
  run(isWanted: boolean): void {
    if (isWanted) this.#timer ??= setInterval(this.#tick, this.#options.everyMs)
    else this.stop()
  }

  /** Looks at the next tick, whether anything changed or not. */
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
      if (!isBusy(error) || performance.now() - this.#busySince > patienceMs) this.#options.failed(error)
    }
  }
}
