import {BusError} from '../../core/errors.ts'
import type {Consumers, Streams} from '../streams-contract.ts'

/** Everything except `publisher`, which is synchronous. */
export type StoredStreams = Omit<Streams, 'publisher'>

const streamMethods: Readonly<Record<Exclude<keyof StoredStreams, 'consumers'>, true>> = {
  ...{add: true, update: true, info: true, list: true, keeping: true, subjects: true, remove: true, purge: true},
  ...{erase: true, publish: true, publishBatch: true, get: true, last: true, read: true},
}
const consumerMethods: Readonly<Record<keyof Consumers, true>> = {
  ...{
    add: true,
    update: true,
    pause: true,
    unpin: true,
    info: true,
    list: true,
    remove: true,
    reset: true,
    consume: true,
    failures: true,
    forget: true,
  },
}

/** Streams whose calls go through `use`, which loads the implementation, and may check and translate failures. */
export function lazyStreams(
  use: (call: (streams: StoredStreams) => Promise<unknown>) => Promise<unknown>,
  publisher: Streams['publisher'],
): Streams {
  const consumers = forwarded<Consumers>(consumerMethods, (call) => use((streams) => call(streams.consumers)))
  return {...forwarded<Omit<StoredStreams, 'consumers'>>(streamMethods, use), publisher, consumers}
}

/** The streams of a bus without stored messages: every call fails with `notFound`. */
export function noStreams(url: string): Streams {
  const refusal = () => new BusError('notFound', `${url} has no streams`)
  return lazyStreams(
    () => Promise.reject(refusal()),
    () => {
      throw refusal()
    },
  )
}

type Methods = Readonly<Record<string, (...args: unknown[]) => Promise<unknown>>>

/** An object with these methods; each calls the method with the same name on the result of `use`. */
function forwarded<T>(
  names: Readonly<Record<keyof T & string, true>>,
  use: (call: (target: T) => Promise<unknown>) => Promise<unknown>,
): T {
  const entries = Object.keys(names).map((name) => [
    name,
    (...args: unknown[]) => use(async (target) => (target as Methods)[name]?.(...args)),
  ])
  return Object.fromEntries(entries) as T
}
