/** Follows a durable consumer, as `sub --durable` does. Shown messages are acknowledged, the others are returned. */

import {BusError, isFailure} from '../../core/errors.ts'
import type {Message} from '../../core/message.ts'
import {checkPatterns, covers} from '../../core/subject.ts'
import {shellWord} from '../../core/text/shell-word.ts'
import {type Interval, Timer} from '../../core/time/timer.ts'
import type {Subscription} from '../../transport/contract.ts'
import {checkNoneLost, Deliveries, isLimited, lostWaitMs} from '../../transport/deliveries.ts'
import type {ConsumerInfo, Consumers, Consuming, Delivery, Streams} from '../../transport/streams-contract.ts'
import {findOrMake, findStream} from './find.ts'
import {type OnStall, StallWatch} from './stall.ts'

export interface DurableReadingOptions {
  readonly durable: string
  /** Creates it if it does not exist: from the first message on, with explicit acknowledgement. */
  readonly create?: boolean | undefined
  /** By default the stream that stores the subjects. */
  readonly stream?: string | undefined
  /** Take no more messages at a time than requested. */
  readonly sparing?: boolean | undefined
  /** How many messages will be taken; if more would be sent and lost, or lose a delivery, it fails with `usage`. */
  readonly most?: number | undefined
  /** Called once for each reason why the consumer delivers nothing. */
  readonly onStall?: OnStall | undefined
}

type Show = (batch: readonly Message[], limit: number) => number | Promise<number>

/** How often it checks whether held acknowledgements may be sent. */
const askMs = 500

/**
 * Fails as `findStream` does, with `notFound` if the consumer does not exist, with `usage` if it has other subjects, with
 * `denied` if it is bound to another client.
 */
export async function openDurable(
  streams: Streams,
  patterns: readonly string[],
  {durable, create, stream: wanted, sparing, most, onStall}: DurableReadingOptions,
): Promise<DurableReading> {
  const stream = await findStream(streams, patterns, wanted)
  const kept = await subjectsOf(streams, stream)
  const filters = essential(patterns, kept)
  const {info} = await findOrMake(
    () => streams.consumers.info(stream, durable),
    () => {
      if (create) return streams.consumers.add(stream, {name: durable, filters, deliver: 'all', ack: 'explicit'})
      throw new BusError('notFound', `stream ${stream} has no consumer ${durable}`, {
        try: ['--create, to create it and start with the first message', `bus consumer ls ${shellWord(stream)}`],
        data: {stream, consumer: durable},
      })
    },
  )
  const have = essential(info.config.filters, kept)
  const isUnknown = kept.length === 0 && have.length === 0
  if (!isUnknown && have.join(' ') !== filters.join(' ')) {
    const wish = filters.join(' ') || 'everything'
    throw new BusError(
      'usage',
      `consumer ${durable} of ${stream} is for ${have.join(' ') || 'everything'}, not ${wish}`,
      {
        try: [`bus consumer info ${shellWord(stream)} ${shellWord(durable)}`, 'another name'],
      },
    )
  }
  if (most !== undefined) checkNoneLost(info, most)
  const isSparing = sparing || info.config.ack === 'all'
  const consuming = await streams.consumers.consume(stream, durable, isSparing ? {prefetch: 0} : {})
  return new DurableReading(info, consuming, streams.consumers, onStall)
}

/**
 * The subjects of a stream; undefined if this login may not request them, because the permission to use the consumer is
 * sufficient.
 */
async function subjectsOf(streams: Streams, stream: string): Promise<readonly string[]> {
  try {
    return (await streams.info(stream)).config.subjects
  } catch (error) {
    if (isFailure(error, 'denied')) return []
    throw error
  }
}

/** The patterns as filters, in a fixed order; none if they match everything that the stream stores. */
function essential(patterns: readonly string[], kept: readonly string[]): readonly string[] {
  if (
    patterns.length === 0 ||
    (kept.length > 0 && kept.every((subject) => patterns.some((wide) => covers(wide, subject))))
  )
    return []
  return checkPatterns(patterns).sort()
}

export class DurableReading implements Subscription {
  readonly info: ConsumerInfo
  readonly dropped = 0
  /** Deliveries of messages that had been delivered before. */
  redelivered = 0
  readonly #consuming: Consuming
  readonly #consumers: Consumers
  readonly #deliveries: Deliveries
  readonly #watch: StallWatch
  /** When the consumer was last asked for messages in flight to others. */
  #askedAt = 0
  /** Extends the ack wait of messages while they are shown. */
  readonly #alive: Interval
  #isEnding = false
  #closing: Promise<void> | undefined
  #finished: Promise<boolean> | undefined
  readonly #tooLate = new AbortController()
  #leaving: Timer | undefined

  constructor(info: ConsumerInfo, consuming: Consuming, consumers: Consumers, onStall?: OnStall) {
    this.info = info
    this.#watch = new StallWatch(consumers, info, onStall)
    this.#consumers = consumers
    this.#consuming = consuming
    this.#deliveries = new Deliveries(info)
    this.#alive = this.#deliveries.keepAlive()
  }

  /** Wraps `show`: acknowledges the whole batch once `written` confirms that its output has arrived. */
  acknowledging(show: Show, written: () => Promise<boolean>): Show {
    return async (batch, limit) => {
      const shown = await show(batch, limit)
      if (!(await written())) return shown
      this.#deliveries.settleAll(batch as readonly Delivery[])
      return shown
    }
  }

  async take(max: number): Promise<readonly Delivery[]> {
    this.#watch.waits()
    while (!this.#isEnding && !this.#consuming.ended) {
      const waitMs = this.#deliveries.held > 0 ? askMs : this.#watch.dueMs
      const all = await this.#consuming.take(max, waitMs)
      this.#watch.waited(all.length, this.#consuming, this.#deliveries.size)
      const taken = this.#deliveries.add(all)
      for (const {deliveries} of taken) if (deliveries > 1) this.redelivered++
      if (taken.length > 0) return taken
      if (this.#deliveries.held > 0) await this.#release()
    }
    return []
  }

  /** Acknowledges held messages, if others have nothing in flight. */
  async #release(): Promise<void> {
    if (performance.now() - this.#askedAt < askMs) return
    this.#askedAt = performance.now()
    await this.#deliveries.ask(this.#consumers)
  }

  /** Claims no more messages. Delivered ones that would otherwise lose a delivery are still taken. */
  async drain(): Promise<void> {
    this.#isTooLateIn(lostWaitMs.interrupted)
    if (!isLimited(this.info)) this.#isEnding = true
    this.#finished ??= this.#consuming.finish()
    // `close` fails with the same error.
    const finished = this.#finished.catch(() => {
      this.#isEnding = true
    })
    if (!this.#isEnding) await finished
  }

  /** Fails if an acknowledgement was refused, not confirmed, or not possible. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#isEnding = true
    this.#alive.cancel()
    this.#isTooLateIn(lostWaitMs.complete)
    try {
      if (this.#deliveries.held > 0 && (await this.#deliveries.ask(this.#consumers)).others > 0) {
        throw this.#deliveries.heldError()
      }
    } finally {
      this.#deliveries.giveAllBack()
      await this.#leave()
    }
  }

  async #leave(): Promise<void> {
    try {
      await this.#finished
      await this.#consuming.flush(this.#tooLate.signal)
    } finally {
      this.#leaving?.cancel()
      await this.#consuming.close()
    }
  }

  #isTooLateIn(ms: number): void {
    this.#leaving ??= new Timer(ms, () => this.#tooLate.abort())
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Delivery, void, undefined> {
    try {
      for (let batch = await this.take(1); batch.length > 0; batch = await this.take(1)) yield* batch
    } finally {
      await this.close()
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
