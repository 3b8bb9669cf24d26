/**
 * What is on its way to an application, in the order of the stream. The offset only passes what is acknowledged or was
 * left out by the filter, without a gap.
 */

interface Flight {
  readonly id: string
  /** Of its first and last event: an event on its own is both. */
  readonly first: number
  /** Up to here nothing else was wanted. */
  upTo: number
  acknowledged: boolean
}

/** Acknowledged flights behind one that is not, at most, before nothing more is sent. */
const mostHeld = 65_536

export class Flights {
  readonly #capacity: number
  readonly #inOrder: Flight[] = []
  readonly #byId = new Map<string, Flight>()
  #offset: number
  #head = 0

  /** `capacity` is how many may be without acknowledgement; `offset` the last event that is done with. */
  constructor(capacity: number, offset: number) {
    this.#capacity = capacity
    this.#offset = offset
  }

  /** The last event that is done with, and all before it. */
  get offset(): number {
    return this.#offset
  }

  get inFlight(): number {
    return this.#byId.size
  }

  get hasRoom(): boolean {
    return this.#byId.size < this.#capacity && this.#inOrder.length - this.#head < mostHeld
  }

  /** The one that has waited longest for its acknowledgement. */
  get oldest(): string | undefined {
    return this.#inOrder[this.#head]?.id
  }

  has(id: string): boolean {
    return this.#byId.has(id)
  }

  /** One event, or several of one delivery, sent under this id. */
  sent(id: string, first: number, last: number = first): void {
    const flight = {id, first, upTo: last, acknowledged: false}
    this.#inOrder.push(flight)
    this.#byId.set(id, flight)
  }

  /** An event that the filter left out. */
  leftOut(sequence: number): void {
    const last = this.#inOrder.at(-1)
    if (last === undefined || this.#head === this.#inOrder.length) this.#offset = sequence
    else last.upTo = sequence
  }

  /** False when it is not in flight. */
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

  /** Nothing is in flight any more; what comes after the offset is to be sent again. Answers the first event of `id`. */
  reject(id: string): number | undefined {
    const flight = this.#byId.get(id)
    if (flight === undefined) return undefined
    this.clear()
    return flight.first
  }

  /** From now on the events are those of another stream, after `offset`. */
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
