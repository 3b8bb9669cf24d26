/** Publishing many: as fast as the bus takes them, or at a pace; what was published before a failure stays published. */
import {BusError} from '../errors.ts'
import {type Outgoing, sizeOf} from '../message.ts'
import {type Pace, sleep} from '../pace.ts'
import type {Transport} from '../transport/transport.ts'
import type {Source} from './sources.ts'

export interface PublishOptions {
  readonly pace?: Pace | undefined
  /** Ends it early, between two messages. */
  readonly signal?: AbortSignal | undefined
  /** Told now and then how far it is. */
  readonly onProgress?: ((done: Done) => void) | undefined
}

export interface Done {
  readonly published: number
  /** Bytes of the payloads. */
  readonly bytes: number
}

export interface Published extends Done {
  readonly ms: number
  /** The source was published to its end. */
  readonly complete: boolean
}

/**
 * Publishes all that `source` gives and flushes. Fails as the bus or the source does; the sentence then says how many
 * messages were published before.
 */
export async function publishAll(bus: Transport, source: Source, options: PublishOptions = {}): Promise<Published> {
  const started = performance.now()
  const run = new Run(bus, options, started)
  let complete = false
  try {
    complete = await run.all(source)
  } catch (error) {
    await run.keep(error)
  }
  await run.flush()
  return {published: run.published, bytes: run.bytes, ms: performance.now() - started, complete}
}

/** Messages and bytes between two flushes. One window fills while the one before is on its way. */
const windowMessages = 4096
const windowBytes = 1024 * 1024

class Run {
  readonly #bus: Transport
  readonly #options: PublishOptions
  readonly #started: number
  #earlier: Promise<void> | undefined
  #windowEnd = windowMessages
  #windowBytes = windowBytes
  #busFailed = false
  published = 0
  bytes = 0

  constructor(bus: Transport, options: PublishOptions, started: number) {
    this.#bus = bus
    this.#options = options
    this.#started = started
  }

  /** False when the signal ended it. */
  async all(source: Source): Promise<boolean> {
    const {pace, signal} = this.#options
    for await (const batch of source) {
      for (const message of batch) {
        if (pace !== undefined) await this.#wait(pace(message, performance.now() - this.#started))
        if (signal?.aborted) return false
        this.#publish(message)
        if (this.published >= this.#windowEnd || this.bytes >= this.#windowBytes) await this.#turn()
      }
    }
    return !signal?.aborted
  }

  /** Makes sure of what was published before the failure, and says so. Always throws. */
  async keep(error: unknown): Promise<never> {
    if (this.#busFailed || !(error instanceof BusError)) throw error
    await this.flush()
    if (this.published === 0) throw error
    const kept = this.published === 1 ? 'the message before it was' : `the ${this.published} messages before it were`
    throw new BusError(error.kind, `${error.message}; ${kept} published`, {
      cause: error,
      try: error.try,
      data: {...error.data, published: this.published},
    })
  }

  async flush(): Promise<void> {
    await this.#earlier
    await this.#bus.flush()
  }

  #publish(message: Outgoing & {readonly line?: number}): void {
    try {
      this.#bus.publish(message)
    } catch (error) {
      if (message.line === undefined || !(error instanceof BusError)) throw error
      const {kind, data} = error
      throw new BusError(kind, `line ${message.line}: ${error.message}`, {
        cause: error,
        try: error.try,
        data: {...data, line: message.line},
      })
    }
    this.published++
    this.bytes += sizeOf(message.data)
  }

  async #wait(dueMs: number): Promise<void> {
    const ms = dueMs - (performance.now() - this.#started)
    if (ms <= 0) return
    await this.#turn()
    for (let left = ms; left > 0 && !this.#options.signal?.aborted; ) {
      await sleep(Math.ceil(left), this.#options.signal)
      left = dueMs - (performance.now() - this.#started)
    }
  }

  async #turn(): Promise<void> {
    this.#windowEnd = this.published + windowMessages
    this.#windowBytes = this.bytes + windowBytes
    this.#options.onProgress?.(this)
    try {
      await this.#earlier
    } catch (error) {
      this.#busFailed = true
      throw error
    }
    this.#earlier = this.#bus.flush()
    // Met at the next turn; until then nobody waits for it.
    this.#earlier.catch(() => undefined)
  }
}
