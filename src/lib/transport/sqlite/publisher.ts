/**
 * Publishing by group commit: what one turn of the event loop publishes goes into the file in one transaction, so a
 * lone message waits for nobody and a thousand cost little more than one.
 */
import type {Outgoing} from '../../message.ts'
import {noRespondersHeaders, streamInboxPrefix} from '../outgoing.ts'
import {type Bells, bellOf, inboxBell} from './bells.ts'
import type {Clients} from './clients.ts'
import type {Db} from './file.ts'
import {busy, type Lock} from './lock.ts'
import {prune, restartLog} from './retention.ts'
import {inboxOwner, passesBy, storedData, storedHeaders} from './rows.ts'

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
  readonly #statements
  readonly #insertSame: Insert
  readonly #insertAny: Insert
  readonly #insertInbox: Insert
  #queue: Outgoing[] = []
  #first = 0
  #pushed = 0
  #done = 0
  #armed = false
  #error: unknown
  #busySince: number | undefined
  #nextPrune = Date.now()
  #sinceLogLook = 0

  constructor(parts: PublisherParts) {
    this.#parts = parts
    const {db} = parts
    this.#statements = {
      last: db.prepare(`SELECT max(${lastTime('msg')}, ${lastTime('eph')})`).pluck(),
      findSubject: db.prepare('SELECT id FROM subject WHERE name = ?').pluck(),
      addSubject: db.prepare('INSERT INTO subject(name) VALUES (?)'),
    }
    this.#insertSame = makeInsert(db, 'msg(sid, ts, data)', '(@sid, @ts, ?)', 1, [64, 8, 1])
    this.#insertAny = makeInsert(db, 'msg(sid, ts, reply, hdr, data)', '(?, ?, ?, ?, ?)', 5, [32, 4, 1])
    this.#insertInbox = makeInsert(db, 'eph(dst, subject, ts, reply, hdr, data)', '(?, ?, ?, ?, ?, ?)', 6, [16, 1])
  }

  /** True for a subject that was published before, so that it needs no check. */
  knows(subject: string): boolean {
    return this.#interned.has(subject)
  }

  push(message: Outgoing): void {
    this.#queue.push(message)
    this.#pushed++
    this.#arm()
  }

  /** Resolves when all that was pushed before is committed; rejects when some of it could not be. */
  flush(): Promise<void> {
    if (this.#error !== undefined) return Promise.reject(this.#takeError())
    if (this.#done === this.#pushed) return Promise.resolve()
    return new Promise((resolve, reject) => this.#waiters.push({upTo: this.#pushed, resolve, reject}))
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
    try {
      const rung = this.#parts.lock.tryWrite(() => this.#insert(batch))
      if (rung === busy) return this.#isBusy()
      this.#busySince = undefined
      for (const bell of rung.bells) this.#parts.bells.ring(bell)
      this.#parts.committed()
      for (const request of rung.unserved) this.#parts.noResponders(request)
      this.#prune()
      this.#sinceLogLook += bytes
      if (this.#sinceLogLook > logLookBytes) {
        this.#sinceLogLook = 0
        restartLog(this.#parts.db)
      }
    } catch (error) {
      this.#interned.clear()
      this.#fail(error)
    }
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

  #insert(batch: readonly Outgoing[]): {bells: Set<string>; unserved: Outgoing[]} {
    const {clients, clock, inbox} = this.#parts
    const bells = new Set<string>()
    let ts = Math.max(clock(), (this.#statements.last.get() as number) + 1)
    const subject = batch[0]?.subject ?? ''
    if (!passesBy(subject) && batch.every((message) => isPlain(message, subject))) {
      const {id, bell} = this.#intern(subject)
      this.#insertSame(
        batch.map((message) => storedData(message.data)),
        {sid: id, ts},
      )
      return {bells: bells.add(bell), unserved: []}
    }
    const stored: unknown[] = []
    const passing: unknown[] = []
    const unserved: Outgoing[] = []
    for (const message of batch) {
      // Each a microsecond later, so that what passes by keeps its place among what is stored.
      this.#place(message, ts++, stored, passing, bells)
      const {reply} = message
      if (reply === undefined || (!reply.startsWith(inbox) && !reply.startsWith(streamInboxPrefix))) continue
      if (clients.listens(message.subject)) continue
      if (reply.startsWith(inbox)) unserved.push(message)
      else this.#place({subject: reply, headers: noRespondersHeaders}, ts++, stored, passing, bells)
    }
    this.#insertAny(stored)
    this.#insertInbox(passing)
    return {bells, unserved}
  }

  #place(message: Outgoing, ts: number, stored: unknown[], passing: unknown[], bells: Set<string>): void {
    const {subject} = message
    const headers = storedHeaders(message.headers)
    const data = storedData(message.data)
    const reply = message.reply ?? null
    if (passesBy(subject)) {
      const owner = inboxOwner(subject)
      passing.push(owner, subject, ts, reply, headers, data)
      bells.add(owner === 0 ? bellOf(subject) : inboxBell(owner))
      return
    }
    const {id, bell} = this.#intern(subject)
    stored.push(id, ts, reply, headers, data)
    bells.add(bell)
  }

  /** The subject's number. Kept past this transaction only when it commits: a failure forgets them all. */
  #intern(subject: string): Interned {
    const known = this.#interned.get(subject)
    if (known !== undefined) return known
    if (this.#interned.size >= mostInterned) this.#interned.clear()
    const {findSubject, addSubject} = this.#statements
    const id = (findSubject.get(subject) as number | undefined) ?? Number(addSubject.run(subject).lastInsertRowid)
    const interned = {id, bell: bellOf(subject)}
    this.#interned.set(subject, interned)
    return interned
  }

  /** While it goes on publishing a process also removes what has passed its time, a little after each commit. */
  #prune(): void {
    const now = Date.now()
    if (now < this.#nextPrune) return
    const isDone = this.#parts.lock.tryWrite(() => prune(this.#parts.db, now))
    if (isDone === true) this.#nextPrune = now + pruneEveryMs
  }

  #isBusy(): false {
    this.#busySince ??= Date.now()
    if (Date.now() - this.#busySince > patienceMs) {
      this.#busySince = undefined
      this.#done += this.#queue.length - this.#first
      this.#first = this.#queue.length
      this.#fail(this.#parts.lock.lockedError())
    }
    return false
  }

  #fail(error: unknown): void {
    const failure = this.#parts.failed(error)
    this.#error ??= failure
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

function isPlain(message: Outgoing, subject: string): boolean {
  return (
    message.subject === subject &&
    message.reply === undefined &&
    (message.headers === undefined || message.headers.length === 0)
  )
}
