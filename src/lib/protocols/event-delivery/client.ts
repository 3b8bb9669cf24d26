/** A WebSocket client of a gateway: receives events and answers them. */
import type {WebSocket} from 'ws'
import {BusError} from '../../core/errors.ts'
import {Message} from '../../core/message.ts'
import {maskedUrl} from '../../core/secrets.ts'
import {decode} from '../../core/text/encoding.ts'
import {isObject, objectIn} from '../../core/text/json-text.ts'
import type {SubscriptionRef} from './event.ts'

/** An event as received; its other members are in `json`. */
export interface DeliveredEvent {
  readonly id: string
  readonly sequence: number
  readonly topic: string
  readonly created: string
  readonly subscription: SubscriptionRef
  readonly data?: {
    readonly headers?: unknown
    readonly json?: unknown
    readonly text?: string
    readonly base64?: string
  }
  readonly [member: string]: unknown
}

/** One frame: an event, or a batch of events that is answered as a whole. */
export interface Delivered {
  readonly id: string
  readonly subscription: SubscriptionRef
  readonly events: readonly DeliveredEvent[]
}

/** A connection to a gateway, from `connectEvents`. */
export interface EventClient extends AsyncDisposable {
  /** Ends when the connection is closed. Fails with `remote` for a protocol error, with `connect` if the gateway is gone. */
  deliveries(): AsyncIterable<Delivered>
  /** Sends a `start` action, see docs/delivery.md. */
  start(action: Readonly<Record<string, unknown>>): void
  /** Sends an `ack` or `nack`. */
  answer(type: 'ack' | 'nack', delivered: Delivered, info?: string): void
}

/** The options of a connection to a gateway. */
export interface ClientOptions {
  readonly token?: string | undefined
  readonly timeoutMs: number
  /** Closes the connection without an error. */
  readonly signal?: AbortSignal | undefined
  /** Called with the reason, in one sentence, why nothing is delivered on a subscription, if the gateway knows it. */
  readonly onNotice?: ((sentence: string) => void) | undefined
}

/** Frames that may wait to be read before the socket is paused. */
const mostWaiting = 1000

/**
 * Connects to a gateway. Fails with `usage` for an invalid URL, `denied` if it is refused, `connect` if nothing listens there,
 * or `timeout`.
 */
export async function connectEvents(url: string, options: ClientOptions): Promise<EventClient> {
  const {WebSocket: Socket} = await import('ws')
  if (!/^wss?:$/.test(URL.parse(url)?.protocol ?? ''))
    throw new BusError('usage', `${JSON.stringify(maskedUrl(url))} is not a WebSocket URL`, {
      try: ['ws://127.0.0.1:5599'],
    })
  const headers = options.token === undefined ? {} : {Authorization: `Bearer ${options.token}`}
  const asked = options.onNotice === undefined ? url : `${url}${url.includes('?') ? '&' : '?'}notices`
  const socket = new Socket(asked, {headers, handshakeTimeout: options.timeoutMs, perMessageDeflate: false})
  const client = new Client(socket, options)
  await opened(socket, url)
  return client
}

/** The published message, as far as the event contains it. */
export function messageOf({topic, sequence, created, data: given}: DeliveredEvent): Message {
  const data = given ?? {}
  const {headers = {}, json, text, base64} = data
  const payload =
    base64 === undefined
      ? (text ?? (json === undefined ? '' : JSON.stringify(json)))
      : decode(base64, 'base64', 'an event has data that')
  const pairs = Array.isArray(headers)
    ? (headers as [string, string][])
    : Object.entries(headers as Record<string, string | string[]>).flatMap(([name, value]) =>
        [value].flat().map((one) => [name, one] as const),
      )
  const message = new Message(topic, payload, pairs, undefined, sequence, Date.parse(created))
  return given === undefined ? Object.assign(message, {isWithoutPayload: true}) : message
}

class Client implements EventClient {
  readonly #socket: WebSocket
  readonly #waiting: string[] = []
  readonly #signal: AbortSignal | undefined
  readonly #onNotice: ((sentence: string) => void) | undefined
  #ended: {readonly error?: BusError} | undefined
  #wake: (() => void) | undefined

  constructor(socket: WebSocket, {signal, onNotice}: ClientOptions) {
    this.#socket = socket
    this.#signal = signal
    this.#onNotice = onNotice
    const stop = () => this.#end()
    signal?.addEventListener('abort', stop)
    socket.on('message', (data) => {
      this.#waiting.push(String(data))
      if (this.#waiting.length >= mostWaiting) socket.pause()
      this.#wake?.()
    })
    // After an error the socket closes, which is reported.
    socket.on('error', () => undefined)
    socket.on('close', (code: number) => {
      signal?.removeEventListener('abort', stop)
      this.#ended ??= {error: new BusError('connect', `the gateway has closed the connection (code ${code})`)}
      this.#wake?.()
    })
  }

  async *deliveries(): AsyncIterable<Delivered> {
    for (;;) {
      const text = this.#waiting.shift()
      if (text !== undefined) {
        if (this.#socket.isPaused && this.#waiting.length === 0) this.#socket.resume()
        const notice = noticeIn(text)
        if (notice === undefined) yield deliveredOf(text)
        else this.#onNotice?.(notice)
      } else if (this.#ended !== undefined || this.#signal?.aborted) {
        if (this.#ended?.error !== undefined && !this.#signal?.aborted) throw this.#ended.error
        return
      } else {
        const {promise, resolve} = Promise.withResolvers<void>()
        this.#wake = resolve
        await promise
      }
    }
  }

  start(action: Readonly<Record<string, unknown>>): void {
    this.#socket.send(JSON.stringify({type: 'start', ...action}))
  }

  answer(type: 'ack' | 'nack', {id, subscription}: Delivered, info?: string): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.send(JSON.stringify({type, id, subscription, info}))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const {readyState, CLOSED} = this.#socket
    this.#end()
    if (readyState === CLOSED) return
    const closed = new Promise((resolve) => this.#socket.once('close', resolve))
    const impatient = setTimeout(() => this.#socket.terminate(), 1000)
    await closed
    clearTimeout(impatient)
  }

  #end(): void {
    this.#ended ??= {}
    this.#socket.resume()
    this.#socket.close(1000)
    this.#wake?.()
  }
}

/** The sentence of a notice; undefined for any other frame. */
function noticeIn(text: string): string | undefined {
  if (!text.startsWith('{"type":"notice"')) return undefined
  const sentence = objectIn(text)?.['text']
  return typeof sentence === 'string' ? sentence : undefined
}

/** Parses a frame. Fails with `remote` for an invalid frame, and for a protocol error. */
export function deliveredOf(text: string): Delivered {
  const json = objectIn(text)
  if (json?.['type'] === 'protocol_error') throw new BusError('remote', `the gateway says: ${json['error']}`)
  const {id, subscription, events} = json?.['type'] === 'event_batch' ? json : {...json, events: [json]}
  if (typeof id === 'string' && isObject(subscription) && Array.isArray(events) && events.every(isEvent))
    return {id, subscription: subscription as unknown as SubscriptionRef, events}
  throw new BusError('remote', `the gateway sent something other than an event: ${JSON.stringify(text.slice(0, 80))}`)
}

function isEvent(json: unknown): json is DeliveredEvent {
  if (!isObject(json)) return false
  const {topic, sequence, created, data = {}} = json
  if (typeof topic !== 'string' || typeof sequence !== 'number' || typeof created !== 'string') return false
  const isText = (value: unknown) => value === undefined || typeof value === 'string'
  return isObject(data) && isText(data['text']) && isText(data['base64']) && isHeaders(data['headers'] ?? {})
}

/** As in records: an object of strings and lists of strings, or pairs. */
function isHeaders(json: unknown): boolean {
  const isText = (value: unknown) => typeof value === 'string'
  if (Array.isArray(json)) return json.every((pair) => Array.isArray(pair) && pair.length === 2 && pair.every(isText))
  return isObject(json) && Object.values(json).flat().every(isText)
}

function opened(socket: WebSocket, url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const shown = maskedUrl(url)
    socket.once('open', resolve)
    socket.once('unexpected-response', (request, response) => {
      const status = response.statusCode ?? 0
      request.destroy()
      const isRefusal = status === 401 || status === 403
      const hint = status === 401 ? ['--token, or BUS_EVENTS_TOKEN'] : []
      reject(new BusError(isRefusal ? 'denied' : 'connect', `${shown} answered ${status}`, {try: hint}))
    })
    socket.once('error', (error: NodeJS.ErrnoException) => {
      const late = /handshake has timed out/.test(error.message)
      const reason = error.code === 'ECONNREFUSED' ? 'nothing listens there' : error.message
      const hint = {cause: error, try: ['bus events serve']}
      reject(new BusError(late ? 'timeout' : 'connect', `cannot connect to ${shown}: ${reason}`, hint))
    })
  })
}
