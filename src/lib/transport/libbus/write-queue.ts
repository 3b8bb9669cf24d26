import type {Lock} from '../sqlite/db.ts'

export interface WriteQueueOptions {
  readonly lock: Lock
  /** Told after each commit. */
  readonly committed: () => void
  /** Makes the failure that the next flush meets. */
  readonly failed: (error: unknown) => unknown
}

type Write = () => void

const mostWrites = 1000

/** What is to be written, in order: what one turn of the event loop brings is one transaction. */
export class WriteQueue {
  readonly #options: WriteQueueOptions
  #waiting: Write[] = []
  #batch: Promise<void> | undefined
  #pushed = 0
  #done = 0
  #failure: {readonly error: unknown} | undefined

  constructor(options: WriteQueueOptions) {
    this.#options = options
  }

  push(write: Write): void {
    this.#waiting.push(write)
    this.#pushed++
    this.#batch ??= this.#next()
  }

  /** Resolves when all that was pushed so far is committed; rejects when some of it could not be. */
  async flush(): Promise<void> {
    const upTo = this.#pushed
    while (this.#done < upTo && this.#batch !== undefined) await this.#batch
    const failure = this.#failure
    this.#failure = undefined
    if (failure !== undefined) throw failure.error
  }

  async #next(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    const writes = this.#waiting.splice(0, mostWrites)
    try {
      await this.#options.lock.write(() => {
        for (const write of writes) write()
      })
    } catch (error) {
      this.#failure ??= {error: this.#options.failed(error)}
    }
    this.#done += writes.length
    this.#batch = this.#waiting.length > 0 ? this.#next() : undefined
    this.#options.committed()
  }
}
