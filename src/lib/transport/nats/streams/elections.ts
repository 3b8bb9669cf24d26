/**
 * Leader elections. While a cluster elects the leader of a stream, of a consumer or of JetStream itself, requests are
 * refused for a moment, reach nobody, or get no answer. All commands wait for that in the same way, for longer than
 * `--timeout`, which bounds the wait for a peer that is there and silent.
 */

/** How long a command waits for a leader. */
export const leaderWaitMs = 30_000

/** How long a wait takes before it is reported. */
const quietMs = 1000

/** What one connection knows of elections. Each is reported once. */
export class Elections {
  readonly #notify: (text: string) => void
  readonly #isClustered: () => boolean
  readonly signal: AbortSignal | undefined
  #isReported = false
  /** JetStream has answered on this connection: it is enabled there for this login. */
  hasAnswered = false

  constructor(isClustered: () => boolean, notify: (text: string) => void, signal: AbortSignal | undefined) {
    this.#isClustered = isClustered
    this.#notify = notify
    this.signal = signal
  }

  get isClustered(): boolean {
    return this.#isClustered()
  }

  /** Call while something waits since this time (`performance.now`). */
  waiting(since: number): void {
    if (this.#isReported || performance.now() - since < quietMs) return
    this.#isReported = true
    this.#notify(`waiting for the election of a leader, for up to ${leaderWaitMs / 1000} s`)
  }

  /** Call when what has waited got its answer. */
  over(): void {
    this.#isReported = false
  }
}
