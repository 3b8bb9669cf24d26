/**
 * HTTP requests with Node's own client. `fetch` is not used, because it adds headers of browsers, unpacks responses without a
 * limit, and has no options for certificates and proxies.
 */
import {
  Agent,
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as plainRequest,
} from 'node:http'
import {Agent as SecureAgent, request as secureRequest} from 'node:https'
import type {Duplex} from 'node:stream'
import type {TLSSocket} from 'node:tls'
import {promisify} from 'node:util'
import {brotliDecompress, inflate, unzip} from 'node:zlib'
import {percentDecoded} from '../../core/secrets.ts'
import {Timer} from '../../core/time/timer.ts'

export interface HttpClientOptions {
  /** PEM strings. */
  readonly tls: {
    readonly ca?: string | undefined
    readonly cert?: string | undefined
    readonly key?: string | undefined
  }
  readonly proxy?: URL | undefined
  readonly connectionTimeoutMs?: number | undefined
  readonly idleTimeoutMs?: number | undefined
  readonly maxIdleConns?: number | undefined
  readonly userAgent: string
}

export interface HttpRequest {
  readonly method: string
  readonly url: URL
  /** Names in the spelling in which they are sent. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array | undefined
  /** Most bytes of a response to read; of one that is not wanted, none are returned. */
  readonly maxBytes: number
  readonly wantsBody: (status: number) => boolean
  readonly signal: AbortSignal
}

export interface HttpResponse {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** Unpacked. */
  readonly body: Buffer
  /** The body was longer than `maxBytes`, or could not be unpacked; undefined if it is complete. */
  readonly incomplete: string | undefined
}

/** Unwanted bodies are read for this long, so that the connection can be used again. */
const drainMs = 100
const mostDrained = 64 * 1024

/** A client that keeps its connections until it is disposed, which also ends requests in progress. */
export class HttpClient implements Disposable {
  readonly #options: HttpClientOptions
  readonly #closed = new AbortController()
  readonly #agents = new Map<string, Agent>()

  constructor(options: HttpClientOptions) {
    this.#options = options
  }

  /** Rejects with the error of Node, or the reason of the signal. */
  async send(request: HttpRequest): Promise<HttpResponse> {
    const signal = AbortSignal.any([request.signal, this.#closed.signal])
    signal.throwIfAborted()
    const attempt = async () => {
      const sent = this.#start(request, signal)
      try {
        return await this.#response(sent, request)
      } catch (error) {
        throw Object.assign(error as Error, {isStale: sent.reusedSocket && isReset(error)})
      }
    }
    // The other side may close an idle connection at the moment at which it is used again.
    return attempt().catch((error: {isStale?: boolean}) => {
      if (!error.isStale || signal.aborted) throw error
      return attempt()
    })
  }

  [Symbol.dispose](): void {
    this.#closed.abort()
    for (const agent of this.#agents.values()) agent.destroy()
  }

  #start({method, url, headers, body}: HttpRequest, signal: AbortSignal): ClientRequest {
    const {proxy, connectionTimeoutMs, userAgent} = this.#options
    const isSecure = url.protocol === 'https:'
    const target = proxy !== undefined && !isSecure ? proxy : url
    const length = body === undefined ? {} : {'Content-Length': String(body.length)}
    const sent = (target.protocol === 'https:' ? secureRequest : plainRequest)({
      method,
      host: plainHost(target),
      port: target.port === '' ? undefined : target.port,
      path: target === url ? `${url.pathname}${url.search}` : url.href,
      agent: this.#agent(target),
      headers: {
        Host: url.host,
        ...(target !== url && proxyLogin(target)),
        ...merged([{'User-Agent': userAgent, 'Accept-Encoding': 'identity'}, headers, length]),
      },
      signal,
    })
    if (connectionTimeoutMs !== undefined) limitConnecting(sent, connectionTimeoutMs)
    sent.end(body)
    return sent
  }

  async #response(sent: ClientRequest, {maxBytes, wantsBody}: HttpRequest): Promise<HttpResponse> {
    const {promise, resolve, reject} = Promise.withResolvers<IncomingMessage>()
    sent.once('response', resolve).on('error', reject)
    const response = await promise
    const {statusCode: status = 0, headers} = response
    if (!wantsBody(status)) {
      await drained(response)
      return {status, headers, body: Buffer.alloc(0), incomplete: undefined}
    }
    return {status, headers, ...(await unpacked(await read(response, maxBytes), headers['content-encoding'], maxBytes))}
  }

  #agent(target: URL): Agent {
    const {proxy, tls, connectionTimeoutMs, idleTimeoutMs: timeout, maxIdleConns: maxFreeSockets} = this.#options
    const isTunnel = proxy !== undefined && target !== proxy
    const known = this.#agents.get(target.protocol)
    if (known !== undefined) return known
    const limits = {keepAlive: true, ...(timeout && {timeout}), ...(maxFreeSockets && {maxFreeSockets})}
    const agent = isTunnel
      ? new TunnelAgent(proxy, {...limits, ...tls}, {connectionTimeoutMs, signal: this.#closed.signal})
      : target.protocol === 'https:'
        ? new SecureAgent({...limits, ...tls})
        : new Agent(limits)
    this.#agents.set(target.protocol, agent)
    return agent
  }
}

interface TunnelLimits {
  readonly connectionTimeoutMs: number | undefined
  readonly signal: AbortSignal
}

type Connected = (error: Error | null, socket?: Duplex) => void

/** Connects through an HTTP proxy with CONNECT. */
class TunnelAgent extends SecureAgent {
  readonly #proxy: URL
  readonly #limits: TunnelLimits

  constructor(proxy: URL, options: object, limits: TunnelLimits) {
    super(options)
    this.#proxy = proxy
    this.#limits = limits
  }

  override createConnection(options: {host?: string; port?: number | string}, connected: Connected): undefined {
    const {port, protocol} = this.#proxy
    const {connectionTimeoutMs, signal} = this.#limits
    const {host = ''} = options
    const path = `${host.includes(':') ? `[${host}]` : host}:${options.port}`
    const asked = (protocol === 'https:' ? secureRequest : plainRequest)({
      ...{
        method: 'CONNECT',
        host: plainHost(this.#proxy),
        port: port === '' ? undefined : port,
        path,
        signal,
        agent: false,
      },
      headers: {Host: path, ...proxyLogin(this.#proxy)},
    })
    if (connectionTimeoutMs !== undefined) limitConnecting(asked, connectionTimeoutMs)
    asked.once('error', (error) => connected(Object.assign(error, {isOfProxy: true})))
    asked.once('connect', ({statusCode}, socket) => {
      if (statusCode === 200) return connected(null, super.createConnection({...options, socket} as object) as Duplex)
      socket.destroy()
      connected(Object.assign(new Error(`the proxy answered ${statusCode}`), {isOfProxy: true}))
    })
    asked.end()
    return undefined
  }
}

/** Without the brackets of an IPv6 address. */
function plainHost({hostname}: URL): string {
  return hostname.replace(/^\[|\]$/g, '')
}

function proxyLogin({username, password}: URL): Record<string, string> {
  if (username === '') return {}
  return {'Proxy-Authorization': basic(percentDecoded(username), percentDecoded(password))}
}

/** The value of `Authorization` for a user name and a password. */
export function basic(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

/** Later headers replace earlier ones, whatever their case. */
export function merged(all: readonly Readonly<Record<string, string>>[]): Record<string, string> {
  const byName = new Map<string, readonly [string, string]>()
  for (const headers of all)
    for (const [name, value] of Object.entries(headers)) byName.set(name.toLowerCase(), [name, value])
  return Object.fromEntries(byName.values())
}

function limitConnecting(sent: ClientRequest, ms: number): void {
  const timer = new Timer(ms, () =>
    sent.destroy(Object.assign(new Error(`no connection within ${ms} ms`), {code: 'ETIMEDOUT'})),
  )
  const connected = () => timer.cancel()
  sent.once('close', connected)
  sent.once('socket', (socket) => {
    const {secureConnecting = false} = socket as TLSSocket & {secureConnecting?: boolean}
    if (secureConnecting) socket.once('secureConnect', connected)
    else if (socket.connecting) socket.once('connect', connected)
    else connected()
  })
}

async function read(response: IncomingMessage, maxBytes: number): Promise<{chunks: Buffer[]; isLonger: boolean}> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    const room = maxBytes - size
    size += chunk.length
    chunks.push(chunk.length > room ? chunk.subarray(0, room) : chunk)
    // Leaving the loop closes the connection.
    if (size > maxBytes) return {chunks, isLonger: true}
  }
  return {chunks, isLonger: false}
}

const unpackers: Readonly<Record<string, (data: Buffer, options: {maxOutputLength: number}) => Promise<Buffer>>> = {
  gzip: promisify(unzip),
  'x-gzip': promisify(unzip),
  deflate: promisify(inflate),
  br: promisify(brotliDecompress),
}

async function unpacked(
  {chunks, isLonger}: {readonly chunks: Buffer[]; readonly isLonger: boolean},
  encoding: string | undefined,
  maxBytes: number,
): Promise<Pick<HttpResponse, 'body' | 'incomplete'>> {
  const body = Buffer.concat(chunks)
  const tooLong = `its response has more than ${maxBytes} bytes`
  const unpack = unpackers[encoding?.toLowerCase() ?? '']
  if (isLonger || unpack === undefined) return {body, incomplete: isLonger ? tooLong : undefined}
  try {
    return {body: await unpack(body, {maxOutputLength: maxBytes}), incomplete: undefined}
  } catch (error) {
    const isTooLong = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
    return {body: Buffer.alloc(0), incomplete: isTooLong ? tooLong : `its response is not valid ${encoding}`}
  }
}

/** Reads a little of a body that nobody needs; a longer one closes the connection. */
async function drained(response: IncomingMessage): Promise<void> {
  const {promise, resolve} = Promise.withResolvers<void>()
  const timer = new Timer(drainMs, () => response.destroy())
  let size = 0
  response.on('data', ({length}: Buffer) => {
    size += length
    if (size > mostDrained) response.destroy()
  })
  response.on('error', () => undefined)
  response.once('close', resolve)
  await promise
  timer.cancel()
}

function isReset(error: unknown): boolean {
  return ['ECONNRESET', 'EPIPE'].includes((error as NodeJS.ErrnoException).code ?? '')
}
