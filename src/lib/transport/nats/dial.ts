/** The first connect: from a URL and options to a connection, or to one sentence with the reason for the failure. */
import {type ConnectionOptions, type Status, TimeoutError, type TransportFactory} from '@nats-io/transport-node'
import {BusError, interruptedError} from '../../core/errors.ts'
import {checkSubject} from '../../core/subject.ts'
import {Timer} from '../../core/time/timer.ts'
import type {OpenOptions, TlsOptions} from '../contract.ts'
import {apiPrefixOf} from './api-prefix.ts'
import {connectFailure} from './failures.ts'
import {authenticators, loginName} from './login.ts'
import {NatsProtocol} from './protocol.ts'
import {parseServers, type Servers} from './servers.ts'
import {resolveHost, TcpSocket} from './tcp.ts'
import {readTls, type Tls} from './tls.ts'

export interface DialResult {
  readonly protocol: NatsProtocol
  readonly shown: string
  /** The login as it appears in errors. */
  readonly login: () => string | undefined
  /** How many milliseconds connecting took: several round trips. */
  readonly dialMs: number
}

/** The default for `connectTimeoutMs`. */
export const defaultTimeoutMs = 5000

/** Connects to the first server of the list that can be reached. */
export async function dial(url: string, options: OpenOptions, onStatus: (status: Status) => void): Promise<DialResult> {
  const {login = {}, connectTimeoutMs = defaultTimeoutMs, signal, inboxPrefix} = options
  const servers = parseServers(url)
  if (inboxPrefix !== undefined) checkSubject(inboxPrefix)
  apiPrefixOf(options.jetStream)
  const name = () => loginName(login, servers.login)
  const tls = readTls(options.tls, servers.secure)
  checkWebSocketTls(servers, options.tls)
  const backoff = new Backoff()
  const protocol = new NatsProtocol(
    connectionOptions(servers, options, tls, backoff),
    await socketFactory(servers, tls),
    (status) => {
      if (status.type === 'disconnect') backoff.begin()
      onStatus(status)
    },
  )
  const since = performance.now()
  try {
    await dialWithin(protocol, connectTimeoutMs * servers.list.length, signal)
  } catch (error) {
    const isStopped = error instanceof BusError
    throw connectFailure(servers.shown, isStopped ? error : (protocol.loginError ?? error), name(), connectTimeoutMs)
  }
  protocol.beginReconnects(servers.list, options.maxReconnects ?? -1)
  return {protocol, shown: servers.shown, login: name, dialMs: performance.now() - since}
}

/** With `ws://` nothing would be encrypted, not even the login. Throws `usage`. */
function checkWebSocketTls({list, shown}: Servers, {caFile, certFile, first}: TlsOptions = {}): void {
  const isWanted = first === true || caFile !== undefined || certFile !== undefined
  if (!isWanted || !list.some((address) => address.startsWith('ws:'))) return
  throw new BusError('usage', `TLS options are given, but ws:// has no TLS: ${shown}`, {
    try: [shown.replaceAll('ws://', 'wss://'), 'leave the TLS options out'],
  })
}

function connectionOptions(servers: Servers, options: OpenOptions, tls: Tls, backoff: Backoff): ConnectionOptions {
  const {login = {}, connectTimeoutMs = defaultTimeoutMs, maxReconnects, heartbeatMs, name} = options
  return {
    servers: [...servers.list],
    noRandomize: true,
    resolve: !servers.webSocket,
    timeout: connectTimeoutMs,
    reconnect: maxReconnects !== 0,
    // For the first connect: each server of the list is tried once.
    maxReconnectAttempts: -1,
    reconnectDelayHandler: () => backoff.delayMs(),
    pingInterval: heartbeatMs ?? 10_000,
    maxPingOut: 2,
    authenticator: authenticators(login, servers.login),
    noAsyncTraces: true,
    ...(tls.isWanted && !servers.webSocket && {tls: {}}),
    ...(name !== undefined && {name}),
  }
}

async function socketFactory(servers: Servers, tls: Tls): Promise<TransportFactory> {
  if (!servers.webSocket) return {factory: () => new TcpSocket(tls), dnsResolveFn: resolveHost}
  const {WsSocket} = await import('./websocket.ts')
  const scheme = servers.secure ? 'wss' : 'ws'
  const urlParseFn = (url: string) => (url.includes('://') ? url : `${scheme}://${url}`)
  return {factory: () => new WsSocket(tls), urlParseFn}
}

/** Connects; aborts at the timeout or when the signal aborts. */
async function dialWithin(protocol: NatsProtocol, timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted) throw interruptedError()
  const connected = protocol.dialLoop()
  const {promise: aborted, reject: abort} = Promise.withResolvers<never>()
  const interrupt = () => abort(interruptedError())
  signal?.addEventListener('abort', interrupt)
  const timer = new Timer(timeoutMs, () => abort(new TimeoutError()))
  try {
    await Promise.race([connected, aborted])
  } catch (error) {
    protocol.abortConnect(error as Error)
    connected.then(
      () => protocol.close(),
      // The outcome of the attempt is thrown below.
      () => {},
    )
    throw error
  } finally {
    timer.cancel()
    signal?.removeEventListener('abort', interrupt)
  }
}

const shortestWaitMs = 50
const longestWaitMs = 2000
/** A connection that lasts this long after the last loss is stable. */
const stableMs = 10_000

/** The delay between two reconnects grows with the time since the loss. */
class Backoff {
  #since: number | undefined
  #lastAt: number | undefined

  /** The connection is lost. One that was up only briefly counts as still lost. */
  begin(): void {
    const now = performance.now()
    if (this.#lastAt === undefined || now - this.#lastAt > stableMs) this.#since = now
    this.#lastAt = now
  }

  delayMs(): number {
    if (this.#since === undefined) return 0
    const half = (performance.now() - this.#since) / 2
    return Math.min(longestWaitMs, Math.max(shortestWaitMs, half)) * (1 + Math.random() / 5)
  }
}
