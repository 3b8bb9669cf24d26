/** What is replayed: a range of a stream, which disturbs nobody, or what a durable consumer has still to do. */

import {BusError, isFailure} from '../../core/errors.ts'
import type {Message} from '../../core/message.ts'
import type {Interval} from '../../core/time/timer.ts'
import type {Subscription, Transport} from '../../transport/contract.ts'
import {Deliveries} from '../../transport/deliveries.ts'
import type {ConsumerInfo, Consuming, Delivery, ReadOptions, Streams} from '../../transport/streams-contract.ts'

export interface ReplaySource extends AsyncDisposable {
  /** Messages to come, as far as it is known. */
  readonly total: number | undefined
  /** Undefined for a range. With `none` no message is delivered again. */
  readonly ackPolicy?: ConsumerInfo['config']['ack'] | undefined
  /** Deliveries of messages that were delivered before. */
  readonly redelivered: number
  /** Up to `max` messages as soon as there is one; none at the end. */
  take(max: number): Promise<readonly Message[]>
  /** Gives no more; a `take` that waits resolves with none. */
  end(): void
  /** They were handled. */
  done(messages: readonly Message[]): void
  /** It is given up for good. */
  term(message: Message, reason: string): void
  /** It was not handled and will be redelivered. */
  leave(message: Message): void
  /** All of these are with the bus. */
  flush(): Promise<void>
}

/** How long a consumer may be silent before it is looked at. */
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

  done(): void {}
  term(): void {}
  leave(): void {}

  async flush(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#subscription?.close()
  }
}

export interface DurableOptions {
  /** Messages to claim before they are taken. */
  readonly prefetch: number
  /** Goes on when nothing is left to do. */
  readonly follow?: boolean | undefined
  /** Take at most this many. */
  readonly count?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** Called once when all remaining messages are in flight to other members. */
  readonly onWaiting?: ((info: ConsumerInfo) => void) | undefined
}

/**
 * Takes from a durable consumer what it had to do when it began, also what other members have in flight; or without end.
 * The end is a state of the consumer, not a number of deliveries: everything up to the last message of the stream at the
 * start was delivered, and nothing is unacknowledged but what was left here.
 */
export async function durableSource(
  bus: Transport,
  info: ConsumerInfo,
  options: DurableOptions,
): Promise<ReplaySource> {
  const endSeq = options.follow ? Number.POSITIVE_INFINITY : await lastSequence(bus, info)
  return new DurableSource(bus.streams, info, endSeq, options)
}

/** Of the stream; without end where this login may not know it: then a busy stream prolongs the replay. */
async function lastSequence(bus: Transport, {stream}: ConsumerInfo): Promise<number> {
  try {
    return (await bus.streams.info(stream)).state.lastSeq
  } catch (error) {
    if (isFailure(error, 'denied')) return Number.POSITIVE_INFINITY
    throw error
  }
}

class DurableSource implements ReplaySource {
  readonly total: number | undefined
  readonly ackPolicy: ConsumerInfo['config']['ack']
  readonly #streams: Streams
  readonly #info: ConsumerInfo
  readonly #options: DurableOptions
  readonly #endSeq: number
  readonly #deliveries = new Deliveries()
  /** Not handled, and given back at the end: until then they would come again and again. */
  readonly #left = new Set<Delivery>()
  /** Only where an acknowledgement covers all earlier messages. */
  readonly #prefix: SettledPrefix | undefined
  /** Extends the ack wait of messages in progress. */
  readonly #alive: Interval
  readonly #members: Consuming[] = []
  /** Messages still to take by `count`. */
  #wanted: number
  /** Messages that may be taken before the consumer is asked whether this is the end. */
  #expected: number
  #settled = Promise.withResolvers<void>()
  #isWaiting = false
  #isEnding = false
  redelivered = 0

  constructor(streams: Streams, info: ConsumerInfo, endSeq: number, options: DurableOptions) {
    this.#streams = streams
    this.#info = info
    this.ackPolicy = info.config.ack
    this.#endSeq = endSeq
    this.#options = options
    this.#wanted = options.count ?? Number.POSITIVE_INFINITY
    this.#expected = Math.min(this.#wanted, options.follow ? Number.POSITIVE_INFINITY : info.pending + info.ackPending)
    this.total = this.#expected === Number.POSITIVE_INFINITY ? undefined : this.#expected
    this.#prefix = info.config.ack === 'all' ? new SettledPrefix(info) : undefined
    this.#alive = this.#deliveries.keepAlive(info.config).unref()
  }

  async take(max: number): Promise<readonly Message[]> {
    while (!this.#isEnding && !this.#options.signal?.aborted) {
      const member = await this.#member()
      if (member === undefined) break
      const taken = this.#deliveries.add(await member.take(Math.min(max, this.#expected), silenceMs))
      for (const delivery of taken) {
        this.#prefix?.add(delivery)
        if (delivery.deliveries > 1) this.redelivered++
      }
      this.#wanted -= taken.length
      this.#expected -= taken.length
      if (taken.length > 0) return taken
      if (!member.ended && !this.#options.follow && (await this.#rest()) === 0) break
    }
    return []
  }

  end(): void {
    this.#isEnding = true
    this.#settled.resolve()
  }

  done(messages: readonly Delivery[]): void {
    if (this.#prefix === undefined) for (const message of messages) this.#deliveries.settle(message, 'ack')
    else this.#acknowledge(this.#prefix.settle(messages))
    this.#settled.resolve()
  }

  term(message: Delivery, reason: string): void {
    // Where an acknowledgement covers all earlier messages, a message that is given up is acknowledged with them.
    if (this.#prefix === undefined) this.#deliveries.settle(message, 'term', reason)
    else this.#acknowledge(this.#prefix.settle([message]))
    this.#settled.resolve()
  }

  /** Acknowledges the last of these, and with it those before it. */
  #acknowledge(covered: readonly Delivery[]): void {
    const last = covered.at(-1)
    for (const message of covered) if (message !== last) this.#deliveries.forget(message)
    if (last !== undefined) this.#deliveries.settle(last, 'ack')
  }

  leave(message: Delivery): void {
    this.#left.add(message)
    this.#settled.resolve()
  }

  async flush(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.flush()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#alive.cancel()
    this.#deliveries.giveAllBack()
    await Promise.all(this.#members.map((member) => member.close()))
  }

  /** The member to take from, a new one after the last one has given what it was asked for; undefined at the end. */
  async #member(): Promise<Consuming | undefined> {
    const member = this.#members.at(-1)
    if (member !== undefined && !member.ended && this.#expected > 0) return member
    if (this.#wanted <= 0 || (member === undefined && this.#expected === 0)) return undefined
    if (member !== undefined && this.#expected <= 0) {
      while (this.#inProgress > 0 && !this.#isEnding) {
        this.#settled = Promise.withResolvers()
        await this.#settled.promise
      }
      const rest = this.#isEnding ? 0 : await this.#rest()
      if (rest === 0) return undefined
      this.#expected = Math.min(rest, this.#wanted)
    }
    return member !== undefined && !member.ended ? member : this.#join()
  }

  async #join(): Promise<Consuming> {
    const {stream, config, bound} = this.#info
    const {prefetch, signal} = this.#options
    // What a push consumer delivers is not bounded by its member.
    const max = bound === undefined && this.#expected < Number.POSITIVE_INFINITY ? this.#expected : undefined
    const member = await this.#streams.consumers.consume(stream, config.name, {prefetch, max, signal})
    this.#members.push(member)
    return member
  }

  /** Taken, and neither handled nor left. */
  get #inProgress(): number {
    return this.#deliveries.size - this.#left.size - (this.#prefix?.waiting ?? 0)
  }

  /** Messages that are still to come; 0 at the end. What others have in flight may come back. */
  async #rest(): Promise<number> {
    if (this.#inProgress > 0) return this.#inProgress
    await this.flush()
    const info = await this.#streams.consumers.info(this.#info.stream, this.#info.config.name)
    const others = Math.max(0, info.ackPending - this.#deliveries.size)
    if (others === 0 && this.#prefix !== undefined) this.#acknowledge(this.#prefix.release())
    const isDelivered = info.pending === 0 || info.deliveredSeq >= this.#endSeq
    if (info.ackFloor >= this.#endSeq || (isDelivered && others === 0)) return 0
    if (isDelivered && !this.#isWaiting) {
      this.#options.onWaiting?.(info)
      this.#isWaiting = true
    }
    return others + (isDelivered ? 0 : info.pending)
  }
}

/**
 * What was taken, in the order of the stream, and how far all of it is settled. Nothing is before what other members had
 * in flight at the start has come here too, or `release` says that they settled it.
 */
class SettledPrefix {
  readonly #taken: Delivery[] = []
  readonly #settled = new Set<Delivery>()
  readonly #deliveredSeq: number
  /** Messages that others had in flight at the start, and that have not come here. */
  #outstanding: number

  constructor({deliveredSeq, ackPending}: ConsumerInfo) {
    this.#deliveredSeq = deliveredSeq
    this.#outstanding = ackPending
  }

  /** Settled behind one that is not. */
  get waiting(): number {
    return this.#settled.size
  }

  add(delivery: Delivery): void {
    const {seq = 0} = delivery
    if (seq <= this.#deliveredSeq) this.#outstanding--
    const after = this.#taken.findLastIndex((other) => (other.seq ?? 0) < seq)
    this.#taken.splice(after + 1, 0, delivery)
  }

  /** Returns the messages that have nothing unsettled before them any more. */
  settle(messages: readonly Delivery[]): readonly Delivery[] {
    for (const message of messages) this.#settled.add(message)
    if (this.#outstanding > 0) return []
    const covered = this.#taken.findIndex((message) => !this.#settled.has(message))
    const all = this.#taken.splice(0, covered < 0 ? this.#taken.length : covered)
    for (const message of all) this.#settled.delete(message)
    return all
  }

  /** As `settle`: the other members have nothing in flight any more. */
  release(): readonly Delivery[] {
    this.#outstanding = 0
    return this.settle([])
  }
}

/** A consumer of a stream, or `notFound` with what else there is. */
export async function findConsumer(streams: Streams, stream: string, name: string): Promise<ConsumerInfo> {
  try {
    return await streams.consumers.info(stream, name)
  } catch (error) {
    if (!isFailure(error, 'notFound')) throw error
    throw new BusError('notFound', error.message, {
      cause: error,
      data: {...error.data},
      try: [...error.try, '--create, to create it and start with the first message'],
    })
  }
}
