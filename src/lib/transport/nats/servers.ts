/** Server URLs: `nats://user:password@host:4222`, `tls://`, `ws://`, `wss://`, or several separated by commas. */
import {BusError} from '../../core/errors.ts'
import {maskedUrl, percentDecoded, revealedJson, Secret} from '../../core/secrets.ts'
import type {Login} from '../contract.ts'
import {areServers, serverScheme, serversIn} from '../server-urls.ts'

export interface Servers {
  /** The list without logins, for messages. */
  readonly shown: string
  /** `host:port`, or a whole URL for WebSockets. */
  readonly list: readonly string[]
  readonly webSocket: boolean
  /** Whether a URL requires TLS. */
  readonly secure: boolean
  readonly login: Login | undefined
}

/** Fails with `usage`. */
export function parseServers(url: string): Servers {
  if (!areServers(url)) throw notServers(url)
  const servers = serversIn(url)
  const first = servers[0]?.scheme ?? 'nats'
  const all = servers.map(({scheme, rest}) => parse(scheme ?? first, rest))
  const webSocket = serverScheme(first).isWebSocket === true
  if (all.some((server) => server.isWebSocket !== webSocket)) {
    throw new BusError('usage', 'a list of servers must have only ws:// and wss:// URLs, or none of them')
  }
  return {
    shown: all.map(({shown}) => shown).join(','),
    list: all.map(({address}) => address),
    webSocket,
    secure: all.some(({isEncrypted}) => isEncrypted),
    login: theLogin(all.flatMap(({login}) => login ?? [])),
  }
}

/** Also for a password that is not encoded: the text after its first odd character would count as a path or a server. */
function notServers(url: string): BusError {
  return new BusError('usage', `${JSON.stringify(maskedUrl(url))} is not a server URL`, {
    try: [
      'nats://HOST:PORT',
      'nats://USER:PASSWORD@HOST:PORT, with special characters as %XX',
      'nats:// before each server of a list',
    ],
  })
}

function parse(scheme: string, rest: string) {
  const {port: defaultPort, isWebSocket = false, isEncrypted = false} = serverScheme(scheme)
  const url = new URL(`nats://${rest}`)
  const {hostname, port, pathname, search} = url
  const host = `${hostname}:${port || defaultPort}`
  const path = isWebSocket && pathname + search !== '/' ? pathname + search : ''
  return {
    isWebSocket,
    isEncrypted,
    shown: maskedUrl(`${scheme}://${hostname}${port && `:${port}`}${path}`),
    address: isWebSocket ? `${scheme}://${host}${path}` : host,
    login: loginOf(url),
  }
}

/** A single word before `@` is a token. */
function loginOf({username, password}: URL): Login | undefined {
  if (username === '' && password === '') return undefined
  return password === ''
    ? {token: new Secret(percentDecoded(username))}
    : {user: percentDecoded(username), password: new Secret(percentDecoded(password))}
}

/** The servers of a list form one cluster, so they share one login. */
function theLogin(logins: readonly Login[]): Login | undefined {
  const [first, ...others] = logins
  if (others.some((other) => revealedJson(other) !== revealedJson(first))) {
    throw new BusError('usage', 'the servers of one list have different logins in their URLs')
  }
  return first
}
