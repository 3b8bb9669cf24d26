/** A webhook as a sink: each message is POSTed, and handled if the response is 2xx. */
import {BusError} from '../../core/errors.ts'
import type {Message} from '../../core/message.ts'
import {headersJson} from '../../core/record.ts'
import {looksLikeJson} from '../../core/text/json-text.ts'
import {isoTime} from '../../core/time/timestamp.ts'
import {Delivery} from '../../transport/streams-contract.ts'
import type {Refusal, Sink} from './sink.ts'

export interface WebhookOptions {
  readonly url: string
  /** Requests at the same time; with more than one, the receiver may see them in another order. */
  readonly concurrency: number
  /** Milliseconds for each request. */
  readonly timeoutMs: number
  /** Additional headers. */
  readonly headers?: ((message: Message) => Readonly<Record<string, string>>) | undefined
  /** Called with the response that accepted a message. */
  readonly onAnswer?: ((message: Message, answer: WebhookAnswer) => void) | undefined
}

export interface WebhookAnswer {
  readonly text: string
  readonly contentType: string | undefined
}

/** Throws `usage` if the URL is not HTTP. */
export function webhookSink(options: WebhookOptions): Sink {
  const target = checkUrl(options.url)
  return {
    batch: 1,
    depth: options.concurrency,
    async take([message]) {
      return message === undefined ? undefined : post(target, message, options)
    },
    async [Symbol.asyncDispose]() {},
  }
}

interface Target {
  readonly url: string
  readonly authorization: string | undefined
  /** The URL without secrets. */
  readonly shown: string
}

async function post(
  {url, authorization, shown}: Target,
  message: Message,
  {timeoutMs, headers: more, onAnswer}: WebhookOptions,
): Promise<Refusal | undefined> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: {...webhookHeaders(message), ...more?.(message), ...(authorization && {authorization})},
      body: Uint8Array.from(message.data),
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    })
    // The body has to be read to its end for the connection to be reused.
    const text = await response.text()
    if (response.ok) {
      onAnswer?.(message, {text, contentType: response.headers.get('content-type') ?? undefined})
      return undefined
    }
    return {
      reason: `${shown} answered ${response.status}${text === '' ? '' : `: ${firstLine(text)}`}`,
      retryAfterMs: retryAfter(response),
    }
  } catch (error) {
    return {reason: reasonOf(error, shown, timeoutMs)}
  }
}

/** `Bus-Subject`, `Bus-Sequence`, `Bus-Time`, `Bus-Stream`, `Bus-Consumer`, `Bus-Deliveries`, and `Bus-Headers` as JSON. */
function webhookHeaders(message: Message): Record<string, string> {
  const headers: Record<string, string> = {
    'Content-Type': contentType(message),
    'Bus-Subject': encodeURI(message.subject.toWellFormed()),
    'Bus-Sequence': String(message.seq ?? ''),
    'Bus-Time': isoTime(message.time),
    'Bus-Headers': ascii(headersJson(message.headers)),
  }
  if (message instanceof Delivery) {
    headers['Bus-Stream'] = message.stream
    headers['Bus-Consumer'] = message.consumer
    headers['Bus-Deliveries'] = String(message.deliveries)
  }
  return headers
}

function contentType(message: Message): string {
  const given = message.header('Content-Type')
  if (given !== undefined && /^[\x20-\x7e]+$/.test(given)) return given
  if (typeof message.payload !== 'string' && message.payload.includes(0)) return 'application/octet-stream'
  return looksLikeJson(message.text) ? 'application/json' : 'text/plain; charset=utf-8'
}

/** JSON in printable ASCII, as a header requires. */
function ascii(json: string): string {
  return json.replace(/[^\x20-\x7e]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Seconds or a date (RFC 9110, 10.2.3). */
function retryAfter(response: Response): number | undefined {
  const value = response.headers.get('retry-after')
  if (value === null) return undefined
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now()
  return Number.isNaN(ms) || ms < 0 ? undefined : ms
}

function checkUrl(text: string): Target {
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new BusError('usage', `${JSON.stringify(text)} is not an HTTP URL`, {
      try: ['--webhook http://127.0.0.1:8080/events'],
    })
  }
  const authorization =
    url.username === ''
      ? undefined
      : `Basic ${btoa(`${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`)}`
  url.username = ''
  url.password = ''
  return {url: url.href, authorization, shown: `${url.origin}${url.pathname}`}
}

function reasonOf(error: unknown, shown: string, timeoutMs: number): string {
  if (error instanceof Error && error.name === 'TimeoutError') return `${shown} did not answer within ${timeoutMs} ms`
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const code = (cause as NodeJS.ErrnoException).code
  return code === 'ECONNREFUSED' ? `nothing listens at ${shown}` : `cannot reach ${shown}: ${(cause as Error).message}`
}

function firstLine(text: string): string {
  return (text.trim().split(/\r?\n/)[0] ?? '').slice(0, 200)
}
