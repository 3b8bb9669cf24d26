/** Admission of clients: the listening address, the token, and the origins of browser pages. */
import {createHash, randomBytes, timingSafeEqual} from 'node:crypto'
import type {IncomingHttpHeaders} from 'node:http'
import {isIP} from 'node:net'
import {BusError} from '../../core/errors.ts'

/** The rules for connecting to a gateway. */
export interface Admission {
  /** The token required in `Authorization: Bearer`, or as the password of any user; by default a new one. */
  readonly token?: string | undefined
  /** Without `token`, no token is needed: anyone who can reach the address may read all streams. */
  readonly anonymous?: boolean | undefined
  /** Origins of pages whose scripts may connect: `https://app.example`; by default none. */
  readonly origins?: readonly string[] | undefined
}

/** The token of a gateway with these rules; undefined if it needs none. */
export function tokenOf({token, anonymous = false}: Admission): string | undefined {
  return token ?? (anonymous ? undefined : randomBytes(24).toString('base64url'))
}

/** The listening address of a gateway; port 0 is a free one. */
export interface Address {
  readonly host: string
  readonly port: number
}

/**
 * Parses `127.0.0.1:5599`, `[::1]:5599`, `:5599` or `5599`; without a host it is the loopback address. Port 0 is a free one.
 * Throws `usage`.
 */
export function parseAddress(text: string): Address {
  const [, bracketed, plain, digits = ''] = /^(?:\[([^\]]+)\]:|([^:]*):)?(\d{1,5})$/.exec(text) ?? []
  const host = bracketed ?? plain
  const port = Number(digits)
  if (digits === '' || port > 65_535) {
    throw new BusError('usage', `${JSON.stringify(text)} is not an address to listen on`, {
      try: ['127.0.0.1:5599', '5599'],
    })
  }
  return {host: host === undefined || host === '' ? '127.0.0.1' : host, port}
}

/** Throws `denied` if other machines could connect without a token. */
export function checkExposure({host}: Address, token: string | undefined, anonymous: boolean): void {
  if (isLoopback(host) || token !== undefined || anonymous) return
  throw new BusError('denied', `anyone who can reach ${host} could read events: use a token`, {
    try: ['--token SECRET, or BUS_EVENTS_TOKEN', '--allow-anonymous', '127.0.0.1, to serve this machine only'],
  })
}

/** The HTTP status to refuse a request with; undefined to accept it. Without `token`, no token is needed. */
export function refusalOf(
  headers: IncomingHttpHeaders,
  {token, origins = []}: Pick<Admission, 'token' | 'origins'>,
): 401 | 403 | undefined {
  const {origin, authorization = '', 'sec-websocket-protocol': offered = ''} = headers
  // Only browsers send this header, and they let any page connect to any address, so the server has to check.
  if (origin !== undefined && !origins.includes('*') && !origins.includes(origin)) return 403
  if (token === undefined) return undefined
  const [, given = basicPassword(authorization) ?? subprotocolToken(offered)] =
    /^Bearer +(.+)$/i.exec(authorization) ?? []
  return given !== undefined && isSame(given.trim(), token) ? undefined : 401
}

/** For clients that can only log in with a user name and a password, such as the SDK of FireFly. */
function basicPassword(authorization: string): string | undefined {
  const [, base64 = ''] = /^Basic +(.+)$/i.exec(authorization) ?? []
  const [, password] = /^[^:]*:(.*)$/s.exec(Buffer.from(base64, 'base64').toString()) ?? []
  return password
}

const tokenPrefix = 'bearer.'

/** The subprotocol to accept: the first one offered that is not the token; false for none. */
export function chosenSubprotocol(offered: Iterable<string>): string | false {
  for (const protocol of offered) if (!protocol.startsWith(tokenPrefix)) return protocol
  return false
}

/** Scripts in browsers cannot set headers, but offer subprotocols: `bus-events, bearer.TOKEN`. */
function subprotocolToken(offered: string): string | undefined {
  const found = offered.split(/\s*,\s*/).find((protocol) => protocol.startsWith(tokenPrefix))
  return found?.slice(tokenPrefix.length)
}

/** Compares in constant time, whatever the difference and the length. */
function isSame(given: string, wanted: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(wanted))
}

/** Whether only this machine can reach the host. */
export function isLoopback(host: string): boolean {
  if (host === 'localhost' || host === '::1') return true
  return isIP(host) === 4 && host.startsWith('127.')
}
