/** What is replayed: a range of a stream, which disturbs nobody, or what a durable consumer has still to do. */
import {BusError, isFailure} from '../../core/errors.ts'
import type {Message} from '../../core/message.ts'
import type {Subscription, Transport} from '../../transport/contract.ts'
import type {ConsumerInfo, Consuming, Delivery, ReadOptions, Streams} from '../../transport/streams-contract.ts'

export interface Source extends AsyncDisposable {
  /** Messages to come, as far as it is known. */
  readonly total: number | undefined
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
): Promise<Source> {
  return new RangeSource(range && (await bus.streams.read(stream, range)), count)
}

class RangeSource implements Source {
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

/** Takes from a durable consumer what it had to do when it began, in all its members' hands; or without end. */
export async function durableSource(bus: Transport, info: ConsumerInfo, options: DurableOptions): Promise<Source> {
  const {stream, config} = info
  const todo = Math.min(
    options.follow ? Number.POSITIVE_INFINITY : info.pending + info.ackPending,
    options.count ?? Number.POSITIVE_INFINITY,
  )
  const {prefetch, signal} = options
  const max = todo === Number.POSITIVE_INFINITY ? undefined : todo
  // Nothing to do: to claim `0` is not to claim.
  const consuming =
    todo === 0 ? undefined : await bus.streams.consumers.consume(stream, config.name, {prefetch, max, signal})
  return new DurableSource(bus.streams, info, consuming, options, max)
}

class DurableSource implements Source {
  readonly total: number | undefined
  readonly #streams: Streams
  readonly #info: ConsumerInfo
  readonly #consuming: Consuming | undefined
  readonly #options: DurableOptions
  /** Taken and not settled. */
  readonly #inHand = new Set<Delivery>()
  /** Only where an acknowledgement covers all earlier messages. */
  readonly #prefix: SettledPrefix | undefined
  /** Extends the ack wait of messages in progress. */
  readonly #alive: NodeJS.Timeout
  #isWaiting = false
  #isEnding = false
  redelivered = 0

  constructor(
    streams: Streams,
    info: ConsumerInfo,
    consuming: Consuming | undefined,
    options: DurableOptions,
    total: number | undefined,
  ) {
    this.#streams = streams
    this.#info = info
    this.#consuming = consuming
    this.#options = options
    this.total = total
    this.#prefix = info.config.ack === 'all' ? new SettledPrefix() : undefined
    const {ackWaitMs, backoffMs} = info.config
    this.#alive = setInterval(() => this.#stillAtWork(), Math.max(20, Math.min(ackWaitMs, ...backoffMs) / 3))
    this.#alive.unref()
  }

  async take(max: number): Promise<readonly Message[]> {
    const consuming = this.#consuming
    while (consuming !== undefined && !consuming.ended && !this.#isEnding) {
      const taken = await consuming.take(max, silenceMs)
      for (const delivery of taken) {
        this.#inHand.add(delivery)
        this.#prefix?.add(delivery)
        if (delivery.deliveries > 1) this.redelivered++
      }
      if (taken.length > 0) return taken
      if (!consuming.ended && !this.#options.follow && (await this.#isOver())) break
    }
    return []
  }

  end(): void {
    this.#isEnding = true
  }

  done(messages: readonly Delivery[]): void {
    for (const message of messages) {
      if (this.#prefix === undefined) this.#consuming?.ack(message)
      this.#inHand.delete(message)
    }
    this.#acknowledgeUpTo(this.#prefix?.settle(messages))
  }

  term(message: Delivery, reason: string): void {
    if (this.#prefix === undefined) this.#consuming?.term(message, reason)
    this.#inHand.delete(message)
    this.#acknowledgeUpTo(this.#prefix?.settle([message]))
  }

  #acknowledgeUpTo(message: Delivery | undefined): void {
    if (message !== undefined) this.#consuming?.ack(message)
  }

  leave(message: Delivery): void {
    this.#inHand.delete(message)
    this.#left.push(message)
  }

  /** Given back at the end: until then they would come again and again. */
  readonly #left: Delivery[] = []

  async flush(): Promise<void> {
    await this.#consuming?.flush()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#alive)
    for (const message of [...this.#left, ...this.#inHand, ...this.#unacknowledged]) this.#consuming?.nak(message)
    await this.#consuming?.close()
  }

  /** Nothing is left for us: messages in flight to others may still be redelivered. */
  async #isOver(): Promise<boolean> {
    if (this.#inHand.size > 0) return false
    await this.#consuming?.flush()
    const info = await this.#streams.consumers.info(this.#info.stream, this.#info.config.name)
    const others = info.ackPending - this.#left.length - this.#unacknowledged.length
    if (info.pending === 0 && others <= 0) return true
    if (!this.#isWaiting && others > 0) this.#options.onWaiting?.(info)
    this.#isWaiting = true
    return false
  }

  #stillAtWork(): void {
    for (const delivery of [...this.#inHand, ...this.#left, ...this.#unacknowledged]) this.#consuming?.working(delivery)
  }

  get #unacknowledged(): readonly Delivery[] {
    return this.#prefix?.waiting ?? []
  }
}

/** What was taken, in order, and how far all of it is settled. */
class SettledPrefix {
  readonly #taken: Delivery[] = []
  readonly #settled = new Set<Delivery>()

  /** Settled behind one that is not. */
  get waiting(): readonly Delivery[] {
    return [...this.#settled]
  }

  add(delivery: Delivery): void {
    this.#taken.push(delivery)
  }

  /** Answers the last message that has nothing unsettled before it, where that is another one than before. */
  settle(messages: readonly Delivery[]): Delivery | undefined {
    for (const message of messages) this.#settled.add(message)
    let count = 0
    let last: Delivery | undefined
    for (const message of this.#taken) {
      if (!this.#settled.delete(message)) break
      last = message
      count++
    }
    this.#taken.splice(0, count)
    return last
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
