/**
 * The protocol engine of nats.js with what a command line needs of it: a first connect that can be given up at once,
 * failures told when they happen, and messages handed over without a wrapper each. It reaches below the public face of
 * nats.js; the version is bundled, and the conformance suite on the oldest and newest server stands behind it.
 */
import {
  type ConnectionOptions,
  type MsgArg,
  Parser,
  ProtocolHandler,
  parseOptions,
  type Server,
  type Status,
  SubscriptionImpl,
  setTransportFactory,
  type TransportFactory,
} from '@nats-io/transport-node'
import type {TlsFacts} from '../examination.ts'
import type {Link} from './socket.ts'

/** Gets a message: where its subject, reply and headers stand, and headers and payload in one. */
export type Sink = (arg: MsgArg, data: Uint8Array) => void

/** One subscription at the server. */
export interface Tap {
  /** Ends it; what is on its way is let go. */
  close(): void
  /** Ends it at the server; resolves when all that was on its way has come. */
  drain(): Promise<void>
}

const nobody = {
  publish(): never {
    throw new Error('nats.js publishes nothing here by itself')
  },
}

/** How long reading rests at a time; what the server has for us meanwhile waits there. */
const longestRestMs = 5

export class Wire extends ProtocolHandler {
  readonly #factory: TransportFactory
  readonly #onStatus: (status: Status) => void
  readonly #sinks = new Map<number, Sink>()
  #lastFrameAt = 0
  #rest: NodeJS.Timeout | undefined
  #restBegan = 0
  /** How long reading has rested in all. */
  restedMs = 0
  /** Called before a command goes out, so that what was published earlier goes first. */
  beforeCommand: (() => void) | undefined

  constructor(options: ConnectionOptions, factory: TransportFactory, onStatus: (status: Status) => void) {
    // Belongs to the module, not to the connection: set before each use, for there may be others of another kind.
    setTransportFactory(factory)
    super(parseOptions(options), nobody)
    this.#factory = factory
    this.#onStatus = onStatus
  }

  /** How the connection is encrypted, if it is and its socket tells. */
  get tlsFacts(): TlsFacts | undefined {
    return (this.transport as Link).tlsFacts
  }

  /** Sends bytes that are whole commands, which must not change until they are flushed. */
  sendBytes(bytes: Uint8Array): void {
    super.sendCommand(bytes)
  }

  tap(subject: string, queue: string | undefined, sink: Sink, refused: (error: Error) => void): Tap {
    const callback = (error: Error | null) => {
      if (error) refused(error)
    }
    const subscription = new SubscriptionImpl(this, subject, queue === undefined ? {callback} : {callback, queue})
    this.subscribe(subscription)
    const {sid} = subscription
    this.#sinks.set(sid, sink)
    return {
      close: () => {
        if (this.#sinks.delete(sid)) subscription.unsubscribe()
      },
      drain: async () => {
        // Without a connection, or when it is lost meanwhile, nothing more can come.
        if (!this.connected) subscription.unsubscribe()
        else if (this.#sinks.has(sid)) await subscription.drain().catch(() => {})
        this.#sinks.delete(sid)
      },
    }
  }

  /** Stops reading for a moment. */
  rest(): void {
    if (this.#rest !== undefined) return
    const link = this.transport as Link
    link.pause()
    this.#restBegan = performance.now()
    this.#rest = setTimeout(() => this.goOn(), longestRestMs)
  }

  /** Ends the rest, if there is one. */
  goOn(): void {
    if (this.#rest === undefined) return
    clearTimeout(this.#rest)
    this.#rest = undefined
    this.restedMs += performance.now() - this.#restBegan
    const link = this.transport as Link
    link.resume()
  }

  /** Resolves when nothing has come from the server for so long. `stop` ends the watch. */
  silence(ms: number): Promise<void> & {stop: () => void} {
    let timer: NodeJS.Timeout | undefined
    const watched = new Promise<void>((resolve) => {
      const look = () => {
        const left = this.#lastFrameAt + ms - performance.now()
        if (left <= 0) resolve()
        else timer = setTimeout(late, left)
      }
      // Were we too busy to read for so long, what has come is read first.
      const late = () => setImmediate(look)
      timer = setTimeout(late, ms)
    })
    return Object.assign(watched, {stop: () => clearTimeout(timer)})
  }

  /** After a connect: servers that could not be reached then may be there when the connection is lost. */
  remember(addresses: readonly string[]): void {
    setTransportFactory(this.#factory)
    const known = new Set(this.servers.getServers().map(({src}) => src))
    for (const address of addresses) if (!known.has(address)) this.servers.addServer(address)
  }

  /** Gives up whatever connect is under way. */
  abandon(error: Error): void {
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
      this.transport.discard()
      throw error
    }
  }

  override async _doDial(server: Parameters<ProtocolHandler['_doDial']>[0]): Promise<void> {
    setTransportFactory(this.#factory)
    await super._doDial(server)
  }

  override async disconnected(error?: Error): Promise<void> {
    // While it connects, the dial that is under way has to hear of it, and nobody else.
    const dialFailed = this.connectError
    if (dialFailed !== undefined) return dialFailed(error ?? new Error('the server closed the connection'))
    this.#failFlushes()
    await super.disconnected(error)
  }

  override dispatchStatus(status: Status): void {
    showingBugs(() => this.#onStatus(status))
    super.dispatchStatus(status)
  }

  override resetOutbound(): void {
    super.resetOutbound()
    const heard = () => {
      this.#lastFrameAt = performance.now()
      // Whatever comes is a sign of life; the answer to a heartbeat may have a long way behind other messages.
      if (this.heartbeats.pendings.length > 0) this.heartbeats._reset()
    }
    const failed = (error: Error) => {
      this.lastError = error
      this.transport.disconnect()
    }
    this.parser = new CarefulParser(this, heard, failed)
  }

  override processMsg(arg: MsgArg, data: Uint8Array): void {
    const sink = this.#sinks.get(arg.sid)
    if (sink !== undefined) showingBugs(() => sink(arg, data))
  }

  override sendCommand(command: string | Uint8Array, ...payloads: Uint8Array[]): void {
    this.beforeCommand?.()
    super.sendCommand(command, ...payloads)
  }

  override flush(pong?: Parameters<ProtocolHandler['flush']>[0]): Promise<void> {
    this.beforeCommand?.()
    return super.flush(pong)
  }

  override async close(error?: Error): Promise<void> {
    clearTimeout(this.#rest)
    await super.close(error)
    this.transport.discard()
    this.#failFlushes()
  }

  /** nats.js does it when it dials the next time, or never. */
  #failFlushes(): void {
    for (const pong of this.pongs.splice(0)) pong.reject(new Error('the connection is lost'))
  }
}

/** What our own code throws must not be taken for a fault of the connection. */
function showingBugs(act: () => void): void {
  try {
    act()
  } catch (bug) {
    queueMicrotask(() => {
      throw bug
    })
  }
}

/** nats.js prints a parse error on stdout and hears nothing more from then on. */
class CarefulParser extends Parser {
  readonly #heard: () => void
  readonly #failed: (error: Error) => void

  constructor(wire: Wire, heard: () => void, failed: (error: Error) => void) {
    super(wire)
    this.#heard = heard
    this.#failed = failed
  }

  override parse(bytes: Uint8Array): void {
    this.#heard()
    try {
      super.parse(bytes)
    } catch (error) {
      this.#failed(error as Error)
    }
  }
}
