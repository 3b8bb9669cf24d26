/**
 * The consumer's half of response streams on one connection: a single subscription to a wildcard inbox receives the frames of
 * all response streams, and the last token of the subject identifies the response stream. It never stops reading, so a slow
 * reader does not block others; in the first implementation it blocked all of them.
 */

import {BusError, closedError, interruptedError} from '../../core/errors.ts'
import type {Message} from '../../core/message.ts'
import {checkSubject, isSystemSubject} from '../../core/subject.ts'
import {Timer} from '../../core/time/timer.ts'
import type {Subscription, Transport} from '../../transport/contract.ts'
import {checkManyReplies, type Dialect, encodeOpenRequest, heartbeatSubject} from './dialects.ts'
import {decodeFrame, numberHeader} from './frames.ts'
import {decodeHeartbeat, encodeHeartbeatReply, type TokensBySubject} from './heartbeats.ts'
import {type BufferOptions, ResponseStream} from './response-stream.ts'
import {newInbox, newToken} from './tokens.ts'

/** The callbacks of a client, and its timeouts. */
export interface StreamClientOptions {
  /** Called when something is ignored, such as a frame of an unknown type, and when several producers send frames. */
  readonly warn?: ((sentence: string) => void) | undefined
  /** How long a producer of the later dialect may be silent; default 30 s, the time of three heartbeats. */
  readonly silenceMs?: number | undefined
}

/** How one response stream is requested and buffered. */
export interface StreamOptions extends BufferOptions {
  readonly dialect?: Dialect | undefined
  /** Ends the response stream with `interrupted`. */
  readonly signal?: AbortSignal | undefined
}

type NewStream = BufferOptions & {readonly subject: string; readonly dialect: Dialect}

/** Frames to pass on at a time. */
const batchSize = 1024
const mostRemembered = 1000
const defaultSilenceMs = 30_000

/** Opens response streams, all of them through one subscription of the bus. */
export class StreamClient implements AsyncDisposable {
  /** `_SINBOX.<22>.`, with the trailing dot. */
  readonly inbox = newInbox()
  readonly #bus: Transport
  readonly #options: StreamClientOptions
  readonly #streams = new Map<string, ResponseStream>()
  /** For each response stream of the later dialect: the timer that ends it when frames and heartbeats stop. */
  readonly #alarms = new Map<ResponseStream, Timer>()
  /** Response streams that were closed, by the subject of their frames; the oldest first. */
  readonly #closed = new Map<string, ResponseStream>()
  /** Subjects with several producers that were reported. */
  readonly #told = new Set<string>()
  #frames: Promise<Subscription> | undefined
  #heartbeats: Promise<Subscription> | undefined
  #last: {readonly subject: string; readonly stream: ResponseStream | undefined} = {subject: '', stream: undefined}
  #isClosed = false

  constructor(bus: Transport, options: StreamClientOptions = {}) {
    this.#bus = bus
    this.#options = options
  }

  /** The number of open response streams. */
  get size(): number {
    return this.#streams.size
  }

  /**
   * Requests a response stream and resolves when the server has the request. Throws `usage` for an invalid subject and for a
   * request that is too large, `interrupted` if the signal has already aborted.
   */
  async open(subject: string, body: Uint8Array | string = '', options: StreamOptions = {}): Promise<ResponseStream> {
    if (this.#isClosed) throw closedError(this.#bus.url)
    const {dialect = 'first', signal, buffer, whenFull} = options
    checkManyReplies(this.#bus)
    checkSubject(subject)
    if (signal?.aborted) throw interruptedError()
    this.#frames ??= this.#listen(`${this.inbox}*`, (message) => this.#arrived(message))
    await this.#frames
    if (dialect === 'later') {
      this.#heartbeats ??= this.#listen(heartbeatSubject(this.inbox), (message) => this.#answer(message))
      await this.#heartbeats
    }
    const stream = this.#add({subject, dialect, buffer, whenFull}, signal)
    const {token} = stream
    try {
      const data = encodeOpenRequest(dialect, {inbox: this.inbox, token, body})
      this.#bus.publish({subject, data, reply: this.inbox + token})
      await this.#bus.flush()
      // A producer of this dialect sends heartbeats from the start.
      if (dialect === 'later' && !stream.isOver) this.#isAlive(stream)
    } catch (error) {
      stream.close()
      throw error
    }
    return stream
  }

  /** Closes all response streams. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const stream of [...this.#streams.values()]) stream.close()
    await Promise.all([this.#frames, this.#heartbeats].map(async (subscription) => (await subscription)?.close()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Nothing is sent any more, so a failure here loses nothing.
    await this.close().catch(() => undefined)
  }

  #add(options: NewStream, signal: AbortSignal | undefined): ResponseStream {
    let token = newToken()
    while (this.#streams.has(token)) token = newToken()
    const abort = () => stream.fail(interruptedError())
    const onEnd = () => {
      this.#streams.delete(token)
      if (stream.closed !== undefined) this.#remember(stream)
      this.#alarms.get(stream)?.cancel()
      this.#alarms.delete(stream)
      signal?.removeEventListener('abort', abort)
    }
    const stream = new ResponseStream({token, gaps: this.#bus.gaps, ...options, onEnd})
    this.#streams.set(token, stream)
    signal?.addEventListener('abort', abort)
    return stream
  }

  /** Subscribes and passes messages on until the subscription ends; its failure fails every response stream. */
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

  /** Returns a promise if the reader of the response stream must get a chance to read before it counts as too slow. */
  #arrived(message: Message): Promise<void> | undefined {
    const stream = this.#streamOf(message.subject)
    if (stream === undefined) return void this.#tellOfLate(this.#closed.get(message.subject))
    if (isNoResponders(message)) {
      stream.fail(noRespondersError(this.#bus.url, stream.subject))
      return undefined
    }
    const number = message.headers.length === 0 ? 0 : Number(message.header(numberHeader) ?? 0)
    if (number > 0 && !stream.follows(number)) return undefined
    if (stream.hasOthers) {
      this.#tell(
        stream,
        'several producers are answering: their frames are mixed, and those after the first close are lost',
      )
    }
    const frame = decodeFrame(message.payload)
    if (this.#alarms.size > 0) this.#alarms.get(stream)?.refresh()
    if (frame.kind === 'close') stream.end(frame.close, this.#bus.gaps)
    else if (frame.kind === 'unknown') {
      this.#options.warn?.(
        `ignored a frame of unknown type ${frame.type} on the response stream of "${stream.subject}"`,
      )
    } else if (!stream.isFull) stream.push(frame.data, message.time)
    else return this.#pushLater(stream, frame.data, message.time)
    return undefined
  }

  /** Response streams that were closed are remembered for a while. */
  #remember(stream: ResponseStream): void {
    this.#closed.set(this.inbox + stream.token, stream)
    if (this.#closed.size <= mostRemembered) return
    for (const oldest of this.#closed.keys()) return void this.#closed.delete(oldest)
  }

  /** The protocol cannot distinguish producers: the first close of any of them ends the response stream. */
  #tellOfLate(stream: ResponseStream | undefined): void {
    if (stream !== undefined)
      this.#tell(stream, 'frames arrived after the close, and are lost: several producers may answer')
  }

  /** Once for each subject. */
  #tell({subject}: ResponseStream, what: string): void {
    if (this.#told.has(subject)) return
    this.#told.add(subject)
    this.#options.warn?.(`the response stream of "${subject}": ${what}`)
  }

  /** Frames of one response stream often arrive in a row, so the last one is checked first. */
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

  /** Tells a producer which of its response streams are no longer wanted. */
  #answer({payload, reply}: Message): undefined {
    const active = decodeHeartbeat(payload)
    if (active === undefined || reply === undefined || isSystemSubject(reply)) return
    try {
      this.#bus.publish({subject: reply, data: encodeHeartbeatReply(this.#unwanted(active))})
      // A producer without a reply asks again.
      this.#bus.flush().catch(() => undefined)
    } catch (error) {
      // An invalid reply subject, or a closed bus: the heartbeat remains unanswered.
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

  /** A producer of the later dialect counts as gone when nothing arrives any more. */
  #isAlive(stream: ResponseStream): void {
    const {silenceMs = defaultSilenceMs} = this.#options
    const alarm = this.#alarms.get(stream)
    if (alarm !== undefined) alarm.refresh()
    else this.#alarms.set(stream, new Timer(silenceMs, () => stream.fail(vanishedError(stream, silenceMs))).unref())
  }
}

/** Whether a message is a server's reply for a subject that nobody serves: a status without a payload. */
function isNoResponders(message: Message): boolean {
  return message.payload.length === 0 && message.headers.length > 0 && message.header('Status') === '503'
}

function noRespondersError(url: string, subject: string): BusError {
  return new BusError('noResponders', `nobody serves "${subject}" on ${url}`, {
    try: ['check the subject, and that its service is running'],
  })
}

function vanishedError({subject, token}: ResponseStream, ms: number): BusError {
  const sentence = `the producer of the response stream of "${subject}" has disappeared: neither a frame nor a heartbeat for ${ms / 1000} s`
  return new BusError('timeout', sentence, {try: ['check whether its service is still running'], data: {stream: token}})
}
