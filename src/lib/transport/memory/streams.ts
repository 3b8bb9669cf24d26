/** The streams of one connection to a bus inside this process. */
import {BusError, interruptedError} from '../../core/errors.ts'
import type {Message, Outgoing} from '../../core/message.ts'
import {checkPattern, matches, overlaps} from '../../core/subject.ts'
import {PublishWindow} from '../shared/publish-window.ts'
import {
  checkErasable,
  checkPurgeable,
  consumerInUse,
  noConsumer,
  noGroup,
  noMessage,
  noStream,
  otherConsumer,
  otherStream,
} from '../shared/stream-errors.ts'
import {
  changedConsumer,
  changedStream,
  checkApartFrom,
  checkConsumerChange,
  checkPurge,
  checkRead,
  checkStreamChange,
  checkWorker,
  consumerConfig,
  differences,
  startWithin,
  streamConfig,
} from '../shared/stream-settings.ts'
import {sortedBySubject} from '../shared/subject-counts.ts'
import type {ConsumerConfig, Consumers, PublisherOptions, Stored, StreamInfo, Streams} from '../streams-contract.ts'
import type {MemoryConnection, StreamEntry} from './connection.ts'
import {MemoryConsumer} from './consumer.ts'
import {MemoryMember} from './member.ts'
import {readStream} from './reading.ts'
import {MemoryStream} from './stream.ts'

export function memoryStreams(connection: MemoryConnection): Streams {
  const {url, streams} = connection
  const find = (name: string) => findStream(connection, name)
  return {
    async add(settings) {
      connection.check()
      const config = streamConfig(settings)
      const has = streams.get(config.name)
      if (has !== undefined) {
        const differing = differences(has.stream.config, config)
        if (differing !== '') throw otherStream(url, config.name, differing)
        return infoOf(has)
      }
      checkApartFrom(
        url,
        config,
        [...streams.values()].map(({stream}) => stream.config),
      )
      const consumers = new Map<string, MemoryConsumer>()
      const added = {stream: new MemoryStream(url, config, consumers), consumers}
      streams.set(config.name, added)
      return infoOf(added)
    },
    ...changing(connection),
    info: async (stream) => infoOf(find(stream)),
    async list() {
      connection.check()
      return [...streams.values()].map(infoOf).sort(byName)
    },
    async keeping(pattern) {
      connection.check()
      checkPattern(pattern)
      const configs = [...streams.values()].map(({stream}) => stream.config)
      return configs.filter(({subjects}) => subjects.some((each) => overlaps(each, pattern))).map(({name}) => name)
    },
    async subjects(stream, pattern = '>', onPage) {
      const counts = find(stream).stream.subjects(checkPattern(pattern))
      if (onPage === undefined) return counts
      await onPage(sortedBySubject(counts))
      return new Map()
    },
    async publish(message) {
      const {outcome} = connection.send(message)
      if (outcome instanceof BusError) throw outcome
      return outcome
    },
    async publishBatch(messages, {signal} = {}) {
      if (signal?.aborted) throw interruptedError()
      return connection.sendBatch(messages)
    },
    publisher(options = {}) {
      connection.check()
      return new MemoryPublisher(url, (message) => connection.send(message).outcome, options)
    },
    get: async (name, seq) => found(find(name).stream, (stream) => stream.get(seq), `with the sequence ${seq}`),
    async last(name, pattern) {
      checkPattern(pattern)
      const last = (stream: MemoryStream) => stream.last(({message}) => matches(pattern, message.subject))
      return found(find(name).stream, last, `of ${pattern}`)
    },
    async read(name, range = {}) {
      checkRead(range)
      const {stream} = find(name)
      if (range.signal?.aborted) throw interruptedError()
      return readStream(stream, range, connection.open)
    },
    consumers: memoryConsumers(connection),
  }
}

/** What changes a stream or removes something. */
function changing(connection: MemoryConnection): Pick<Streams, 'update' | 'remove' | 'purge' | 'erase'> {
  const {url, streams} = connection
  const find = (name: string) => findStream(connection, name)
  return {
    async update(name, changes) {
      const entry = find(name)
      const {stream} = entry
      const config = streamConfig(changedStream(stream.config, changes))
      checkStreamChange(url, stream.config, config)
      const others = [...streams.values()].filter((each) => each !== entry)
      checkApartFrom(
        url,
        config,
        others.map((each) => each.stream.config),
      )
      stream.change(config)
      return infoOf(entry)
    },
    async remove(stream) {
      const removed = find(stream)
      streams.delete(stream)
      removed.stream.remove(new BusError('notFound', `the stream ${stream} on ${url} was removed`))
    },
    async purge(stream, which = {}) {
      checkPurge(which)
      const purged = find(stream).stream
      checkPurgeable(url, purged.config)
      return purged.purge(which)
    },
    async erase(name, seq) {
      const {stream} = find(name)
      checkErasable(url, stream.config)
      if (!stream.erase(seq)) throw noMessage(url, name, `with the sequence ${seq}`)
    },
  }
}

function memoryConsumers(connection: MemoryConnection): Consumers {
  const {url, open} = connection
  const find = (stream: string, name: string) => {
    const found = findStream(connection, stream).consumers.get(name)
    if (found === undefined) throw noConsumer(url, stream, name)
    return found
  }
  return {
    async add(name, settings) {
      const {stream, consumers} = findStream(connection, name)
      const deliver = startWithin(settings.deliver, stream.lastSeq + 1)
      const config = consumerConfig({...settings, deliver}, stream.config.subjects)
      const has = consumers.get(config.name)
      const differing = has === undefined ? '' : differences(has.config, config)
      if (has !== undefined && differing !== '') throw otherConsumer(url, has.info, differing)
      if (has === undefined) checkWorker(stream.config, config, configsOf(connection, name))
      const consumer = has ?? new MemoryConsumer(stream, config, (advisory) => void connection.send(advisory))
      consumers.set(config.name, consumer)
      return consumer.info
    },
    async update(stream, name, changes) {
      const consumer = find(stream, name)
      const {subjects} = findStream(connection, stream).stream.config
      const config = consumerConfig(changedConsumer(consumer.config, changes), subjects)
      checkConsumerChange(url, consumer.config, config)
      checkWorker(findStream(connection, stream).stream.config, config, configsOf(connection, stream))
      consumer.change(config)
      findStream(connection, stream).stream.sweep()
      return consumer.info
    },
    async pause(stream, name, untilMs) {
      const consumer = find(stream, name)
      consumer.pause(untilMs)
      return consumer.info
    },
    async unpin(stream, name, group) {
      find(stream, name)
      throw noGroup(name, group)
    },
    info: async (stream, consumer) => find(stream, consumer).info,
    async list(stream) {
      return [...findStream(connection, stream).consumers.values()].map(({info}) => info).sort(byName)
    },
    async remove(stream, consumer) {
      const removed = find(stream, consumer)
      const entry = findStream(connection, stream)
      entry.consumers.delete(consumer)
      entry.stream.sweep()
      removed.remove(new BusError('notFound', `the consumer ${consumer} of the stream ${stream} on ${url} was removed`))
    },
    async reset(stream, consumer, to) {
      const moved = find(stream, consumer)
      if (moved.members.size > 0) throw consumerInUse(url, stream, consumer)
      moved.reset(to)
      findStream(connection, stream).stream.sweep()
      return moved.info
    },
    failures: async (stream, consumer, afterSeq) => find(stream, consumer).failures(afterSeq),
    async forget(stream, consumer, seqs) {
      find(stream, consumer).forget(seqs)
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

/** The configurations of the consumers of a stream. */
function configsOf(connection: MemoryConnection, stream: string): ConsumerConfig[] {
  return [...findStream(connection, stream).consumers.values()].map(({config}) => config)
}

function findStream(connection: MemoryConnection, name: string): StreamEntry {
  connection.check()
  const found = connection.streams.get(name)
  if (found === undefined) throw noStream(connection.url, name)
  return found
}

function infoOf({stream, consumers}: StreamEntry): StreamInfo {
  return stream.info(consumers.size)
}

function found(stream: MemoryStream, look: (stream: MemoryStream) => Message | undefined, which: string): Message {
  const message = look(stream)
  if (message === undefined) throw noMessage(stream.url, stream.config.name, which)
  return message
}

function byName(one: {readonly config: {readonly name: string}}, other: typeof one): number {
  return one.config.name < other.config.name ? -1 : 1
}

/** Each message is stored immediately; its acknowledgement follows asynchronously, as on the other buses. */
class MemoryPublisher extends PublishWindow {
  readonly #store: (message: Outgoing) => Stored | BusError

  /** `store` throws `usage` for an invalid message. */
  constructor(url: string, store: (message: Outgoing) => Stored | BusError, options: PublisherOptions) {
    super(url, options)
    this.#store = store
  }

  protected send(message: Outgoing, index: number): void {
    const outcome = this.#store(message)
    queueMicrotask(() => this.settle(index, outcome))
  }
}
