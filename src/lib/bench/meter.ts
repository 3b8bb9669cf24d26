/** Latencies and how often each occurred, in the steps of the histogram. */
export type LatencyCounts = readonly (readonly [steps: number, count: number])[]

export interface LatencySink {
  /** Records a latency in milliseconds, or several identical ones. */
  record(ms: number, count?: number): void
  counts(): LatencyCounts
}

/** The counts of one client; plain data. Times are those of `hostClock`. */
export interface ClientResult {
  readonly messages: number
  readonly bytes: number
  readonly fromMs: number
  readonly toMs: number
  /** Messages dropped because the subscriber was too slow. */
  readonly dropped: number
  /** Failures by kind. */
  readonly errors: Readonly<Record<string, number>>
  /** Messages in each slot of the clock. */
  readonly slots: readonly (readonly [slot: number, count: number])[]
  readonly latencies: LatencyCounts
}

/** Length of a slot of the timeline, in milliseconds. */
export const slotMs = 100

/** A clock in milliseconds shared by all processes of a host. It is monotonic, so only differences between readings mean something. */
export function hostClock(): () => number {
  const [seconds, nanoseconds] = process.hrtime()
  const offset = seconds * 1000 + nanoseconds / 1e6 - performance.now()
  return () => performance.now() + offset
}

/** Counts what a client does. The caller reads the clock once per batch, which keeps that cost out of the figures. */
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

  /** Starts the clock; by default it starts with the first `add`. */
  begin(at: number = this.now()): void {
    this.#from = at
    this.#to = at
  }

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

  result(): ClientResult {
    const {messages, dropped, errors} = this
    const facts = {messages, bytes: this.#bytes, fromMs: this.#from, toMs: this.#to, dropped, errors}
    return {...facts, slots: [...this.#slots], latencies: this.latencies.counts()}
  }
}
