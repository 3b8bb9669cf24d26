/**
 * The consumer's half of response streams on one connection: a single subscription to a wildcard inbox takes the frames
 * of all streams, and the last token of the subject says whose they are. It reads on whatever the readers of the single
 * streams do, so a slow one blocks nobody; in the first implementation it blocked them all.
 */

import {BusError, closedError} from '../../core/errors.ts'
import type {Message} from '../../core/message.ts'
import {checkSubject} from '../../core/subject.ts'
import {Timer} from '../../core/time/timer.ts'
import type {Subscription, Transport} from '../../transport/contract.ts'
import {interruptedError} from '../../transport/shared/requests.ts'
import {type Dialect, encodeOpenRequest, heartbeatSubject} from './dialects.ts'
import {decodeFrame} from './frames.ts'
import {decodeHeartbeat, encodeHeartbeatReply, type TokensBySubject} from './heartbeats.ts'
import {type BufferOptions, ResponseStream} from './response-stream.ts'
import {newInbox, newToken} from './tokens.ts'

/** The callbacks of a client, and its timeouts. */
export interface StreamClientOptions {
  /** Told of what is ignored: a frame of an unknown type. */
  readonly warn?: ((sentence: string) => void) | undefined
  /** How long a producer that has sent heartbeats may be silent; default 30 s, three of them. */
  readonly silenceMs?: number | undefined
}

/** How one stream is asked for and held. */
export interface StreamOptions extends BufferOptions {
  readonly dialect?: Dialect | undefined
  /** Ends the stream with `interrupted`. */
  readonly signal?: AbortSignal | undefined
}

/** Frames that are handed on at a time. */
const batchSize = 1024
const defaultSilenceMs = 30_000

/** Opens response streams: all of them by one subscription of the bus. */
export class StreamClient implements AsyncDisposable {
  /** `_SINBOX.<22>.`, with the trailing dot. */
  readonly inbox = newInbox()
  readonly #bus: Transport
  readonly #options: StreamClientOptions
  readonly #streams = new Map<string, ResponseStream>()
  /** For each stream whose producer sends heartbeats: what ends it when they no longer come. */
  readonly #alarms = new Map<ResponseStream, Timer>()
  #frames: Promise<Subscription> | undefined
  #heartbeats: Promise<Subscription> | undefined
  #last: {readonly subject: string; readonly stream: ResponseStream | undefined} = {subject: '', stream: undefined}
  #isClosed = false

  constructor(bus: Transport, options: StreamClientOptions = {}) {
    this.#bus = bus
    this.#options = options
  }

  /** Streams that are open. */
  get size(): number {
    return this.#streams.size
  }

  /**
   * Asks for a stream and resolves when the request is with the server. Throws `usage` for a bad subject and for a
   * request that is too large, `interrupted` when the signal has aborted already.
   */
  async open(subject: string, body: Uint8Array | string = '', options: StreamOptions = {}): Promise<ResponseStream> {
    if (this.#isClosed) throw closedError(this.#bus.url)
    const {dialect = 'first', signal, buffer, whenFull} = options
    checkSubject(subject)
    if (signal?.aborted) throw interruptedError()
    this.#frames ??= this.#listen(`${this.inbox}*`, (message) => this.#arrived(message))
    await this.#frames
    if (dialect === 'later') {
      this.#heartbeats ??= this.#listen(heartbeatSubject(this.inbox), (message) => this.#answer(message))
      await this.#heartbeats
    }
    const stream = this.#add(subject, {buffer, whenFull}, signal)
    const {token} = stream
    try {
      const data = encodeOpenRequest(dialect, {inbox: this.inbox, token, body})
      this.#bus.publish({subject, data, reply: this.inbox + token})
      await this.#bus.flush()
    } catch (error) {
      stream.close()
      throw error
    }
    return stream
  }

  /** Wants no more of any stream. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const stream of [...this.#streams.values()]) stream.close()
    await Promise.all([this.#frames, this.#heartbeats].map(async (subscription) => (await subscription)?.close()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Nothing is sent any more: what fails here loses nothing.
    await this.close().catch(() => undefined)
  }

  #add(subject: string, options: BufferOptions, signal: AbortSignal | undefined): ResponseStream {
    let token = newToken()
    while (this.#streams.has(token)) token = newToken()
    const abort = () => stream.fail(interruptedError())
    const onEnd = () => {
      this.#streams.delete(token)
      this.#alarms.get(stream)?.cancel()
      this.#alarms.delete(stream)
      signal?.removeEventListener('abort', abort)
    }
    const stream = new ResponseStream({subject, token, ...options, onEnd})
    this.#streams.set(token, stream)
    signal?.addEventListener('abort', abort)
    return stream
  }

  /** Subscribes, and hands on what comes until the subscription ends; what fails then fails every stream. */
  async #listen(pattern: string, take: (message: Message) => Promise<void> | undefined): Promise<Subscription> {
    const subscription = await this.#bus.subscribe(pattern)
    const run = async () => {
      for (;;) {
        const batch = await subscription.take(batchSize)
        if (batch.length === 0) return
        for (const message of batch) {
          const waiting = take(message)
          if (waiting !== undefined) await waiting
        }
      }
    }
    run().then(
      () => this.#failAll(closedError(this.#bus.url)),
      (error) => this.#failAll(error),
    )
    return subscription
  }

  #failAll(error: unknown): void {
    for (const stream of [...this.#streams.values()]) stream.fail(error)
  }

  /** Gives a promise where the reader of the stream must have a chance to read before it is said to be too slow. */
  #arrived(message: Message): Promise<void> | undefined {
    const stream = this.#streamOf(message.subject)
    if (stream === undefined) return undefined
    if (isNoResponders(message)) {
      stream.fail(noRespondersError(this.#bus.url, stream.subject))
      return undefined
    }
    const frame = decodeFrame(message.payload)
    if (this.#alarms.size > 0) this.#alarms.get(stream)?.refresh()
    if (frame.kind === 'close') stream.end(frame.close)
    else if (frame.kind === 'unknown') {
      this.#options.warn?.(`a frame of the unknown type ${frame.type} on the stream of "${stream.subject}" is ignored`)
    } else if (!stream.isFull) stream.push(frame.data, message.time)
    else return this.#pushLater(stream, frame.data, message.time)
    return undefined
  }

  /** Frames come in runs: the stream of the last one is looked at first. */
  #streamOf(subject: string): ResponseStream | undefined {
    const {subject: last, stream} = this.#last
    if (subject === last && stream?.isOver === false) return stream
    const found = this.#streams.get(subject.slice(this.inbox.length))
    this.#last = {subject, stream: found}
    return found
  }

  async #pushLater(stream: ResponseStream, data: Uint8Array, time: number): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    if (stream.isFull) stream.overrun()
    else stream.push(data, time)
  }

  /** Tells a producer which of its streams nobody wants any more. */
  #answer({payload, reply}: Message): undefined {
    const active = decodeHeartbeat(payload)
    if (active === undefined || reply === undefined) return
    try {
      this.#bus.publish({subject: reply, data: encodeHeartbeatReply(this.#unwanted(active))})
      // A producer that hears nothing asks again.
      this.#bus.flush().catch(() => undefined)
    } catch (error) {
      // A reply subject that is not one, or a closed bus: the producer's heartbeat goes without an answer.
      if (!(error instanceof BusError)) throw error
    }
  }

  #unwanted(active: TokensBySubject): TokensBySubject {
    const unwanted = new Map<string, string[]>()
    for (const [subject, tokens] of active) {
      for (const token of tokens) {
        const stream = this.#streams.get(token)
        if (stream !== undefined) this.#isAlive(stream)
        else unwanted.set(subject, [...(unwanted.get(subject) ?? []), token])
      }
    }
    return unwanted
  }

  /** A producer that once sent a heartbeat for a stream has vanished when nothing more comes. */
  #isAlive(stream: ResponseStream): void {
    const {silenceMs = defaultSilenceMs} = this.#options
    const alarm = this.#alarms.get(stream)
    if (alarm !== undefined) alarm.refresh()
    else this.#alarms.set(stream, new Timer(silenceMs, () => stream.fail(vanishedError(stream, silenceMs))).unref())
  }
}

/** What a server answers for a subject that nobody serves: a status, and no payload. */
function isNoResponders(message: Message): boolean {
  return message.payload.length === 0 && message.headers.length > 0 && message.header('Status') === '503'
}

function noRespondersError(url: string, subject: string): BusError {
  return new BusError('noResponders', `nobody serves "${subject}" on ${url}`, {
    try: [`bus serve ${subject} --stream --exec -- tail -f app.log`],
  })
}

function vanishedError({subject, token}: ResponseStream, ms: number): BusError {
  const sentence = `the producer of the stream of "${subject}" has disappeared: neither a frame nor a heartbeat for ${ms} ms`
  return new BusError('timeout', sentence, {data: {stream: token}})
}
