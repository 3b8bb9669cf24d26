import type {Message} from '../../core/message.ts'

/** Where replayed messages go. A message is taken when `take` has resolved, and not before. */
export interface Sink extends AsyncDisposable {
  /** Messages for one `take`, at most. */
  readonly batch: number
  /** How many `take` may be under way at once; they begin in order. */
  readonly depth: number
  /**
   * Takes messages. Resolves with a refusal when the message could not be handled (only where `batch` is 1); rejects
   * when nothing can be handled any more.
   */
  take(messages: readonly Message[]): Promise<Refusal | undefined>
}

/** Why a message was not taken. */
export interface Refusal {
  /** One sentence, for people. */
  readonly reason: string
  /** Not before so many milliseconds again. */
  readonly retryAfterMs?: number | undefined
  /** The sink decides what becomes of the message; else the policy does. */
  readonly verdict?: 'leave' | 'term' | undefined
}
