/** From a URL to a bus. The one place that knows which drivers there are; each is loaded when it is used. */
import {BusError} from '../errors.ts'
import type {OpenOptions, Transport} from './transport.ts'

/**
 * Opens a bus: `sqlite:PATH` or a path that ends in `.db` or `.sqlite`, `libbus:PATH`, `memory:NAME`, or a server:
 * `nats://HOST:PORT`, `tls://`, `ws://`, `wss://`, several with commas between them.
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
    return openSqlite(path, options)
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
  if (url.startsWith('sqlite:')) return url.slice('sqlite:'.length)
  const hasScheme = /^[a-z][a-z0-9+.-]+:/i.test(url)
  return !hasScheme && /\.(db|sqlite)$/.test(url) ? url : undefined
}
