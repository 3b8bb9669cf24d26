/** One stream: its messages in order, and the checks and limits that apply to them. */
import type {BusError} from '../../core/errors.ts'
import {headerOf, Message, sizeOf} from '../../core/message.ts'
import {matches} from '../../core/subject.ts'
import {storedBatch} from '../shared/batch.ts'
import {brokenLimit, markerHeaders, msgIdOf, rollupOf, ttlOf, unlessExpected, wireSize} from '../shared/expectations.ts'
import type {PurgeOptions, Start, Stored, StoredBatch, StreamConfig, StreamInfo} from '../streams-contract.ts'

/** A stored message with its sequence. */
export interface KeptMessage {
  readonly seq: number
  readonly message: Message
  readonly bytes: number
  /** Unix milliseconds; infinite for a message that never expires, absent for one that only the maximum age of the stream removes. */
  readonly expiresMs?: number | undefined
}

/** What a stream knows about each of its consumers. */
export interface InterestedConsumer {
  wants(subject: string): boolean
  /** Whether it has yet to deliver a message, or to receive its acknowledgement. */
  needs(kept: KeptMessage): boolean
}

export type MessageFilter = (kept: KeptMessage) => boolean

export class MemoryStream {
  readonly url: string
  config: StreamConfig
  readonly #id = crypto.randomUUID()
  readonly created = Date.now()
  /** Called after each change; with an error when the stream is removed. */
  readonly watchers = new Set<(failure?: BusError) => void>()
  #kept: KeptMessage[] = []
  #bytes = 0
  #lastSeq = 0
  #ids = new Map<string, {readonly seq: number; readonly timeMs: number}>()
  #lastId = ''

  readonly #consumers: ReadonlyMap<string, InterestedConsumer>

  constructor(url: string, config: StreamConfig, consumers: ReadonlyMap<string, InterestedConsumer>) {
    this.url = url
    this.config = config
    this.#consumers = consumers
  }

  get lastSeq(): number {
    return this.#lastSeq
  }

  info(consumers: number): StreamInfo {
    const all = this.#all()
    return {
      id: this.#id,
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
        consumers,
      },
    }
  }

  keeps(subject: string): boolean {
    return this.config.subjects.some((pattern) => matches(pattern, subject))
  }

  /** Stores a message, unless it is a duplicate, an expectation fails, or a limit forbids it. */
  store(message: Message): Stored | BusError {
    const outcome = this.#store(message)
    this.#notify()
    return outcome
  }

  /** Stores all messages of a batch, or none. */
  storeBatch(batch: readonly Message[]): StoredBatch {
    const before = {
      kept: [...this.#kept],
      bytes: this.#bytes,
      seq: this.#lastSeq,
      ids: new Map(this.#ids),
      id: this.#lastId,
    }
    try {
      const outcomes = batch.map((message) => this.#store(message, true))
      return storedBatch(this.url, this.config, batch, (index) => outcomes[index])
    } catch (error) {
      ;({kept: this.#kept, bytes: this.#bytes, seq: this.#lastSeq, ids: this.#ids, id: this.#lastId} = before)
      throw error
    } finally {
      this.#notify()
    }
  }

  #store(message: Message, isInBatch = false): Stored | BusError {
    const all = this.#all()
    const timeMs = Date.now()
    const {subject, payload, headers} = message
    const unexpected = unlessExpected(headers, {
      ...{url: this.url, config: this.config, subject, lastSeq: this.#lastSeq, lastId: this.#lastId, isInBatch},
      lastOfSubject: () => this.#all().findLast((kept) => kept.message.subject === subject)?.seq ?? 0,
      seqOf: (id) => this.#seqOf(id, timeMs),
    })
    if (unexpected !== undefined) return unexpected
    const bytes = wireSize({subject, data: payload, headers}) + sizeOf(subject)
    const full = brokenLimit(this, {subject, data: payload, headers}, bytes, {
      ...{messages: all.length, bytes: this.#bytes},
      ofSubject: () => all.filter((kept) => kept.message.subject === subject).length,
    })
    if (full !== undefined) return full
    const rollup = this.config.allowRollup ? rollupOf(headers) : undefined
    if (rollup !== undefined)
      this.#replace(rollup === 'all' ? [] : all.filter((kept) => kept.message.subject !== subject))
    const seq = ++this.#lastSeq
    const id = msgIdOf(headers)
    this.#lastId = id ?? ''
    if (id !== undefined) this.#remember(id, seq, timeMs)
    const isWanted = this.config.retention !== 'interest' || this.#some((consumer) => consumer.wants(subject))
    if (!isWanted) return {stream: this.config.name, seq, duplicate: false}
    this.#keep(new Message(subject, payload, headers, undefined, seq, timeMs), bytes)
    this.#makeRoom(subject)
    return {stream: this.config.name, seq, duplicate: false}
  }

  #keep(message: Message, bytes: number): void {
    const {seq = 0, headers, time} = message
    const ttlMs = this.config.allowTtl ? ttlOf(headers, this.config) : undefined
    this.#kept.push({seq, message, bytes, ...(ttlMs !== undefined && {expiresMs: time + ttlMs})})
    this.#bytes += bytes
  }

  /** A consumer is done with these messages. */
  handled(seqs: readonly number[], by: InterestedConsumer): void {
    const {retention} = this.config
    if (retention === 'limits') return
    const done = new Set(seqs)
    const isLeft = (kept: KeptMessage) =>
      retention === 'interest' && this.#some((consumer) => consumer !== by && consumer.needs(kept))
    this.#replace(this.#kept.filter((kept) => !done.has(kept.seq) || isLeft(kept)))
  }

  /** With retention interest, removes what no consumer needs. */
  sweep(): void {
    if (this.config.retention !== 'interest') return
    this.#replace(this.#kept.filter((kept) => this.#some((consumer) => consumer.needs(kept))))
  }

  #some(is: (consumer: InterestedConsumer) => boolean): boolean {
    return [...this.#consumers.values()].some(is)
  }

  get(seq: number): Message | undefined {
    const kept = this.#all()[this.#placeOf(seq)]
    return kept?.seq === seq ? kept.message : undefined
  }

  last(wanted: MessageFilter): Message | undefined {
    return this.#all().findLast(wanted)?.message
  }

  /** Up to `max` messages from a sequence on, up to and including another. */
  next(seq: number, lastSeq: number, max: number, wanted: MessageFilter): KeptMessage[] {
    const all = this.#all()
    const found: KeptMessage[] = []
    for (let at = this.#placeOf(seq); at < all.length && found.length < max; at++) {
      const kept = all[at]
      if (kept === undefined || kept.seq > lastSeq) break
      if (wanted(kept)) found.push(kept)
    }
    return found
  }

  /** The number of messages from a sequence on. */
  count(seq: number, wanted?: MessageFilter): number {
    const all = this.#all()
    if (wanted === undefined) return all.length - this.#placeOf(seq)
    return all.slice(this.#placeOf(seq)).filter(wanted).length
  }

  /** The last message of each subject, in order. */
  lastPerSubject(wanted: MessageFilter): KeptMessage[] {
    const last = new Map(this.#all().map((kept) => [kept.message.subject, kept]))
    return [...last.values()].filter(wanted).sort((one, other) => one.seq - other.seq)
  }

  /** The sequence at which to start reading; the end without a `start`. */
  begin(start: Start | undefined, wanted: MessageFilter): number {
    const all = this.#all()
    const end = this.#lastSeq + 1
    if (start === undefined) return end
    if ('seq' in start) return Math.min(start.seq, end)
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

  /** Removes messages and returns their number. */
  purge({pattern = '>', beforeSeq = Number.POSITIVE_INFINITY, keep = 0}: PurgeOptions): number {
    const matching = this.#all().filter(({seq, message}) => seq < beforeSeq && matches(pattern, message.subject))
    const gone = new Set(keep > 0 ? matching.slice(0, -keep) : matching)
    this.#replace(this.#kept.filter((kept) => !gone.has(kept)))
    this.#notify()
    return gone.size
  }

  /** Gives it another configuration, and enforces the limits. */
  change(config: StreamConfig): void {
    this.config = config
    for (const subject of this.subjects().keys()) this.#makeRoom(subject)
    this.sweep()
    this.#notify()
  }

  /** Removes one message; false if there is none. */
  erase(seq: number): boolean {
    if (this.get(seq) === undefined) return false
    this.#replace(this.#kept.filter((kept) => kept.seq !== seq))
    this.#notify()
    return true
  }

  /** Ends all reads. */
  remove(failure: BusError): void {
    for (const watcher of [...this.watchers]) watcher(failure)
  }

  #notify(): void {
    for (const watcher of [...this.watchers]) watcher()
  }

  /** The messages that are not too old. */
  #all(): KeptMessage[] {
    const {maxAgeMs = Infinity, allowTtl} = this.config
    const now = Date.now()
    const oldest = now - maxAgeMs
    if (allowTtl || (this.#kept[0]?.message.time ?? oldest) < oldest) {
      const isGone = ({message, expiresMs}: KeptMessage) =>
        (expiresMs !== undefined && expiresMs <= now) || (expiresMs !== Infinity && message.time < oldest)
      const gone = this.#kept.filter(isGone)
      if (gone.length > 0) this.#expire(gone, now)
    }
    return this.#kept
  }

  #expire(gone: readonly KeptMessage[], now: number): void {
    const all = new Set(gone)
    this.#replace(this.#kept.filter((kept) => !all.has(kept)))
    const {markerTtlMs} = this.config
    if (markerTtlMs === undefined) return
    const left = new Set(this.#kept.map(({message}) => message.subject))
    const last = new Map(gone.map(({message}) => [message.subject, message]))
    for (const [subject, {headers}] of last) {
      if (left.has(subject) || headerOf(headers, 'Nats-Marker-Reason') !== undefined) continue
      this.#keep(new Message(subject, '', markerHeaders(markerTtlMs), undefined, ++this.#lastSeq, now), sizeOf(subject))
    }
  }

  #replace(kept: KeptMessage[]): void {
    this.#kept = kept
    this.#bytes = kept.reduce((sum, {bytes}) => sum + bytes, 0)
  }

  /** The index of the message with this sequence, or of the next one. */
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

  #makeRoom(subject: string): void {
    const {maxMsgsPerSubject, maxMsgs = Number.POSITIVE_INFINITY, maxBytes = Number.POSITIVE_INFINITY} = this.config
    if (maxMsgsPerSubject !== undefined) this.#drop((kept) => kept.message.subject === subject, maxMsgsPerSubject)
    while (this.#kept.length > maxMsgs || this.#bytes > maxBytes) this.#bytes -= this.#kept.shift()?.bytes ?? 0
  }

  /** Removes the oldest matching messages until at most `most` remain. */
  #drop(wanted: MessageFilter, most: number): void {
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

  #seqOf(id: string, timeMs: number): number | undefined {
    const known = this.#ids.get(id)
    return known !== undefined && timeMs - known.timeMs < this.config.dedupeMs ? known.seq : undefined
  }
}

export function filterBy(filters: readonly string[]): MessageFilter {
  if (filters.length === 0) return () => true
  return ({message}) => filters.some((filter) => matches(filter, message.subject))
}
