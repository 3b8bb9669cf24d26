/**
 * Brings streams of a backup back. Messages are published with acknowledgements, in their order and without headers of ours: what is there
 * already is compared with the backup, message by message, so that a run after an interruption continues where the earlier one
 * ended, and no message is stored twice. A consumer is created when all messages up to its ack floor are stored, and starts there.
 */
import {BusError, interruptedError} from '../../core/errors.ts'
import {type Headers, headerOf, type Message, type Outgoing} from '../../core/message.ts'
import {reworded} from '../../core/rewording.ts'
import {shellWord} from '../../core/text/shell-word.ts'
import type {Subscription, Transport} from '../../transport/contract.ts'
import {ownNames} from '../../transport/shared/stream-settings.ts'
import {
  type StreamChanges,
  type StreamInfo,
  type StreamPublisher,
  type StreamSettings,
  storeHeaders,
  unlessMissing,
} from '../../transport/streams-contract.ts'
import {asCopied} from '../replay/copy-storage.ts'
import {type SavedStream, verifyBackup} from './backup.ts'
import {readBackup, type SavedConsumer, type StreamHead} from './format.ts'
import {type SavedMessage, SavedRecords} from './saved-records.ts'
import {settingsOfConsumer, usable} from './settings.ts'

/** Bytes of large payloads in flight: the publisher limits only the number of messages. */
const mostBytes = 4 * 1024 * 1024
const largeBytes = 4 * 1024
const pageSize = 1024

export interface RestoreOptions {
  /** The name of the stream, if the backup has only one. */
  readonly as?: string | undefined
  /** What is put before each subject. */
  readonly prefix?: string | undefined
  /** Add the messages to a stream that has others. */
  readonly append: boolean
  /** Leave out what the bus cannot do. */
  readonly skipUnsupported: boolean
  readonly obeyHeaders: boolean
  readonly signal: AbortSignal
  readonly say: (line: string) => void
  readonly onStart?: ((messages: number) => void) | undefined
  /** Called with the number of messages that the bus has so far. */
  readonly onProgress?: ((messages: number) => void) | undefined
}

/** A stream that was brought back. */
export interface RestoredStream {
  readonly stream: string
  readonly created: boolean
  /** Messages stored by this run, and those that were there before. */
  readonly messages: number
  readonly alreadyThere: number
  /** The consumers that were created. */
  readonly consumers: readonly string[]
}

/**
 * Restores all streams of a file, whose hash is checked first. Fails as `verifyBackup` does, with `usage` for a stream that has other
 * messages, and as `Streams.add` and `Streams.publish` do.
 */
export async function restore(
  bus: Transport,
  path: string,
  options: RestoreOptions,
): Promise<readonly RestoredStream[]> {
  const {streams, messages, sha256} = await verifyBackup(path, options.signal)
  if (options.as !== undefined && streams.length !== 1)
    throw new BusError('usage', `${path} has ${streams.length} streams: only one can get another name`)
  options.onStart?.(messages)
  const restored: RestoredStream[] = []
  let before = 0
  let current: StreamRestore | undefined
  try {
    for await (const part of readBackup(path)) {
      if (part.kind === 'stream') {
        const saved = streams.find(({stream}) => stream === part.stream.stream)
        current = await StreamRestore.begin(bus, {head: part.stream, saved, sha256, path}, options)
      }
      if (part.kind === 'records' && current !== undefined) {
        await current.records(new SavedRecords(path, part.records))
        options.onProgress?.(before + current.count)
      }
      if (part.kind === 'end' && current !== undefined) {
        restored.push(await current.end())
        before += current.count
        current = undefined
      }
      if (part.kind === 'total' && part.total.sha256 === sha256 && part.isWhole) return restored
    }
    throw new BusError('expectation', `${path} changed while it was restored`)
  } catch (error) {
    throw current === undefined ? error : current.failure(error)
  } finally {
    await current?.close()
  }
}

interface Source {
  readonly head: StreamHead
  readonly saved: SavedStream | undefined
  readonly sha256: string
  readonly path: string
}

class StreamRestore {
  readonly #bus: Transport
  readonly #info: StreamInfo
  readonly #source: Source
  readonly #options: RestoreOptions
  readonly #publisher: StreamPublisher
  readonly #isNew: boolean
  /** The messages that were there, as long as there are any. */
  #existing: ExistingMessages | undefined
  /** With `append`: the last sequence of the backup that an earlier run stored. */
  #appended = 0
  readonly #consumers: SavedConsumer[]
  readonly #created: string[] = []
  /** The lowest ack floor of the consumers that are not created yet. */
  #floor: number
  #alreadyThere = 0
  #pushed = 0
  #bytes = 0

  static async begin(bus: Transport, source: Source, options: RestoreOptions): Promise<StreamRestore> {
    const settings = wantedSettings(bus, source, options)
    const found = await infoOf(bus, settings.name)
    const info = found ?? (await bus.streams.add(settings))
    for (const subject of settings.subjects ?? []) await mustStore(bus, settings.name, subject)
    const run = new StreamRestore(bus, source, info, options, found === undefined)
    if (found !== undefined && info.state.messages > 0) await run.#look()
    return run
  }

  // biome-ignore lint/complexity/useMaxParams: only `begin` calls it
  private constructor(bus: Transport, source: Source, info: StreamInfo, options: RestoreOptions, isNew: boolean) {
    this.#bus = bus
    this.#source = source
    this.#info = info
    this.#options = options
    this.#isNew = isNew
    this.#publisher = bus.streams.publisher({signal: options.signal})
    this.#consumers = [...source.head.consumers].sort((a, b) => a.ackFloor - b.ackFloor)
    this.#floor = this.#consumers[0]?.ackFloor ?? Infinity
  }

  /** Messages of the backup that the stream has. */
  get count(): number {
    return this.#alreadyThere + this.#pushed
  }

  async records(records: SavedRecords): Promise<void> {
    const {signal, append} = this.#options
    if (signal.aborted) throw interruptedError()
    for (let saved = records.next(); saved !== undefined; saved = records.next()) {
      const there = this.#existing === undefined ? undefined : await this.#nextExisting()
      if (saved.seq > this.#floor) await this.#addConsumers(saved.seq, there?.seq)
      if (append ? saved.seq <= this.#appended : there !== undefined) {
        if (there !== undefined) this.#compare(saved, there)
        this.#alreadyThere++
        continue
      }
      const room = this.#push(saved, records)
      if (room !== undefined) await room
    }
  }

  /** Creates the remaining consumers, and applies what would have been in the way. */
  async end(): Promise<RestoredStream> {
    await this.#publisher.flush()
    const newer = await this.#nextExisting()
    await this.#addConsumers(Infinity, newer?.seq)
    const {name} = this.#info.config
    const held = this.#options.append || this.#info.config.sealed ? {} : heldBack(this.#source.head.config)
    if (Object.keys(held).length > 0) await this.#bus.streams.update(name, held)
    await this.close()
    const [messages, alreadyThere] = [this.#pushed, this.#alreadyThere]
    return {stream: name, created: this.#isNew, messages, alreadyThere, consumers: this.#created}
  }

  async #nextExisting(): Promise<Message | undefined> {
    const next = await this.#existing?.next()
    if (next !== undefined) return next
    await this.#existing?.close()
    this.#existing = undefined
    return undefined
  }

  async close(): Promise<void> {
    await this.#existing?.close()
    await this.#publisher[Symbol.asyncDispose]()
  }

  /** Says how to continue. */
  failure(error: unknown): unknown {
    if (!(error instanceof BusError) || ['usage', 'expectation'].includes(error.kind)) return error
    const {acknowledged} = this.#publisher
    const messages = acknowledged + this.#alreadyThere
    const sentence = `${error.message}; ${this.#info.config.name} has ${messages} of the messages: the same command continues`
    return reworded(error, sentence, {stream: this.#info.config.name, messages})
  }

  async #look(): Promise<void> {
    const {name} = this.#info.config
    const reading = await this.#bus.streams.read(name, {
      signal: this.#options.signal,
      withoutPayload: this.#options.append,
    })
    this.#existing = new ExistingMessages(reading)
    if (!this.#options.append) return
    const prefix = this.#idPrefix
    for (let message = await this.#existing.next(); message !== undefined; message = await this.#existing.next()) {
      const id = headerOf(message.headers, storeHeaders.msgId)
      if (id?.startsWith(prefix)) this.#appended = Math.max(this.#appended, Number(id.slice(prefix.length)))
    }
    await this.#existing.close()
    this.#existing = undefined
  }

  get #idPrefix(): string {
    const {sha256, head} = this.#source
    return `${sha256.slice(0, 22)}/${head.stream}/`
  }

  #compare(saved: SavedMessage, there: Message): void {
    const {prefix = ''} = this.#options
    const isSame =
      there.subject === prefix + saved.subject &&
      samePayload(saved.data ?? '', there.payload) &&
      sameHeaders(this.#headers(saved), there.headers)
    if (isSame) return
    const {name} = this.#info.config
    const {url} = this.#bus
    throw new BusError('usage', `stream ${name} of ${url} has other messages than the backup: #${there.seq} differs`, {
      data: {seq: there.seq, backupSeq: saved.seq},
      try: [
        '--as NAME with --prefix TEXT, to restore it beside this one',
        `bus stream info ${shellWord(name)}`,
        '--append, to add the messages to the others',
      ],
    })
  }

  #push(saved: SavedMessage, {line}: SavedRecords): Promise<void> | undefined {
    const {prefix = '', append} = this.#options
    const headers = this.#headers(saved)
    const message: Outgoing = {
      subject: prefix === '' ? saved.subject : prefix + saved.subject,
      data: saved.data,
      headers: append ? [[storeHeaders.msgId, this.#idPrefix + saved.seq], ...headers] : headers,
    }
    const room = this.#publish(message, line)
    this.#pushed++
    const size = saved.data?.length ?? 0
    if (size < largeBytes) return room
    this.#bytes += size
    if (this.#bytes < mostBytes) return room
    this.#bytes = 0
    return this.#publisher.flush()
  }

  #publish(message: Outgoing, line: number): Promise<void> | undefined {
    try {
      return this.#publisher.push(message)
    } catch (error) {
      throw error instanceof BusError ? reworded(error, `${this.#source.path}, line ${line}: ${error.message}`) : error
    }
  }

  #headers({headers = []}: SavedMessage): Headers {
    return headers.length === 0 ? headers : asCopied(headers, this.#options)
  }

  /** Creates the consumers that acknowledged everything before a sequence of the backup; `next` is the message that has it now. */
  async #addConsumers(seq: number, next: number | undefined): Promise<void> {
    if (this.#consumers.length === 0) return
    await this.#publisher.flush()
    const last = Math.max(this.#info.state.lastSeq, this.#publisher.last?.seq ?? 0)
    for (;;) {
      const [consumer] = this.#consumers
      if (consumer === undefined || consumer.ackFloor >= seq) break
      this.#consumers.shift()
      await this.#addConsumer(consumer, next ?? last + 1)
    }
    this.#floor = this.#consumers[0]?.ackFloor ?? Infinity
  }

  async #addConsumer({config, pausedUntil, ackPending}: SavedConsumer, seq: number): Promise<void> {
    const {name} = config
    const {config: stream, state} = this.#info
    const {consumers} = this.#bus.streams
    const {say, prefix = ''} = this.#options
    if ((await consumers.info(stream.name, name).catch(unlessMissing)) !== undefined)
      return say(`consumer ${name} of ${stream.name} exists, and was left as it is`)
    const isFirst = seq <= Math.max(1, state.firstSeq) || stream.retention === 'workqueue'
    const wanted = settingsOfConsumer(config, isFirst ? 'all' : {seq})
    const filters = wanted.filters?.map((filter) => prefix + filter)
    const settings = usable(this.#bus, `consumer ${name} of ${stream.name}`, {...wanted, filters}, this.#options)
    await consumers.add(stream.name, settings)
    if (pausedUntil !== undefined && pausedUntil > Date.now()) await consumers.pause(stream.name, name, pausedUntil)
    if (ackPending > 0) say(`consumer ${name} of ${stream.name} delivers again what it had in flight`)
    this.#created.push(name)
  }
}

/** The messages of a stream, in pages. */
class ExistingMessages {
  readonly #reading: Subscription
  #page: readonly Message[] = []
  #at = 0

  constructor(reading: Subscription) {
    this.#reading = reading
  }

  async next(): Promise<Message | undefined> {
    if (this.#at === this.#page.length) {
      this.#page = await this.#reading.take(pageSize)
      this.#at = 0
    }
    return this.#page[this.#at++]
  }

  close(): Promise<void> {
    return this.#reading.close()
  }
}

/** The options of a stream that would be in the way while its messages are stored. */
const inTheWay = ['no_ack', 'republish']
/** Those that would bring other messages, or the same ones again. */
const ofOrigins = ['mirror', 'sources', 'subject_transform']

function wantedSettings(bus: Transport, {head, saved}: Source, options: RestoreOptions): StreamSettings {
  const {as, prefix = '', say} = options
  const {sealed: _, retention, other = {}, ...settings} = ownNames(head.config)
  const name = as ?? head.stream
  const origins = ofOrigins.filter((option) => option in other)
  if (origins.length > 0) say(`stream ${name} is restored without its ${origins.join(', ')}`)
  const kept = Object.entries(other).filter(([option]) => ![...inTheWay, ...ofOrigins].includes(option))
  const subjects = [...head.config.subjects, ...(saved?.otherSubjects ?? [])].map((subject) => prefix + subject)
  const wanted = {
    ...settings,
    ...(retention === 'workqueue' && {retention}),
    name,
    subjects: subjects.length > 0 ? subjects : undefined,
    ...(kept.length > 0 && {other: Object.fromEntries(kept)}),
  }
  return usable(bus, `stream ${name}`, wanted, options)
}

/** Settings that are restored last. With retention interest, the stream would not store messages before it has consumers. */
function heldBack({sealed, retention, other = {}}: StreamInfo['config']): StreamChanges {
  const held = Object.entries(other).filter(([option]) => inTheWay.includes(option))
  return {
    ...(sealed && {sealed}),
    ...(retention === 'interest' && {retention}),
    ...(held.length > 0 && {other: Object.fromEntries(held)}),
  }
}

/** Fails with `usage` if messages of these subjects would be stored elsewhere, or nowhere. */
async function mustStore(bus: Transport, stream: string, pattern: string): Promise<void> {
  const streams = await bus.streams.keeping(pattern)
  const other = streams.find((name) => name !== stream)
  if (other !== undefined)
    throw new BusError('usage', `stream ${other} of ${bus.url} stores ${pattern} too`, {try: ['--prefix TEXT']})
  if (streams.length === 0)
    throw new BusError('usage', `stream ${stream} of ${bus.url} does not store ${pattern}`, {
      try: [`bus stream edit ${shellWord(stream)} SUBJECTS`],
    })
}

function infoOf(bus: Transport, name: string): Promise<StreamInfo | undefined> {
  return bus.streams.info(name).catch(unlessMissing)
}

function samePayload(one: string | Uint8Array, other: string | Uint8Array): boolean {
  if (typeof one === 'string' && typeof other === 'string') return one === other
  return Buffer.from(one as Uint8Array).equals(Buffer.from(other as Uint8Array))
}

function sameHeaders(one: Headers, other: Headers): boolean {
  return (
    one.length === other.length && one.every(([name, value], at) => name === other[at]?.[0] && value === other[at][1])
  )
}
