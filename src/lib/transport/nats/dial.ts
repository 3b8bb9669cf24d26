/** The first connect: from what the user said to a connection, or to one sentence why there is none. */
import {type ConnectionOptions, type Status, TimeoutError, type TransportFactory} from '@nats-io/transport-node'
import {checkSubject} from '../../core/subject.ts'
import type {OpenOptions} from '../contract.ts'
import {interruptedError} from '../shared/requests.ts'
import {connectFailure} from './failures.ts'
import {authenticators, loginName} from './login.ts'
import {Wire} from './protocol.ts'
import {parseServers, type Servers} from './servers.ts'
import {resolveHost, TcpLink} from './tcp.ts'
import {readTls, type Tls} from './tls.ts'

export interface Dialed {
  readonly wire: Wire
  readonly shown: string
  /** What the login is called in a sentence. */
  readonly login: () => string | undefined
}

/** For a server that says nothing. */
export const defaultTimeoutMs = 5000

/** Connects to the first server of the list that can be reached. */
export async function dial(url: string, options: OpenOptions, onStatus: (status: Status) => void): Promise<Dialed> {
  const {login = {}, connectTimeoutMs = defaultTimeoutMs, signal, inboxPrefix} = options
  const servers = parseServers(url)
  if (inboxPrefix !== undefined) checkSubject(inboxPrefix)
  const name = () => loginName(login, servers.login)
  const tls = readTls(options.tls, servers.secure)
  const backoff = new Backoff()
  const wire = new Wire(connectionOptions(servers, options, tls, backoff), await links(servers, tls), (status) => {
    if (status.type === 'disconnect') backoff.begin()
    onStatus(status)
  })
  try {
    await patiently(wire, connectTimeoutMs * servers.list.length, signal)
  } catch (error) {
    throw connectFailure(servers.shown, error, name(), connectTimeoutMs)
  }
  wire.remember(servers.list)
  return {wire, shown: servers.shown, login: name}
}

function connectionOptions(servers: Servers, options: OpenOptions, tls: Tls, backoff: Backoff): ConnectionOptions {
  const {login = {}, connectTimeoutMs = defaultTimeoutMs, maxReconnects = -1, heartbeatMs, name} = options
  return {
    servers: [...servers.list],
    noRandomize: true,
    resolve: !servers.webSocket,
    timeout: connectTimeoutMs,
    reconnect: maxReconnects !== 0,
    maxReconnectAttempts: maxReconnects,
    reconnectDelayHandler: () => backoff.delayMs(),
    pingInterval: heartbeatMs ?? 10_000,
    maxPingOut: 2,
    authenticator: authenticators(login, servers.login),
    noAsyncTraces: true,
    ...(tls.isWanted && !servers.webSocket && {tls: {}}),
    ...(name !== undefined && {name}),
  }
}

async function links(servers: Servers, tls: Tls): Promise<TransportFactory> {
  if (!servers.webSocket) return {factory: () => new TcpLink(tls), dnsResolveFn: resolveHost}
  const {WebSocketLink} = await import('./websocket.ts')
  const scheme = servers.secure ? 'wss' : 'ws'
  const urlParseFn = (url: string) => (url.includes('://') ? url : `${scheme}://${url}`)
  return {factory: () => new WebSocketLink(tls), urlParseFn}
}

/** Connects, or gives up all of it when the time is over or the signal aborts. */
async function patiently(wire: Wire, timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted) throw interruptedError()
  const connected = wire.dialLoop()
  let giveUp: (error: Error) => void = () => {}
  const givenUp = new Promise<never>((_, reject) => {
    giveUp = reject
  })
  const interrupt = () => giveUp(interruptedError())
  signal?.addEventListener('abort', interrupt)
  const timer = setTimeout(() => giveUp(new TimeoutError()), timeoutMs)
  try {
    await Promise.race([connected, givenUp])
  } catch (error) {
    wire.abandon(error as Error)
    connected.then(
      () => wire.close(),
      () => {},
    )
    throw error
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', interrupt)
  }
}

const shortestWaitMs = 50
const longestWaitMs = 2000

/** How long to wait between two attempts to come back: the longer it takes, the longer. */
class Backoff {
  #since: number | undefined

  begin(): void {
    this.#since = performance.now()
  }

  delayMs(): number {
    if (this.#since === undefined) return 0
    const half = (performance.now() - this.#since) / 2
    return Math.min(longestWaitMs, Math.max(shortestWaitMs, half)) * (1 + Math.random() / 5)
  }
}
