import type {Message} from '../core/message.ts'

/** Messages as they arrive. Leaving a `for await` closes it. One reader at a time. */
export interface Subscription extends AsyncIterable<Message>, AsyncDisposable {
  /** Messages that a slow reader lost. */
  readonly dropped: number
  /**
   * Up to `max` messages as soon as there is one; none when the subscription has ended. On a queue group no more than
   * `max` are claimed, so ask for what you can work on now.
   */
  take(max: number): Promise<readonly Message[]>
  /** Takes no further messages; what was flushed before is still delivered, then it ends. Resolves at once. */
  drain(): Promise<void>
  /** Ends at once; what was not taken is let go. */
  close(): Promise<void>
}
