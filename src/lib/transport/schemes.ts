/**
 * The registry of URL schemes: what each kind of bus is and how its driver is loaded. It answers every question about the URL
 * of a bus. A new driver is one line in `schemes`; it is loaded when a bus of its kind is opened.
 */
import {BusError} from '../core/errors.ts'
import {maskedUrl} from '../core/secrets.ts'
import type {OpenOptions, Transport} from './contract.ts'
import {serverSchemes, serversIn} from './server-urls.ts'

export interface Scheme {
  /** Where the bus is: only in this process, in a file on this host, or behind a server. */
  readonly place: 'process' | 'file' | 'server'
  open(url: string, options: OpenOptions): Promise<Transport>
  /** For a file: the options that may follow its path in the URL. */
  readonly options?: RegExp
  /** Can be opened read-only. */
  readonly isReadable?: boolean
  /** Throws `usage` for unknown options, if they can be checked without the driver. */
  readonly check?: (url: string) => void
}

const nats: Scheme = {
  place: 'server',
  open: async (...to) => (await import('./nats/driver.ts')).openNats(...to),
}

const schemes: Readonly<Record<string, Scheme>> = {
  ...Object.fromEntries(Object.keys(serverSchemes).map((name) => [name, nats])),
  sqlite: {place: 'file', options: /\?[\w-]+(=[^/?]*)?$/, isReadable: true, check: parseBusFile, open: openBusFile},
  libbus: {
    place: 'file',
    options: /\?.*$/s,
    open: async (...to) => (await import('./libbus/driver.ts')).openLibbus(...to),
  },
  memory: {place: 'process', open: async (...to) => (await import('./memory/driver.ts')).openMemory(...to)},
}

async function openBusFile(url: string, options: OpenOptions): Promise<Transport> {
  const {path, isSynchronous} = parseBusFile(url)
  const {openSqlite} = await import('./sqlite/driver.ts')
  return openSqlite(path, options, isSynchronous)
}

/** The scheme of the URL of a bus; undefined if it is not one. The path of a bus file needs no scheme. */
export function schemeOf(url: string): Scheme | undefined {
  const name = nameOf(url)
  if (name === undefined) return fileIn(url) && schemes['sqlite']
  const scheme = Object.hasOwn(schemes, name) ? schemes[name] : undefined
  return scheme?.place === 'server' && !url.slice(name.length).startsWith('://') ? undefined : scheme
}

/** Whether the URL names a server. */
export function isServer(url: string): boolean {
  return schemeOf(url)?.place === 'server'
}

/** The parts of a URL that names a file, or of the path of a bus file. `scheme` and `options` include their punctuation. */
export function fileIn(url: string): {scheme: string; path: string; options: string} | undefined {
  const name = nameOf(url) ?? 'sqlite'
  const file = Object.hasOwn(schemes, name) ? schemes[name] : undefined
  if (file?.place !== 'file') return undefined
  const scheme = nameOf(url) === undefined ? '' : `${name}:`
  const [options = ''] = file.options?.exec(url) ?? []
  const path = url.slice(scheme.length, url.length - options.length)
  return scheme === '' && !/\.(db|sqlite)$/.test(path) ? undefined : {scheme: `${name}:`, path, options}
}

/** The path of a bus file, and whether each commit waits for the disk. Throws `usage` for an unknown option. */
export function parseBusFile(url: string): {path: string; isSynchronous: boolean} {
  const {path = url, options = ''} = fileIn(url) ?? {}
  if (path === ':memory:') throw new BusError('usage', 'a bus file needs a name', {try: ['memory:NAME']})
  const [option, asked = 'normal'] = options.slice(1).split('=')
  if (option !== '' && option !== 'synchronous')
    throw new BusError('usage', `a bus file has no option ${option}`, {try: ['?synchronous=full', `sqlite:${path}`]})
  if (asked !== 'full' && asked !== 'normal')
    throw new BusError('usage', `synchronous=${asked} must be full or normal`, {try: ['?synchronous=full']})
  return {path, isSynchronous: asked === 'full'}
}

/** The URL of a bus as it may be shown. Paths are shown unchanged. */
export function shownBus(url: string): string {
  return (schemeOf(url)?.place ?? 'server') === 'server' ? maskedUrl(url) : url
}

/** Whether the URL contains a login. */
export function hasLogin(url: string): boolean {
  return isServer(url) && serversIn(url).some(({login}) => login !== undefined)
}

/** The scheme of a URL in lower case. It has at least two letters: `C:` is a drive. */
function nameOf(url: string): string | undefined {
  return /^([a-z][a-z0-9+.-]+):/i.exec(url)?.[1]?.toLowerCase()
}
