/** A webhook as a sink: each message is sent as a request, and handled if the response is 2xx. */
import {BusError} from '../../core/errors.ts'
import type {Message} from '../../core/message.ts'
import {headersJson} from '../../core/record.ts'
import {resolveReference} from '../../core/secret-reference.ts'
import {maskedUrl, percentDecoded} from '../../core/secrets.ts'
import {isObject, looksLikeJson, parseExact, parseJson} from '../../core/text/json-text.ts'
import {sleep} from '../../core/time/timer.ts'
import {isoTime} from '../../core/time/timestamp.ts'
import {Delivery} from '../../transport/streams-contract.ts'
import {basic, HttpClient, type HttpResponse, merged} from './http-client.ts'
import type {Refusal, Sink} from './sink.ts'
import {checkRequestHeader, isHttpUrl, parseWebhookOptions, type WebhookOptions} from './webhook-options.ts'

export interface WebhookSinkOptions {
  /** The URL, or a reference to it. */
  readonly url: string
  /** Requests at the same time; with more than one, the receiver may see them in another order. */
  readonly concurrency: number
  /** Milliseconds for each request, unless the options set another limit. */
  readonly timeoutMs: number
  readonly options?: WebhookOptions | undefined
  readonly userAgent?: string | undefined
  /** The variables of references; default `process.env`. */
  readonly env?: NodeJS.ProcessEnv | undefined
  /** Ends requests and pauses; their messages are not handled. */
  readonly signal?: AbortSignal | undefined
  /** Additional headers. */
  readonly headers?: ((message: Message) => Readonly<Record<string, string>>) | undefined
  /** Called with the response that accepted a message; without it, the body is not read. */
  readonly onAnswer?: ((message: Message, answer: WebhookAnswer) => void) | undefined
}

export interface WebhookAnswer {
  readonly data: Uint8Array
  readonly contentType: string | undefined
}

/** Largest response that is read. */
const mostBytes = 1024 * 1024
/** The longest `Retry-After` that is respected. */
const longestWaitMs = 3_600_000

/** Throws `usage` if the URL is not HTTP, and for a reference or a certificate that cannot be used. */
export function webhookSink(options: WebhookSinkOptions): Sink {
  const webhook = new Webhook(options)
  return {
    batch: 1,
    depth: options.concurrency,
    async take([message]) {
      return message === undefined ? undefined : webhook.handle(message)
    },
    async [Symbol.asyncDispose]() {
      webhook[Symbol.dispose]()
    },
  }
}

interface Request {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array | undefined
}

class Webhook implements Disposable {
  readonly #given: WebhookSinkOptions
  readonly #options: WebhookOptions
  readonly #client: HttpClient
  readonly #url: URL
  /** The URL without secrets. */
  readonly #shown: string
  readonly #proxy: URL | undefined
  readonly #headers: Readonly<Record<string, string>>
  readonly #timeoutMs: number
  readonly #stop: AbortSignal
  readonly #closed = new AbortController()

  constructor(given: WebhookSinkOptions) {
    const options = given.options ?? parseWebhookOptions({}).options
    const {userAgent = 'busline', env = process.env, signal} = given
    const resolve = (text: string, option: string) => resolveReference(text, option, env)
    const certificate = (name: 'ca' | 'cert' | 'key') => {
      const value = options.tls[name]
      if (value === undefined) return undefined
      return resolve(value.startsWith('/') ? `file://${value}` : value, `tls.${name}`)
    }
    this.#given = given
    this.#options = options
    this.#url = httpUrl(resolve(given.url, 'url'), 'the URL of the webhook')
    this.#headers = {...loginOf(this.#url, options.auth, resolve), ...resolvedHeaders(options.headers, resolve)}
    this.#url.username = ''
    this.#url.password = ''
    this.#url.hash = ''
    this.#shown = maskedUrl(`${this.#url.origin}${this.#url.pathname}`)
    for (const [name, value] of Object.entries(options.query))
      this.#url.searchParams.set(name, resolve(value, `query.${name}`))
    const {proxyURL, requestTimeoutMs, ...limits} = options.http
    this.#proxy = proxyURL === undefined ? undefined : httpUrl(resolve(proxyURL, 'httpOptions.proxyURL'), 'the proxy')
    this.#timeoutMs = requestTimeoutMs ?? given.timeoutMs
    const tls = {ca: certificate('ca'), cert: certificate('cert'), key: certificate('key')}
    this.#client = new HttpClient({...limits, proxy: this.#proxy, tls, userAgent})
    this.#stop = signal === undefined ? this.#closed.signal : AbortSignal.any([signal, this.#closed.signal])
  }

  [Symbol.dispose](): void {
    this.#closed.abort()
    this.#client[Symbol.dispose]()
  }

  /** Resolves with the refusal of the last attempt. Fails with `interrupted` when it is stopped. */
  async handle(message: Message): Promise<Refusal | undefined> {
    const {retry} = this.#options
    let request: Request
    try {
      request = this.#request(message)
    } catch (error) {
      if (!(error instanceof BusError)) throw error
      return {reason: error.message, isFinal: true}
    }
    for (let attempt = 0; ; attempt++) {
      const refusal = await this.#attempt(message, request)
      // A wait that the receiver asks for is left to the caller, who reports it.
      if (refusal === undefined || attempt >= retry.count || refusal.retryAfterMs !== undefined) return refusal
      await sleep(Math.min(retry.maxDelayMs, retry.initialDelayMs * 2 ** attempt), this.#stop)
      if (this.#stop.aborted) throw stopped()
    }
  }

  async #attempt(message: Message, request: Request): Promise<Refusal | undefined> {
    const {onAnswer} = this.#given
    const {method, json} = this.#options
    const timeout = AbortSignal.timeout(this.#timeoutMs)
    try {
      const response = await this.#client.send({
        ...request,
        method,
        maxBytes: mostBytes,
        wantsBody: (status) => !isSuccess(status) || onAnswer !== undefined || json,
        signal: AbortSignal.any([timeout, this.#stop]),
      })
      if (!isSuccess(response.status)) return this.#refusal(response)
      return this.#accepted(message, response)
    } catch (error) {
      if (this.#stop.aborted) throw stopped()
      if (timeout.aborted) return {reason: `${this.#shown} did not answer within ${this.#timeoutMs} ms`}
      return {reason: reasonOf(error, this.#shown, this.#proxy)}
    }
  }

  #accepted(message: Message, {status, body, headers, incomplete}: HttpResponse): Refusal | undefined {
    const {json} = this.#options
    if (!json && this.#given.onAnswer === undefined) return undefined
    if (incomplete !== undefined) return {reason: `${this.#shown}: ${incomplete}`}
    if (json && status !== 204 && parseJson(body.toString()) === undefined)
      return {reason: `${this.#shown} answered with something other than JSON`}
    this.#given.onAnswer?.(message, {data: body, contentType: json ? 'application/json' : headers['content-type']})
    return undefined
  }

  #refusal({status, body, headers}: HttpResponse): Refusal {
    const text = firstLine(body.toString())
    return {
      reason: `${this.#shown} answered ${status}${text === '' ? '' : `: ${text}`}`,
      retryAfterMs: retryAfter(headers['retry-after']),
    }
  }

  /** Throws `usage` for a message from which no request can be made. */
  #request(message: Message): Request {
    const {method, input} = this.#options
    const url = new URL(this.#url)
    const all = [webhookHeaders(message), this.#given.headers?.(message) ?? {}, this.#headers]
    const hasBody = /^(?:POST|PUT|PATCH)$/.test(method)
    if (Object.keys(input).length === 0) {
      const body = hasBody ? {'Content-Type': contentType(message)} : {}
      return {url, headers: merged([body, ...all]), body: hasBody ? message.data : undefined}
    }
    const fields = looksLikeJson(message.text) ? parseFields(message.text) : {}
    addQuery(url, fields, input.query)
    addPath(url, fields, input.path)
    const chosen = input.body === undefined ? undefined : bodyOf(fields, input.body)
    const type = chosen === undefined ? contentType(message) : 'application/json'
    const headers = merged([hasBody ? {'Content-Type': type} : {}, headersOf(fields, input.headers), ...all])
    return {url, headers, body: hasBody ? (chosen ?? message.data) : undefined}
  }
}

type Fields = Readonly<Record<string, unknown>>

/** The payload as an object, with numbers in their exact form; without members if it is none. */
function parseFields(text: string): Fields {
  const json = parseJson(text) === undefined ? undefined : parseExact(text)
  return isObject(json) ? json : {}
}

function bodyOf(fields: Fields, name: string): Buffer {
  if (fields[name] !== undefined) return Buffer.from(JSON.stringify(fields[name]))
  throw new BusError('usage', `the payload has no member ${JSON.stringify(name)} for the body`)
}

function addQuery(url: URL, fields: Fields, name: string | undefined): void {
  for (const [key, value] of membersOf(fields, name)) url.searchParams.set(key, textOf(value))
}

/** Throws `usage` for a path that would leave the path of the URL. */
function addPath(url: URL, fields: Fields, name: string | undefined): void {
  const value = name === undefined ? undefined : fields[name]
  if (value === undefined || value === null || value === '') return
  const parts = textOf(value).replace(/^\//, '').split('/')
  if (parts.some((part) => /^\.{1,2}$/.test(part)))
    throw new BusError('usage', `the payload has the path ${JSON.stringify(value)}, which would change that of the URL`)
  url.pathname = [url.pathname.replace(/\/$/, ''), ...parts.map(encodeURIComponent)].join('/')
}

/** Throws `usage` for headers that a message may not set. */
function headersOf(fields: Fields, name: string | undefined): Record<string, string> {
  const headers = membersOf(fields, name).map(([key, value]) => [key, textOf(value)] as const)
  for (const [key, value] of headers) {
    checkRequestHeader(`the header ${key} in the payload`, key, value)
    if (/^(?:authorization|host)$/i.test(key))
      throw new BusError('usage', `the payload has the header ${key}, which only the options of the webhook can set`)
  }
  return Object.fromEntries(headers)
}

function membersOf(fields: Fields, name: string | undefined): [string, unknown][] {
  const value = name === undefined ? undefined : fields[name]
  return isObject(value) ? Object.entries(value) : []
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

type Resolve = (text: string, option: string) => string

/** Throws `usage` for a reference to something that no header can contain. */
function resolvedHeaders(headers: Readonly<Record<string, string>>, resolve: Resolve): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, text]) => {
      const value = resolve(text, `headers.${name}`)
      checkRequestHeader(`headers.${name}`, name, value)
      return [name, value]
    }),
  )
}

/** The login of the options, or that of the URL. */
function loginOf(
  url: URL,
  {username, password, token}: WebhookOptions['auth'],
  resolve: Resolve,
): Record<string, string> {
  if (token !== undefined) {
    const value = `Bearer ${resolve(token, 'auth.token')}`
    checkRequestHeader('auth.token', 'Authorization', value)
    return {Authorization: value}
  }
  const name = username === undefined ? percentDecoded(url.username) : resolve(username, 'auth.username')
  const secret = password === undefined ? percentDecoded(url.password) : resolve(password, 'auth.password')
  return name === '' && secret === '' ? {} : {Authorization: basic(name, secret)}
}

/** `Bus-Subject`, `Bus-Sequence`, `Bus-Time`, `Bus-Stream`, `Bus-Consumer`, `Bus-Deliveries`, and `Bus-Headers` as JSON. */
function webhookHeaders(message: Message): Record<string, string> {
  const headers: Record<string, string> = {
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

/** The type that the message gives; otherwise JSON only for a payload that parses, because receivers refuse any other. */
function contentType(message: Message): string {
  const given = message.header('Content-Type')
  if (given !== undefined && /^[\x20-\x7e]+$/.test(given)) return given
  if (typeof message.payload !== 'string' && message.payload.includes(0)) return 'application/octet-stream'
  const isJson = looksLikeJson(message.text) && parseJson(message.text) !== undefined
  return isJson ? 'application/json' : 'text/plain; charset=utf-8'
}

/** JSON in printable ASCII, as a header requires. */
function ascii(json: string): string {
  return json.replace(/[^\x20-\x7e]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300
}

/** Seconds or a date (RFC 9110, 10.2.3), at most an hour. */
function retryAfter(value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now()
  return Number.isNaN(ms) || ms < 0 ? undefined : Math.min(ms, longestWaitMs)
}

function httpUrl(text: string, what: string): URL {
  if (isHttpUrl(text)) return new URL(text)
  // The text may contain a password, wherever it is.
  throw new BusError('usage', `${what} is not an HTTP URL`, {try: ['http://127.0.0.1:8080/events']})
}

function stopped(): BusError {
  return new BusError('interrupted', 'stopped before the webhook answered')
}

/** First match wins. */
const reasons: readonly (readonly [RegExp, string])[] = [
  [/ENOTFOUND|EAI_/, 'the host name is unknown'],
  [/EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL/, 'there is no route to that host'],
  [
    /SELF_SIGNED|UNABLE_TO_(?:GET|VERIFY)/,
    'its certificate is signed by an unknown CA; the option "tls.ca" names another',
  ],
  [/CERT_HAS_EXPIRED/, 'its certificate has expired'],
  [/CERT_NOT_YET_VALID/, 'its certificate is not valid yet'],
  [/ALTNAME_INVALID/, 'its certificate is for another host'],
  [
    /ALERT_(?:CERTIFICATE|BAD_CERT|UNKNOWN_CA)|certificate required/i,
    'it requires a client certificate that it trusts: see the options "tls.cert" and "tls.key"',
  ],
  [/WRONG_VERSION_NUMBER|PACKET_LENGTH|validate_record_header/, 'it does not speak TLS there'],
  [/EPROTO|SSL routines/, 'the TLS handshake failed'],
  [/HPE_HEADER_OVERFLOW/, 'its response has too many headers'],
  [/HPE_/, 'it does not speak HTTP there'],
  [/ECONNRESET|EPIPE|socket hang up|aborted/, 'it closed the connection'],
]

function reasonOf(error: unknown, shown: string, proxy: URL | undefined): string {
  const {code = '', message, isOfProxy} = error as NodeJS.ErrnoException & {readonly isOfProxy?: boolean}
  const isProxy = proxy !== undefined && (isOfProxy || !shown.startsWith('https:'))
  const place = isProxy ? `the proxy ${proxy.origin}` : shown
  if (code === 'ECONNREFUSED' && !isProxy) return `nothing listens at ${shown}`
  if (code === 'ECONNREFUSED') return `cannot reach ${shown}: nothing listens at ${place}`
  const known = reasons.find(([pattern]) => pattern.test(`${code} ${message}`))?.[1]
  return `cannot reach ${shown}${isProxy ? ` through ${place}` : ''}: ${known ?? message}`
}

function firstLine(text: string): string {
  return (text.trim().split(/\r?\n/)[0] ?? '').slice(0, 200)
}
