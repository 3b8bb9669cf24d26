/** Sources of a replay: a range of a stream, which is only read, or the unacknowledged messages of a durable consumer. */

import {BusError, isFailure} from '../../core/errors.ts'
import type {Message} from '../../core/message.ts'
import type {Interval} from '../../core/time/timer.ts'
import type {Subscription, Transport} from '../../transport/contract.ts'
import {Deliveries, isLimited} from '../../transport/deliveries.ts'
import type {ConsumerInfo, Consuming, Delivery, ReadOptions, Streams} from '../../transport/streams-contract.ts'
import {type ConsumerEnd, endless, endOf, isDelivered} from '../stored/consumer-end.ts'
import {type OnStall, StallWatch} from '../stored/stall.ts'

export interface ReplaySource extends AsyncDisposable {
  /** Remaining messages, if known. */
  readonly total: number | undefined
  /** Undefined for a range. With ack policy `none` no message is redelivered. */
  readonly ackPolicy?: ConsumerInfo['config']['ack'] | undefined
  /** Deliveries of messages that had been delivered before. */
  readonly redelivered: number
  /**
   * The number of messages that reached their limit of deliveries since the start and were not handled here, if the bus reports
   * it.
   */
  readonly exhausted: number
  /** Up to `max` messages as soon as there is one; none at the end. */
  take(max: number): Promise<readonly Message[]>
  /** Ends the source; a waiting `take` resolves with none. */
  end(): void
  /**
   * Claims no more messages. Returns true if delivered ones that would lose a delivery remain; otherwise it does what `end`
   * does.
   */
  drain(): boolean
  /** Marks messages as handled. */
  done(messages: readonly Message[]): void
  /** Gives a message up for good. */
  term(message: Message, reason: string): void
  /** Leaves an unhandled message for redelivery. */
  leave(message: Message): void
  /** Resolves when all settlements have reached the bus. */
  flush(): Promise<void>
  /** Like `flush`, at the end. Fails with `timeout` if nothing may be acknowledged because of messages in flight to others. */
  finish(): Promise<void>
}

/** How long a consumer may deliver nothing before its state is checked. */
const silenceMs = 500
/** Reads a range, at most `count` messages of it. An `undefined` range is empty. */
export async function rangeSource(
  bus: Transport,
  stream: string,
  range: ReadOptions | undefined,
  count?: number,
): Promise<ReplaySource> {
  return new RangeSource(range && (await bus.streams.read(stream, range)), count)
}

class RangeSource implements ReplaySource {
  readonly total: number | undefined
  readonly redelivered = 0
  readonly exhausted = 0
  readonly #subscription: Subscription | undefined
  #left: number

  constructor(subscription: Subscription | undefined, count: number | undefined) {
    this.#subscription = subscription
    this.total = count
    this.#left = count ?? Number.POSITIVE_INFINITY
  }

  async take(max: number): Promise<readonly Message[]> {
    if (this.#subscription === undefined || this.#left === 0) return []
    const taken = await this.#subscription.take(Math.min(max, this.#left))
    this.#left -= taken.length
    return taken
  }

  end(): void {
    void this.#subscription?.close()
  }

  drain(): boolean {
    this.end()
    return false
  }

  done(): void {}
  term(): void {}
  leave(): void {}

  async flush(): Promise<void> {}
  async finish(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#subscription?.close()
  }
}

export interface DurableOptions {
  /** Messages to claim before they are taken. */
  readonly prefetch: number
  /** Continue when nothing is left to do. */
  readonly follow?: boolean | undefined
  /** Take at most this many messages. */
  readonly count?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** Once it has aborted, it no longer waits for a lost connection. */
  readonly leave?: AbortSignal | undefined
  /** Called once when all remaining messages are in flight to other members. */
  readonly onWaiting?: ((info: ConsumerInfo) => void) | undefined
  /** Called once for each reason why the consumer delivers nothing; what it throws ends the source. */
  readonly onStall?: OnStall | undefined
  /** Called if delivered messages remain after `drain`. */
  readonly onDraining?: (() => void) | undefined
}

/**
 * Takes the messages that a durable consumer had to deliver at the start, including those in flight to other members; with
 * `follow` it continues without end. The end is a state of the consumer, not a number of deliveries: everything up to the last
 * message of the stream at the start was delivered, and nothing is unacknowledged except messages left here.
 */
export async function durableSource(
  bus: Transport,
  info: ConsumerInfo,
  options: DurableOptions,
): Promise<ReplaySource> {
  return new DurableSource(bus.streams, info, options.follow ? endless : await endOf(bus.streams, info), options)
}

class DurableSource implements ReplaySource {
  readonly total: number | undefined
  readonly ackPolicy: ConsumerInfo['config']['ack']
  readonly #streams: Streams
  readonly #info: ConsumerInfo
  readonly #options: DurableOptions
  readonly #end: ConsumerEnd
  readonly #deliveries: Deliveries
  readonly #watch: StallWatch
  /** Unhandled messages, which are returned at the end: earlier they would be redelivered again and again. */
  readonly #left = new Set<Delivery>()
  /** Extends the ack wait of messages in progress. */
  readonly #alive: Interval
  readonly #members: Consuming[] = []
  /** Messages still to take by `count`. */
  #wanted: number
  /** Messages that may be taken before the consumer's state is checked for the end. */
  #expected: number
  #settled = Promise.withResolvers<void>()
  /** The member from which a follower waits for messages. */
  #idle: Consuming | undefined
  #isWaiting = false
  #isEnding = false
  /** Only messages that were already delivered are taken. */
  #isDraining = false
  redelivered = 0

  constructor(streams: Streams, info: ConsumerInfo, end: ConsumerEnd, options: DurableOptions) {
    this.#streams = streams
    this.#info = info
    this.ackPolicy = info.config.ack
    this.#end = end
    this.#options = options
    this.#wanted = options.count ?? Number.POSITIVE_INFINITY
    this.#expected = Math.min(this.#wanted, options.follow ? Number.POSITIVE_INFINITY : info.pending + info.ackPending)
    this.total = this.#expected === Number.POSITIVE_INFINITY ? undefined : this.#expected
    this.#deliveries = new Deliveries(info)
    this.#watch = new StallWatch(streams.consumers, info, options.onStall)
    this.#alive = this.#deliveries.keepAlive().unref()
  }

  get exhausted(): number {
    const all = new Set(this.#members.flatMap(({exhausted = []}) => [...exhausted]))
    return [...all].filter((seq) => !this.#deliveries.hasSettled(seq)).length
  }

  async take(max: number): Promise<readonly Message[]> {
    while (!this.#isEnding && !this.#options.signal?.aborted) {
      const member = await this.#member()
      if (member === undefined) break
      this.#watch.waits()
      const most = this.#isDraining ? max : Math.min(max, this.#expected)
      const all = await this.#takeFrom(member, most)
      this.#watch.waited(all.length, member, this.#deliveries.size)
      const taken = this.#deliveries.add(all)
      for (const {deliveries} of taken) if (deliveries > 1) this.redelivered++
      this.#wanted -= taken.length
      this.#expected -= taken.length
      if (taken.length > 0) return taken
      if (!member.ended && !this.#options.follow && !this.#isDraining && (await this.#rest()) === 0) break
    }
    return []
  }

  /** A follower wakes up only for messages, and to ask a silent consumer for the reason. */
  async #takeFrom(member: Consuming, most: number): Promise<readonly Delivery[]> {
    if (!this.#options.follow) return member.take(most, silenceMs)
    this.#idle = member
    try {
      return await member.take(most, this.#watch.dueMs)
    } finally {
      this.#idle = undefined
    }
  }

  end(): void {
    this.#isEnding = true
    this.#settled.resolve()
    // A failure occurs again when it is disposed of.
    this.#idle?.close().catch(() => {})
  }

  drain(): boolean {
    const member = this.#members.at(-1)
    if (member === undefined || member.ended || !isLimited(this.#info)) {
      this.end()
      return false
    }
    this.#isDraining = true
    this.#settled.resolve()
    // A failure here occurs again at the end.
    member.finish().then(
      (isMore) => isMore && this.#options.onDraining?.(),
      () => this.end(),
    )
    return true
  }

  done(messages: readonly Delivery[]): void {
    this.#deliveries.settleAll(messages)
    this.#settled.resolve()
  }

  term(message: Delivery, reason: string): void {
    this.#deliveries.settle(message, 'term', reason)
    this.#settled.resolve()
  }

  leave(message: Delivery): void {
    this.#left.add(message)
    this.#settled.resolve()
  }

  async flush(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.flush(this.#options.leave)))
  }

  async finish(): Promise<void> {
    await this.flush()
    if (this.#deliveries.held === 0) return
    const {others} = await this.#deliveries.ask(this.#streams.consumers)
    if (others > 0) throw this.#deliveries.heldError()
    await this.flush()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#alive.cancel()
    this.#deliveries.giveAllBack()
    await Promise.all(this.#members.map((member) => member.close()))
  }

  /** The member to take from, a new one after the last one has returned what was requested; undefined at the end. */
  async #member(): Promise<Consuming | undefined> {
    const member = this.#members.at(-1)
    if (this.#isDraining) return member?.ended ? undefined : member
    if (member !== undefined && !member.ended && this.#expected > 0) return member
    if (this.#wanted <= 0 || (member === undefined && this.#expected === 0)) return undefined
    if (member !== undefined && this.#expected <= 0) {
      while (this.#inProgress > 0 && !this.#isEnding && !this.#isDraining) {
        this.#settled = Promise.withResolvers()
        await this.#settled.promise
      }
      const rest = this.#isEnding ? 0 : await this.#rest()
      if (this.#isDraining) return member.ended ? undefined : member
      if (rest === 0) return undefined
      this.#expected = Math.min(rest, this.#wanted)
    }
    return member !== undefined && !member.ended ? member : this.#join()
  }

  async #join(): Promise<Consuming> {
    const {stream, config, bound} = this.#info
    const {prefetch, signal} = this.#options
    // Deliveries of a push consumer are not bounded by its member.
    const max = bound === undefined && this.#expected < Number.POSITIVE_INFINITY ? this.#expected : undefined
    const member = await this.#streams.consumers.consume(stream, config.name, {prefetch, max, signal})
    this.#members.push(member)
    return member
  }

  /** Messages taken, but neither handled nor left. */
  get #inProgress(): number {
    return this.#deliveries.size - this.#left.size - this.#deliveries.held
  }

  /** Remaining messages; 0 at the end. Messages in flight to others may be redelivered here. */
  async #rest(): Promise<number> {
    if (this.#inProgress > 0) return this.#inProgress
    await this.flush()
    const {info, others} = await this.#deliveries.ask(this.#streams.consumers)
    const isAll = await isDelivered(this.#streams, info, this.#end)
    if (info.ackFloor >= this.#end.seq || (isAll && others === 0)) return 0
    if (isAll && !this.#isWaiting) {
      this.#options.onWaiting?.(info)
      this.#isWaiting = true
    }
    return others + (isAll ? 0 : Math.max(1, info.pending))
  }
}

/** A consumer of a stream. Fails with `notFound` and lists the existing ones. */
export async function findConsumer(streams: Streams, stream: string, name: string): Promise<ConsumerInfo> {
  try {
    return await streams.consumers.info(stream, name)
  } catch (error) {
    if (!isFailure(error, 'notFound')) throw error
    // Without the stream there is nothing to create.
    await streams.info(stream)
    throw new BusError('notFound', error.message, {
      cause: error,
      data: {...error.data},
      try: [...error.try, '--create, to create it and start with the first message'],
    })
  }
}
