/** One stream: its messages in order, and the checks and limits by which they come and go. */
import type {BusError} from '../../core/errors.ts'
import {Message, sizeOf} from '../../core/message.ts'
import {matches} from '../../core/subject.ts'
import {refused} from '../shared/stream-errors.ts'
import {
  type PurgeOptions,
  type Start,
  type Stored,
  type StreamConfig,
  type StreamInfo,
  storeHeaders,
} from '../streams-contract.ts'
import type {MemoryConsumer} from './consumer.ts'

/** A message of a stream, with its place in it. */
export interface Kept {
  readonly seq: number
  readonly message: Message
  readonly bytes: number
}

export type Wanted = (kept: Kept) => boolean

export class MemoryStream {
  readonly #url: string
  readonly config: StreamConfig
  readonly created = Date.now()
  readonly consumers = new Map<string, MemoryConsumer>()
  /** Told of each change; with an error when the stream is removed. */
  readonly watchers = new Set<(failure?: BusError) => void>()
  #kept: Kept[] = []
  #bytes = 0
  #lastSeq = 0
  #ids = new Map<string, {readonly seq: number; readonly timeMs: number}>()
  #lastId = ''

  constructor(url: string, config: StreamConfig) {
    this.#url = url
    this.config = config
  }

  get lastSeq(): number {
    return this.#lastSeq
  }

  get info(): StreamInfo {
    const all = this.#all()
    return {
      config: this.config,
      created: this.created,
      state: {
        messages: all.length,
        bytes: this.#bytes,
        firstSeq: all[0]?.seq ?? this.#lastSeq + 1,
        lastSeq: this.#lastSeq,
        firstTime: all[0]?.message.time,
        lastTime: all.at(-1)?.message.time,
        subjects: this.subjects().size,
        consumers: this.consumers.size,
      },
    }
  }

  keeps(subject: string): boolean {
    return this.config.subjects.some((pattern) => matches(pattern, subject))
  }

  /** Fails with `remote` when the message or a limit forbids it. */
  store(message: Message): Stored {
    const all = this.#all()
    const timeMs = Date.now()
    const id = message.header(storeHeaders.msgId) || undefined
    const known = id === undefined ? undefined : this.#ids.get(id)
    this.#expect(message, storeHeaders.expectedStream, this.config.name, 10060, 'expected stream does not match')
    if (known !== undefined && timeMs - known.timeMs < this.config.dedupeMs)
      return {stream: this.config.name, seq: known.seq, duplicate: true}
    this.#checkExpected(message)
    const seq = this.#lastSeq + 1
    const {subject, payload, headers} = message
    const size = sizeOf(payload) + headers.reduce((sum, [name, value]) => sum + sizeOf(name) + sizeOf(value) + 4, 0)
    const bytes = size + sizeOf(subject)
    this.#checkRoom(size, bytes)
    all.push({seq, message: new Message(subject, payload, headers, undefined, seq, timeMs), bytes})
    this.#bytes += bytes
    this.#lastSeq = seq
    this.#lastId = id ?? ''
    if (id !== undefined) this.#remember(id, seq, timeMs)
    this.#makeRoom(subject)
    this.#tell()
    return {stream: this.config.name, seq, duplicate: false}
  }

  get(seq: number): Message | undefined {
    const kept = this.#all()[this.#placeOf(seq)]
    return kept?.seq === seq ? kept.message : undefined
  }

  last(wanted: Wanted): Message | undefined {
    return this.#all().findLast(wanted)?.message
  }

  /** Up to `max` messages from a sequence on, up to and including another. */
  next(seq: number, lastSeq: number, max: number, wanted: Wanted): Kept[] {
    const all = this.#all()
    const found: Kept[] = []
    for (let at = this.#placeOf(seq); at < all.length && found.length < max; at++) {
      const kept = all[at]
      if (kept === undefined || kept.seq > lastSeq) break
      if (wanted(kept)) found.push(kept)
    }
    return found
  }

  /** How many messages there are from a sequence on. */
  count(seq: number, wanted?: Wanted): number {
    const all = this.#all()
    if (wanted === undefined) return all.length - this.#placeOf(seq)
    return all.slice(this.#placeOf(seq)).filter(wanted).length
  }

  /** The last message of each subject, in order. */
  lastPerSubject(wanted: Wanted): Kept[] {
    const last = new Map(this.#all().map((kept) => [kept.message.subject, kept]))
    return [...last.values()].filter(wanted).sort((one, other) => one.seq - other.seq)
  }

  /** The sequence where reading begins; the end without a `start`. */
  begin(start: Start | undefined, wanted: Wanted): number {
    const all = this.#all()
    const end = this.#lastSeq + 1
    if (start === undefined) return end
    if ('seq' in start) return start.seq
    if ('timeMs' in start) return all.find(({message}) => message.time >= start.timeMs)?.seq ?? end
    return start.last > 0 ? (all.filter(wanted).slice(-start.last)[0]?.seq ?? end) : end
  }

  subjects(pattern = '>'): Map<string, number> {
    const counts = new Map<string, number>()
    for (const {message} of this.#all()) {
      if (matches(pattern, message.subject)) counts.set(message.subject, (counts.get(message.subject) ?? 0) + 1)
    }
    return counts
  }

  /** Removes messages and answers how many. */
  purge({pattern = '>', beforeSeq = Number.POSITIVE_INFINITY, keep = 0}: PurgeOptions): number {
    const matching = this.#all().filter(({seq, message}) => seq < beforeSeq && matches(pattern, message.subject))
    const gone = new Set(keep > 0 ? matching.slice(0, -keep) : matching)
    this.#replace(this.#kept.filter((kept) => !gone.has(kept)))
    this.#tell()
    return gone.size
  }

  /** Ends all that read it. */
  remove(failure: BusError): void {
    for (const consumer of this.consumers.values()) consumer.remove(failure)
    for (const watcher of [...this.watchers]) watcher(failure)
  }

  #tell(): void {
    for (const watcher of [...this.watchers]) watcher()
  }

  /** What is there, without what has grown too old. */
  #all(): Kept[] {
    const {maxAgeMs} = this.config
    const oldest = maxAgeMs === undefined ? 0 : Date.now() - maxAgeMs
    if ((this.#kept[0]?.message.time ?? oldest) < oldest)
      this.#replace(this.#kept.filter(({message}) => message.time >= oldest))
    return this.#kept
  }

  #replace(kept: Kept[]): void {
    this.#kept = kept
    this.#bytes = kept.reduce((sum, {bytes}) => sum + bytes, 0)
  }

  /** Where the message with this sequence stands, or the next one that is there. */
  #placeOf(seq: number): number {
    let low = 0
    let high = this.#kept.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#kept[middle]?.seq ?? seq) < seq) low = middle + 1
      else high = middle
    }
    return low
  }

  #checkExpected(message: Message): void {
    const lastOf = this.last((kept) => kept.message.subject === message.subject)?.seq ?? 0
    this.#expect(message, storeHeaders.expectedLastSeq, this.#lastSeq, 10071, `wrong last sequence: ${this.#lastSeq}`)
    this.#expect(message, storeHeaders.expectedLastSubjectSeq, lastOf, 10071, `wrong last sequence: ${lastOf}`)
    this.#expect(message, storeHeaders.expectedLastMsgId, this.#lastId, 10070, `wrong last msg ID: ${this.#lastId}`)
  }

  #expect(message: Message, header: string, actual: string | number, code: number, text: string): void {
    if ((message.header(header) ?? String(actual)) !== String(actual)) throw this.#refusal(code, text)
  }

  #checkRoom(size: number, bytes: number): void {
    const {maxMsgSize = size, discard, maxMsgs, maxBytes} = this.config
    if (size > maxMsgSize) throw this.#refusal(10054, 'message size exceeds maximum allowed')
    if (discard === 'old') return
    if (maxMsgs !== undefined && this.#kept.length >= maxMsgs) throw this.#refusal(10077, 'maximum messages exceeded')
    if (maxBytes !== undefined && this.#bytes + bytes > maxBytes) throw this.#refusal(10077, 'maximum bytes exceeded')
  }

  #makeRoom(subject: string): void {
    const {maxMsgsPerSubject, maxMsgs = Number.POSITIVE_INFINITY, maxBytes = Number.POSITIVE_INFINITY} = this.config
    if (maxMsgsPerSubject !== undefined) this.#drop((kept) => kept.message.subject === subject, maxMsgsPerSubject)
    while (this.#kept.length > maxMsgs || this.#bytes > maxBytes) this.#bytes -= this.#kept.shift()?.bytes ?? 0
  }

  /** Lets the oldest of those that match go until there are so many. */
  #drop(wanted: Wanted, most: number): void {
    const all = this.#kept.filter(wanted)
    const gone = new Set(all.slice(0, Math.max(0, all.length - most)))
    if (gone.size > 0) this.#replace(this.#kept.filter((kept) => !gone.has(kept)))
  }

  #remember(id: string, seq: number, timeMs: number): void {
    for (const [old, known] of this.#ids) {
      if (timeMs - known.timeMs < this.config.dedupeMs) break
      this.#ids.delete(old)
    }
    this.#ids.delete(id)
    this.#ids.set(id, {seq, timeMs})
  }

  #refusal(code: number, text: string): BusError {
    return refused(this.#url, this.config.name, code, text)
  }
}

export function wantedBy(filters: readonly string[]): Wanted {
  if (filters.length === 0) return () => true
  return ({message}) => filters.some((filter) => matches(filter, message.subject))
}
