import type {Message} from '../core/message.ts'

/** Messages as they arrive. Leaving a `for await` loop closes it. One reader at a time. */
export interface Subscription extends AsyncIterable<Message>, AsyncDisposable {
  /** Messages that were dropped because the reader was too slow. */
  readonly dropped: number
  /**
   * Up to `max` messages as soon as there is one; none if the subscription has ended. On a queue group no more than `max` are
   * claimed, so request only what you can handle now.
   */
  take(max: number): Promise<readonly Message[]>
  /**
   * Takes no further messages; those flushed before are still delivered, then it ends. Resolves immediately and does not fail:
   * `take` reports failures.
   */
  drain(): Promise<void>
  /** Ends immediately; messages that were not taken are discarded. */
  close(): Promise<void>
}
