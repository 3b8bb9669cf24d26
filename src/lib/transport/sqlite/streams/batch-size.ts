/** How many messages a member asks for at a time: few at first, and more while it comes back soon, so that others get their share. */
const firstAhead = 16
const soonMs = 20
const lateMs = 100
/** And for no more than this where others take part. */
const fairAhead = 64

export class Pace {
  readonly #prefetch: number
  #ahead: number
  #askedAt = 0

  constructor(prefetch: number) {
    this.#prefetch = prefetch
    this.#ahead = Math.min(firstAhead, prefetch)
  }

  /** At least what is wanted now. */
  want(max: number, hasOthers: boolean): number {
    const now = performance.now()
    const since = now - this.#askedAt
    this.#askedAt = now
    if (since < soonMs) this.#ahead = Math.min(this.#ahead * 2, this.#prefetch)
    else if (since > lateMs) this.#ahead = Math.min(firstAhead, this.#prefetch)
    return Math.max(max, hasOthers ? Math.min(this.#ahead, fairAhead) : this.#ahead)
  }
}
