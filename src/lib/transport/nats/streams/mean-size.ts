/** The mean size of the latest messages, by which a number of messages is bounded in bytes. */
export class MeanSize {
  #bytes = 0

  add(bytes: number): void {
    this.#bytes += this.#bytes === 0 ? bytes : (bytes - this.#bytes) / 8
  }

  /** How many such messages these bytes have room for, at least two: one to handle while the next one arrives. */
  within(bytes: number): number {
    return Math.max(2, Math.floor(bytes / this.#bytes))
  }
}
