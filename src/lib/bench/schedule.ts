import {sleep} from '../core/time/timer.ts'
import type {Job} from './job.ts'

/** Shorter waits poll the clock, because a timer may be late by this much. */
const timerMs = 2

/**
 * When to send: as fast as possible in batches, or at a rate. At a rate each message is due at a fixed time. One that
 * could not be sent on time is sent as soon as possible, and its latency counts from when it was due, so that a stall
 * shows in every message it delayed.
 */
export class Schedule {
  readonly #now: () => number
  readonly #started: number
  readonly #end: number
  readonly #intervalMs: number
  readonly #most: number
  readonly #signal: AbortSignal
  readonly #batch: number
  #sent = 0
  /** When the last batch began. */
  #begun: number

  constructor({count, forMs, rate, batch}: Job, now: () => number, signal: AbortSignal) {
    this.#now = now
    this.#started = now()
    this.#begun = this.#started
    this.#end = this.#started + (forMs ?? Number.POSITIVE_INFINITY)
    this.#intervalMs = rate === undefined ? 0 : 1000 / rate
    this.#most = count ?? Number.POSITIVE_INFINITY
    this.#batch = batch
    this.#signal = signal
  }

  /** How many to send, once something is due; 0 at the end. Without a rate there is nothing to wait for, so it returns no promise. */
  next(most: number = this.#batch): number | Promise<number> {
    const left = this.#most - this.#sent
    if (left <= 0 || this.#signal.aborted) return 0
    return this.#intervalMs > 0 ? this.#untilDue().then(() => this.#due(left, most)) : this.#due(left, most)
  }

  #due(left: number, most: number): number {
    this.#begun = this.#now()
    if (this.#begun >= this.#end || this.#signal.aborted) return 0
    const due =
      this.#intervalMs > 0 ? Math.floor((this.#begun - this.#started) / this.#intervalMs) + 1 - this.#sent : most
    const count = Math.min(left, most, Math.max(1, due))
    this.#sent += count
    return count
  }

  /** When the message of this index was due. */
  due(index: number): number {
    return this.#intervalMs > 0 ? this.#started + index * this.#intervalMs : this.#begun
  }

  async #untilDue(): Promise<void> {
    const due = Math.min(this.due(this.#sent), this.#end)
    for (;;) {
      const wait = due - this.#now()
      if (wait <= 0 || this.#signal.aborted) return
      if (wait > timerMs) await sleep(wait - timerMs / 2, this.#signal)
      else await new Promise<void>((resolve) => setImmediate(resolve))
    }
  }
}
