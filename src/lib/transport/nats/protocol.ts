/**
 * The protocol engine of nats.js, extended for a command line: the first connect can be aborted immediately, failures are
 * reported when they happen, and messages arrive without a wrapper object each. It overrides internals of nats.js, so that
 * version is pinned and bundled; the conformance suite runs it against the oldest and the newest server.
 */
import {
  type ConnectionOptions,
  type MsgArg,
  ProtocolHandler,
  parseOptions,
  type Server,
  type Status,
  SubscriptionImpl,
  setTransportFactory,
  type TransportFactory,
} from '@nats-io/transport-node'
import type {TlsFacts} from '../examination.ts'
import {isLoginError} from './failures.ts'
import {CheckedParser, MessageLine} from './parser.ts'
import {type NatsSocket, type ProtocolFault, parseInfo} from './socket.ts'

/** Receives a message: the line before it, and a buffer with headers and payload. */
export type MessageHandler = (line: MessageLine, data: Uint8Array) => void

/** One subscription at the server. */
export interface ServerSubscription {
  /** Ends it; messages in flight are dropped. */
  close(): void
  /** Ends it at the server; resolves when all messages in flight have arrived. */
  drain(): Promise<void>
}

const nobody = {
  publish(): never {
    throw new Error('nats.js does not publish by itself')
  },
}

const pong = Buffer.from('PONG\r\n')
/** The shortest interval between two answers to PINGs. */
const pongMs = 10

/** Violations of the protocol that end a connection for good. */
const mostViolations = 3

/** The longest pause of reading; meanwhile messages wait at the server. */
const longestPauseMs = 5

export class NatsProtocol extends ProtocolHandler {
  readonly #factory: TransportFactory
  readonly #onStatus: (status: Status) => void
  readonly #handlers = new Map<number, MessageHandler>()
  /** When a message, or the answer to a PING, last arrived or continued: other lines do not show that the server responds. */
  #lastLifeAt = 0
  #isAlive = false
  #violations = 0
  readonly #line = new MessageLine()
  #pongTimer: NodeJS.Timeout | undefined
  #isPongDue = false
  #lastSentAt = 0
  /** When the server was last found to be silent. */
  #silentAt = Number.NEGATIVE_INFINITY
  #pause: NodeJS.Timeout | undefined
  #pauseBegan = 0
  /** Total time that reading has paused. */
  pausedMs = 0
  /** The first server that refused the login during a connect: the others of the list may be down. */
  loginError: Error | undefined
  /** Called before a command is sent, so that earlier messages are sent first. */
  beforeCommand: (() => void) | undefined

  constructor(options: ConnectionOptions, factory: TransportFactory, onStatus: (status: Status) => void) {
    // The factory is global to the module: it is set before each use, because connections differ.
    setTransportFactory(factory)
    super(parseOptions(options), nobody)
    this.#factory = factory
    this.#onStatus = onStatus
  }

  /** The connection's encryption; undefined if there is none, or if the socket does not report it. */
  get tlsFacts(): TlsFacts | undefined {
    return (this.transport as NatsSocket).tlsFacts
  }

  /** Sends whole commands; the bytes must not change until they are flushed. `isTurnOver`: no others follow in this turn. */
  sendBytes(bytes: Uint8Array, isTurnOver = false): void {
    this.#lastSentAt = performance.now()
    // Commands of nats.js that wait are sent first.
    if (this.connected && this.infoReceived && this.outbound.length() === 0)
      (this.transport as NatsSocket).send(bytes, isTurnOver)
    else super.sendCommand(bytes)
  }

  addSubscription(
    subject: string,
    queue: string | undefined,
    handler: MessageHandler,
    refused: (error: Error) => void,
  ): ServerSubscription {
    const callback = (error: Error | null) => {
      if (error) refused(error)
    }
    const subscription = new SubscriptionImpl(this, subject, queue === undefined ? {callback} : {callback, queue})
    this.subscribe(subscription)
    const {sid} = subscription
    this.#handlers.set(sid, handler)
    return {
      close: () => {
        if (this.#handlers.delete(sid)) subscription.unsubscribe()
      },
      drain: async () => {
        // Nothing more can arrive without a connection, or once it is lost.
        if (!this.connected) subscription.unsubscribe()
        else if (this.#handlers.has(sid)) await subscription.drain().catch(() => {})
        this.#handlers.delete(sid)
      },
    }
  }

  /** Pauses reading for a few milliseconds. */
  pauseReading(): void {
    if (this.#pause !== undefined) return
    const socket = this.transport as NatsSocket
    socket.pause()
    this.#pauseBegan = performance.now()
    this.#pause = setTimeout(() => this.resumeReading(), longestPauseMs)
  }

  /** Ends a pause. */
  resumeReading(): void {
    if (this.#pause === undefined) return
    clearTimeout(this.#pause)
    this.#pause = undefined
    this.pausedMs += performance.now() - this.#pauseBegan
    const socket = this.transport as NatsSocket
    socket.resume()
  }

  /** Whether a wait ended without data from the server, and none has arrived since. */
  get isSilent(): boolean {
    return this.#silentAt > this.#lastLifeAt
  }

  /** Whether the server has sent anything since the last command was sent. */
  get hasReplied(): boolean {
    return this.#lastLifeAt > this.#lastSentAt
  }

  /** Call when a wait of `ms` has ended without the expected answer. */
  waited(ms: number): void {
    const now = performance.now()
    if (this.#lastLifeAt <= now - ms) this.#silentAt = now
  }

  /** Ends the connection, like a missing heartbeat. */
  giveUp(): void {
    this.lastError = new Error('no heartbeat')
    this.transport.disconnect()
  }

  /** Resolves when the server has sent nothing for `ms`, immediately if it is known to be silent. `stop` ends the wait. */
  idleFor(ms: number): Promise<void> & {stop: () => void} {
    let timer: NodeJS.Timeout | undefined
    const watched = new Promise<void>((resolve) => {
      let unsent = 0
      const look = () => {
        // A server that still receives our data is not silent.
        const {unsentBytes} = this.transport as NatsSocket
        const takes = unsentBytes > 0 && unsentBytes !== unsent
        unsent = unsentBytes
        const left = takes ? ms : this.#lastLifeAt + ms - performance.now()
        if (left > 0) {
          timer = setTimeout(late, left)
          return
        }
        this.#silentAt = performance.now()
        resolve()
      }
      // If we were too busy to read, data that has arrived is read first.
      const late = () => setImmediate(look)
      timer = setTimeout(late, this.isSilent ? 0 : ms)
    })
    return Object.assign(watched, {stop: () => clearTimeout(timer)})
  }

  /** To be called after the first connect: servers that failed then may be up when the connection is lost. */
  beginReconnects(addresses: readonly string[], maxReconnects: number): void {
    setTransportFactory(this.#factory)
    this.options.maxReconnectAttempts = maxReconnects
    const known = new Set(this.servers.getServers().map(({src}) => src))
    for (const address of addresses) if (!known.has(address)) this.servers.addServer(address)
  }

  /** Aborts a connect. */
  abortConnect(error: Error): void {
    this.servers.clear()
    this.connectError?.(error)
    this.raceTimer?.cancel()
    this.dialDelay?.cancel()
    this.transport?.discard()
  }

  override async dial(server: Server): Promise<void> {
    setTransportFactory(this.#factory)
    try {
      await super.dial(server)
    } catch (error) {
      if (isLoginError(error)) this.loginError ??= error as Error
      this.transport.discard()
      throw error
    }
    const socket = this.transport as NatsSocket
    socket.deliverTo((frame) => this.parser.parse(frame))
  }

  override async _doDial(server: Parameters<ProtocolHandler['_doDial']>[0]): Promise<void> {
    setTransportFactory(this.#factory)
    await super._doDial(server)
  }

  override async disconnected(error?: Error): Promise<void> {
    // During a connect, only the dial code needs to know.
    const dialFailed = this.connectError
    if (dialFailed !== undefined) return dialFailed(error ?? new Error('the server closed the connection'))
    this.#failFlushes()
    await super.disconnected(error)
  }

  override dispatchStatus(status: Status): void {
    try {
      this.#onStatus(status)
    } catch (bug) {
      throwLater(bug)
    }
    super.dispatchStatus(status)
  }

  override resetOutbound(): void {
    super.resetOutbound()
    clearTimeout(this.#pongTimer)
    this.#pongTimer = undefined
    this.parser = new CheckedParser(this, {
      onMessage: (line, data) => this.#arrived(line, data),
      onParsed: (inMessage) => this.#parsed(inMessage),
      onFault: (fault) => this.#violated(fault),
    })
  }

  #parsed(inMessage: boolean): void {
    if (!this.#isAlive && !inMessage) return
    this.#isAlive = false
    this.#lastLifeAt = performance.now()
    // Any message proves that the server responds; the reply to a heartbeat may be queued behind many messages.
    if (this.heartbeats.pendings.length > 0) this.heartbeats._reset()
  }

  /** Reconnects; a server that violates the protocol again and again would never stop. */
  #violated(fault: ProtocolFault): void {
    if (this.connectError === undefined && ++this.#violations === mostViolations) void this.close(fault)
    else (this.transport as NatsSocket).disconnect(fault)
  }

  override processInfo(json: Uint8Array): void {
    parseInfo(Buffer.from(json.buffer, json.byteOffset, json.length).toString())
    super.processInfo(json)
  }

  /** Answers at most once per interval: a server that sends PINGs but does not read must not fill the memory. */
  override processPing(): void {
    if (this.#pongTimer !== undefined) {
      this.#isPongDue = true
      return
    }
    this.transport.send(pong)
    this.#pongTimer = setTimeout(() => {
      this.#pongTimer = undefined
      if (this.#isPongDue) this.processPing()
    }, pongMs).unref()
    this.#isPongDue = false
  }

  /** Called by nats.js with messages that arrived in pieces. */
  override processMsg(arg: MsgArg, data: Uint8Array): void {
    this.#arrived(this.#line.use(arg), data)
  }

  #arrived(line: MessageLine, data: Uint8Array): void {
    const handler = this.#handlers.get(line.sid)
    if (handler === undefined) return
    this.#isAlive = true
    try {
      handler(line, data)
    } catch (bug) {
      throwLater(bug)
    }
  }

  override processPong(): void {
    this.#isAlive = true
    super.processPong()
  }

  override sendCommand(command: string | Uint8Array, ...payloads: Uint8Array[]): void {
    this.#lastSentAt = performance.now()
    this.beforeCommand?.()
    super.sendCommand(command, ...payloads)
  }

  override flush(pong?: Parameters<ProtocolHandler['flush']>[0]): Promise<void> {
    this.beforeCommand?.()
    return super.flush(pong)
  }

  override async close(error?: Error): Promise<void> {
    clearTimeout(this.#pause)
    clearTimeout(this.#pongTimer)
    await super.close(error)
    this.transport.discard()
    this.#failFlushes()
  }

  /** nats.js does this at its next connect, or never. */
  #failFlushes(): void {
    for (const pong of this.pongs.splice(0)) pong.reject(new Error('the connection is lost'))
  }
}

/** Errors of our own code must not count as failures of the connection. */
function throwLater(bug: unknown): void {
  queueMicrotask(() => {
    throw bug
  })
}
