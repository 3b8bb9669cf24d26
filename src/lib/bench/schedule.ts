import {sleep} from '../core/time/timer.ts'
import type {Job} from './job.ts'

/** Waits shorter than this are spent looking at the clock: a timer may be late by as much. */
const timerMs = 2

/**
 * When what is sent: as fast as it goes, a batch at a time, or at a rate. At a rate each has the time at which it is due,
 * and one that could not be sent then is sent as soon as it can; its latency counts from when it was due, so that a
 * stall shows in all that it held up.
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
  /** When the batch that `next` gave out last was begun. */
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

  /** How many to send now; 0 when it is over. */
  async next(most: number = this.#batch): Promise<number> {
    const left = this.#most - this.#sent
    if (left <= 0 || this.#signal.aborted) return 0
    if (this.#intervalMs > 0) await this.#untilDue()
    this.#begun = this.#now()
    if (this.#begun >= this.#end || this.#signal.aborted) return 0
    const due =
      this.#intervalMs > 0 ? Math.floor((this.#begun - this.#started) / this.#intervalMs) + 1 - this.#sent : most
    const count = Math.min(left, most, Math.max(1, due))
    this.#sent += count
    return count
  }

  /** When the message of this number, from 0, should have been sent. */
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
