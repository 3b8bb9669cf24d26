/** From a URL to a bus. The one place that knows which drivers there are; each is loaded when it is used. */
import {BusError} from '../core/errors.ts'
import type {OpenOptions, Transport} from './contract.ts'

/**
 * Opens a bus: `sqlite:PATH` or a path that ends in `.db` or `.sqlite`, `libbus:PATH`, `memory:NAME`, or a server:
 * `nats://HOST:PORT`, `tls://`, `ws://`, `wss://`, several with commas between them. With `?synchronous=full` behind the
 * path of a bus file what it acknowledges is on the disk, also after a power loss; without it SQLite's `NORMAL` holds.
 * Fails with `usage` for a URL of no known kind, else as the driver says.
 */
export async function open(url: string, options: OpenOptions = {}): Promise<Transport> {
  if (isOneProcess(url)) {
    const {openMemory} = await import('./memory/driver.ts')
    return openMemory(url, options)
  }
  const path = filePath(url)
  if (path !== undefined) {
    const {openSqlite} = await import('./sqlite/driver.ts')
    return openSqlite(path, options, isSynchronous(url))
  }
  if (isLibbus(url)) {
    const {openLibbus} = await import('./libbus/driver.ts')
    return openLibbus(url, options)
  }
  if (isServer(url)) {
    const {openNats} = await import('./nats/driver.ts')
    return openNats(url, options)
  }
  throw new BusError('usage', `${JSON.stringify(url)} is not a bus`, {
    try: ['a file: sqlite:./bus.db', 'a server: nats://127.0.0.1:4222'],
  })
}

/** Whether the URL names a database that libbus of contenox uses. */
export function isLibbus(url: string): boolean {
  return url.startsWith('libbus:')
}

/** Whether the URL names a bus that only this process can reach. */
export function isOneProcess(url: string): boolean {
  return url.startsWith('memory:')
}

/** Whether the URL names a server. */
export function isServer(url: string): boolean {
  return /^(nats|tls|wss?):\/\//i.test(url)
}

/** The path of a bus file, if that is what the URL names. */
export function filePath(url: string): string | undefined {
  const place = url.replace(synchronous, '')
  if (place.startsWith('sqlite:')) return place.slice('sqlite:'.length)
  const hasScheme = /^[a-z][a-z0-9+.-]+:/i.test(place)
  return !hasScheme && /\.(db|sqlite)$/.test(place) ? place : undefined
}

/** Whether the URL asks that a commit waits for the disk. Throws `usage` when what it asks cannot be told. */
export function isSynchronous(url: string): boolean {
  const [, asked = 'normal'] = synchronous.exec(url) ?? []
  if (asked !== 'full' && asked !== 'normal')
    throw new BusError('usage', `synchronous=${asked} is neither full nor normal`, {try: ['?synchronous=full']})
  return asked === 'full'
}

const synchronous = /\?synchronous=(\w*)$/
