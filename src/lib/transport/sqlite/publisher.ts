/**
 * Publishing by group commit: what one turn of the event loop publishes goes into the file in one transaction, so a
 * lone message waits for nobody and a thousand cost little more than one.
 */
import type {Outgoing} from '../../core/message.ts'
import {noRespondersHeaders, streamInboxPrefix} from '../shared/outgoing.ts'
import type {Clients} from './clients.ts'
import type {Db} from './file.ts'
import {busy, type Lock} from './lock.ts'
import {hasDue, prune, restartLog} from './retention.ts'
import {inboxOwner, passesBy, storedData, storedHeaders} from './rows.ts'
import type {Catalogue, KeptStream} from './streams/catalogue.ts'
import {Intake, type StoreOutcome} from './streams/intake.ts'
import type {Limits} from './streams/limits.ts'
import {type Bells, bellOf, inboxBell} from './wake-files.ts'

const batchMessages = 1000
const batchBytes = 1024 * 1024
/** Batches for one turn of the event loop. */
const batchesPerTurn = 8
const mostInterned = 100_000
const patienceMs = 10_000
const pruneEveryMs = 10_000
/** After so many bytes a look at how long the write-ahead log has become. */
const logLookBytes = 8 * 1024 * 1024

interface Interned {
  readonly id: number
  readonly bell: string
  readonly stream: KeptStream | undefined
}

/** Who wants to know what became of its messages: told in their order, after the commit. */
export interface Sink {
  settled(outcome: (index: number) => StoreOutcome, count: number): void
  failed(error: unknown, count: number): void
}

/** Messages of one sink in a row, by their places among all that were pushed. */
interface Watched {
  readonly sink: Sink
  from: number
  to: number
}

interface Inserted {
  readonly bells: Set<string>
  readonly unserved: Outgoing[]
  /** By the place in the batch. */
  readonly outcome: (index: number) => StoreOutcome
}

interface Waiter {
  readonly upTo: number
  resolve(): void
  reject(error: unknown): void
}

export interface PublisherParts {
  readonly db: Db
  readonly lock: Lock
  readonly bells: Bells
  readonly clients: Clients
  readonly catalogue: Catalogue
  readonly limits: Limits
  readonly clock: () => number
  /** This client's inbox with its trailing dot. */
  readonly inbox: string
  /** Told after each commit, so that subscribers on this connection see it at once. */
  readonly committed: () => void
  readonly noResponders: (request: Outgoing) => void
  /** Told when messages could not be committed; answers the error for whoever flushes. */
  readonly failed: (error: unknown) => unknown
}

export class Publisher {
  readonly #parts: PublisherParts
  readonly #interned = new Map<string, Interned>()
  readonly #waiters: Waiter[] = []
  readonly #watched: Watched[] = []
  readonly #intake: Intake
  readonly #statements
  readonly #insertSame: Insert
  readonly #insertPlain: Insert
  readonly #insertAny: Insert
  readonly #insertInbox: Insert
  /** As of which change of the streams a subject's stream is known. */
  #generation = 0
  #queue: Outgoing[] = []
  #first = 0
  #pushed = 0
  #done = 0
  #armed = false
  #error: unknown
  #failure: unknown
  #busySince: number | undefined
  #nextPrune = performance.now()
  #sinceLogLook = 0

  constructor(parts: PublisherParts) {
    this.#parts = parts
    const {db} = parts
    this.#statements = {
      last: db
        .prepare(
          `SELECT max(${lastTime('msg')}, ${lastTime('eph')}), ifnull((SELECT max(seq) FROM msg), 0),
                  (SELECT v FROM meta WHERE k = 'streams')`,
        )
        .raw(),
      findSubject: db.prepare('SELECT id FROM subject WHERE name = ?').pluck(),
      addSubject: db.prepare('INSERT INTO subject(name) VALUES (?)'),
    }
    this.#intake = new Intake(db, parts.catalogue, parts.limits)
    this.#insertSame = makeInsert(db, 'msg(sid, ts, data)', '(@sid, @ts, ?)', 1, [64, 8, 1])
    this.#insertPlain = makeInsert(db, 'msg(sid, ts, data)', '(?, @ts, ?)', 2, [64, 8, 1])
    this.#insertAny = makeInsert(db, 'msg(sid, ts, reply, hdr, data)', '(?, ?, ?, ?, ?)', 5, [32, 4, 1])
    this.#insertInbox = makeInsert(db, 'eph(dst, subject, ts, reply, hdr, data)', '(?, ?, ?, ?, ?, ?)', 6, [16, 1])
  }

  /** True for a subject that was published before, so that it needs no check. */
  knows(subject: string): boolean {
    return this.#interned.has(subject)
  }

  push(message: Outgoing, sink?: Sink): void {
    this.#queue.push(message)
    if (sink !== undefined) this.#watch(sink)
    this.#pushed++
    this.#arm()
  }

  /** Resolves when all that was pushed before is committed; rejects when some of it could not be. */
  flush(): Promise<void> {
    if (this.#error !== undefined) return Promise.reject(this.#takeError())
    if (this.#done === this.#pushed) return Promise.resolve()
    return new Promise((resolve, reject) => this.#waiters.push({upTo: this.#pushed, resolve, reject}))
  }

  #watch(sink: Sink): void {
    const last = this.#watched.at(-1)
    if (last?.sink === sink && last.to === this.#pushed) last.to++
    else this.#watched.push({sink, from: this.#pushed, to: this.#pushed + 1})
  }

  #arm(): void {
    if (this.#armed) return
    this.#armed = true
    setImmediate(() => {
      this.#armed = false
      this.#run()
    })
  }

  /** Commits what is queued, or as much as a turn allows. */
  #run(): void {
    for (let i = 0; i < batchesPerTurn && this.#first < this.#queue.length; i++) {
      if (!this.#commitBatch()) break
    }
    if (this.#first === this.#queue.length) {
      this.#queue = []
      this.#first = 0
    } else this.#arm()
    this.#settle()
  }

  /** False when others hold the file. */
  #commitBatch(): boolean {
    const {batch, bytes} = this.#nextBatch()
    let outcome: Inserted['outcome'] | undefined
    try {
      const inserted = this.#parts.lock.tryWrite(() => this.#insert(batch))
      if (inserted === busy) return this.#isBusy()
      this.#busySince = undefined
      outcome = inserted.outcome
      for (const bell of inserted.bells) this.#parts.bells.ring(bell)
      this.#parts.committed()
      for (const request of inserted.unserved) this.#parts.noResponders(request)
      this.#prune()
      this.#sinceLogLook += bytes
      if (this.#sinceLogLook > logLookBytes) {
        this.#sinceLogLook = 0
        restartLog(this.#parts.db)
      }
    } catch (error) {
      this.#interned.clear()
      this.#fail(error)
      if (outcome === undefined) this.#tellFailed(batch.length)
    }
    if (outcome !== undefined) this.#tellSettled(batch.length, outcome)
    this.#first += batch.length
    this.#done += batch.length
    return true
  }

  #nextBatch(): {batch: Outgoing[]; bytes: number} {
    let bytes = 0
    let end = this.#first
    while (end < this.#queue.length && end - this.#first < batchMessages && bytes < batchBytes) {
      bytes += this.#queue[end++]?.data?.length ?? 0
    }
    return {batch: this.#queue.slice(this.#first, end), bytes}
  }

  #insert(batch: readonly Outgoing[]): Inserted {
    const {clock, catalogue} = this.#parts
    const [time, end, generation] = this.#statements.last.get() as [number, number, number]
    if (generation !== this.#generation) {
      catalogue.refresh(generation)
      this.#generation = generation
      this.#interned.clear()
    }
    const ts = Math.max(clock(), time + 1)
    this.#intake.begin(ts)
    const inserted = batch.every(isPlain)
      ? this.#insertPlainly(batch, ts, end + 1)
      : this.#insertEach(batch, ts, end + 1)
    this.#intake.finish()
    return inserted
  }

  /** Messages of nothing but a subject and a payload. */
  #insertPlainly(batch: readonly Outgoing[], ts: number, first: number): Inserted {
    const subject = batch[0]?.subject ?? ''
    const same = batch.every((message) => message.subject === subject) ? this.#intern(subject) : undefined
    if (same !== undefined && (same.stream === undefined || same.stream.isOpen))
      return this.#insertAll(batch, same, ts, first)
    const bells = new Set<string>()
    const outcomes: StoreOutcome[] = []
    const values: unknown[] = []
    for (const [i, message] of batch.entries()) {
      const {id, bell, stream} = this.#intern(message.subject)
      const outcome = stream && this.#intake.take(stream, id, first + i, message, null)
      values.push(signed(id, stream, outcome), storedData(message.data))
      outcomes.push(outcome)
      bells.add(bell)
    }
    this.#insertPlain(values, {ts})
    return {bells, unserved: [], outcome: (i) => outcomes[i]}
  }

  /** Messages to one subject without headers, of which no stream refuses any. */
  #insertAll(batch: readonly Outgoing[], {id, bell, stream}: Interned, ts: number, first: number): Inserted {
    this.#insertSame(
      batch.map((message) => storedData(message.data)),
      {sid: id, ts},
    )
    const bells = new Set([bell])
    if (stream === undefined) return {bells, unserved: [], outcome: () => undefined}
    this.#intake.takeAll(stream, id, first, batch)
    const {name} = stream.config
    return {bells, unserved: [], outcome: (i) => ({stream: name, seq: first + i, duplicate: false})}
  }

  #insertEach(batch: readonly Outgoing[], time: number, first: number): Inserted {
    const {clients, inbox} = this.#parts
    const bells = new Set<string>()
    const stored: unknown[] = []
    const passing: unknown[] = []
    const unserved: Outgoing[] = []
    const outcomes: StoreOutcome[] = []
    let seq = first
    for (const [i, message] of batch.entries()) {
      // Each a microsecond later, so that what passes by keeps its place among what is stored.
      if (passesBy(message.subject)) placePassing(message, time + i, passing, bells)
      else outcomes[i] = this.#place(message, time + i, seq++, stored, bells)
      const {reply} = message
      if (reply === undefined || (!reply.startsWith(inbox) && !reply.startsWith(streamInboxPrefix))) continue
      if (clients.listens(message.subject)) continue
      if (reply.startsWith(inbox)) unserved.push(message)
      else placePassing({subject: reply, headers: noRespondersHeaders}, time + i, passing, bells)
    }
    this.#insertAny(stored)
    this.#insertInbox(passing)
    return {bells, unserved, outcome: (i) => outcomes[i]}
  }

  #place(message: Outgoing, ts: number, seq: number, stored: unknown[], bells: Set<string>): StoreOutcome {
    const {id, bell, stream} = this.#intern(message.subject)
    const headers = storedHeaders(message.headers)
    const outcome = stream === undefined ? undefined : this.#intake.take(stream, id, seq, message, headers)
    stored.push(signed(id, stream, outcome), ts, message.reply ?? null, headers, storedData(message.data))
    bells.add(bell)
    return outcome
  }

  /** The subject's number. KeptStream past this transaction only when it commits: a failure forgets them all. */
  #intern(subject: string): Interned {
    const known = this.#interned.get(subject)
    if (known !== undefined) return known
    if (this.#interned.size >= mostInterned) this.#interned.clear()
    const {findSubject, addSubject} = this.#statements
    const id = (findSubject.get(subject) as number | undefined) ?? Number(addSubject.run(subject).lastInsertRowid)
    const interned = {id, bell: bellOf(subject), stream: this.#parts.catalogue.keeper(subject)}
    this.#interned.set(subject, interned)
    return interned
  }

  /** While it goes on publishing a process also removes what has passed its time, a little after each commit. */
  #prune(): void {
    const now = performance.now()
    if (now < this.#nextPrune) return
    const {lock, db} = this.#parts
    const wall = Date.now()
    const isDone = !lock.look(() => hasDue(db, wall)) || lock.tryWrite(() => prune(db, this.#parts, wall))
    if (isDone === true) this.#nextPrune = now + pruneEveryMs
  }

  #isBusy(): false {
    this.#busySince ??= performance.now()
    if (performance.now() - this.#busySince > patienceMs) {
      this.#busySince = undefined
      const left = this.#queue.length - this.#first
      this.#fail(this.#parts.lock.lockedError())
      this.#tellFailed(left)
      this.#done += left
      this.#first = this.#queue.length
    }
    return false
  }

  #fail(error: unknown): void {
    this.#failure = this.#parts.failed(error)
    this.#error ??= this.#failure
  }

  #tellSettled(count: number, outcome: Inserted['outcome']): void {
    for (const {sink, from, to} of this.#watchedNext(count)) sink.settled((i) => outcome(from + i), to - from)
  }

  #tellFailed(count: number): void {
    for (const {sink, from, to} of this.#watchedNext(count)) sink.failed(this.#failure, to - from)
  }

  /** The watched messages among the next `count`, by their places among these; no longer watched then. */
  *#watchedNext(count: number): Iterable<Watched> {
    const [begin, end] = [this.#done, this.#done + count]
    for (let next = this.#watched[0]; next !== undefined && next.from < end; next = this.#watched[0]) {
      const {sink, from} = next
      const to = Math.min(next.to, end)
      if (to === next.to) this.#watched.shift()
      else next.from = to
      yield {sink, from: from - begin, to: to - begin}
    }
  }

  #settle(): void {
    if (this.#waiters.length === 0) return
    const error = this.#takeError()
    while (this.#waiters[0] !== undefined && (error !== undefined || this.#waiters[0].upTo <= this.#done)) {
      const waiter = this.#waiters.shift()
      if (error === undefined) waiter?.resolve()
      else waiter?.reject(error)
    }
  }

  #takeError(): unknown {
    const error = this.#error
    this.#error = undefined
    return error
  }
}

function placePassing(message: Outgoing, ts: number, passing: unknown[], bells: Set<string>): void {
  const {subject} = message
  const owner = inboxOwner(subject)
  passing.push(owner, subject, ts, message.reply ?? null, storedHeaders(message.headers), storedData(message.data))
  bells.add(owner === 0 ? bellOf(subject) : inboxBell(owner))
}

function lastTime(table: string): string {
  return `ifnull((SELECT ts FROM ${table} ORDER BY seq DESC LIMIT 1), 0)`
}

type Statement = ReturnType<typeof prepare>
type Insert = (values: readonly unknown[], named?: Record<string, unknown>) => void

/** Inserts any number of rows, `perRow` values each, by statements of several rows: twice as fast as one by one. */
function makeInsert(db: Db, into: string, row: string, perRow: number, sizes: readonly number[]): Insert {
  const statements = sizes.map((size) => {
    let statement: Statement | undefined
    return {
      size: size * perRow,
      run(values: readonly unknown[], named: Record<string, unknown> | undefined) {
        statement ??= prepare(db, `INSERT INTO ${into} VALUES ${Array(size).fill(row).join(', ')}`)
        if (named === undefined) statement.run(values)
        else statement.run(values, named)
      },
    }
  })
  return (values, named) => {
    let at = 0
    for (const {size, run} of statements) {
      for (; values.length - at >= size; at += size) {
        run(size === values.length ? values : values.slice(at, at + size), named)
      }
    }
  }
}

function prepare(db: Db, sql: string) {
  return db.prepare<[values: readonly unknown[], named?: Record<string, unknown>]>(sql)
}

/** What a stream refuses goes into the log as its subject's negative number, so that it is in no stream. */
function signed(id: number, stream: KeptStream | undefined, outcome: StoreOutcome): number {
  const isTaken = stream === undefined || (outcome !== undefined && 'seq' in outcome && !outcome.duplicate)
  return isTaken ? id : -id
}

function isPlain({subject, reply, headers}: Outgoing): boolean {
  return reply === undefined && (headers === undefined || headers.length === 0) && !passesBy(subject)
}
