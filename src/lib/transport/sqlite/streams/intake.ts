/**
 * Applies streams to a batch of messages, within the publisher's transaction: which stream stores a message, which refuses it,
 * and the counters, which are written once per batch. Refused messages and duplicates are logged as if no stream stored their
 * subject: subscribers get them, as on NATS, and after an hour they are removed.
 */
import type {BusError} from '../../../core/errors.ts'
import {type Outgoing, sizeOf} from '../../../core/message.ts'
import {matches} from '../../../core/subject.ts'
import {brokenLimit, msgIdOf, rollupOf, ttlOf, unlessExpected} from '../../shared/expectations.ts'
import type {Stored} from '../../streams-contract.ts'
import type {Db} from '../db.ts'
import {RowInserts, type RowShape} from '../row-inserts.ts'
import {storedConsumer} from '../stored-json.ts'
import {Catalogue, type KeptStream, type State} from './catalogue.ts'
import {Limits} from './limits.ts'

/** The outcome for a message; undefined if no stream stores its subject. */
export type StoreOutcome = Stored | BusError | undefined

/** The number of a subject in the file, and the stream that stores it. */
export interface KeptSubject {
  readonly id: number
  readonly stream: KeptStream | undefined
}

/** The streams of a file for publishing and pruning. */
export interface StreamTables {
  readonly catalogue: Catalogue
  readonly limits: Limits
  readonly intake: Intake
}

/** For the bus with this URL. */
export function openStreamTables(url: string, db: Db): StreamTables {
  const catalogue = new Catalogue(url, db)
  const limits = new Limits(db, catalogue)
  return {catalogue, limits, intake: new Intake(db, catalogue, limits)}
}

interface SubjectCount {
  readonly stream: KeptStream
  readonly sid: number
  readonly first: number
  last: number
  messages: number
  bytes: number
  readonly width: number
}

const countRow: RowShape = {
  into: 'held(sid, stream, first, last, messages, bytes, width)',
  row: '(?, ?, ?, ?, ?, ?, ?)',
  values: 7,
  sizes: [32, 8, 1],
  onConflict: `ON CONFLICT(sid) DO UPDATE SET last = excluded.last, messages = messages + excluded.messages,
                                        bytes = bytes + excluded.bytes`,
}
const keptRow: RowShape = {into: 'kept(sid, seq)', row: '(?, ?)', values: 2, sizes: [64, 16, 4, 1]}

type Mutable<T> = {-readonly [K in keyof T]: T[K]}

interface Batch {
  /** Microseconds. */
  readonly ts: number
  readonly isAtomic: boolean
  readonly states: Map<KeptStream, Mutable<State>>
  readonly counts: Map<number, SubjectCount>
  /** Whether a consumer of a stream with retention interest wants a subject, by the number of the stream. */
  readonly wants: Map<number, (subject: string) => boolean>
  /** Messages that no consumer wants: they are acknowledged with a sequence, but are in no stream. */
  readonly unwanted: Set<StoreOutcome>
}

function emptyBatch(ts: number, isAtomic: boolean): Batch {
  return {ts, isAtomic, states: new Map(), counts: new Map(), wants: new Map(), unwanted: new Set()}
}

export class Intake {
  readonly #catalogue: Catalogue
  readonly #limits: Limits
  readonly #db: Db
  readonly #rows: RowInserts
  #prepared: ReturnType<typeof prepare> | undefined
  #batch = emptyBatch(0, false)

  constructor(db: Db, catalogue: Catalogue, limits: Limits) {
    this.#db = db
    this.#catalogue = catalogue
    this.#limits = limits
    this.#rows = new RowInserts(db)
  }

  get #statements() {
    this.#prepared ??= prepare(this.#db)
    return this.#prepared
  }

  begin(ts: number, isAtomic: boolean): void {
    this.#batch = emptyBatch(ts, isAtomic)
  }

  /** Counts messages of one subject without headers that a stream stores without checks, from `first` on. */
  takeAll(stream: KeptStream, sid: number, first: number, messages: readonly Outgoing[]): void {
    const subject = messages[0]?.subject ?? ''
    const count = this.#count(stream, sid, first, subject)
    let bytes = count.width * messages.length
    for (const {data} of messages) bytes += sizeOf(data)
    count.bytes += bytes
    count.messages += messages.length
    count.last = first + messages.length - 1
    const state = this.#state(stream)
    state.mid = ''
    this.#stored(state, count.last, messages.length, bytes)
    if (!stream.isKept) return
    const kept: number[] = []
    for (let i = 0; i < messages.length; i++) kept.push(sid, first + i)
    this.#rows.insert(keptRow, kept)
  }

  /**
   * Stores a message as `seq` in the stream of its subject, if there is one, or returns why it is refused. `headers` in stored
   * form.
   */
  take({stream, id: sid}: KeptSubject, seq: number, message: Outgoing, headers: string | null): StoreOutcome {
    if (stream === undefined) return undefined
    const {config} = stream
    const state = this.#state(stream)
    if (message.headers !== undefined) {
      const unexpected = unlessExpected(message.headers, {
        ...{url: stream.url, config, subject: message.subject, lastSeq: state.last, lastId: state.mid},
        isInBatch: this.#batch.isAtomic,
        lastOfSubject: () => this.#lastOf(sid),
        seqOf: (id) => this.#seen(stream, id),
      })
      if (unexpected !== undefined) return unexpected
    }
    const bytes = sizeOf(message.data) + Buffer.byteLength(headers ?? '') + Buffer.byteLength(message.subject)
    const full = stream.isOpen ? undefined : this.#broken(stream, sid, message, bytes)
    if (full !== undefined) return full
    const id = message.headers === undefined ? undefined : msgIdOf(message.headers)
    if (config.retention === 'interest' && !this.#isWanted(stream, message.subject))
      return this.#skip(state, stream, seq, id)
    if (headers !== null && config.allowRollup) this.#rollUp(stream, sid, seq, rollupOf(message.headers))
    const count = this.#count(stream, sid, seq, message.subject)
    count.messages++
    count.bytes += bytes
    count.last = seq
    state.mid = id ?? ''
    this.#stored(state, seq, 1, bytes)
    if (id !== undefined) this.#remember(stream, id, seq)
    if (headers !== null && config.allowTtl) this.#limitLife(stream, seq, ttlOf(message.headers, config))
    if (stream.isKept) this.#statements.keep.run(sid, seq)
    return {stream: config.name, seq, duplicate: false}
  }

  /** Whether a message with this outcome is in its stream. */
  isKept(outcome: StoreOutcome): boolean {
    return outcome !== undefined && 'seq' in outcome && !outcome.duplicate && !this.#batch.unwanted.has(outcome)
  }

  #isWanted({id}: KeptStream, subject: string): boolean {
    let isWanted = this.#batch.wants.get(id)
    if (isWanted === undefined) {
      const rows = this.#statements.consumers.all(id) as string[]
      const filters = rows.map((text) => storedConsumer(text).filters)
      isWanted = (name) => filters.some((some) => some.length === 0 || some.some((filter) => matches(filter, name)))
      this.#batch.wants.set(id, isWanted)
    }
    return isWanted(subject)
  }

  /** A message that no consumer wants gets a sequence, and is remembered by its message id. */
  #skip(state: Mutable<State>, stream: KeptStream, seq: number, id: string | undefined): Stored {
    const outcome = {stream: stream.config.name, seq, duplicate: false}
    if (state.messages === 0) state.first = seq + 1
    state.last = seq
    state.mid = id ?? ''
    state.ts = this.#batch.ts
    if (id !== undefined) this.#remember(stream, id, seq)
    this.#batch.unwanted.add(outcome)
    return outcome
  }

  #limitLife(stream: KeptStream, seq: number, ttlMs: number | undefined): void {
    if (ttlMs !== undefined) this.#limits.expiry.set(seq, stream, Math.floor(this.#batch.ts / 1000) + ttlMs)
  }

  /** Writes the counters, and removes messages that now exceed a limit. */
  finish(): void {
    const {states, counts} = this.#batch
    if (states.size === 0) return
    const rows: number[] = []
    for (const {stream, sid, first, last, messages, bytes, width} of counts.values()) {
      if (messages > 0) rows.push(sid, stream.id, first, last, messages, bytes, width)
    }
    this.#rows.insert(countRow, rows)
    for (const [stream, state] of states) this.#limits.write(stream, state)
    for (const [stream] of states) {
      const {maxMsgsPerSubject} = stream.config
      if (maxMsgsPerSubject !== undefined)
        this.#limits.keepLastOf(stream, subjectsOf(stream, counts.values()), maxMsgsPerSubject)
      this.#limits.enforce(stream)
    }
  }

  /** The limit that a message would exceed. */
  #broken(stream: KeptStream, sid: number, message: Outgoing, bytes: number): BusError | undefined {
    const {messages, bytes: size} = this.#state(stream)
    const ofSubject = () => {
      const before = this.#batch.counts.get(sid)?.messages ?? 0
      return before + ((this.#statements.messages.get(sid) as number | undefined) ?? 0)
    }
    return brokenLimit(stream, message, bytes, {messages, bytes: size, ofSubject})
  }

  /** Removes what a message replaces: earlier messages of its subject, or all of them. */
  #rollUp(stream: KeptStream, sid: number, seq: number, rollup: 'sub' | 'all' | undefined): void {
    if (rollup === undefined) return
    const state = this.#state(stream)
    const {counts} = this.#batch
    if (rollup === 'sub') {
      const stored = this.#limits.dropSubject(stream, sid)
      const {messages = 0, bytes = 0} = counts.get(sid) ?? {}
      counts.delete(sid)
      state.messages -= stored.messages + messages
      state.bytes -= stored.bytes + bytes
      if (stored.messages + messages > 0) state.holes = 1
      return
    }
    this.#limits.dropAll(stream, state)
    for (const [other, count] of counts) if (count.stream === stream) counts.delete(other)
    Object.assign(state, {first: seq, messages: 0, bytes: 0, holes: 0})
  }

  #state(stream: KeptStream): Mutable<State> {
    let state = this.#batch.states.get(stream)
    if (state === undefined) {
      state = {...this.#catalogue.state(stream)}
      this.#batch.states.set(stream, state)
    }
    return state
  }

  #count(stream: KeptStream, sid: number, first: number, subject: string): SubjectCount {
    const known = this.#batch.counts.get(sid)
    if (known !== undefined && known.messages > 0) return known
    const count = {stream, sid, first, last: 0, messages: 0, bytes: 0, width: Buffer.byteLength(subject)}
    this.#batch.counts.set(sid, count)
    return count
  }

  #stored(state: Mutable<State>, last: number, messages: number, bytes: number): void {
    state.last = last
    state.ts = this.#batch.ts
    state.stored += messages
    state.messages += messages
    state.bytes += bytes
  }

  #seen(stream: KeptStream, id: string): number | undefined {
    if (stream.config.dedupeMs === 0) return undefined
    return this.#statements.seen.get(stream.id, id, this.#batch.ts) as number | undefined
  }

  #remember(stream: KeptStream, id: string, seq: number): void {
    const {dedupeMs} = stream.config
    if (dedupeMs > 0) this.#statements.remember.run(stream.id, id, seq, this.#batch.ts + dedupeMs * 1000)
  }

  #lastOf(sid: number): number {
    const count = this.#batch.counts.get(sid)
    if (count !== undefined && count.messages > 0) return count.last
    return (this.#statements.held.get(sid) as number | undefined) ?? 0
  }
}

function* subjectsOf(stream: KeptStream, counts: Iterable<SubjectCount>): Iterable<number> {
  for (const count of counts) if (count.stream === stream && count.messages > 0) yield count.sid
}

/** Called only if there is a stream, so that a file without streams costs nothing. */
function prepare(db: Db) {
  return {
    held: db.prepare('SELECT last FROM held WHERE sid = ?').pluck(),
    messages: db.prepare('SELECT messages FROM held WHERE sid = ?').pluck(),
    consumers: db.prepare('SELECT config FROM consumer WHERE stream = ?').pluck(),
    keep: db.prepare('INSERT INTO kept(sid, seq) VALUES (?, ?)'),
    seen: db.prepare('SELECT seq FROM dedup WHERE stream = ? AND mid = ? AND until >= ?').pluck(),
    remember: db.prepare(
      `INSERT INTO dedup(stream, mid, seq, until) VALUES (?, ?, ?, ?)
         ON CONFLICT(stream, mid) DO UPDATE SET seq = excluded.seq, until = excluded.until`,
    ),
  }
}
