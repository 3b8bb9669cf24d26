/** Writes a batch of messages to the tables, within the publisher's transaction. */
import type {Outgoing} from '../../core/message.ts'
import {noRespondersHeaders, streamInboxPrefix} from '../shared/outgoing.ts'
import type {FileConnection} from './connection.ts'
import type {Value} from './database.ts'
import {RowInserts, type RowShape} from './row-inserts.ts'
import {inboxOwner, passesBy, storedData, storedHeaders} from './rows.ts'
import type {Intake, KeptSubject, StoreOutcome} from './streams/intake.ts'
import {inboxWakeFile, wakeFileOf} from './wake-files.ts'

const mostInterned = 100_000

interface Interned extends KeptSubject {
  readonly wakeFile: string
}

/** A batch that was written. */
export interface WrittenBatch {
  readonly wakeFiles: Iterable<string>
  /** Requests of this client that nobody serves. */
  readonly unserved: readonly Outgoing[]
  /** The outcome by index in the batch. */
  readonly outcome: (index: number) => StoreOutcome
}

/** A batch that is being written. */
interface Draft {
  /** Microseconds. */
  readonly ts: number
  readonly wakeFiles: Set<string>
  readonly stored: Value[]
  readonly passing: Value[]
  readonly unserved: Outgoing[]
}

const sameRow: RowShape = {into: 'msg(sid, ts, data)', row: '(@sid, @ts, ?)', values: 1, sizes: [64, 16, 4, 1]}
const plainRow: RowShape = {into: 'msg(sid, ts, data)', row: '(?, @ts, ?)', values: 2, sizes: [64, 16, 4, 1]}
const storedRow: RowShape = {
  into: 'msg(sid, ts, reply, hdr, data)',
  row: '(?, ?, ?, ?, ?)',
  values: 5,
  sizes: [32, 4, 1],
}
const passingRow: RowShape = {
  into: 'eph(dst, subject, ts, reply, hdr, data)',
  row: '(?, ?, ?, ?, ?, ?)',
  values: 6,
  sizes: [16, 1],
}

export class BatchWriter {
  readonly #connection: FileConnection
  readonly #interned = new Map<string, Interned>()
  readonly #clock = makeClock()
  readonly #last
  readonly #findSubject
  readonly #rows
  #addSubject: {run(name: string): {lastInsertRowid: number | bigint}} | undefined
  /** The generation of the streams for which the subjects' streams are known; 0 if there has never been a stream. */
  #generation = 0
  #intake: Intake | undefined

  constructor(connection: FileConnection) {
    this.#connection = connection
    const {db} = connection.file
    this.#rows = new RowInserts(db)
    this.#last = db
      .prepare(
        `SELECT max(ifnull((SELECT ts FROM msg ORDER BY seq DESC LIMIT 1), 0),
                    ifnull((SELECT ts FROM eph ORDER BY seq DESC LIMIT 1), 0)),
                ifnull((SELECT max(seq) FROM msg), 0),
                (SELECT v FROM meta WHERE k = 'streams')`,
      )
      .raw()
    this.#findSubject = db.prepare<[name: string], number>('SELECT id FROM subject WHERE name = ?').pluck()
  }

  /** Whether the subject was published before, so that it needs no check. */
  knows(subject: string): boolean {
    return this.#interned.has(subject)
  }

  /** To be called after a failed transaction: the numbers of its new subjects are not in the file. */
  forget(): void {
    this.#interned.clear()
  }

  /** `isAtomic`: the messages are an atomic batch. */
  write(batch: readonly Outgoing[], isAtomic = false): WrittenBatch {
    const [time, end, generation] = this.#last.get() as [number, number, number]
    if (generation !== this.#generation) this.#refresh(generation)
    const ts = Math.max(this.#clock(), time + 1)
    this.#intake?.begin(ts, isAtomic)
    const written = batch.every(isPlain) ? this.#writePlain(batch, ts, end + 1) : this.#writeEach(batch, ts, end + 1)
    this.#intake?.finish()
    return written
  }

  #refresh(generation: number): void {
    const {catalogue, intake} = this.#connection.streams
    catalogue.refresh(generation)
    this.#intake = intake
    this.#generation = generation
    this.#interned.clear()
  }

  /** Writes messages that have only a subject and a payload. */
  #writePlain(batch: readonly Outgoing[], ts: number, first: number): WrittenBatch {
    const subject = batch[0]?.subject ?? ''
    const same = batch.every((message) => message.subject === subject) ? this.#intern(subject) : undefined
    if (same !== undefined && (same.stream === undefined || same.stream.isOpen))
      return this.#writeSame(batch, same, ts, first)
    const wakeFiles = new Set<string>()
    const outcomes: StoreOutcome[] = []
    const values: Value[] = []
    for (const [i, message] of batch.entries()) {
      const interned = this.#intern(message.subject)
      const outcome = this.#intake?.take(interned, first + i, message, null)
      values.push(this.#signed(interned, outcome), storedData(message.data))
      outcomes.push(outcome)
      wakeFiles.add(interned.wakeFile)
    }
    this.#rows.insert(plainRow, values, {ts})
    return {wakeFiles, unserved: [], outcome: (i) => outcomes[i]}
  }

  /** Writes messages to one subject without headers, none of which the stream refuses. */
  #writeSame(batch: readonly Outgoing[], {id, wakeFile, stream}: Interned, ts: number, first: number): WrittenBatch {
    const values: Value[] = []
    for (const {data} of batch) values.push(storedData(data))
    this.#rows.insert(sameRow, values, {sid: id, ts})
    const written = {wakeFiles: [wakeFile], unserved: []}
    if (stream === undefined) return {...written, outcome: () => undefined}
    this.#intake?.takeAll(stream, id, first, batch)
    const {name} = stream.config
    return {...written, outcome: (i) => ({stream: name, seq: first + i, duplicate: false})}
  }

  #writeEach(batch: readonly Outgoing[], time: number, first: number): WrittenBatch {
    const {clients, inbox} = this.#connection
    const draft: Draft = {ts: time, wakeFiles: new Set(), stored: [], passing: [], unserved: []}
    const outcomes: StoreOutcome[] = []
    let seq = first
    for (const [i, message] of batch.entries()) {
      // Each is a microsecond later, so that inbox messages keep their place among stored messages.
      const ts = time + i
      if (passesBy(message.subject)) placePassing(draft, message, ts)
      else outcomes[i] = this.#placeStored(draft, message, ts, seq++)
      const {reply} = message
      if (reply === undefined || (!reply.startsWith(inbox) && !reply.startsWith(streamInboxPrefix))) continue
      if (clients.listens(message.subject)) continue
      if (reply.startsWith(inbox)) draft.unserved.push(message)
      else placePassing(draft, {subject: reply, headers: noRespondersHeaders}, ts)
    }
    this.#rows.insert(storedRow, draft.stored)
    this.#rows.insert(passingRow, draft.passing)
    return {...draft, outcome: (i) => outcomes[i]}
  }

  #placeStored({stored, wakeFiles}: Draft, message: Outgoing, ts: number, seq: number): StoreOutcome {
    const interned = this.#intern(message.subject)
    const headers = storedHeaders(message.headers)
    const outcome = this.#intake?.take(interned, seq, message, headers)
    stored.push(this.#signed(interned, outcome), ts, message.reply ?? null, headers, storedData(message.data))
    wakeFiles.add(interned.wakeFile)
    return outcome
  }

  /** A message that its stream refuses, or that no consumer wants, is logged under the negative number of its subject. */
  #signed({id, stream}: KeptSubject, outcome: StoreOutcome): number {
    return stream === undefined || this.#intake?.isKept(outcome) ? id : -id
  }

  /** The subject's number, remembered after this transaction only if it commits: a failure forgets all of them. */
  #intern(subject: string): Interned {
    const known = this.#interned.get(subject)
    if (known !== undefined) return known
    if (this.#interned.size >= mostInterned) this.#interned.clear()
    const id = this.#findSubject.get(subject) ?? this.#add(subject)
    const stream = this.#generation === 0 ? undefined : this.#connection.streams.catalogue.keeper(subject)
    const interned = {id, wakeFile: wakeFileOf(subject), stream}
    this.#interned.set(subject, interned)
    return interned
  }

  #add(subject: string): number {
    this.#addSubject ??= this.#connection.file.db.prepare('INSERT INTO subject(name) VALUES (?)')
    return Number(this.#addSubject.run(subject).lastInsertRowid)
  }
}

function placePassing({passing, wakeFiles}: Draft, message: Outgoing, ts: number): void {
  const {subject} = message
  const owner = inboxOwner(subject)
  passing.push(owner, subject, ts, message.reply ?? null, storedHeaders(message.headers), storedData(message.data))
  wakeFiles.add(owner === 0 ? wakeFileOf(subject) : inboxWakeFile(owner))
}

function isPlain({subject, reply, headers}: Outgoing): boolean {
  return reply === undefined && (headers === undefined || headers.length === 0) && !passesBy(subject)
}

/** Unix time in microseconds: the milliseconds of the wall clock, refined by the monotonic clock between its ticks. */
function makeClock(): () => number {
  let origin = performance.timeOrigin
  return () => {
    const wall = Date.now()
    const fine = origin + performance.now()
    if (fine >= wall - 1 && fine < wall + 2) return Math.floor(fine * 1000)
    origin += wall - fine
    return wall * 1000
  }
}
