/** Server URLs: `nats://user:password@host:4222`, `tls://`, `ws://`, `wss://`, or several separated by commas. */
import {BusError} from '../../core/errors.ts'
import type {Login} from '../contract.ts'

export interface Servers {
  /** For messages: without logins. */
  readonly shown: string
  /** `host:port`, or a whole URL for WebSockets. */
  readonly list: readonly string[]
  readonly webSocket: boolean
  /** A URL asks for TLS. */
  readonly secure: boolean
  readonly login: Login | undefined
}

const defaultPorts = {nats: 4222, tls: 4222, ws: 80, wss: 443}
type Scheme = keyof typeof defaultPorts

/** Fails with `usage`. */
export function parseServers(url: string): Servers {
  const texts = url.split(',').map((text) => text.trim())
  const first = schemeOf(texts[0] ?? '', 'nats')
  const all = texts.filter((text) => text !== '').map((text) => parse(text, first))
  const webSocket = isWebSocket(first)
  if (all.some(({scheme}) => isWebSocket(scheme) !== webSocket)) {
    throw new BusError('usage', 'a list of servers is either all ws:// or wss://, or has none of them')
  }
  return {
    shown: all.map(({shown}) => shown).join(','),
    list: all.map(({address}) => address),
    webSocket,
    secure: all.some(({scheme}) => scheme === 'tls' || scheme === 'wss'),
    login: theLogin(all.flatMap(({login}) => login ?? [])),
  }
}

function parse(text: string, scheme: Scheme) {
  const own = schemeOf(text, scheme)
  // `URL` keeps the port only for schemes that it does not know.
  const rest = text.replace(/^[a-z]+:\/\//i, '')
  const url = URL.parse(`nats://${rest}`)
  if (url === null || url.hostname === '') {
    const typed = rest.slice(rest.lastIndexOf('@') + 1)
    throw new BusError('usage', `${JSON.stringify(`${own}://${typed}`)} is not a server URL`, {
      try: ['nats://HOST:PORT', 'nats://USER:PASSWORD@HOST:PORT, with special characters as %XX'],
    })
  }
  const {hostname, port, pathname, search} = url
  const host = `${hostname}:${port || defaultPorts[own]}`
  const path = isWebSocket(own) && pathname + search !== '/' ? pathname + search : ''
  return {
    scheme: own,
    shown: `${own}://${hostname}${port && `:${port}`}${path}`,
    address: isWebSocket(own) ? `${own}://${host}${path}` : host,
    login: loginOf(url),
  }
}

function schemeOf(text: string, otherwise: Scheme): Scheme {
  const scheme = /^([a-z]+):\/\//i.exec(text)?.[1]?.toLowerCase()
  if (scheme === undefined) return otherwise
  if (scheme in defaultPorts) return scheme as Scheme
  throw new BusError('usage', `${scheme}:// is not a scheme of a NATS server`, {try: ['nats:// tls:// ws:// wss://']})
}

function isWebSocket(scheme: Scheme): boolean {
  return scheme === 'ws' || scheme === 'wss'
}

/** A single word before `@` is a token. */
function loginOf({username, password}: URL): Login | undefined {
  if (username === '' && password === '') return undefined
  return password === '' ? {token: decoded(username)} : {user: decoded(username), password: decoded(password)}
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** The servers of a list are one cluster, so they share one login. */
function theLogin(logins: readonly Login[]): Login | undefined {
  const [first, ...others] = logins
  if (others.some((other) => JSON.stringify(other) !== JSON.stringify(first))) {
    throw new BusError('usage', 'the servers of one list have different logins in their URLs')
  }
  return first
}
