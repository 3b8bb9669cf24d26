/**
 * Events in flight to an application, in stream order. The offset advances only over events that are acknowledged or excluded
 * by the filter, without a gap.
 */

interface Flight {
  readonly id: string
  /** The first and the last event; the same for a single event. */
  readonly first: number
  /** Up to this sequence the filter excluded all other events. */
  upTo: number
  acknowledged: boolean
}

/** Largest number of acknowledged deliveries after an unacknowledged one; then nothing more is sent. */
const mostHeld = 65_536

export class Flights {
  readonly #capacity: number
  readonly #inOrder: Flight[] = []
  readonly #byId = new Map<string, Flight>()
  #offset: number
  #head = 0

  /** `capacity` is the maximum number of unacknowledged deliveries; `offset` the last event that is done. */
  constructor(capacity: number, offset: number) {
    this.#capacity = capacity
    this.#offset = offset
  }

  /** The sequence up to which everything is done. */
  get offset(): number {
    return this.#offset
  }

  get inFlight(): number {
    return this.#byId.size
  }

  get hasRoom(): boolean {
    return this.#byId.size < this.#capacity && this.#inOrder.length - this.#head < mostHeld
  }

  /** The delivery that has waited longest for its acknowledgement. */
  get oldest(): string | undefined {
    return this.#inOrder[this.#head]?.id
  }

  has(id: string): boolean {
    return this.#byId.has(id)
  }

  /** Adds a delivery of one or several events under this id. */
  sent(id: string, first: number, last: number = first): void {
    const flight = {id, first, upTo: last, acknowledged: false}
    this.#inOrder.push(flight)
    this.#byId.set(id, flight)
  }

  /** Adds an event that the filter excluded. */
  leftOut(sequence: number): void {
    const last = this.#inOrder.at(-1)
    if (last === undefined || this.#head === this.#inOrder.length) this.#offset = sequence
    else last.upTo = sequence
  }

  /** False if it is not in flight. */
  acknowledge(id: string): boolean {
    const flight = this.#byId.get(id)
    if (flight === undefined) return false
    this.#byId.delete(id)
    flight.acknowledged = true
    while (this.#inOrder[this.#head]?.acknowledged) {
      this.#offset = this.#inOrder[this.#head]?.upTo ?? this.#offset
      this.#head++
    }
    if (this.#head > 1024 || this.#head === this.#inOrder.length) {
      this.#inOrder.splice(0, this.#head)
      this.#head = 0
    }
    return true
  }

  /** Clears everything in flight; delivery restarts after the offset. Returns the first event of `id`. */
  reject(id: string): number | undefined {
    const flight = this.#byId.get(id)
    if (flight === undefined) return undefined
    this.clear()
    return flight.first
  }

  /** Starts with another stream, after `offset`. */
  restart(offset: number): void {
    this.clear()
    this.#offset = offset
  }

  clear(): void {
    this.#byId.clear()
    this.#inOrder.length = 0
    this.#head = 0
  }
}
