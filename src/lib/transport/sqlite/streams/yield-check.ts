const longestMs = 10

/**
 * A reader of stored messages never waits, so timers, signals and other readers would starve. This tells when to yield to them.
 */
export class YieldCheck {
  #since: number | undefined

  isDue(): boolean {
    if (this.#since !== undefined) return performance.now() - this.#since > longestMs
    this.#since = performance.now()
    setImmediate(() => {
      this.#since = undefined
    })
    return false
  }
}

export function afterOthers(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
