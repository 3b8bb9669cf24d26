/** Streams inside one process, and how one connection uses them. */
import {BusError} from '../../core/errors.ts'
import type {Message, Outgoing} from '../../core/message.ts'
import {checkPattern, matches, overlaps} from '../../core/subject.ts'
import {interruptedError} from '../shared/requests.ts'
import {
  noConsumer,
  noMessage,
  noStream,
  notKept,
  otherConsumer,
  otherStream,
  overlapping,
} from '../shared/stream-errors.ts'
import {checkPurge, checkRead, consumerConfig, streamConfig} from '../shared/stream-settings.ts'
import type {Consumers, Stored, StreamSettings, Streams} from '../streams-contract.ts'
import {MemoryConsumer} from './consumer.ts'
import {MemoryMember} from './member.ts'
import {MemoryPublisher} from './publisher.ts'
import {readStream} from './reading.ts'
import {MemoryStream} from './stream.ts'

/** What a connection lends to its streams. */
export interface Connection {
  readonly url: string
  readonly all: Map<string, MemoryStream>
  /** Throws `usage` when it is closed. */
  check(): void
  /** Sends a message to whoever subscribes, stores it, and answers how that went. Throws `usage`. */
  send(message: Outgoing): Stored | BusError
  /** What to close with the connection. */
  readonly open: Set<{close(): Promise<void>}>
}

/** Has the stream that keeps its subject store a message. */
export function storeIn(all: ReadonlyMap<string, MemoryStream>, message: Message, url: string): Stored | BusError {
  try {
    for (const stream of all.values()) if (stream.keeps(message.subject)) return stream.store(message)
  } catch (error) {
    if (error instanceof BusError) return error
    throw error
  }
  return notKept(url, message.subject)
}

export function memoryStreams(connection: Connection): Streams {
  const {url, all, check, send} = connection

  function find(name: string): MemoryStream {
    check()
    const found = all.get(name)
    if (found === undefined) throw noStream(url, name)
    return found
  }

  function found(message: Message | undefined, stream: string, what: string): Message {
    if (message !== undefined) return message
    throw noMessage(url, stream, what)
  }

  return {
    async add(settings) {
      check()
      return makeStream(connection, settings).info
    },
    info: async (stream) => find(stream).info,
    async list() {
      check()
      return [...all.values()]
        .map(({info}) => info)
        .sort((one, other) => (one.config.name < other.config.name ? -1 : 1))
    },
    async keeping(pattern) {
      check()
      checkPattern(pattern)
      const keep = [...all.values()].filter(({config}) => config.subjects.some((each) => overlaps(each, pattern)))
      return keep.map(({config}) => config.name)
    },
    subjects: async (stream, pattern = '>') => find(stream).subjects(checkPattern(pattern)),
    async remove(stream) {
      const removed = find(stream)
      all.delete(stream)
      removed.remove(new BusError('notFound', `the stream ${stream} on ${url} was removed`))
    },
    async purge(stream, which = {}) {
      checkPurge(which)
      return find(stream).purge(which)
    },
    async publish(message) {
      const outcome = send(message)
      if (outcome instanceof BusError) throw outcome
      return outcome
    },
    publisher(options = {}) {
      check()
      return new MemoryPublisher(url, send, options)
    },
    get: async (stream, seq) => found(find(stream).get(seq), stream, `with the sequence ${seq}`),
    async last(stream, pattern) {
      checkPattern(pattern)
      const last = find(stream).last(({message}) => matches(pattern, message.subject))
      return found(last, stream, `of ${pattern}`)
    },
    async read(stream, range = {}) {
      checkRead(range)
      const source = find(stream)
      if (range.signal?.aborted) throw interruptedError()
      return readStream(source, range, connection.open)
    },
    consumers: memoryConsumers(connection, find),
  }
}

function memoryConsumers({url, open}: Connection, findStream: (name: string) => MemoryStream): Consumers {
  function find(stream: string, name: string): MemoryConsumer {
    const found = findStream(stream).consumers.get(name)
    if (found === undefined) throw noConsumer(url, stream, name)
    return found
  }

  return {
    async add(stream, settings) {
      const source = findStream(stream)
      const config = consumerConfig(settings, source.config.subjects)
      const has = source.consumers.get(config.name)
      if (has !== undefined && JSON.stringify(has.config) !== JSON.stringify(config))
        throw otherConsumer(url, stream, config.name)
      const consumer = has ?? new MemoryConsumer(source, config)
      source.consumers.set(config.name, consumer)
      return consumer.info
    },
    info: async (stream, consumer) => find(stream, consumer).info,
    async list(stream) {
      const infos = [...findStream(stream).consumers.values()].map(({info}) => info)
      return infos.sort((one, other) => (one.config.name < other.config.name ? -1 : 1))
    },
    async remove(stream, consumer) {
      const removed = find(stream, consumer)
      findStream(stream).consumers.delete(consumer)
      removed.remove(new BusError('notFound', `the consumer ${consumer} of the stream ${stream} on ${url} was removed`))
    },
    async reset(stream, consumer, to) {
      const moved = find(stream, consumer)
      moved.reset(to)
      return moved.info
    },
    async consume(stream, consumer, options = {}) {
      const consumed = find(stream, consumer)
      if (options.signal?.aborted) throw interruptedError()
      const member: MemoryMember = new MemoryMember(stream, consumed, options, () => open.delete(member))
      open.add(member)
      return member
    },
  }
}

function makeStream({all, url}: Connection, settings: StreamSettings): MemoryStream {
  const config = streamConfig(settings)
  const has = all.get(config.name)
  if (has !== undefined) {
    if (JSON.stringify(has.config) === JSON.stringify(config)) return has
    throw otherStream(url, config.name)
  }
  for (const other of all.values()) {
    const clash = config.subjects.find((subject) => other.config.subjects.some((each) => overlaps(each, subject)))
    if (clash !== undefined) throw overlapping(url, clash, other.config.name)
  }
  const stream = new MemoryStream(url, config)
  all.set(config.name, stream)
  return stream
}
