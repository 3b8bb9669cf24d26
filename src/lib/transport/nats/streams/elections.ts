/**
 * Leader elections. While a cluster elects the leader of a stream, of a consumer or of JetStream itself, requests are
 * refused for a moment, reach nobody, or get no answer. All commands wait for that in the same way, for longer than
 * `--timeout`, which bounds the wait for a peer that is there and silent.
 */
import type {BusError} from '../../../core/errors.ts'

/** How long a command waits for a leader. */
export const leaderWaitMs = 30_000

/** How long a wait takes before it is reported. */
const quietMs = 1000

/** JetStream's errors that mean: wait, and send it again. */
const passingCodes: ReadonlySet<number> = new Set([
  10008, // JetStream system temporarily unavailable
  10009, // JetStream cluster can not handle request: not the leader
  10158, // duplicate message id is in process
  10167, // too many requests
])

/** The `err_code` behind a failure. */
export function codeOf(error: unknown): number | undefined {
  const data = (error as BusError | undefined)?.data
  const code = data?.['code']
  return typeof code === 'number' ? code : undefined
}

export function isPassingCode(error: unknown): boolean {
  return passingCodes.has(codeOf(error) ?? 0)
}

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
