/** The plugin for WebSocket clients: admission and limits. The protocol itself is in `websocket-protocol.ts`. */
import {createServer, type IncomingMessage, type Server} from 'node:http'
import type {AddressInfo, Socket} from 'node:net'
import type {WebSocket, WebSocketServer} from 'ws'
import {BusError} from '../../core/errors.ts'
import {Interval} from '../../core/time/timer.ts'
import {type Address, type Admission, chosenSubprotocol, refusalOf, tokenOf} from './admission.ts'
import {limitLog} from './log-limit.ts'
import type {Callbacks, EventPlugin} from './plugin.ts'
import {websocketOptions} from './subscription.ts'
import type {Connection, ConnectionDeps} from './websocket-connection.ts'

/** The listening address, the rules for admission, and the limits in bytes and milliseconds. */
export interface WebSocketsConfig {
  readonly address: Address
  readonly admission: Admission
  readonly maxConnections: number
  readonly maxSubscriptions: number
  /** Largest frame from a client, in bytes. */
  readonly maxFrame: number
  /** How long a client may start no subscription, or not respond, before it is disconnected. */
  readonly idleMs: number
  readonly warn: (line: string) => void
}

/** The plugin for WebSocket clients, with its state. */
export interface WebSockets extends EventPlugin<WebSocketsConfig> {
  /** Its URL, once it listens: `ws://127.0.0.1:5599`. */
  readonly url: string
  /** The token that clients must present; undefined if none is needed, and before it listens. */
  readonly token: string | undefined
  readonly connections: number
}

const goodbyeMs = 1000
/** How long a refused client may take to close its end. */
const refusalMs = 500

/** The plugin of transport `websockets`. It starts to listen when a manager uses it. */
export function websockets(): WebSockets {
  return new WebSocketsPlugin()
}

class WebSocketsPlugin implements WebSockets {
  readonly name = 'websockets'
  readonly capabilities = {batchDelivery: true, limitsConnections: true}
  readonly validateOptions = websocketOptions
  readonly #connections = new Map<string, Connection>()
  #sockets: WebSocketServer | undefined
  #server: Server | undefined
  #open: ((deps: ConnectionDeps) => Connection) | undefined
  url = ''
  token: string | undefined

  get connections(): number {
    return this.#connections.size
  }

  initConfig(given: Partial<WebSocketsConfig>): WebSocketsConfig {
    return {
      address: {host: '127.0.0.1', port: 5599},
      admission: {},
      maxConnections: 1000,
      maxSubscriptions: 100,
      maxFrame: 1024 * 1024,
      idleMs: 60_000,
      warn: () => undefined,
      ...given,
    }
  }

  async init(given: WebSocketsConfig, callbacks: Callbacks): Promise<void> {
    const config = {...given, warn: limitLog(given.warn)}
    const token = tokenOf(config.admission)
    const rules = {...config.admission, token}
    const {WebSocketServer: Sockets} = await import('ws')
    const {Connection: Client} = await import('./websocket-connection.ts')
    this.#open = (deps) => new Client(deps)
    const sockets = new Sockets({
      noServer: true,
      maxPayload: config.maxFrame,
      perMessageDeflate: false,
      handleProtocols: chosenSubprotocol,
    })
    const timeouts = {headersTimeout: 10_000, requestTimeout: 10_000, connectionsCheckingInterval: 1000}
    const server = createServer(timeouts, (_request, response) => {
      response
        .writeHead(426, {Upgrade: 'websocket', Connection: 'close', 'Content-Type': 'text/plain'})
        .end('this is a WebSocket endpoint\n')
    })
    const waiting = new WaitingSockets(config.maxConnections + 64)
    server.on('connection', (socket) => waiting.add(socket))
    server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
      const status = this.#connections.size >= config.maxConnections ? 503 : refusalOf(request.headers, rules)
      if (status !== undefined) return refuse(socket, status)
      waiting.delete(socket)
      sockets.handleUpgrade(request, socket, head, (client) => this.#connect(client, request, config, callbacks))
    })
    const {host, port} = config.address
    await listening(server, host, port)
    const bound = server.address() as AddressInfo
    this.url = `ws://${host.includes(':') ? `[${host}]` : host}:${bound.port}`
    this.token = token
    this.#sockets = sockets
    this.#server = server
  }

  deliveryRequest(
    connection: string,
    delivery: Parameters<EventPlugin['deliveryRequest']>[1],
  ): ReturnType<EventPlugin['deliveryRequest']> {
    return this.#connections.get(connection)?.send(delivery)
  }

  subscriptionStopped(connection: string, _subscription: unknown, reason: string): void {
    this.#connections.get(connection)?.fail(reason)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const [server, sockets] = [this.#server, this.#sockets]
    if (server === undefined || sockets === undefined) return
    const closed = new Promise((resolve) => server.close(resolve))
    for (const client of sockets.clients) client.close(1001)
    const impatient = setTimeout(() => {
      for (const client of sockets.clients) client.terminate()
      server.closeAllConnections()
    }, goodbyeMs)
    server.closeIdleConnections()
    await closed
    clearTimeout(impatient)
  }

  #connect(
    client: WebSocket,
    {socket, url = '/'}: IncomingMessage,
    config: WebSocketsConfig,
    callbacks: Callbacks,
  ): void {
    const {warn, maxSubscriptions, idleMs} = config
    const id = crypto.randomUUID()
    const gather = gathering(socket)
    const query = URL.parse(url, 'ws://localhost')?.searchParams ?? new URLSearchParams()
    const wantsNotices = query.has('notices')
    const connection = this.#open?.({id, socket: client, callbacks, maxSubscriptions, wantsNotices, warn, gather})
    if (connection === undefined) {
      client.terminate()
      return
    }
    this.#connections.set(id, connection)
    const watching = watch(client, connection, idleMs)
    client.on('message', (data) => connection.take(String(data)))
    client.on('error', ({message}) => warn(`connection ${id}: ${message}`))
    client.on('close', () => {
      watching.cancel()
      connection.end()
      this.#connections.delete(id)
      callbacks.connectionClosed(id)
    })
    socket.setNoDelay(true)
    connection.begin(query)
  }
}

/** Sockets that are not accepted yet. Beyond the limit the oldest is closed, so that silent ones keep nobody out. */
class WaitingSockets {
  readonly #sockets = new Set<Socket>()
  readonly #most: number

  constructor(most: number) {
    this.#most = most
  }

  add(socket: Socket): void {
    this.#sockets.add(socket)
    // Node removes its own listener at the upgrade, and a reset without a listener would end the process.
    socket.on('error', () => undefined).on('close', () => this.#sockets.delete(socket))
    if (this.#sockets.size <= this.#most) return
    for (const oldest of this.#sockets) return void oldest.destroy()
  }

  delete(socket: Socket): void {
    this.#sockets.delete(socket)
  }
}

/** Frames sent until the next turn of the event loop share one system call, which saves half of the time for small events. */
function gathering(socket: Socket): () => void {
  let isGathering = false
  const release = () => {
    isGathering = false
    socket.uncork()
  }
  return () => {
    if (isGathering) return
    isGathering = true
    socket.cork()
    setImmediate(release)
  }
}

/** Checks that the client responds, and disconnects it if it does not or if it starts no subscription. */
function watch(client: WebSocket, connection: Connection, idleMs: number): Interval {
  let isThere = true
  client.on('pong', () => {
    isThere = true
  })
  return new Interval(idleMs, () => {
    if (!connection.hasStarted) return connection.fail(`no subscription was started within ${idleMs} ms`)
    if (!isThere) return client.terminate()
    isThere = false
    client.ping()
  })
}

function listening(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const reason = error.code === 'EADDRINUSE' ? 'the address is in use' : error.message
      reject(
        new BusError('denied', `cannot listen on ${host}:${port}: ${reason}`, {cause: error, try: ['another port']}),
      )
    })
    server.listen(port, host, resolve)
  })
}

const reasons = {401: 'Unauthorized', 403: 'Forbidden', 503: 'Service Unavailable'} as const

/**
 * Continues to read, so that the client gets the answer rather than a reset, but only briefly, because it counts as a
 * connection.
 */
function refuse(socket: Socket, status: keyof typeof reasons): void {
  const impatient = setTimeout(() => socket.destroy(), refusalMs)
  socket.on('close', () => clearTimeout(impatient)).resume()
  const challenge = status === 401 ? 'WWW-Authenticate: Bearer, Basic realm="events"\r\n' : ''
  socket.end(`HTTP/1.1 ${status} ${reasons[status]}\r\n${challenge}Connection: close\r\nContent-Length: 0\r\n\r\n`)
}
