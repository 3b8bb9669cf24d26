/** Following response streams within bounds: what `stream open` does, without its looks. */

import {BusError} from '../../core/errors.ts'
import type {Message} from '../../core/message.ts'
import {Timer} from '../../core/time/timer.ts'
import type {StreamClient, StreamOptions} from './client.ts'
import type {Close} from './close-reasons.ts'
import type {ResponseStream} from './response-stream.ts'

export interface FollowOptions extends StreamOptions {
  readonly subject: string
  readonly body?: Uint8Array | string | undefined
  /** Streams to open at once. */
  readonly open: number
  /** Shows frames of one stream, `first` the number of the first of them; resolves with how many it showed. */
  readonly show: (frames: readonly Message[], stream: ResponseStream, first: number) => number | Promise<number>
  /** End after this many were shown. */
  readonly count?: number | undefined
  /** End after this many milliseconds. */
  readonly forMs?: number | undefined
  /** End after this many milliseconds without a frame. */
  readonly idleMs?: number | undefined
  /** Ends it. */
  readonly stop?: AbortSignal | undefined
  readonly onOpen?: ((streams: readonly ResponseStream[]) => void) | undefined
  /** Told of each stream when all of its frames were shown, or when it was left. */
  readonly onEnd?: ((stream: ResponseStream) => void) | undefined
}

export interface Followed {
  readonly frames: number
  readonly shown: number
  /** Streams that were closed, or failed. */
  readonly ended: number
  readonly closes: readonly Close[]
  readonly failures: readonly unknown[]
  readonly ms: number
  readonly endedBy: 'close' | 'count' | 'for' | 'idle' | 'stop'
}

const batchSize = 256

/** Opens streams and shows their frames until all have ended or a bound is met. Failures of single streams are in the result. */
export async function follow(client: StreamClient, options: FollowOptions): Promise<Followed> {
  const following = new Following(client, options)
  return await following.run()
}

class Following {
  readonly #client: StreamClient
  readonly #options: FollowOptions
  readonly #started = performance.now()
  readonly #streams: ResponseStream[] = []
  readonly #failures: unknown[] = []
  readonly #closes: Close[] = []
  #idle: Timer | undefined
  #left: number
  #frames = 0
  #shown = 0
  #ended = 0
  #endedBy: Followed['endedBy'] = 'close'

  constructor(client: StreamClient, options: FollowOptions) {
    this.#client = client
    this.#options = options
    this.#left = options.count ?? Number.POSITIVE_INFINITY
  }

  async run(): Promise<Followed> {
    const {forMs, idleMs, stop, onOpen} = this.#options
    const onStop = () => this.#end('stop')
    stop?.addEventListener('abort', onStop)
    const timer = forMs === undefined ? undefined : new Timer(forMs, () => this.#end('for'))
    if (idleMs !== undefined) this.#idle = new Timer(idleMs, () => this.#end('idle'))
    try {
      const {subject, body, open, dialect, buffer, whenFull} = this.#options
      const opened = Array.from({length: open}, () => this.#client.open(subject, body, {dialect, buffer, whenFull}))
      this.#streams.push(...(await Promise.all(opened)))
      onOpen?.(this.#streams)
      if (this.#endedBy !== 'close') this.#leave()
      await Promise.all(this.#streams.map((stream) => this.#read(stream)))
    } finally {
      timer?.cancel()
      this.#idle?.cancel()
      stop?.removeEventListener('abort', onStop)
    }
    return {
      ...{frames: this.#frames, shown: this.#shown, ended: this.#ended, closes: this.#closes},
      ...{failures: this.#failures, ms: performance.now() - this.#started, endedBy: this.#endedBy},
    }
  }

  async #read(stream: ResponseStream): Promise<void> {
    let number = 1
    try {
      for (;;) {
        const frames = await stream.take(batchSize)
        if (frames.length === 0 || this.#left <= 0) break
        this.#idle?.refresh()
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

  /** What is shown is taken off the count before it is, for other streams show theirs meanwhile. */
  async #show(frames: readonly Message[], stream: ResponseStream, first: number): Promise<void> {
    this.#frames += frames.length
    const wanted = frames.slice(0, Math.max(0, this.#left))
    if (wanted.length === 0) return
    this.#left -= wanted.length
    const shown = await this.#options.show(wanted, stream, first)
    this.#shown += shown
    this.#left += wanted.length - shown
    if (this.#left <= 0) this.#end('count')
  }

  /** Remembers the first reason. */
  #end(reason: Followed['endedBy']): void {
    if (this.#endedBy !== 'close') return
    this.#endedBy = reason
    this.#leave()
  }

  #leave(): void {
    for (const stream of this.#streams) stream.leave()
  }
}
