/**
 * What streams do with a batch of messages, within the publisher's transaction: who takes a message, who refuses it, and
 * the counters, which are written once a batch. What is refused, or is there already, is stored as if no stream kept its
 * subject: whoever subscribes sees it, as on NATS, and after an hour it is gone.
 */
import type {BusError} from '../../../core/errors.ts'
import {type Headers, headerOf, type Outgoing, sizeOf} from '../../../core/message.ts'
import {refused} from '../../shared/stream-errors.ts'
import {type Stored, storeHeaders} from '../../streams-contract.ts'
import type {Db} from '../file.ts'
import type {Catalogue, Kept, State} from './catalogue.ts'
import type {Limits} from './limits.ts'

/** What became of a message, for who asked; undefined when no stream keeps its subject. */
export type Outcome = Stored | BusError | undefined

interface Tally {
  readonly stream: Kept
  readonly sid: number
  readonly first: number
  last: number
  messages: number
  bytes: number
  readonly width: number
}

type Mutable<T> = {-readonly [K in keyof T]: T[K]}

interface Batch {
  /** Microseconds. */
  readonly ts: number
  readonly states: Map<Kept, Mutable<State>>
  readonly tallies: Map<number, Tally>
}

export class Intake {
  readonly #catalogue: Catalogue
  readonly #limits: Limits
  readonly #db: Db
  #prepared: ReturnType<typeof prepare> | undefined
  #batch: Batch = {ts: 0, states: new Map(), tallies: new Map()}

  constructor(db: Db, catalogue: Catalogue, limits: Limits) {
    this.#db = db
    this.#catalogue = catalogue
    this.#limits = limits
  }

  get #statements() {
    this.#prepared ??= prepare(this.#db)
    return this.#prepared
  }

  begin(ts: number): void {
    this.#batch = {ts, states: new Map(), tallies: new Map()}
  }

  /** Counts messages of one subject without headers that an open stream takes, stored from `first` on. */
  takeAll(stream: Kept, sid: number, first: number, messages: readonly Outgoing[]): void {
    const subject = messages[0]?.subject ?? ''
    const tally = this.#tally(stream, sid, first, subject)
    let bytes = tally.width * messages.length
    for (const {data} of messages) bytes += sizeOf(data)
    tally.bytes += bytes
    tally.messages += messages.length
    tally.last = first + messages.length - 1
    this.#stored(this.#state(stream), tally.last, messages.length, bytes, '')
    if (stream.config.maxMsgsPerSubject === undefined) return
    for (let i = 0; i < messages.length; i++) this.#statements.keep.run(sid, first + i)
  }

  /** Has the stream take a message as `seq`, or says why it does not. `headers` as they are stored. */
  take(stream: Kept, sid: number, seq: number, message: Outgoing, headers: string | null): Outcome {
    const {config} = stream
    const state = this.#state(stream)
    const id = message.headers === undefined ? undefined : headerOf(message.headers, storeHeaders.msgId)
    const known = id === undefined || id === '' ? undefined : this.#seen(stream, id)
    if (message.headers !== undefined) {
      const expected = headerOf(message.headers, storeHeaders.expectedStream)
      if (expected !== undefined && expected !== config.name)
        return refusal(stream, 10060, 'expected stream does not match')
      if (known !== undefined) return {stream: config.name, seq: known, duplicate: true}
      const wrong = this.#unexpected(stream, state, sid, message.headers)
      if (wrong !== undefined) return wrong
    }
    const tally = this.#tally(stream, sid, seq, message.subject)
    const bytes = sizeOf(message.data) + (headers === null ? 0 : Buffer.byteLength(headers)) + tally.width
    const full = stream.isOpen ? undefined : refuse(stream, state, message, bytes)
    if (full !== undefined) return full
    tally.messages++
    tally.bytes += bytes
    tally.last = seq
    this.#stored(state, seq, 1, bytes, id ?? '')
    if (id !== undefined && id !== '') this.#remember(stream, id, seq)
    if (config.maxMsgsPerSubject !== undefined) this.#statements.keep.run(sid, seq)
    return {stream: config.name, seq, duplicate: false}
  }

  /** Writes the counters, and removes what is now over a limit. */
  finish(): void {
    const {states, tallies} = this.#batch
    if (states.size === 0) return
    for (const {stream, sid, first, last, messages, bytes, width} of tallies.values()) {
      if (messages > 0) this.#statements.count.run(sid, stream.id, first, last, messages, bytes, width)
    }
    for (const [stream, state] of states) this.#limits.write(stream, state)
    for (const {stream, sid, messages} of tallies.values()) {
      const {maxMsgsPerSubject} = stream.config
      if (messages > 0 && maxMsgsPerSubject !== undefined) this.#limits.keepLast(stream, sid, maxMsgsPerSubject)
    }
    for (const [stream] of states) this.#limits.enforce(stream)
  }

  #state(stream: Kept): Mutable<State> {
    let state = this.#batch.states.get(stream)
    if (state === undefined) {
      state = {...this.#catalogue.state(stream)}
      this.#batch.states.set(stream, state)
    }
    return state
  }

  #tally(stream: Kept, sid: number, first: number, subject: string): Tally {
    const known = this.#batch.tallies.get(sid)
    if (known !== undefined && known.messages > 0) return known
    const tally = {stream, sid, first, last: 0, messages: 0, bytes: 0, width: Buffer.byteLength(subject)}
    this.#batch.tallies.set(sid, tally)
    return tally
  }

  #stored(state: Mutable<State>, last: number, messages: number, bytes: number, mid: string): void {
    state.last = last
    state.ts = this.#batch.ts
    state.mid = mid
    state.stored += messages
    state.messages += messages
    state.bytes += bytes
  }

  #seen(stream: Kept, id: string): number | undefined {
    if (stream.config.dedupeMs === 0) return undefined
    return this.#statements.seen.get(stream.id, id, this.#batch.ts) as number | undefined
  }

  #remember(stream: Kept, id: string, seq: number): void {
    const {dedupeMs} = stream.config
    if (dedupeMs > 0) this.#statements.remember.run(stream.id, id, seq, this.#batch.ts + dedupeMs * 1000)
  }

  #unexpected(stream: Kept, state: State, sid: number, headers: Headers): BusError | undefined {
    const ofSubject = headerOf(headers, storeHeaders.expectedLastSubjectSeq)
    if (ofSubject !== undefined) {
      const tally = this.#batch.tallies.get(sid)
      const last = tally !== undefined && tally.messages > 0 ? tally.last : (this.#statements.held.get(sid) ?? 0)
      if (last !== Number(ofSubject)) return refusal(stream, 10071, `wrong last sequence: ${last}`)
    }
    const seq = headerOf(headers, storeHeaders.expectedLastSeq)
    if (seq !== undefined && state.last !== Number(seq)) {
      return refusal(stream, 10071, `wrong last sequence: ${state.last}`)
    }
    const id = headerOf(headers, storeHeaders.expectedLastMsgId)
    if (id !== undefined && state.mid !== id) return refusal(stream, 10070, `wrong last msg ID: ${state.mid}`)
    return undefined
  }
}

/** A limit that the message would break. */
function refuse(stream: Kept, state: State, message: Outgoing, bytes: number): BusError | undefined {
  const {maxMsgSize, maxMsgs, maxBytes, discard} = stream.config
  if (maxMsgSize !== undefined && wireSize(message) > maxMsgSize) {
    return refusal(stream, 10054, 'message size exceeds maximum allowed')
  }
  if (discard === 'old') return undefined
  if (maxMsgs !== undefined && state.messages >= maxMsgs) return refusal(stream, 10077, 'maximum messages exceeded')
  if (maxBytes !== undefined && state.bytes + bytes > maxBytes) return refusal(stream, 10077, 'maximum bytes exceeded')
  return undefined
}

/** Payload and headers as NATS would count them. */
function wireSize({data, headers = []}: Outgoing): number {
  let size = sizeOf(data)
  if (headers.length > 0) size += 14
  for (const [name, value] of headers) size += Buffer.byteLength(name) + Buffer.byteLength(value) + 4
  return size
}

function refusal({url, config}: Kept, code: number, text: string): BusError {
  return refused(url, config.name, code, text)
}

/** Only when there is a stream: a file without any does not pay for it. */
function prepare(db: Db) {
  return {
    held: db.prepare('SELECT last FROM held WHERE sid = ?').pluck(),
    count: db.prepare(
      `INSERT INTO held(sid, stream, first, last, messages, bytes, width) VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT(sid) DO UPDATE SET last = excluded.last, messages = messages + excluded.messages,
                                        bytes = bytes + excluded.bytes`,
    ),
    keep: db.prepare('INSERT INTO kept(sid, seq) VALUES (?, ?)'),
    seen: db.prepare('SELECT seq FROM dedup WHERE stream = ? AND mid = ? AND until >= ?').pluck(),
    remember: db.prepare(
      `INSERT INTO dedup(stream, mid, seq, until) VALUES (?, ?, ?, ?)
         ON CONFLICT(stream, mid) DO UPDATE SET seq = excluded.seq, until = excluded.until`,
    ),
  }
}
