/**
 * Leader elections. While a cluster elects the leader of a stream, of a consumer or of JetStream itself, requests are refused
 * for a moment, reach nobody, or get no answer. All commands handle that in the same way and wait longer than `--timeout`,
 * which limits the wait for a peer that exists but does not respond.
 */

/** How long a command waits for a leader. */
export const leaderWaitMs = 30_000

/** How long a wait takes before it is reported. */
const quietMs = 1000

/** The elections that one connection has noticed. Each is reported once. */
export class Elections {
  readonly #notify: (text: string) => void
  readonly #isClustered: () => boolean
  readonly signal: AbortSignal | undefined
  #isReported = false
  /** JetStream has answered on this connection, so it is enabled for this login. */
  hasAnswered = false

  constructor(isClustered: () => boolean, notify: (text: string) => void, signal: AbortSignal | undefined) {
    this.#isClustered = isClustered
    this.#notify = notify
    this.signal = signal
  }

  get isClustered(): boolean {
    return this.#isClustered()
  }

  /** To be called while something has been waiting since this time (`performance.now`). */
  waiting(since: number): void {
    if (this.#isReported || performance.now() - since < quietMs) return
    this.#isReported = true
    const what = this.isClustered ? 'for the election of a leader' : 'until the server accepts the request'
    this.#notify(`waiting ${what}, for up to ${leaderWaitMs / 1000} s`)
  }

  /** To be called when the wait is over. */
  over(): void {
    this.#isReported = false
  }
}
