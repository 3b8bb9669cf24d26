/**
 * A NATS server or cluster, through nats.js. Operations started while the connection is lost wait for the reconnect. In one
 * file, because the connection, its subscriptions, its requests and its streams share one state.
 */
import {createInbox, errors, type PermissionViolationError, type ServerInfo} from '@nats-io/transport-node'
import {BusError, closedError, interruptedError} from '../../core/errors.ts'
import type {Outgoing} from '../../core/message.ts'
import {checkPatterns} from '../../core/subject.ts'
import {Timer, whenAborted} from '../../core/time/timer.ts'
import type {
  Facts,
  Interests,
  ManyOptions,
  OpenOptions,
  RequestOptions,
  Snapshots,
  SubscribeOptions,
  Subscription,
  Transport,
} from '../contract.ts'
import type {Examination} from '../examination.ts'
import type {InterestOptions, ServerRequests} from '../server-requests.ts'
import {PublishRefused} from '../shared/publish-refused.ts'
import {Requests} from '../shared/requests.ts'
import {timeRoundTrips} from '../shared/round-trips.ts'
import type {Streams} from '../streams-contract.ts'
import type {TracedServer, TraceOptions} from '../trace.ts'
import {apiPrefixOf, usualApiPrefix} from './api-prefix.ts'
import {NatsConnection} from './connection.ts'
import {type DialResult, defaultTimeoutMs, dial} from './dial.ts'
import {
  neverSent,
  notConfirmed,
  publishDenied,
  subscribeDenied,
  tooManySubscriptions,
  unconfirmedFailure,
  unsentFailure,
} from './failures.ts'
import {Inbox} from './inbox.ts'
import type {NatsProtocol, ServerSubscription} from './protocol.ts'
import {SendBuffer} from './send-buffer.ts'
import {ServerTimeout} from './server-timeout.ts'
import {StoredReplies} from './stored-replies.ts'
import {Elections} from './streams/elections.ts'
import type {ConnectionListener, JetStreamSession} from './streams/session.ts'
import {natsStreams} from './streams/streams.ts'
import {NatsSubscription} from './subscription.ts'

/** The maximum time for messages that the server sent before a drain, in milliseconds; a hostile one never stops sending. */
const mostLeavingMs = 10_000
/** If the connection is lost this often after a subscription, the subscription is the cause. */
const mostLosses = 3

/** Connects to the first server of the list that can be reached. Fails with `connect`, `denied`, `usage` or `interrupted`. */
export async function openNats(url: string, options: OpenOptions = {}): Promise<Transport> {
  const listener: {bus?: NatsBus} = {}
  const result = await dial(url, options, (status) => listener.bus?.connection.onStatus(status))
  listener.bus = new NatsBus(result, options)
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
    failures: false,
  }
  readonly streams: Streams
  readonly snapshots: Snapshots
  readonly connection: NatsConnection
  readonly #protocol: NatsProtocol
  readonly #sendBuffer: SendBuffer
  readonly #apiPrefix: string
  readonly #jetStream: JetStreamSession
  readonly #requests: Requests
  readonly #inbox: Inbox
  readonly #serverTimeout: ServerTimeout
  readonly #signal: AbortSignal | undefined
  readonly #open = new Set<NatsSubscription>()
  readonly #opening = new Set<NatsSubscription>()
  readonly #listeners = new Set<ConnectionListener>()
  readonly #storedReplies = new StoredReplies((text) => this.connection.notify('stored', text))
  readonly #inboxPrefix: string | undefined
  #info: ServerInfo
  /** Why a published message did not arrive; the next flush throws it. */
  #publishFailure: unknown
  /** The last loss of messages in flight: every flush that waits then fails with it. */
  #loss: BusError | undefined
  #closing: Promise<void> | undefined
  #isClosed = false

  constructor({protocol, shown, login, dialMs}: DialResult, options: OpenOptions) {
    this.url = shown
    this.#protocol = protocol
    this.#info = protocol.info as ServerInfo
    this.#inboxPrefix = options.inboxPrefix
    let made: string | undefined
    // Made at the first request: its random part loads a good deal of Node.
    const inbox = () => {
      made ??= `${createInbox(options.inboxPrefix)}.`
      return made
    }
    this.#signal = options.signal
    this.#serverTimeout = new ServerTimeout(protocol, options.timeoutMs ?? defaultTimeoutMs, dialMs, options.signal)
    this.connection = new NatsConnection({
      protocol,
      url: shown,
      login,
      options,
      onLost: () => this.#onLost(),
      onReturn: () => this.#onReconnect(),
      onEnd: (failure) => this.#failAll(failure),
      onError: (error) => this.#onServerError(error),
      isListening: () => this.#open.size > 0,
    })
    this.#sendBuffer = new SendBuffer({
      url: shown,
      maxPayload: () => this.maxPayload,
      isConnected: () => this.connection.isUp,
      send: (bytes, isTurnOver) => protocol.sendBytes(bytes, isTurnOver),
    })
    protocol.beforeCommand = () => void this.#sendBuffer.send()
    const withdraw = (reply: string) => this.#sendBuffer.withdraw((message) => message.reply === reply)
    this.#requests = new Requests(shown, inbox, (message) => this.#sendBuffer.request(message), {
      late: (reply, timeoutMs) => {
        protocol.waited(timeoutMs)
        return withdraw(reply) ? neverSent(shown, timeoutMs) : undefined
      },
      over: withdraw,
    })
    this.#inbox = new Inbox({
      url: shown,
      prefix: inbox,
      protocol,
      requests: this.#requests,
      onUnclaimed: ({subject}) =>
        this.connection.notify('error', `a reply arrived on "${subject}" for an unknown request`),
    })
    this.#apiPrefix = apiPrefixOf(options.jetStream)
    const session = this.#session(options)
    this.#jetStream = session
    this.streams = natsStreams(session)
    this.snapshots = {
      take: async (stream, bounds) =>
        (await import('./streams/snapshots.ts')).takeSnapshot(this, session, stream, bounds),
      restore: async (head, chunks, bounds) =>
        (await import('./streams/snapshots.ts')).restoreSnapshot(session, head, chunks, bounds),
    }
  }

  get gaps(): number {
    return this.connection.gaps
  }

  get maxPayload(): number {
    return (this.#protocol.info ?? this.#info).max_payload
  }

  publish(message: Outgoing): void {
    this.#check()
    this.#sendBuffer.publish(message)
  }

  withdraw(message: Outgoing): boolean {
    return this.#sendBuffer.withdraw((held) => held === message)
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
    const subscription: NatsSubscription = new NatsSubscription(this.#protocol, wanted, {
      queue,
      signal,
      limit: options.pendingLimit,
      drained: (subscriptions) => this.#drained(subscriptions),
      refusal: (pattern, error) => subscribeDenied(this.url, pattern, error),
      onDrop: (dropped) =>
        this.connection.notify('slowConsumer', `slow consumer: ${dropped} dropped so far from ${wanted.join(', ')}`),
      onClose: () => this.#open.delete(subscription),
    })
    this.#open.add(subscription)
    this.#opening.add(subscription)
    try {
      await this.#confirmed(signal)
    } catch (error) {
      void subscription.close()
      throw subscription.failure ?? error
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
    // With `await` the promise is resolved in fewer steps.
    return await this.#requests.one(message, this.#storedReplies.skip(message, options))
  }

  requestMany(message: Outgoing, options?: ManyOptions) {
    this.#check()
    this.#inbox.open()
    return this.#requests.many(message, this.#storedReplies.skip(message, options))
  }

  async interests(pattern?: string, options?: InterestOptions): Promise<Interests> {
    this.#check()
    const {natsInterests} = await import('./interests.ts')
    const self = {...(this.#protocol.info ?? this.#info), inbox: this.#inbox.pattern}
    return natsInterests(this, self, pattern, options)
  }

  async trace(message: Outgoing, options?: TraceOptions): Promise<TracedServer> {
    this.#check()
    const {version} = this.#protocol.info ?? this.#info
    const [major = 0, minor = 0] = version.split(/[.-]/).map(Number)
    if (major < 2 || (major === 2 && minor < 11))
      throw new BusError('usage', `the server of ${this.url} is ${version}: tracing needs 2.11`)
    const {traceMessage} = await import('./trace.ts')
    return traceMessage(this, createInbox(this.#inboxPrefix), message, options)
  }

  get servers(): ServerRequests {
    const load = async () => {
      this.#check()
      const {natsServers} = await import('./server-requests.ts')
      return natsServers(this, () => this.#protocol.info ?? this.#info, this.#jetStream)
    }
    return {
      ask: async (...args) => (await load()).ask(...args),
      stepDown: async (...args) => (await load()).stepDown(...args),
      removePeer: async (...args) => (await load()).removePeer(...args),
    }
  }

  async facts(): Promise<Facts> {
    this.#check()
    const {jetStreamFacts} = await import('./account.ts')
    const timing = timeRoundTrips(() => this.#flush())
    const [roundTripsMs, jetstream] = await Promise.all([timing, jetStreamFacts(this, this.#apiPrefix)])
    const {server_name: server, version, cluster} = this.#protocol.info ?? this.#info
    const apiPrefix = this.#apiPrefix === usualApiPrefix ? undefined : this.#apiPrefix
    return {software: 'nats-server', version, server, cluster, roundTripsMs, ...(apiPrefix && {apiPrefix}), jetstream}
  }

  async examine(): Promise<Examination> {
    this.#check()
    const {examineNats} = await import('./examine.ts')
    const {version} = this.#protocol.info ?? this.#info
    return examineNats(this, version, this.#protocol.tlsFacts)
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
    const loss = this.#loss
    for (;;) {
      this.#throwPublishFailure()
      // Another flush may have reported it.
      if (this.#loss !== undefined && this.#loss !== loss) throw this.#loss
      if (!(await this.#reconnected())) return this.#finish()
      const mark = this.#sendBuffer.send()
      if (!(await this.#answered())) continue
      this.#sendBuffer.confirm(mark)
      return this.#throwPublishFailure()
    }
  }

  /** Waits for the connection; false if it is lost and the signal of `open` aborts. */
  async #reconnected(): Promise<boolean> {
    if (this.connection.isUp || this.#signal === undefined) {
      await this.connection.ready()
      return true
    }
    using stopped = whenAborted(this.#signal)
    return await Promise.race([
      this.connection.ready().then(() => true),
      stopped.promise.then(() => this.connection.isUp),
    ])
  }

  /** Like `connection.answered`, but closes the connection if the server is silent. */
  async #answered(): Promise<boolean> {
    const wait = this.#serverTimeout.wait()
    void wait.promise.then(() => this.connection.giveUp())
    return this.connection.answered().finally(wait.stop)
  }

  /** Waits until the server has received everything sent. Fails with `interrupted` when one of the signals aborts. */
  async #confirmed(signal: AbortSignal | undefined): Promise<void> {
    using stopped = whenAborted(this.#signal, signal)
    const aborted = stopped.promise.then(() => {
      throw interruptedError()
    })
    for (let losses = 1; ; losses++) {
      await Promise.race([this.connection.ready(), aborted])
      if (await Promise.race([this.#answered(), aborted])) return
      if (this.#protocol.isSilent) throw notConfirmed(this.url, this.#serverTimeout.limitMs)
      if (losses === mostLosses) throw this.connection.lost()
    }
  }

  /** Waits until the messages that the server has sent to these subscriptions have arrived. */
  async #drained(subscriptions: readonly ServerSubscription[]): Promise<void> {
    if (this.#protocol.isSilent || !this.connection.isUp) return
    const idle = this.#serverTimeout.waitToLeave()
    const drained = Promise.all(subscriptions.map((each) => each.drain())).then(() => true)
    const {promise: late, resolve} = Promise.withResolvers<false>()
    const timer = new Timer(mostLeavingMs, () => resolve(false))
    const isDrained = await Promise.race([drained, idle.promise.then(() => false), late]).finally(idle.stop)
    timer.cancel()
    if (!isDrained && this.connection.isUp)
      this.connection.notify('error', `${this.url} does not respond: the last messages may be missing`)
  }

  #throwPublishFailure(): void {
    const failure = this.#publishFailure
    this.#publishFailure = undefined
    if (failure !== undefined) throw failure
  }

  /** The connection as streams use it. */
  #session(options: OpenOptions): JetStreamSession {
    const {connection} = this
    const protocol = this.#protocol
    const sendBuffer = this.#sendBuffer
    const listeners = this.#listeners
    const version = () => (protocol.info ?? this.#info).version.split(/[.-]/).map(Number)
    const maxPayload = () => this.maxPayload
    const isClustered = () => (protocol.info ?? this.#info).cluster !== undefined
    return {
      url: this.url,
      get isUp() {
        return connection.isUp
      },
      get maxPayload() {
        return maxPayload()
      },
      apiPrefix: this.#apiPrefix,
      domain: options.jetStream && 'domain' in options.jetStream ? options.jetStream.domain : undefined,
      version,
      answerTimeoutMs: () => this.#serverTimeout.currentMs,
      check: () => this.#check(),
      request: async (message, requestOptions) => {
        if (this.#isClosed) throw closedError(this.url)
        if (connection.failure !== undefined) throw connection.failure
        this.#inbox.open()
        return this.#requests.one(message, requestOptions)
      },
      send: (message) => sendBuffer.request(message),
      store: (message, reply) => sendBuffer.store(message, reply),
      answer: (subject, word, reply) => sendBuffer.answer(subject, word, reply),
      ready: () => connection.ready(),
      answered: () => this.#answered(),
      addSubscription: (...parts) => {
        const subscription = protocol.addSubscription(...parts)
        return {close: () => subscription.close(), drain: () => this.#drained([subscription])}
      },
      newInbox: () => createInbox(options.inboxPrefix),
      route: (route) => this.#inbox.route(route),
      listen(listener) {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
      notify: (kind, text) => connection.notify(kind, text),
      elections: new Elections(isClustered, (text) => connection.notify('election', text), options.signal),
    }
  }

  /** Returns true for errors that another part reports: a refused subscription reports itself. */
  #onServerError(error: Error): boolean {
    if (error instanceof errors.PermissionViolationError) {
      if (error.operation === 'publish') this.#onPublishRefused(error)
      return true
    }
    if (!/maximum subscriptions/i.test(error.message)) return false
    for (const each of [...this.#opening]) each.fail(tooManySubscriptions(this.url, error))
    return true
  }

  #onPublishRefused(error: PermissionViolationError): void {
    const failure = publishDenied(this.url, error)
    const subject = error.subject ?? ''
    for (const each of [...this.#listeners]) if (each.onRefused?.(subject, failure)) return
    // The server sends this error once per message.
    if (this.#requests.failTo(error.subject, failure)) return
    if (this.#publishFailure instanceof PublishRefused) this.#publishFailure.add(failure)
    else this.#publishFailure ??= failure
  }

  #onLost(): void {
    for (const each of [...this.#listeners]) each.onLost?.()
    const unknown = this.#sendBuffer.forget()
    if (unknown === 0) return
    this.#loss = unconfirmedFailure(this.url, unknown)
    this.#publishFailure ??= this.#loss
  }

  #onReconnect(): void {
    this.#info = this.#protocol.info ?? this.#info
    this.#sendBuffer.resume()
    for (const each of [...this.#listeners]) each.onReconnect?.()
  }

  #failAll(failure: BusError): void {
    this.#requests.failAll(failure)
    for (const each of [...this.#open]) each.fail(failure)
    for (const each of [...this.#listeners]) each.onEnd(failure)
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#listeners].map((each) => each.close()))
    this.#isClosed = true
    this.connection.closing()
    this.#requests.failAll(closedError(this.url))
    for (const each of [...this.#open]) await each.close()
    try {
      if (this.connection.failure === undefined) await this.#finish()
    } finally {
      await this.connection.close()
    }
  }

  /** Sends the remaining messages; waits for a server that does not respond no longer than for a connect. */
  async #finish(): Promise<void> {
    if (!this.connection.isUp) {
      this.#throwPublishFailure()
      if (this.#sendBuffer.unsent > 0) throw unsentFailure(this.url, this.#sendBuffer.unsent)
      return
    }
    this.#sendBuffer.send()
    const isAnswered = this.#protocol.hasReplied || this.#protocol.isSilent
    if (this.#sendBuffer.unconfirmed === 0 && isAnswered) return this.#throwPublishFailure()
    const idle = this.#serverTimeout.wait()
    const late = idle.promise.then(() => {
      if (this.#sendBuffer.unconfirmed > 0) throw unconfirmedFailure(this.url, this.#sendBuffer.unconfirmed)
    })
    await Promise.race([this.#flush(), late]).finally(idle.stop)
  }
}
