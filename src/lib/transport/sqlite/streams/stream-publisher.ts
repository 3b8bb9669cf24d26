/** Publishes with acknowledgement, through the queue of the connection, which reports after the commit. */

import {BusError, interruptedError} from '../../../core/errors.ts'
import type {Outgoing} from '../../../core/message.ts'
import {Timer} from '../../../core/time/timer.ts'
import type {WaitBounds} from '../../shared/bounded.ts'
import {ackTimeoutMs, PublishWindow} from '../../shared/publish-window.ts'
import {lateError, notKept} from '../../shared/stream-errors.ts'
import type {PublisherOptions, Stored} from '../../streams-contract.ts'
import type {CommitListener} from '../batch-publisher.ts'
import {unsentError} from '../db.ts'
import type {StoreOutcome} from './intake.ts'

/** The queue of the connection. */
export interface StoreQueue {
  readonly url: string
  /** The name of the file in errors. */
  readonly file: string
  /** Checks a message and queues it for the file; throws as `publish` does. */
  readonly push: (message: Outgoing, listener: CommitListener) => void
  /** Queues a message, even while the connection closes. */
  readonly publish: (message: Outgoing) => void
  /** Tries to write an atomic batch once, unless `check` throws; undefined if another process holds the lock. */
  readonly tryBatch: <T>(
    batch: readonly Outgoing[],
    check: (outcome: (index: number) => StoreOutcome) => T,
  ) => T | undefined
  /** Resolves when all queued messages are committed. */
  readonly flush: () => Promise<void>
  /** Withdraws the messages of this listener that are not in the file; returns how many. */
  readonly withdraw: (listener: CommitListener) => number
}

export class SqliteStreamPublisher extends PublishWindow implements CommitListener {
  readonly #queue: StoreQueue
  /** The subjects of unacknowledged messages. */
  #subjects: string[] = []

  constructor(queue: StoreQueue, options?: PublisherOptions) {
    super(queue.url, options)
    this.#queue = queue
  }

  protected send(message: Outgoing): void {
    this.#queue.push(message, this)
    this.#subjects.push(message.subject)
  }

  protected override get oldest(): {readonly index: number; readonly subject: string} {
    return {index: this.settledCount, subject: this.#subjects[0] ?? ''}
  }

  /** Messages that could not be written because another process holds the lock are withdrawn. */
  protected override late(): BusError {
    const {subject} = this.oldest
    const count = this.#queue.withdraw(this)
    if (count === 0) return super.late()
    const error = notStored(this.#queue, subject, this.timeoutMs)
    this.failed(error, count)
    return error
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
export function publishOne(queue: StoreQueue, message: Outgoing, {timeoutMs, signal}: WaitBounds): Promise<Stored> {
  const {url} = queue
  const limitMs = timeoutMs ?? ackTimeoutMs
  const {subject} = message
  const {promise, resolve, reject} = Promise.withResolvers<Stored>()
  const settled = (outcome: (index: number) => StoreOutcome) => {
    const stored = outcome(0) ?? notKept(url, subject)
    if (stored instanceof BusError) reject(stored)
    else resolve(stored)
  }
  const listener = {settled, failed: reject}
  if (signal?.aborted) return Promise.reject(interruptedError())
  queue.push(message, listener)
  // Commits that happened while we were too busy to check are reported first.
  const late = () =>
    reject(queue.withdraw(listener) > 0 ? notStored(queue, subject, limitMs) : lateError(url, subject, limitMs))
  const timer = new Timer(limitMs, () => setImmediate(late))
  const abort = () => {
    queue.withdraw(listener)
    reject(interruptedError())
  }
  signal?.addEventListener('abort', abort)
  return promise.finally(() => {
    timer.cancel()
    signal?.removeEventListener('abort', abort)
  })
}

function notStored({file}: StoreQueue, subject: string, timeoutMs: number): BusError {
  return unsentError(`"${subject}" was not stored`, file, timeoutMs)
}
