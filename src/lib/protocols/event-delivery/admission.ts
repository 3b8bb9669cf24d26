/** Who may come in: from where one listens, with which token, and from which pages. */
import {createHash, timingSafeEqual} from 'node:crypto'
import type {IncomingHttpHeaders} from 'node:http'
import {isIP} from 'node:net'
import {BusError} from '../../core/errors.ts'

/** Who may connect to a gateway. */
export interface Admission {
  /** What `Authorization: Bearer` must say; absent: anybody. */
  readonly token?: string | undefined
  /** Pages whose scripts may connect, as browsers name them: `https://app.example`. */
  readonly origins: readonly string[]
}

/** Where a gateway listens; port 0 is a free one. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** Reads `127.0.0.1:5599`, `[::1]:5599`, `:5599` or `5599`, which are loopback; port 0 is a free one. Throws `usage`. */
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

/** Throws `denied` when others than this machine's own could come in unasked. */
export function checkExposure({host}: Address, token: string | undefined, anonymous: boolean): void {
  if (isLoopback(host) || token !== undefined || anonymous) return
  throw new BusError('denied', `anybody who reaches ${host} could read events: use a token`, {
    try: ['--token SECRET, or BUS_EVENTS_TOKEN', '--allow-anonymous', '127.0.0.1, to serve this machine only'],
  })
}

/** The status to refuse a request with; undefined: it may come in. */
export function refusalOf(headers: IncomingHttpHeaders, {token, origins}: Admission): 401 | 403 | undefined {
  const {origin, authorization = ''} = headers
  // Only browsers send it, and they let any page connect anywhere: the server has to look.
  if (origin !== undefined && !origins.includes('*') && !origins.includes(origin)) return 403
  if (token === undefined) return undefined
  const [, given] = /^Bearer +(.+)$/i.exec(authorization) ?? []
  return given !== undefined && isSame(given.trim(), token) ? undefined : 401
}

/** Takes the same time wherever they differ, and however long they are. */
function isSame(given: string, wanted: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(wanted))
}

function isLoopback(host: string): boolean {
  if (host === 'localhost' || host === '::1') return true
  return isIP(host) === 4 && host.startsWith('127.')
}
