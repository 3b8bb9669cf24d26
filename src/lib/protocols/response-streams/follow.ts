/** Follows response streams within bounds: the core of `stream open`, without the views. */

import {BusError} from '../../core/errors.ts'
import type {Message} from '../../core/message.ts'
import {Timer} from '../../core/time/timer.ts'
import {type BoundOptions, type BoundReason, Bounds} from '../../messaging/bounds.ts'
import type {StreamClient, StreamOptions} from './client.ts'
import type {Close} from './close-reasons.ts'
import type {ResponseStream} from './response-stream.ts'

/** `count` counts shown frames. */
export interface FollowOptions extends StreamOptions, BoundOptions {
  readonly subject: string
  readonly body?: Uint8Array | string | undefined
  /** Response streams to open at the same time. */
  readonly open: number
  /** Shows frames of one response stream, `first` being the number of the first of them; resolves with the number shown. */
  readonly show: (frames: readonly Message[], stream: ResponseStream, first: number) => number | Promise<number>
  /** Called with all of them once one answers, or when none was refused for a moment. */
  readonly onOpen?: ((streams: readonly ResponseStream[]) => void) | undefined
  /** Called for each response stream when all its frames were shown, or when it was left open. */
  readonly onEnd?: ((stream: ResponseStream) => void) | undefined
}

export interface Followed {
  readonly frames: number
  readonly shown: number
  /** Response streams that were closed, or failed. */
  readonly ended: number
  readonly closes: readonly Close[]
  readonly failures: readonly unknown[]
  readonly ms: number
  readonly endedBy: BoundReason | 'close'
}

const batchSize = 256

/**
 * Opens response streams and shows their frames until all have ended or a bound is reached. Failures of single response streams
 * are in the result.
 */
export async function follow(client: StreamClient, options: FollowOptions): Promise<Followed> {
  const following = new Following(client, options)
  return await following.run()
}

/** How long a response stream may be silent before it counts as opened. */
const quietMs = 250

class Following {
  readonly #client: StreamClient
  readonly #options: FollowOptions
  readonly #started = performance.now()
  readonly #streams: ResponseStream[] = []
  readonly #failures: unknown[] = []
  readonly #closes: Close[] = []
  readonly #bounds: Bounds
  #frames = 0
  #shown = 0
  #ended = 0
  #isAnnounced = false

  constructor(client: StreamClient, options: FollowOptions) {
    this.#client = client
    this.#options = options
    this.#bounds = new Bounds(options, () => this.#leave())
  }

  async run(): Promise<Followed> {
    using bounds = this.#bounds
    const {subject, body, open, dialect, buffer, whenFull} = this.#options
    const opened = Array.from({length: open}, () => this.#client.open(subject, body, {dialect, buffer, whenFull}))
    this.#streams.push(...(await Promise.all(opened)))
    using _quiet = new Timer(quietMs, () => this.#announce())
    if (bounds.endedBy !== undefined) this.#leave()
    await Promise.all(this.#streams.map((stream) => this.#read(stream)))
    if (this.#failures.length < open) this.#announce()
    return {
      ...{frames: this.#frames, shown: this.#shown, ended: this.#ended, closes: this.#closes},
      ...{failures: this.#failures, ms: performance.now() - this.#started, endedBy: bounds.endedBy ?? 'close'},
    }
  }

  async #read(stream: ResponseStream): Promise<void> {
    let number = 1
    try {
      for (;;) {
        const frames = await stream.take(batchSize)
        if (frames.length === 0 || this.#bounds.left <= 0) break
        this.#announce()
        this.#bounds.came(0)
        await this.#show(frames, stream, number)
        number += frames.length
      }
      if (stream.closed !== undefined) this.#ended++
    } catch (error) {
      if (!(error instanceof BusError)) throw error
      this.#ended++
      this.#failures.push(error)
    }
    if (stream.closed !== undefined) this.#closes.push(stream.closed)
    this.#options.onEnd?.(stream)
  }

  /** Frames are subtracted from the count before they are shown, because other response streams are shown at the same time. */
  async #show(frames: readonly Message[], stream: ResponseStream, first: number): Promise<void> {
    this.#frames += frames.length
    const bounds = this.#bounds
    const wanted = frames.slice(0, Math.max(0, bounds.left))
    if (wanted.length === 0) return
    bounds.left -= wanted.length
    const showing = this.#options.show(wanted, stream, first)
    const shown = typeof showing === 'number' ? showing : await bounds.busy(showing)
    this.#shown += shown
    bounds.left += wanted.length
    bounds.came(shown)
  }

  /** Whether anybody serves a subject is known once something has arrived, or after a moment without a refusal. */
  #announce(): void {
    if (this.#isAnnounced) return
    this.#isAnnounced = true
    this.#options.onOpen?.(this.#streams)
  }

  #leave(): void {
    for (const stream of this.#streams) stream.leave()
  }
}
