/** Publishing with acknowledgement: through the one queue of the connection, told after the commit. */
import {BusError} from '../../../core/errors.ts'
import type {Outgoing} from '../../../core/message.ts'
import {interruptedError} from '../../shared/requests.ts'
import {notKept, placed} from '../../shared/stream-errors.ts'
import type {PublisherOptions, Stored, StreamPublisher} from '../../streams-contract.ts'
import type {Sink} from '../publisher.ts'
import type {Outcome} from './intake.ts'

const window = 1000
const timeoutMs = 5000

/** Checks a message and queues it for the file; throws as `publish` does. */
export type Push = (message: Outgoing, sink: Sink) => void

export class AcknowledgedPublisher implements StreamPublisher, Sink {
  readonly #url: string
  readonly #push: Push
  readonly #options: PublisherOptions
  readonly #window: number
  readonly #timeoutMs: number
  readonly #timer: NodeJS.Timeout
  #subjects: string[] = []
  #pushed = 0
  #settled = 0
  /** As of the last look at the clock. */
  #seen = 0
  #error: unknown
  #failed: unknown
  #room: Deferred | undefined
  #done: Deferred | undefined
  acknowledged = 0
  duplicates = 0
  last: Stored | undefined

  constructor(url: string, push: Push, options: PublisherOptions = {}) {
    this.#url = url
    this.#push = push
    this.#options = options
    this.#window = options.window ?? window
    this.#timeoutMs = options.timeoutMs ?? timeoutMs
    this.#timer = setInterval(() => setImmediate(() => this.#look()), this.#timeoutMs).unref()
    options.signal?.addEventListener('abort', this.#abort)
    if (options.signal?.aborted) this.#abort()
  }

  push(message: Outgoing): Promise<void> | undefined {
    if (this.#failed !== undefined) throw this.#failed
    this.#push(message, this)
    this.#subjects.push(message.subject)
    this.#pushed++
    if (this.#pushed - this.#settled < this.#window) return undefined
    this.#room ??= deferred()
    return this.#room.promise
  }

  flush(): Promise<void> {
    if (this.#error === undefined && this.#settled < this.#pushed) {
      this.#done ??= deferred()
      return this.#done.promise
    }
    return this.#error === undefined ? Promise.resolve() : Promise.reject(this.#takeError())
  }

  settled(outcome: (index: number) => Outcome, count: number): void {
    for (let i = 0; i < count; i++) {
      const what = outcome(i)
      const index = this.#settled++
      if (what === undefined) this.#refused(index, notKept(this.#url, this.#subjects[i] ?? ''))
      else if (what instanceof BusError) this.#refused(index, what)
      else this.#stored(index, what)
    }
    this.#subjects = this.#subjects.length === count ? [] : this.#subjects.slice(count)
    this.#wake()
  }

  failed(error: unknown, count: number): void {
    this.#refused(this.#settled, error)
    this.#settled += count
    this.#subjects = this.#subjects.slice(count)
    this.#wake()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.flush()
    } finally {
      clearInterval(this.#timer)
      this.#options.signal?.removeEventListener('abort', this.#abort)
    }
  }

  #stored(index: number, stored: Stored): void {
    this.acknowledged++
    if (stored.duplicate) this.duplicates++
    if (stored.seq >= (this.last?.seq ?? 0)) this.last = stored
    this.#options.onStored?.(index, stored)
  }

  #refused(index: number, error: unknown): void {
    this.#error ??= placed(error, index)
  }

  /** Lets those go on who wait for room or for the end. */
  #wake(): void {
    if (this.#pushed - this.#settled < this.#window || this.#error !== undefined) {
      this.#room?.resolve()
      this.#room = undefined
    }
    if (this.#done === undefined || (this.#error === undefined && this.#settled < this.#pushed)) return
    const done = this.#done
    this.#done = undefined
    if (this.#error === undefined) done.resolve()
    else done.reject(this.#takeError())
  }

  /** Nothing was acknowledged since the last look. */
  #look(): void {
    if (this.#settled === this.#pushed || this.#settled !== this.#seen) {
      this.#seen = this.#settled
      return
    }
    this.#refused(this.#settled, lateError(this.#timeoutMs))
    this.#wake()
  }

  readonly #abort = (): void => {
    this.#failed = interruptedError()
    if (this.#settled === this.#pushed) return
    this.#refused(this.#settled, this.#failed)
    this.#wake()
  }

  #takeError(): unknown {
    const error = this.#error
    this.#error = undefined
    return error
  }
}

/** One message; resolves when it is stored. */
export function publishOne(url: string, push: Push, message: Outgoing, limitMs = timeoutMs): Promise<Stored> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => setImmediate(() => reject(lateError(limitMs))), limitMs)
    const end = (outcome: unknown): void => {
      clearTimeout(timer)
      if (outcome === undefined) reject(notKept(url, message.subject))
      else if (outcome instanceof Error) reject(outcome)
      else resolve(outcome as Stored)
    }
    try {
      push(message, {settled: (outcome) => end(outcome(0)), failed: end})
    } catch (error) {
      clearTimeout(timer)
      reject(error)
    }
  })
}

function lateError(limitMs: number): BusError {
  return new BusError('timeout', `no acknowledgement within ${limitMs} ms`)
}

interface Deferred {
  readonly promise: Promise<void>
  resolve(): void
  reject(error: unknown): void
}

function deferred(): Deferred {
  let [resolve, reject] = [() => {}, (_: unknown) => {}]
  const promise = new Promise<void>((yes, no) => {
    resolve = yes
    reject = no
  })
  return {promise, resolve, reject}
}
