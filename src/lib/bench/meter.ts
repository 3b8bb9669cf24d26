import {hostClock} from './clock.ts'

/** How often each latency came: steps as its histogram has them, and counts. */
export type LatencyCounts = readonly (readonly [steps: number, count: number])[]

/** Where latencies go. */
export interface LatencySink {
  record(ms: number, count?: number): void
  counts(): LatencyCounts
}

/** What one client came to; plain data. Times are those of the host's clock. */
export interface Tally {
  readonly messages: number
  readonly bytes: number
  readonly fromMs: number
  readonly toMs: number
  /** Messages that a slow subscriber lost. */
  readonly dropped: number
  /** How many failed in each way. */
  readonly errors: Readonly<Record<string, number>>
  /** How many there were in each slot of the clock. */
  readonly slots: readonly (readonly [slot: number, count: number])[]
  readonly latencies: LatencyCounts
}

/** Milliseconds of a slot of the time line. */
export const slotMs = 100

/** Counts what a client does. One clock reading a batch, so that it stays out of what is measured. */
export class Meter {
  readonly now = hostClock()
  readonly latencies: LatencySink
  messages = 0
  dropped = 0
  readonly errors: Record<string, number> = {}
  #bytes = 0
  #from = 0
  #to = 0
  readonly #slots = new Map<number, number>()

  constructor(latencies: LatencySink) {
    this.latencies = latencies
  }

  /** The time begins; without it, with the first that is added. */
  begin(at: number = this.now()): void {
    this.#from = at
    this.#to = at
  }

  /** So many more are done, as of now. */
  add(count: number, bytes: number, at: number): void {
    if (this.#from === 0) this.begin(at)
    this.messages += count
    this.#bytes += bytes
    this.#to = at
    const slot = Math.floor(at / slotMs)
    this.#slots.set(slot, (this.#slots.get(slot) ?? 0) + count)
  }

  failed(kind: string, at: number): void {
    this.errors[kind] = (this.errors[kind] ?? 0) + 1
    this.#to = at
  }

  tally(): Tally {
    const {messages, dropped, errors} = this
    const facts = {messages, bytes: this.#bytes, fromMs: this.#from, toMs: this.#to, dropped, errors}
    return {...facts, slots: [...this.#slots], latencies: this.latencies.counts()}
  }
}
