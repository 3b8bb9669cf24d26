/**
 * A bus inside one process: the simplest implementation of the contract, and the fastest for tests. URLs with the same name
 * share a bus.
 */
import type {OpenOptions, Transport} from '../contract.ts'
import {timeRoundTrips} from '../shared/round-trips.ts'
import {MemoryConnection, maxPayload} from './connection.ts'
import {memoryStreams} from './streams.ts'

export function openMemory(url: string, options: OpenOptions = {}): Transport {
  const connection = new MemoryConnection(url, options)
  const close = () => connection.close()
  return {
    url,
    features: {
      wildcards: true,
      headers: true,
      queues: true,
      keepsForSlow: false,
      noResponders: true,
      requestsAreMessages: true,
      streams: true,
      failures: true,
    },
    maxPayload,
    streams: memoryStreams(connection),
    publish: (message) => void connection.send(message),
    flush: async () => connection.check(),
    subscribe: (patterns, subscribeOptions) => connection.subscribe(patterns, subscribeOptions),
    async request(message, requestOptions) {
      connection.check()
      return connection.requests.one(message, requestOptions)
    },
    requestMany(message, manyOptions) {
      connection.check()
      return connection.requests.many(message, manyOptions)
    },
    interests: async (pattern = '>') => ({known: connection.interests(pattern)}),
    async facts() {
      connection.check()
      return {software: 'memory', roundTripsMs: await timeRoundTrips(() => undefined)}
    },
    close,
    [Symbol.asyncDispose]: close,
  } satisfies Transport
}
