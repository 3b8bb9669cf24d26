import {BusError} from '../core/errors.ts'
import type {OpenOptions, Transport} from './contract.ts'
import {schemeOf, shownBus} from './schemes.ts'

/**
 * Opens a bus: `sqlite:PATH` or a path that ends in `.db` or `.sqlite`, `libbus:PATH`, `memory:NAME`, or a server:
 * `nats://HOST:PORT`, `tls://`, `ws://`, `wss://`, several separated by commas. With `?synchronous=full` after the path of a
 * bus file, acknowledged messages are on the disk and survive a power loss; the default is SQLite's `NORMAL`. Fails with
 * `usage` for any other URL, else as the driver does.
 */
export async function open(url: string, options: OpenOptions = {}): Promise<Transport> {
  const scheme = schemeOf(url)
  if (options.readOnly === true && scheme !== undefined && scheme.isReadable !== true)
    throw new BusError('usage', 'only a bus file can be opened read-only', {try: ['without --read-only']})
  if (scheme !== undefined) return scheme.open(url, options)
  throw new BusError('usage', `${JSON.stringify(shownBus(url))} is not a bus`, {
    try: ['a file: sqlite:./bus.db', 'a server: nats://127.0.0.1:4222'],
  })
}
