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

  /** Takes bytes; returns a function that releases them. */
  take(bytes: number): () => void {
    let taken = bytes
    this.#used += taken
    return () => {
      this.#used -= taken
      taken = 0
      if (this.hasRoom) for (const wake of this.#waiting) wake()
    }
  }

  /** Calls `wake` whenever there is room, until the result is disposed. */
  whenRoom(wake: () => void): Disposable {
    this.#waiting.add(wake)
    return {[Symbol.dispose]: () => void this.#waiting.delete(wake)}
  }
}
