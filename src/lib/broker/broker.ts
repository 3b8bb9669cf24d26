/**
 * A broker for applications: publish, subscribe, and durable subscriptions whose progress outlives a restart, on any
 * bus that keeps streams.
 */
import {BusError} from '../errors.ts'
import type {Message} from '../message.ts'
import {open} from '../transport/open.ts'
import type {ConsumerInfo, Consuming, Delivery} from '../transport/streams.ts'
import type {OpenOptions, Subscription, Transport} from '../transport/transport.ts'
import {type BrokerConfig, type FullBrokerConfig, subjectsOf, validate} from './config.ts'

/** Handles a message. What it throws leaves the message undone: a durable subscription gets it again. */
export type Handler = (data: Uint8Array, message: Message) => void | Promise<void>

/** Handles a message, told its whole subject. */
export type SubjectHandler = (subject: string, data: Uint8Array, message: Message) => void | Promise<void>

export interface BrokerOptions extends Pick<OpenOptions, 'login' | 'tls' | 'name' | 'signal'> {
  /** Told what does not end anything: a handler that failed, a stream configured otherwise, a lost connection. */
  readonly onNotice?: ((text: string) => void) | undefined
}

/** How long a message is left alone after its handler failed, growing with each delivery. */
const pauseMs = [100, 1000, 5000, 30_000]

/** How often a durable subscription looks whether it is to stop. */
const lookMs = 100

export class Broker implements AsyncDisposable {
  readonly config: FullBrokerConfig
  readonly #options: BrokerOptions
  /** Ends a subscription, once its handler is done. */
  readonly #subscriptions = new Set<() => Promise<void>>()
  #bus: Transport | undefined

  /** Throws `usage` for a configuration that is none. */
  constructor(config: BrokerConfig = {}, options: BrokerOptions = {}) {
    this.config = validate(config)
    this.#options = options
  }

  /** Connects, and makes the stream if it is missing. Fails with `connect`, `denied`, or `notFound` without streams. */
  async start(): Promise<void> {
    if (this.#bus !== undefined) return
    const {login, tls, name = 'busline broker', signal, onNotice} = this.#options
    const bus = await open(this.config.url, {login, tls, name, signal, notify: ({text}) => onNotice?.(text)})
    try {
      if (this.config.jetstream) await this.#ensureStream(bus)
    } catch (error) {
      await bus.close()
      throw error
    }
    this.#bus = bus
  }

  /**
   * Takes no more messages, waits for the handlers at work, and closes. Durable consumers stay, with their progress.
   */
  async stop(): Promise<void> {
    const bus = this.#bus
    this.#bus = undefined
    await Promise.all([...this.#subscriptions].map((end) => end()))
    await bus?.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  /**
   * Resolves when the message is stored, or without `jetstream` when it is with the bus. Fails with `notFound` for a
   * subject outside the stream.
   */
  async publish(subject: string, data: Uint8Array | string): Promise<void> {
    const bus = this.#started()
    if (this.config.jetstream) await bus.streams.publish({subject, data})
    else {
      bus.publish({subject, data})
      await bus.flush()
    }
  }

  /** What is published from now on. Resolves when it listens, with what ends it. */
  async subscribe(pattern: string, handler: Handler): Promise<() => Promise<void>> {
    return this.subscribeWithSubject(pattern, (_subject, data, message) => handler(data, message))
  }

  async subscribeWithSubject(pattern: string, handler: SubjectHandler): Promise<() => Promise<void>> {
    const subscription = await this.#started().subscribe(pattern)
    return this.#run(this.#livePump(subscription, handler), () => subscription.drain())
  }

  /**
   * Everything in the stream, from the first message on, and each message until its handler has succeeded; goes on
   * where the consumer of this name stopped. One message at a time, in order but for what comes again. Fails with
   * `usage` without `jetstream` and when the consumer has another subject.
   */
  async subscribeDurable(pattern: string, consumer: string, handler: Handler): Promise<() => Promise<void>> {
    const bus = this.#started()
    const {stream, jetstream} = this.config
    if (!jetstream) throw new BusError('usage', 'broker: a durable subscription needs "jetstream": true')
    const info = await this.#ensureConsumer(bus, pattern, consumer)
    const consuming = await bus.streams.consumers.consume(stream, consumer, {prefetch: 32})
    const stopped = new AbortController()
    const pump = this.#durablePump(consuming, handler, info, stopped.signal)
    return this.#run(pump, async () => stopped.abort())
  }

  /** The next message of a durable subscription, acknowledged. Fails with `timeout` when there is none in time. */
  async next(pattern: string, consumer: string, timeoutMs: number): Promise<Message> {
    const bus = this.#started()
    if (!this.config.jetstream) throw new BusError('usage', 'broker: a durable subscription needs "jetstream": true')
    await this.#ensureConsumer(bus, pattern, consumer)
    await using consuming = await bus.streams.consumers.consume(this.config.stream, consumer, {max: 1})
    const [delivery] = await consuming.take(1, timeoutMs)
    if (delivery === undefined) {
      throw new BusError('timeout', `no message for ${consumer} within ${timeoutMs} ms`)
    }
    delivery.ack()
    await consuming.flush()
    return delivery
  }

  #started(): Transport {
    if (this.#bus === undefined) throw new BusError('usage', 'broker: not started')
    return this.#bus
  }

  async #ensureStream(bus: Transport): Promise<void> {
    const {stream} = this.config
    const subjects = subjectsOf(stream)
    try {
      const {config} = await bus.streams.info(stream)
      if (config.subjects.join(' ') === subjects) return
      this.#options.onNotice?.(`stream ${stream} keeps ${config.subjects.join(' ')} instead of ${subjects}`)
    } catch (error) {
      if (!isNotFound(error)) throw error
      await bus.streams.add({name: stream, subjects: [subjects]})
    }
  }

  async #ensureConsumer(bus: Transport, pattern: string, name: string): Promise<ConsumerInfo> {
    const {consumers} = bus.streams
    const {stream} = this.config
    try {
      const info = await consumers.info(stream, name)
      const {filters} = info.config
      if (filters.length === 0 || (filters.length === 1 && filters[0] === pattern)) return info
      throw new BusError('usage', `broker: consumer ${name} is for ${filters.join(' ')}, not for ${pattern}`)
    } catch (error) {
      if (!isNotFound(error)) throw error
      return consumers.add(stream, {name, filters: [pattern], deliver: 'all', ack: 'explicit'})
    }
  }

  #run(pump: Promise<void>, stop: () => Promise<void>): () => Promise<void> {
    const done = pump.catch((error: unknown) => this.#options.onNotice?.(String(error)))
    const end = async () => {
      this.#subscriptions.delete(end)
      await stop()
      await done
    }
    this.#subscriptions.add(end)
    return end
  }

  async #livePump(subscription: Subscription, handler: SubjectHandler): Promise<void> {
    for await (const message of subscription) {
      try {
        await handler(message.subject, message.data, message)
      } catch (error) {
        this.#handlerFailed(message, error)
      }
    }
  }

  /** Stops between two messages; what was not taken is given back at once. */
  async #durablePump(
    consuming: Consuming,
    handler: Handler,
    {config}: ConsumerInfo,
    stopped: AbortSignal,
  ): Promise<void> {
    await using _consuming = consuming
    while (!consuming.ended && !stopped.aborted) {
      for (const delivery of await consuming.take(1, lookMs)) await this.#deliver(delivery, handler, config.ackWaitMs)
    }
  }

  async #deliver(delivery: Delivery, handler: Handler, ackWaitMs: number): Promise<void> {
    const alive = setInterval(() => delivery.working(), ackWaitMs / 3)
    try {
      await handler(delivery.data, delivery)
      delivery.ack()
    } catch (error) {
      delivery.nak(pauseMs[Math.min(delivery.deliveries, pauseMs.length) - 1])
      this.#handlerFailed(delivery, error)
    } finally {
      clearInterval(alive)
    }
  }

  #handlerFailed({subject, seq}: Message, error: unknown): void {
    const which = seq === undefined ? subject : `${subject} (${seq})`
    this.#options.onNotice?.(
      `the handler failed on ${which}: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
}

function isNotFound(error: unknown): boolean {
  return error instanceof BusError && error.kind === 'notFound'
}
