/** Publishes with acknowledgement, through the queue of the connection, which reports after the commit. */
import {BusError} from '../../../core/errors.ts'
import type {Outgoing} from '../../../core/message.ts'
import {Timer} from '../../../core/time/timer.ts'
import {ackTimeoutMs, PublishWindow} from '../../shared/publish-window.ts'
import {lateError, notKept} from '../../shared/stream-errors.ts'
import type {PublisherOptions, Stored} from '../../streams-contract.ts'
import type {CommitListener} from '../batch-publisher.ts'
import type {StoreOutcome} from './intake.ts'

/** Checks a message and queues it for the file; throws as `publish` does. */
export type Push = (message: Outgoing, listener: CommitListener) => void

export class SqliteStreamPublisher extends PublishWindow implements CommitListener {
  readonly #push: Push
  /** The subjects of unacknowledged messages. */
  #subjects: string[] = []

  constructor(url: string, push: Push, options?: PublisherOptions) {
    super(url, options)
    this.#push = push
  }

  protected send(message: Outgoing): void {
    this.#push(message, this)
    this.#subjects.push(message.subject)
  }

  protected override get oldest(): {readonly index: number; readonly subject: string} {
    return {index: this.settledCount, subject: this.#subjects[0] ?? ''}
  }

  settled(outcome: (index: number) => StoreOutcome, count: number): void {
    for (let i = 0; i < count; i++) {
      this.settle(this.settledCount, outcome(i) ?? notKept(this.url, this.#subjects[i] ?? ''))
    }
    this.#forget(count)
  }

  failed(error: unknown, count: number): void {
    for (let i = 0; i < count; i++) this.refuse(this.settledCount, error)
    this.#forget(count)
  }

  #forget(count: number): void {
    this.#subjects = this.#subjects.length === count ? [] : this.#subjects.slice(count)
  }
}

/** Publishes one message; resolves when it is stored. */
export function publishOne(url: string, push: Push, message: Outgoing, limitMs = ackTimeoutMs): Promise<Stored> {
  const {promise, resolve, reject} = Promise.withResolvers<Stored>()
  const settled = (outcome: (index: number) => StoreOutcome) => {
    const stored = outcome(0) ?? notKept(url, message.subject)
    if (stored instanceof BusError) reject(stored)
    else resolve(stored)
  }
  push(message, {settled, failed: reject})
  // Commits that happened while we were too busy to check are reported first.
  const timer = new Timer(limitMs, () => setImmediate(() => reject(lateError(url, message.subject, limitMs))))
  return promise.finally(() => timer.cancel())
}
