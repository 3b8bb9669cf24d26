/** Publishes many messages as fast as the bus accepts them, or at a pace. Messages published before a failure stay published. */
import {BusError} from '../../core/errors.ts'
import {type Outgoing, sizeOf} from '../../core/message.ts'
import {reworded} from '../../core/rewording.ts'
import type {Pace} from '../../core/time/pace.ts'
import {sleep} from '../../core/time/timer.ts'
import type {MessageSource, Numbered} from './sources.ts'

/** Receives messages: a bus, or a publisher that waits for the acknowledgements of streams. */
export interface PublishTarget {
  /** Returns a promise if the next message should wait for it. */
  publish(message: Outgoing & Partial<Numbered>): Promise<void> | void
  /** Resolves when all earlier messages have arrived. */
  flush(): Promise<void>
  /** Set if the sink itself limits the messages in flight: it is flushed after this many bytes, otherwise continuously. */
  readonly flushAfterBytes?: number
}

export interface PublishOptions {
  readonly pace?: Pace | undefined
  /** Ends it early, between two messages. */
  readonly signal?: AbortSignal | undefined
  /** Called occasionally with the progress. */
  readonly onProgress?: ((done: Done) => void) | undefined
}

export interface Done {
  readonly published: number
  /** Bytes of the payloads. */
  readonly bytes: number
}

export interface Published extends Done {
  readonly ms: number
  /** The whole source was published. */
  readonly complete: boolean
}

/**
 * Publishes all messages of `source` and flushes. Fails as the sink or the source does, with the number of messages published
 * before in the sentence.
 */
export async function publishAll(
  sink: PublishTarget,
  source: MessageSource,
  options: PublishOptions = {},
): Promise<Published> {
  const started = performance.now()
  const run = new Run(sink, options, started)
  let complete = false
  try {
    complete = await run.all(source)
  } catch (error) {
    await run.keep(error)
  }
  await run.flush()
  return {published: run.published, bytes: run.bytes, ms: performance.now() - started, complete}
}

/** Messages and bytes between two flushes. One window fills up while the previous one is being flushed. */
const windowMessages = 4096
const windowBytes = 1024 * 1024

class Run {
  readonly #sink: PublishTarget
  readonly #options: PublishOptions
  readonly #started: number
  /** Aborts when the sink has failed. */
  readonly #trouble = new AbortController()
  #earlier: Promise<void> | undefined
  #windowEnd = windowMessages
  #windowBytes = windowBytes
  #flushedBytes = 0
  published = 0
  bytes = 0

  constructor(sink: PublishTarget, options: PublishOptions, started: number) {
    this.#sink = sink
    this.#options = options
    this.#started = started
  }

  /** False if the signal ended it. */
  async all(source: MessageSource): Promise<boolean> {
    const {pace, signal} = this.#options
    for await (const batch of source) {
      for (const message of batch) {
        if (pace !== undefined) await this.#wait(pace(message, performance.now() - this.#started))
        if (signal?.aborted) return false
        const room = this.#publish(message)
        if (room !== undefined) await this.#met(room)
        if (this.published >= this.#windowEnd || this.bytes >= this.#windowBytes) await this.#turn()
      }
    }
    return !signal?.aborted
  }

  /** Flushes what was published before the failure, and reports it. Always throws. */
  async keep(error: unknown): Promise<never> {
    if (this.#trouble.signal.aborted || !(error instanceof BusError)) throw error
    await this.flush()
    if (this.published === 0) throw error
    const kept = this.published === 1 ? 'the message before it was' : `the ${this.published} messages before it were`
    throw reworded(error, `${error.message}; ${kept} published`, {published: this.published})
  }

  async flush(): Promise<void> {
    await this.#earlier
    await this.#sink.flush()
  }

  #publish(message: Outgoing & Partial<Numbered>): Promise<void> | undefined {
    let room: Promise<void> | undefined
    try {
      room = this.#sink.publish(message) ?? undefined
    } catch (error) {
      if (message.line === undefined || !(error instanceof BusError)) throw error
      throw reworded(error, `line ${message.line}: ${error.message}`, {line: message.line})
    }
    this.published++
    this.bytes += sizeOf(message.data)
    return room
  }

  async #wait(dueMs: number): Promise<void> {
    const ms = dueMs - (performance.now() - this.#started)
    if (ms <= 0) return
    this.#options.onProgress?.(this)
    await this.#flushBehind()
    const {signal} = this.#options
    const awake = signal === undefined ? this.#trouble.signal : AbortSignal.any([signal, this.#trouble.signal])
    for (let left = ms; left > 0 && !awake.aborted; ) {
      await sleep(Math.ceil(left), awake)
      left = dueMs - (performance.now() - this.#started)
    }
    if (this.#trouble.signal.aborted) await this.#earlier
  }

  async #turn(): Promise<void> {
    this.#windowEnd = this.published + windowMessages
    this.#windowBytes = this.bytes + windowBytes
    this.#options.onProgress?.(this)
    if (this.bytes - this.#flushedBytes >= (this.#sink.flushAfterBytes ?? 0)) await this.#flushBehind()
  }

  /** Waits for the previous flush; the next call waits for this one. */
  async #flushBehind(): Promise<void> {
    if (this.#earlier !== undefined) await this.#met(this.#earlier)
    this.#flushedBytes = this.bytes
    this.#earlier = this.#sink.flush()
    this.#earlier.catch(() => this.#trouble.abort())
  }

  async #met(promise: Promise<void>): Promise<void> {
    try {
      await promise
    } catch (error) {
      this.#trouble.abort()
      throw error
    }
  }
}
