import type {Message} from '../../core/message.ts'

/** The destination of replayed messages. A message is handled once `take` has resolved, and not before. */
export interface Sink extends AsyncDisposable {
  /** Largest number of messages per `take`. */
  readonly batch: number
  /** How many `take` calls may run at the same time; they start in order. */
  readonly depth: number
  /**
   * Takes messages. Resolves with a refusal if the message could not be handled (only if `batch` is 1); rejects if no message
   * can be handled any more.
   */
  take(messages: readonly Message[]): Promise<Refusal | undefined>
}

/** A sink that stores many messages at a time, and reports the outcome of each. */
export interface CopySink extends AsyncDisposable {
  /** Largest number of messages per `copy`. */
  readonly batch: number
  /** How many `copy` calls may run at the same time; they start in order. */
  readonly depth: number
  /** Copies messages. Rejects if nothing can be copied any more. A refused message may be passed again. */
  copy(messages: readonly Message[]): Promise<Copied>
}

/** The outcome of a copy; messages that are not listed were stored. */
export interface Copied {
  readonly refused: ReadonlyMap<Message, Refusal>
  /** Messages that the target already had. */
  readonly alreadyThere: number
}

/** Why a message was not handled. */
export interface Refusal {
  /** One sentence. */
  readonly reason: string
  /** Earliest time for the next attempt, in milliseconds from now. */
  readonly retryAfterMs?: number | undefined
  /** The sink decides what happens to the message; otherwise the policy does. */
  readonly verdict?: 'leave' | 'term' | undefined
  /** Another attempt would fail in the same way. */
  readonly isFinal?: boolean | undefined
}
