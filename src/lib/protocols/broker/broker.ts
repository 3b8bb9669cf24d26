/**
 * A broker for applications: publish, subscribe, and durable subscriptions whose progress outlives a restart, on any
 * bus that keeps streams.
 */
import {BusError, isFailure} from '../../core/errors.ts'
import type {Message} from '../../core/message.ts'
import {warnOfFailure} from '../../core/process/background-failure.ts'
import {checkSubject, covers} from '../../core/subject.ts'
import type {OpenOptions, Subscription, Transport} from '../../transport/contract.ts'
import {checkNoneLost} from '../../transport/deliveries.ts'
import {open} from '../../transport/open.ts'
import type {ConsumerInfo} from '../../transport/streams-contract.ts'
import {type BrokerConfig, differences, type FullBrokerConfig, settingsOf, validate} from './config.ts'
import {Pump} from './pump.ts'

/** Handles a message. What it throws leaves the message undone: a durable subscription gets it again. */
export type Handler = (data: Uint8Array, message: Message) => void | Promise<void>

/** Handles a message, told its whole subject. */
export type SubjectHandler = (subject: string, data: Uint8Array, message: Message) => void | Promise<void>

/** How to reach the bus, and the callbacks for events. */
export interface BrokerOptions extends Pick<OpenOptions, 'login' | 'tls' | 'name' | 'signal'> {
  /** Told what ended a subscription, or else the process emits a warning; and what does not end anything: a handler that failed, a stream configured otherwise, a lost connection. */
  readonly onNotice?: ((text: string) => void) | undefined
}

/**
 * A broker on one bus. It does nothing before `start` and after `stop`, which fails with `usage`; leaving `await
 * using` stops it.
 */
export class Broker implements AsyncDisposable {
  readonly config: FullBrokerConfig
  readonly #options: BrokerOptions
  /** Ends a subscription, once its handler is done. */
  readonly #subscriptions = new Set<() => Promise<void>>()
  #bus: Transport | undefined
  #starting: Promise<void> | undefined
  /** Of the stream, as it was at the start. */
  #subjects: readonly string[] = []

  /** Throws `usage` for a configuration that is none. */
  constructor(config: BrokerConfig = {}, options: BrokerOptions = {}) {
    this.config = validate(config)
    this.#options = options
  }

  /** Connects, and makes the stream if it is missing. Fails with `connect`, `denied`, or `notFound` without streams. */
  async start(): Promise<void> {
    if (this.#bus !== undefined) return
    this.#starting ??= this.#connect().finally(() => {
      this.#starting = undefined
    })
    return this.#starting
  }

  /**
   * Takes no more messages, waits for the handlers at work, which may still publish, and closes. Durable consumers stay,
   * with their progress.
   */
  async stop(): Promise<void> {
    // A start that fails is reported to its caller.
    await this.#starting?.catch(() => {})
    const bus = this.#bus
    await Promise.all([...this.#subscriptions].map((end) => end()))
    this.#bus = undefined
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
    if (this.config.jetstream) {
      this.#checkKept(checkSubject(subject))
      await bus.streams.publish({subject, data})
    } else {
      bus.publish({subject, data})
      await bus.flush()
    }
  }

  /** What is published from now on. Resolves when it listens, with what ends it. */
  async subscribe(pattern: string, handler: Handler): Promise<() => Promise<void>> {
    return this.subscribeWithSubject(pattern, (_subject, data, message) => handler(data, message))
  }

  /** As `subscribe`, for a pattern whose subjects say something. */
  async subscribeWithSubject(pattern: string, handler: SubjectHandler): Promise<() => Promise<void>> {
    const subscription = await this.#started().subscribe(pattern)
    return this.#run(this.#livePump(subscription, handler), () => subscription.drain())
  }

  /**
   * Everything in the stream, from the first message on, and each message until its handler has succeeded; resumes
   * where the consumer of this name stopped, in this process or another. One message at a time, in order but for what
   * comes again. Fails with `usage` without `jetstream` and when the consumer has another subject, with `notFound` for a
   * subject outside the stream.
   */
  async subscribeDurable(pattern: string, consumer: string, handler: Handler): Promise<() => Promise<void>> {
    const bus = this.#started()
    const info = await this.#ensureConsumer(bus, pattern, consumer)
    const consuming = await bus.streams.consumers.consume(this.config.stream, consumer, {prefetch: 0})
    const stopped = new AbortController()
    const pump = new Pump({
      consuming,
      config: info.config,
      handle: (delivery) => handler(delivery.data, delivery),
      onFailure: (delivery, error) => this.#handlerFailed(delivery, error),
      stop: stopped.signal,
    })
    return this.#run(pump.run(), async () => stopped.abort())
  }

  /**
   * The next message of a durable subscription, acknowledged. Fails as `subscribeDurable`, and with `timeout` when there
   * is none in time.
   */
  async next(pattern: string, consumer: string, timeoutMs: number): Promise<Message> {
    const bus = this.#started()
    checkNoneLost(await this.#ensureConsumer(bus, pattern, consumer), 1)
    await using consuming = await bus.streams.consumers.consume(this.config.stream, consumer, {max: 1})
    const [delivery] = await consuming.take(1, timeoutMs)
    if (delivery === undefined) {
      throw new BusError('timeout', `no message for ${consumer} within ${timeoutMs} ms`)
    }
    delivery.ack()
    await consuming.flush()
    return delivery
  }

  async #connect(): Promise<void> {
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

  #started(): Transport {
    if (this.#bus === undefined) throw new BusError('usage', 'broker: not started')
    return this.#bus
  }

  /** Makes it only when it is missing: who configured it otherwise has reasons, but should know of ours. */
  async #ensureStream(bus: Transport): Promise<void> {
    const {stream} = this.config
    try {
      const {config} = await bus.streams.info(stream)
      this.#subjects = config.subjects
      const otherwise = differences(config, stream)
      if (otherwise !== '') this.#options.onNotice?.(`stream ${stream} exists with ${otherwise}`)
    } catch (error) {
      if (!isFailure(error, 'notFound')) throw error
      const {config} = await bus.streams.add(settingsOf(stream))
      this.#subjects = config.subjects
    }
  }

  async #ensureConsumer(bus: Transport, pattern: string, name: string): Promise<ConsumerInfo> {
    const {stream, jetstream} = this.config
    if (!jetstream) throw new BusError('usage', 'broker: a durable subscription needs "jetstream": true')
    this.#checkKept(pattern)
    const {consumers} = bus.streams
    try {
      const info = await consumers.info(stream, name)
      const {filters} = info.config
      const isSame = filters.length === 0 ? pattern === settingsOf(stream).subjects[0] : filters.join(' ') === pattern
      if (isSame) return info
      const what = filters.join(' ') || 'the whole stream'
      throw new BusError('usage', `broker: consumer ${name} is for ${what}, not for ${pattern}`)
    } catch (error) {
      if (!isFailure(error, 'notFound')) throw error
      return consumers.add(stream, {name, filters: [pattern], deliver: 'all', ack: 'explicit'})
    }
  }

  /** Another stream may keep it: it must not go there unnoticed. */
  #checkKept(pattern: string): void {
    if (this.#subjects.some((kept) => covers(kept, pattern))) return
    const {stream} = this.config
    throw new BusError(
      'notFound',
      `broker: ${pattern} is outside stream ${stream}, which stores ${this.#subjects.join(' ')}`,
    )
  }

  #run(pump: Promise<void>, stop: () => Promise<void>): () => Promise<void> {
    const done = pump.catch((error: unknown) => {
      if (this.#options.onNotice === undefined) warnOfFailure('a subscription of the broker', error)
      else this.#options.onNotice(String(error))
    })
    // It counts as running until it is done, so that a second `stop` waits for it too.
    const end = async () => {
      await stop()
      await done
      this.#subscriptions.delete(end)
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

  #handlerFailed({subject, seq}: Message, error: unknown): void {
    const which = seq === undefined ? subject : `${subject} (${seq})`
    this.#options.onNotice?.(
      `the handler failed on ${which}: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
}
