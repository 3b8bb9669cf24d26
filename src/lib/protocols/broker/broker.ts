/**
 * A broker for applications: publish, subscribe, and durable subscriptions whose progress survives restarts, on any bus with
 * streams.
 */
import {BusError, interruptedError, isFailure, thrownText} from '../../core/errors.ts'
import type {Message} from '../../core/message.ts'
import {warnOfFailure} from '../../core/process/background-failure.ts'
import {checkSubject, covers} from '../../core/subject.ts'
import type {OpenOptions, Subscription, Transport} from '../../transport/contract.ts'
import {checkNoneLost, Deliveries, lostWaitMs} from '../../transport/deliveries.ts'
import {open} from '../../transport/open.ts'
import {bounded} from '../../transport/shared/bounded.ts'
import type {ConsumerInfo} from '../../transport/streams-contract.ts'
import {type BrokerConfig, type FullBrokerConfig, settingsOf, validate} from './config.ts'
import {Pump} from './pump.ts'

/** Handles a message. If it throws, a durable subscription delivers the message again. */
export type Handler = (data: Uint8Array, message: Message) => void | Promise<void>

/** Handles a message; gets its full subject. */
export type SubjectHandler = (subject: string, data: Uint8Array, message: Message) => void | Promise<void>

/** How to reach the bus, and the callbacks for events. */
export interface BrokerOptions extends Pick<OpenOptions, 'login' | 'tls' | 'name' | 'signal'> {
  /**
   * Called with the reason why a subscription ended (without it the process emits a warning), and about events that end
   * nothing: a failed handler, a stream with a different configuration, a lost connection.
   */
  readonly onNotice?: ((text: string) => void) | undefined
}

/** The options of an operation. */
export interface BrokerCall {
  /** Ends the wait, and a subscription that is live. */
  readonly signal?: AbortSignal | undefined
}

/** The options of a durable subscription. */
export interface DurableCall extends BrokerCall {
  /**
   * If the consumer does not exist, create a push consumer, which programs in Go can continue. Only servers have them; other
   * buses create the only kind that they have.
   */
  readonly push?: boolean | undefined
}

/** A broker on one bus. Before `start` and after `stop` its methods fail with `usage`. It supports `await using`. */
export class Broker implements AsyncDisposable {
  readonly config: FullBrokerConfig
  readonly #options: BrokerOptions
  /** Each ends a subscription once its handler has finished. */
  readonly #subscriptions = new Set<() => Promise<void>>()
  #bus: Transport | undefined
  #starting: Promise<void> | undefined
  /** The subjects of the stream at the start. */
  #subjects: readonly string[] = []

  /** Throws `usage` for an invalid configuration. */
  constructor(config: BrokerConfig = {}, options: BrokerOptions = {}) {
    this.config = validate(config)
    this.#options = options
  }

  /**
   * Connects, and creates the stream if it does not exist. Fails with `connect`, `denied`, or with `notFound` on a bus without
   * streams.
   */
  async start(): Promise<void> {
    if (this.#bus !== undefined) return
    this.#starting ??= this.#connect().finally(() => {
      this.#starting = undefined
    })
    return this.#starting
  }

  /**
   * Takes no more messages, waits for running handlers, which may still publish, and closes the bus. Durable consumers and
   * their progress are kept. If a consumer limits deliveries, messages that a server has already delivered are handled first.
   */
  async stop(): Promise<void> {
    // A failure of `start` is reported to its caller.
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
   * Resolves when the message is stored, or without `jetstream` when the bus has it. Fails with `notFound` for a subject
   * outside the stream.
   */
  async publish(subject: string, data: Uint8Array | string, options: BrokerCall = {}): Promise<void> {
    const bus = this.#started()
    const message = {subject, data}
    if (this.config.jetstream) {
      this.#checkKept(checkSubject(subject))
      await bounded(() => bus.streams.publish(message, options), options)
      return
    }
    try {
      await bounded(() => {
        bus.publish(message)
        return bus.flush()
      }, options)
    } finally {
      bus.withdraw?.(message)
    }
  }

  /**
   * Delivers messages published from now on. Resolves when the subscription is live, with a function that ends it, as the
   * signal does.
   */
  async subscribe(pattern: string, handler: Handler, options?: BrokerCall): Promise<() => Promise<void>> {
    return this.subscribeWithSubject(pattern, (_subject, data, message) => handler(data, message), options)
  }

  /** Like `subscribe`, for a handler that needs the subject. */
  async subscribeWithSubject(
    pattern: string,
    handler: SubjectHandler,
    {signal}: BrokerCall = {},
  ): Promise<() => Promise<void>> {
    const subscription = await this.#started().subscribe(pattern, {signal})
    return this.#run(this.#livePump(subscription, handler), () => subscription.drain())
  }

  /**
   * Delivers everything in the stream from its first message on, each message until its handler succeeds. Resumes where the
   * consumer with this name stopped, in this process or another. One message at a time, in order except for redeliveries. Fails
   * with `usage` without `jetstream` or if the consumer has another subject, with `notFound` for a subject outside the stream.
   */
  async subscribeDurable(
    pattern: string,
    consumer: string,
    handler: Handler,
    {signal, push}: DurableCall = {},
  ): Promise<() => Promise<void>> {
    const bus = this.#started()
    const info = await bounded(() => this.#ensureConsumer(bus, pattern, consumer, push), {signal})
    const {consumers} = bus.streams
    const consuming = await consumers.consume(this.config.stream, consumer, {prefetch: 0, signal})
    const {StallWatch, stallLine} = await import('../../messaging/stored/stall.ts')
    const stopped = new AbortController()
    const pump = new Pump({
      consuming,
      info,
      consumers,
      handle: (delivery) => handler(delivery.data, delivery),
      onFailure: (delivery, error) => this.#handlerFailed(delivery, error),
      watch: new StallWatch(consumers, info, (stall, stalled) => this.#options.onNotice?.(stallLine(stall, stalled))),
      stop: signal === undefined ? stopped.signal : AbortSignal.any([stopped.signal, signal]),
    })
    return this.#run(pump.run(), async () => stopped.abort())
  }

  /**
   * The next message of a durable subscription, acknowledged. Fails as `subscribeDurable` does, and with `timeout` if no
   * message arrives in time.
   */
  async next(pattern: string, consumer: string, timeoutMs: number, {signal}: BrokerCall = {}): Promise<Message> {
    const bus = this.#started()
    const info = await bounded(() => this.#ensureConsumer(bus, pattern, consumer), {signal})
    checkNoneLost(info, 1)
    const deliveries = new Deliveries(info)
    await using consuming = await bus.streams.consumers.consume(this.config.stream, consumer, {max: 1, signal})
    const [delivery] = await consuming.take(1, timeoutMs)
    if (delivery === undefined) {
      if (signal?.aborted) throw interruptedError()
      const {stallsOf, stallText} = await import('../../messaging/stored/stall.ts')
      const [stall] = stallsOf(await bus.streams.consumers.info(this.config.stream, consumer))
      const why = stall === undefined ? '' : `: ${stallText(stall)}`
      throw new BusError('timeout', `no message for ${consumer} within ${timeoutMs} ms${why}`)
    }
    deliveries.add([delivery])
    deliveries.settle(delivery, 'ack')
    if (deliveries.held > 0 && (await deliveries.ask(bus.streams.consumers)).others > 0) {
      delivery.nak()
      throw deliveries.heldError()
    }
    await consuming.flush(AbortSignal.timeout(lostWaitMs.complete))
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

  /** Creates the stream only if it does not exist. A different configuration may be intended, so it is kept and reported. */
  async #ensureStream(bus: Transport): Promise<void> {
    const {stream} = this.config
    try {
      const {config} = await bus.streams.info(stream)
      this.#subjects = config.subjects
      const {differences, streamConfig} = await import('../../transport/shared/stream-settings.ts')
      const {description} = config
      const otherwise = differences(config, {...streamConfig(settingsOf(stream)), description})
      if (otherwise !== '') this.#options.onNotice?.(`stream ${stream} exists with ${otherwise}`)
    } catch (error) {
      if (!isFailure(error, 'notFound')) throw error
      const {config} = await bus.streams.add(settingsOf(stream))
      this.#subjects = config.subjects
    }
  }

  async #ensureConsumer(bus: Transport, pattern: string, name: string, push = false): Promise<ConsumerInfo> {
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
      return consumers.add(stream, {name, filters: [pattern], deliver: 'all', ack: 'explicit', isPush: push})
    }
  }

  /** If another stream stores the subject, messages must not end up there unnoticed. */
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
      else this.#options.onNotice(thrownText(error))
    })
    // A subscription counts as running until it has ended, so that a second `stop` waits for it too.
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
    this.#options.onNotice?.(`the handler failed on ${which}: ${thrownText(error)}`)
  }
}
