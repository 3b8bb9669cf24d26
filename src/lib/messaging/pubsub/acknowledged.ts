/**
 * Publishes with the acknowledgements of streams. Ends at the first message that was not stored, names it, and reports which
 * messages are stored: some of those in flight at that moment may be, too.
 */
import {BusError, type FailureKind} from '../../core/errors.ts'
import type {Outgoing} from '../../core/message.ts'
import {mostWindow} from '../../transport/shared/publish-window.ts'
import type {PublisherOptions, StreamPublisher} from '../../transport/streams-contract.ts'
import type {PublishTarget} from './publish.ts'
import type {Numbered} from './sources.ts'

/** Bytes of payload that may be in flight: the publisher counts messages, and some may be large. */
const mostBytes = 4 * 1024 * 1024

/** A message that failed in one of these ways may have been stored. */
const unknownKinds: ReadonlySet<FailureKind> = new Set(['timeout', 'connect', 'interrupted'])

/** Whether a message with this failure may have been stored. */
function isUnknown(error: unknown): boolean {
  return error instanceof BusError && unknownKinds.has(error.kind) && error.data?.['written'] !== false
}

interface Failed {
  readonly index: number
  readonly error: unknown
}

/** First and last of several consecutive numbers. */
type Run = readonly [first: number, last: number]

export class AcknowledgedSink implements PublishTarget {
  readonly publisher: StreamPublisher
  readonly flushAfterBytes = mostBytes
  /** The lines of the latest messages; 0 for a message that does not come from a line. */
  readonly #lines: Float64Array
  #firstLine = 0
  #pushed = 0
  /** All messages before this one are stored. */
  #floor = 0
  /** Messages after it that are stored (true) or refused (false); the others are unknown. */
  readonly #known = new Map<number, boolean>()
  #failed: Failed | undefined

  /** `make` creates the publisher with this window, or with the default one. */
  constructor(make: (options: PublisherOptions) => StreamPublisher, window: number | undefined) {
    // A message that fails is one of those in flight; the one before it is named as well.
    this.#lines = new Float64Array((window ?? mostWindow) + 2)
    this.publisher = make({
      window,
      onStored: (index) => this.#onStored(index),
      onRefused: (index, error) => this.#onRefused(index, error),
    })
  }

  publish(message: Outgoing & Partial<Numbered>): Promise<void> | undefined {
    if (this.#failed !== undefined) return this.#fail(this.#failed)
    if (this.#pushed === 0) this.#firstLine = message.line ?? 0
    this.#lines[this.#pushed % this.#lines.length] = message.line ?? 0
    const room = this.publisher.push(message)
    this.#pushed++
    return room === undefined ? undefined : this.#checked(room)
  }

  flush(): Promise<void> {
    return this.#checked(this.publisher.flush())
  }

  async #checked(done: Promise<void>): Promise<void> {
    try {
      await done
    } catch (error) {
      const index = error instanceof BusError ? error.data?.['index'] : undefined
      this.#failed ??= {index: typeof index === 'number' ? index : this.#floor, error}
    }
    if (this.#failed !== undefined) await this.#fail(this.#failed)
  }

  #onStored(index: number): void {
    if (index !== this.#floor) return void this.#known.set(index, true)
    do this.#floor++
    while (this.#known.size > 0 && this.#known.get(this.#floor) === true && this.#known.delete(this.#floor))
  }

  #onRefused(index: number, error: unknown): void {
    if (!isUnknown(error)) this.#known.set(index, false)
    this.#failed ??= {index, error}
  }

  /** Waits for messages in flight, because only then it is known what is stored. Always rejects. */
  async #fail({index, error}: Failed): Promise<never> {
    await this.publisher.flush().catch(() => {})
    if (!(error instanceof BusError)) throw error
    const {kind, message, cause, try: hints} = error
    const line = this.#lineOf(index)
    const place = line > 0 ? `line ${line}: ` : this.#pushed > 1 ? `message ${index + 1}: ` : ''
    const [stored, unknown] = [this.#runs(true), this.#runs(undefined)]
    const sentence = this.#pushed > 1 ? `${place}${message}${this.#summary(stored, unknown)}` : `${place}${message}`
    throw new BusError(kind, sentence, {
      cause,
      try: hints,
      data: {
        ...error.data,
        index,
        ...(line > 0 && {line}),
        acknowledged: this.publisher.acknowledged,
        stored,
        unknown,
      },
    })
  }

  #summary(stored: readonly Run[], unknown: readonly Run[]): string {
    const unit = this.#firstLine > 0 ? 'line' : 'message'
    const kept = stored.length === 0 ? 'nothing is stored' : `stored: ${runsText(unit, stored)}`
    return unknown.length === 0 ? `; ${kept}` : `; ${kept}; not known: ${runsText(unit, unknown)}`
  }

  /** The stored messages, or those whose state is unknown, as line numbers or counted from 1. */
  #runs(state: true | undefined): Run[] {
    const runs: Run[] = []
    if (state && this.#floor > 0) runs.push([this.#numberOf(0), this.#numberOf(this.#floor - 1)])
    for (let index = this.#floor; index < this.#pushed; index++) {
      if (this.#known.get(index) !== state) continue
      const from = index
      while (index + 1 < this.#pushed && this.#known.get(index + 1) === state) index++
      runs.push([this.#numberOf(from), this.#numberOf(index)])
    }
    return runs
  }

  #numberOf(index: number): number {
    if (this.#firstLine === 0) return index + 1
    return index === 0 ? this.#firstLine : this.#lineOf(index)
  }

  /** 0 if it does not come from a line, or the line is no longer remembered. */
  #lineOf(index: number): number {
    return index >= this.#pushed - this.#lines.length ? (this.#lines[index % this.#lines.length] ?? 0) : 0
  }
}

/** `lines 1-3, 5`. */
function runsText(unit: string, runs: readonly Run[]): string {
  const texts = runs.map(([first, last]) => (first === last ? String(first) : `${first}-${last}`))
  const [only] = runs
  const isOne = runs.length === 1 && only?.[0] === only?.[1]
  return `${unit}${isOne ? '' : 's'} ${texts.join(', ')}`
}
