/** A NATS server or cluster, by nats.js. What is asked of a connection while it is lost waits until it is back. */
import {createInbox, errors, type PermissionViolationError, type ServerInfo} from '@nats-io/transport-node'
import {BusError, closedError} from '../../core/errors.ts'
import type {Outgoing} from '../../core/message.ts'
import {checkPatterns} from '../../core/subject.ts'
import type {
  Facts,
  ManyOptions,
  OpenOptions,
  RequestOptions,
  SubscribeOptions,
  Subscription,
  Transport,
} from '../contract.ts'
import type {Examination} from '../examination.ts'
import {interruptedError, Requests} from '../shared/requests.ts'
import {timeRoundTrips} from '../shared/round-trips.ts'
import type {Streams} from '../streams-contract.ts'
import {Connection} from './connection.ts'
import {type Dialed, defaultTimeoutMs, dial} from './dial.ts'
import {fateUnknown, publishDenied, subscribeDenied, tooManySubscriptions, unsentFailure} from './failures.ts'
import {Inbox} from './inbox.ts'
import {Outbox} from './outbox.ts'
import type {Wire} from './protocol.ts'
import type {ConnectionListener, JetStreamSession} from './streams/session.ts'
import {natsStreams} from './streams/streams.ts'
import {NatsSubscription} from './subscription.ts'

/** Connects to the first server of the list that can be reached. Fails with `connect`, `denied`, `usage` or `interrupted`. */
export async function openNats(url: string, options: OpenOptions = {}): Promise<Transport> {
  const listener: {bus?: NatsBus} = {}
  const dialed = await dial(url, options, (status) => listener.bus?.connection.heard(status))
  listener.bus = new NatsBus(dialed, options)
  return listener.bus
}

class NatsBus implements Transport {
  readonly url: string
  readonly features = {
    wildcards: true,
    headers: true,
    queues: true,
    keepsForSlow: false,
    noResponders: true,
    requestsAreMessages: true,
    streams: true,
  }
  readonly streams: Streams
  readonly connection: Connection
  readonly #wire: Wire
  readonly #outbox: Outbox
  readonly #requests: Requests
  readonly #inbox: Inbox
  /** How long to wait for a server that says nothing. */
  readonly #patienceMs: number
  readonly #stop: AbortSignal | undefined
  readonly #open = new Set<NatsSubscription>()
  readonly #opening = new Set<NatsSubscription>()
  readonly #listeners = new Set<ConnectionListener>()
  #info: ServerInfo
  /** Why what was published did not arrive; the next flush tells. */
  #publishFailure: unknown
  #closing: Promise<void> | undefined
  #isOver = false

  constructor({wire, shown, login}: Dialed, options: OpenOptions) {
    this.url = shown
    this.#wire = wire
    this.#info = wire.info as ServerInfo
    const inbox = `${createInbox(options.inboxPrefix)}.`
    this.#stop = options.signal
    this.#patienceMs = options.connectTimeoutMs ?? defaultTimeoutMs
    this.connection = new Connection({
      wire,
      url: shown,
      login,
      options,
      onLost: () => this.#lost(),
      onReturn: () => this.#returned(),
      onEnd: (failure) => this.#failAll(failure),
      onError: (error) => this.#refused(error),
      isListening: () => this.#open.size > 0,
    })
    this.#outbox = new Outbox({
      url: shown,
      maxPayload: () => this.maxPayload,
      isConnected: () => this.connection.isUp,
      send: (bytes) => wire.sendBytes(bytes),
    })
    wire.beforeCommand = () => void this.#outbox.send()
    this.#requests = new Requests(shown, inbox, (message) => this.#outbox.request(message))
    this.#inbox = new Inbox(shown, inbox, wire, this.#requests)
    this.streams = natsStreams(this.#session(options))
  }

  get maxPayload(): number {
    return (this.#wire.info ?? this.#info).max_payload
  }

  publish(message: Outgoing): void {
    this.#check()
    this.#outbox.publish(message)
  }

  async flush(): Promise<void> {
    this.#check()
    return this.#flush()
  }

  async subscribe(patterns: string | readonly string[], options: SubscribeOptions = {}): Promise<Subscription> {
    this.#check()
    const wanted = checkPatterns(patterns)
    const {queue, signal} = options
    if (queue !== undefined && !/^\S+$/.test(queue)) {
      throw new BusError('usage', `the queue group ${JSON.stringify(queue)} has a space in it or is empty`)
    }
    if (signal?.aborted) throw interruptedError()
    const subscription: NatsSubscription = new NatsSubscription(this.#wire, wanted, {
      queue,
      signal,
      limit: options.pendingLimit,
      drainMs: this.#patienceMs,
      refusal: (pattern, error) => subscribeDenied(this.url, pattern, error),
      onDrop: (dropped) =>
        this.connection.notify('slowConsumer', `slow consumer: ${dropped} dropped so far from ${wanted.join(', ')}`),
      onClose: () => this.#open.delete(subscription),
    })
    this.#open.add(subscription)
    this.#opening.add(subscription)
    try {
      do await this.connection.ready()
      while (!(await this.connection.answered()))
    } finally {
      this.#opening.delete(subscription)
    }
    if (subscription.failure !== undefined) throw subscription.failure
    if (signal?.aborted) throw interruptedError()
    return subscription
  }

  async request(message: Outgoing, options?: RequestOptions) {
    this.#check()
    this.#inbox.open()
    return this.#requests.one(message, options)
  }

  requestMany(message: Outgoing, options?: ManyOptions) {
    this.#check()
    this.#inbox.open()
    return this.#requests.many(message, options)
  }

  async facts(): Promise<Facts> {
    this.#check()
    const {jetStreamFacts} = await import('./account.ts')
    const roundTripsMs = await timeRoundTrips(() => this.#flush())
    const {server_name: server, version, cluster} = this.#wire.info ?? this.#info
    return {software: 'nats-server', version, server, cluster, roundTripsMs, jetstream: await jetStreamFacts(this)}
  }

  async examine(): Promise<Examination> {
    this.#check()
    const {examineNats} = await import('./examine.ts')
    const {version} = this.#wire.info ?? this.#info
    return examineNats(this, version, this.#wire.tlsFacts)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #check(): void {
    if (this.#closing !== undefined) throw closedError(this.url)
    if (this.connection.failure !== undefined) throw this.connection.failure
  }

  async #flush(): Promise<void> {
    for (;;) {
      this.#tellPublishFailure()
      if (!(await this.#isBack())) return this.#finish()
      const mark = this.#outbox.send()
      if (!(await this.connection.answered())) continue
      this.#outbox.confirm(mark)
      return this.#tellPublishFailure()
    }
  }

  /** Waits for a connection; false when it is lost and whoever opened it wants to end. */
  async #isBack(): Promise<boolean> {
    if (this.connection.isUp || this.#stop === undefined) {
      await this.connection.ready()
      return true
    }
    using stopped = whenAborted(this.#stop)
    return await Promise.race([
      this.connection.ready().then(() => true),
      stopped.promise.then(() => this.connection.isUp),
    ])
  }

  #tellPublishFailure(): void {
    const failure = this.#publishFailure
    this.#publishFailure = undefined
    if (failure !== undefined) throw failure
  }

  /** What streams have of this connection. */
  #session(options: OpenOptions): JetStreamSession {
    const {connection} = this
    const wire = this.#wire
    const outbox = this.#outbox
    const listeners = this.#listeners
    const version = () => (wire.info ?? this.#info).version.split(/[.-]/).map(Number)
    const maxPayload = () => this.maxPayload
    return {
      url: this.url,
      get isUp() {
        return connection.isUp
      },
      get maxPayload() {
        return maxPayload()
      },
      version,
      check: () => this.#check(),
      request: async (message, requestOptions) => {
        if (this.#isOver) throw closedError(this.url)
        if (connection.failure !== undefined) throw connection.failure
        this.#inbox.open()
        return this.#requests.one(message, requestOptions)
      },
      send: (message) => outbox.request(message),
      store: (message, reply) => outbox.store(message, reply),
      answer: (subject, word) => outbox.answer(subject, word),
      ready: () => connection.ready(),
      answered: () => connection.answered(),
      tap: (subject, queue, sink, refused) => wire.tap(subject, queue, sink, refused),
      newInbox: () => createInbox(options.inboxPrefix),
      route: (route) => this.#inbox.route(route),
      listen(listener) {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
      notify: (kind, text) => connection.notify(kind, text),
    }
  }

  /** Subscriptions that are refused hear of it by themselves. */
  #refused(error: Error): boolean {
    if (error instanceof errors.PermissionViolationError) {
      if (error.operation === 'publish') this.#publishRefused(error)
      return true
    }
    if (!/maximum subscriptions/i.test(error.message)) return false
    for (const each of [...this.#opening]) each.fail(tooManySubscriptions(this.url, error))
    return true
  }

  #publishRefused(error: PermissionViolationError): void {
    const failure = publishDenied(this.url, error)
    const subject = error.subject ?? ''
    for (const each of [...this.#listeners]) if (each.onRefused?.(subject, failure)) return
    // The server says it once a message.
    if (!this.#requests.failTo(error.subject, failure)) this.#publishFailure ??= failure
  }

  #lost(): void {
    for (const each of [...this.#listeners]) each.onLost?.()
    const unknown = this.#outbox.forget()
    if (unknown > 0) this.#publishFailure ??= fateUnknown(this.url, unknown)
  }

  #returned(): void {
    this.#info = this.#wire.info ?? this.#info
    this.#outbox.resume()
    for (const each of [...this.#listeners]) each.onReconnect?.()
  }

  #failAll(failure: BusError): void {
    this.#requests.failAll(failure)
    for (const each of [...this.#open]) each.fail(failure)
    for (const each of [...this.#listeners]) each.onEnd(failure)
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#listeners].map((each) => each.close()))
    this.#isOver = true
    this.connection.closing()
    this.#requests.failAll(closedError(this.url))
    for (const each of [...this.#open]) await each.close()
    try {
      if (this.connection.failure === undefined) await this.#finish()
    } finally {
      await this.connection.close()
    }
  }

  /** Sends what is left, and waits no longer than for a connect when the server says nothing. */
  async #finish(): Promise<void> {
    if (!this.connection.isUp) {
      this.#tellPublishFailure()
      if (this.#outbox.unsent > 0) throw unsentFailure(this.url, this.#outbox.unsent)
      return
    }
    const silence = this.#wire.silence(this.#patienceMs)
    const late = silence.then(() => {
      if (this.#outbox.unconfirmed > 0) throw fateUnknown(this.url, this.#outbox.unconfirmed)
    })
    await Promise.race([this.#flush(), late]).finally(silence.stop)
  }
}

/** Resolves when the signal aborts, or has. */
function whenAborted(signal: AbortSignal): {readonly promise: Promise<void>} & Disposable {
  let abort = () => {}
  const promise = new Promise<void>((resolve) => {
    abort = resolve
  })
  if (signal.aborted) abort()
  else signal.addEventListener('abort', abort)
  return {promise, [Symbol.dispose]: () => signal.removeEventListener('abort', abort)}
}
