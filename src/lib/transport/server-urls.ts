/** The URLs of servers: their schemes, and comma-separated lists of them. */
import {BusError} from '../core/errors.ts'
import {isUnambiguous} from '../core/secrets.ts'

export interface ServerScheme {
  /** The port if the URL has none. */
  readonly port: number
  readonly isEncrypted?: boolean
  readonly isWebSocket?: boolean
}

export const serverSchemes: Readonly<Record<string, ServerScheme>> = {
  nats: {port: 4222},
  tls: {port: 4222, isEncrypted: true},
  ws: {port: 80, isWebSocket: true},
  wss: {port: 443, isWebSocket: true, isEncrypted: true},
}

/** One server of a URL. */
export interface ServerUrl {
  /** Undefined if it is missing; in lower case. */
  readonly scheme: string | undefined
  /** What follows the scheme. */
  readonly rest: string
  /** `user:password` or a token, as written. */
  readonly login: string | undefined
}

/** The servers of a URL, which may be a comma-separated list. */
export function serversIn(url: string): readonly ServerUrl[] {
  const texts = url.split(',').map((text) => text.trim())
  return texts
    .filter((text) => text !== '')
    .map((text) => {
      const [, scheme, rest = ''] = /^(?:([a-z]+):\/\/)?(.*)$/is.exec(text) ?? []
      const [authority = ''] = rest.split('/', 1)
      const at = authority.lastIndexOf('@')
      return {scheme: scheme?.toLowerCase(), rest, login: at < 0 ? undefined : authority.slice(0, at)}
    })
}

/** Whether each server has a host, and it is certain where its login ends. */
export function areServers(url: string): boolean {
  if (/[,@]/.test(url) && !isUnambiguous(url)) return false
  // `URL` keeps the port only for unknown schemes.
  return serversIn(url).every(({rest}) => Boolean(URL.parse(`nats://${rest}`)?.hostname))
}

/** The scheme of a server by its name. Throws `usage`. */
export function serverScheme(name: string): ServerScheme {
  const scheme = Object.hasOwn(serverSchemes, name) ? serverSchemes[name] : undefined
  if (scheme !== undefined) return scheme
  throw new BusError('usage', `${name}:// is not a scheme of a NATS server`, {
    try: [
      Object.keys(serverSchemes)
        .map((known) => `${known}://`)
        .join(' '),
    ],
  })
}

/** The NATS tools accept `host:port` and comma-separated lists of it in NATS_URL and in contexts. */
export function withScheme(servers: string): string {
  // Not a list: the commas may be in a password.
  if (/[@?]/.test(servers) && !isUnambiguous(servers))
    return /^[a-z]+:\/\//i.test(servers) ? servers : `nats://${servers}`
  return servers
    .split(',')
    .map((server) => server.trim())
    .filter((server) => server !== '')
    .map((server) => (/^[a-z]+:\/\//i.test(server) ? server : `nats://${server}`))
    .join(',')
}
