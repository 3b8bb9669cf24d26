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

/** A sink that stores messages many at a time, and says what became of each. */
export interface CopySink extends AsyncDisposable {
  /** Messages for one `copy`, at most. */
  readonly batch: number
  /** How many `copy` may be under way at once; they begin in order. */
  readonly depth: number
  /** Copies messages. Rejects when nothing can be copied any more. A refused message may be given again. */
  copy(messages: readonly Message[]): Promise<Copied>
}

/** What became of messages; those that are named nowhere were stored. */
export interface Copied {
  readonly refused: ReadonlyMap<Message, Refusal>
  /** The target had them before. */
  readonly alreadyThere: number
}

/** Why a message was not taken. */
export interface Refusal {
  /** One sentence, for people. */
  readonly reason: string
  /** Earliest time for the next attempt, in milliseconds from now. */
  readonly retryAfterMs?: number | undefined
  /** The sink decides what happens to the message; otherwise the policy does. */
  readonly verdict?: 'leave' | 'term' | undefined
  /** Another attempt would fail in the same way. */
  readonly isFinal?: boolean | undefined
}
