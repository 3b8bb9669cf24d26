/** Bytes that may be on their way to an application. A count alone bounds nothing: an event may be of a megabyte. */
export class ByteBudget {
  readonly #most: number
  readonly #waiting = new Set<() => void>()
  #used = 0

  constructor(most: number) {
    this.#most = most
  }

  /** One delivery may exceed the budget, whatever its size. */
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

  /** Calls `wake` whenever there is room, until it is disposed of. */
  whenRoom(wake: () => void): Disposable {
    this.#waiting.add(wake)
    return {[Symbol.dispose]: () => void this.#waiting.delete(wake)}
  }
}
