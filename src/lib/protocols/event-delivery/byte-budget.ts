/** Limits the bytes in flight to an application. A limit on their number is not enough, because an event may have a megabyte. */
export class ByteBudget {
  readonly #most: number
  readonly #waiting = new Set<() => void>()
  #used = 0

  constructor(most: number) {
    this.#most = most
  }

  /** The last delivery may exceed the limit. */
  get hasRoom(): boolean {
    return this.#used < this.#most
  }

  take(bytes: number): void {
    this.#used += bytes
  }

  /** Returns bytes that were taken. */
  release(bytes: number): void {
    this.#used -= bytes
    if (this.#waiting.size > 0 && this.hasRoom) for (const wake of this.#waiting) wake()
  }

  /** Calls `wake` whenever there is room, until `forget`. */
  onRoom(wake: () => void): void {
    this.#waiting.add(wake)
  }

  forget(wake: () => void): void {
    this.#waiting.delete(wake)
  }
}
