/**
 * Messages between delivery and acknowledgement: ranges of a consumer's messages, which never overlap. A partly acknowledged
 * range is split. Everything except reading runs within a write transaction.
 */

import type {Outgoing} from '../../../core/message.ts'
import {failureAdvisory, maxDeliverReason} from '../../shared/advisories.ts'
import {ackWaitOf} from '../../shared/stream-settings.ts'
import type {FailedMessage} from '../../streams-contract.ts'
import type {Clients} from '../clients.ts'
import {type Db, damageError} from '../db.ts'
import {isWhole, limitedColumn, type Row, toMessage} from '../rows.ts'
import type {State} from './catalogue.ts'
import type {Durable} from './durable.ts'
import type {StreamView} from './view.ts'

/** A range that is due later than the longest ack wait plus this was delivered before the clock was set back. */
const turnedMs = 60_000
/** Ranges that are examined at a time. */
const mostDue = 10_000
/** A page of failures. */
const failurePage = 64
const failureBytes = 4 * 1024 * 1024

export interface InFlightRange {
  readonly lo: number
  readonly hi: number
  readonly messages: number
  /** Deliveries so far; 0 for messages that were returned before they were taken. */
  readonly tries: number
  /** NULL if it waits for redelivery. */
  readonly owner: number | null
  /** Unix milliseconds. */
  readonly due: number
}

/** Messages that now belong to a member, and how often they were delivered, including this time. */
export interface Claimed {
  readonly rows: readonly Row<number>[]
  readonly tries: number
}

interface Statement {
  run(...values: unknown[]): unknown
  get(...values: unknown[]): unknown
  all(...values: unknown[]): unknown[]
}

type Select = (...values: number[]) => InFlightRange[]

export interface InFlightStatements
  extends Readonly<Record<'insert' | 'remove' | 'clear' | 'other' | 'owners' | 'deadLetter' | 'forget', Statement>>,
    Readonly<Record<'out' | 'waiting' | 'nextDue' | 'lowest' | 'givenUp', Statement>>,
    Readonly<Record<'dead', {iterate(...values: unknown[]): Iterable<unknown>}>>,
    Readonly<Record<'over' | 'all' | 'overdue' | 'owned', Select>> {}

/** Prepared once for all consumers. */
export function prepareInFlight(db: Db): InFlightStatements {
  return {
    insert: db.prepare(
      'INSERT INTO flight(consumer, lo, hi, messages, tries, owner, due) VALUES (?, ?, ?, ?, ?, ?, ?)',
    ),
    remove: db.prepare('DELETE FROM flight WHERE consumer = ? AND lo = ?'),
    clear: db.prepare('DELETE FROM flight WHERE consumer = ?'),
    over: select(db, 'consumer = +? AND lo <= +? AND hi >= +? ORDER BY lo'),
    all: select(db, 'consumer = +? ORDER BY lo'),
    overdue: select(db, 'consumer = +? AND (due <= +? OR (due > +? AND owner IS NOT NULL)) ORDER BY lo LIMIT +?'),
    owned: select(db, 'consumer = +? AND owner = +? ORDER BY lo'),
    other: db.prepare('SELECT owner FROM flight WHERE consumer = ? AND owner <> ? LIMIT 1').pluck(),
    owners: db.prepare('SELECT DISTINCT owner FROM flight WHERE consumer = ? AND owner IS NOT NULL').pluck(),
    out: db.prepare('SELECT ifnull(sum(messages), 0) FROM flight WHERE consumer = ? AND tries > 0').pluck(),
    waiting: db.prepare('SELECT ifnull(sum(messages), 0) FROM flight WHERE consumer = ? AND tries = 0').pluck(),
    givenUp: db.prepare(`SELECT count(*) FROM dead WHERE consumer = ? AND reason = '${maxDeliverReason}'`).pluck(),
    nextDue: db.prepare('SELECT min(due) FROM flight WHERE consumer = +?').pluck(),
    lowest: db.prepare('SELECT min(lo) FROM flight WHERE consumer = +?').pluck(),
    dead: db
      .prepare(
        `SELECT seq, tries, ts, reason, subject, ${limitedColumn('hdr')}, ${limitedColumn('data')} FROM dead
         WHERE consumer = +? AND seq > +? ORDER BY seq`,
      )
      .raw(),
    forget: db.prepare('DELETE FROM dead WHERE consumer = ? AND seq = ?'),
    deadLetter: db.prepare(
      `INSERT OR REPLACE INTO dead(consumer, seq, tries, reason, ts, subject, hdr, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
  }
}

/** The messages in flight of one consumer. */
export class InFlight {
  readonly #statements: InFlightStatements
  readonly #clients: Clients
  readonly #durable: Durable
  readonly #view: StreamView
  readonly #id: number
  /** Of messages that were given up in this transaction. */
  #advisories: Outgoing[] = []

  constructor(statements: InFlightStatements, clients: Clients, durable: Durable, view: StreamView) {
    this.#statements = statements
    this.#clients = clients
    this.#durable = durable
    this.#view = view
    this.#id = durable.id
  }

  add({lo, hi, messages, tries, owner, due}: InFlightRange): void {
    this.#statements.insert.run(this.#id, lo, hi, messages, tries, owner, due)
  }

  clear(): void {
    this.#statements.clear.run(this.#id)
  }

  all(): InFlightRange[] {
    return this.#statements.all(this.#id)
  }

  /** The number of messages delivered and not acknowledged. */
  out(): number {
    return this.#statements.out.get(this.#id) as number
  }

  /** The number of messages waiting for their first delivery. */
  waiting(): number {
    return this.#statements.waiting.get(this.#id) as number
  }

  /** Messages that reached their limit of deliveries. */
  givenUp(): number {
    return this.#statements.givenUp.get(this.#id) as number
  }

  lowest(): number | undefined {
    return (this.#statements.lowest.get(this.#id) as number | null) ?? undefined
  }

  nextDue(): number | undefined {
    return (this.#statements.nextDue.get(this.#id) as number | null) ?? undefined
  }

  /** Whether other clients, live or dead, have messages of this consumer. */
  hasOthers(): boolean {
    return this.#statements.other.get(this.#id, this.#clients.id) !== undefined
  }

  /** Up to `most` ranges to redeliver: their time is up, their owner is gone, or the clock was set back. */
  due(now: number, most: number): InFlightRange[] {
    const {ackWaitMs, backoffMs} = this.#durable.config
    const latest = now + turnedMs + Math.max(ackWaitMs, ...backoffMs)
    const due = this.#statements.overdue(this.#id, now, latest, most)
    if (!this.hasOthers()) return due
    const owners = this.#statements.owners.all(this.#id) as number[]
    const gone = owners.filter((owner) => !this.#clients.isLive(owner))
    const left = gone.flatMap((owner) => this.#statements.owned(this.#id, owner))
    return [...due, ...left.filter(({due}) => due > now && due <= latest)].sort((a, b) => a.lo - b.lo)
  }

  /** Removes a range of sequences from all ranges that contain it, and returns these as they were. */
  cut(state: State, lo: number, hi: number): InFlightRange[] {
    const ranges = this.#statements.over(this.#id, hi, lo)
    for (const range of ranges) {
      this.#statements.remove.run(this.#id, range.lo)
      this.#keepPart(state, range, range.lo, lo - 1)
      this.#keepPart(state, range, hi + 1, range.hi)
    }
    return ranges
  }

  /** Assigns up to `most` messages of a due range to the member; gives up those that reached `maxDeliver`. */
  reclaim(state: State, range: InFlightRange, most: number, now: number): Claimed {
    const {config} = this.#durable
    this.#statements.remove.run(this.#id, range.lo)
    if (range.tries >= (config.maxDeliver ?? Infinity)) {
      this.giveUp(state, range, maxDeliverReason)
      return {rows: [], tries: 0}
    }
    const {rows, upTo} = this.#view.page(state, range.lo, range.hi, most)
    const last = rows.at(-1)?.[0]
    this.#keepPart(state, range, (last ?? upTo) + 1, range.hi)
    const tries = range.tries + 1
    if (last !== undefined && config.ack !== 'none') {
      const due = now + ackWaitOf(this.#durable.config, tries)
      this.add({lo: rows[0]?.[0] ?? last, hi: last, messages: rows.length, tries, owner: this.#clients.id, due})
    }
    return {rows, tries}
  }

  /** Gives up what is due and has reached `maxDeliver`, as the next claim would. */
  giveUpDue(state: State, now: number): void {
    for (const range of this.#exhausted(now)) {
      this.#statements.remove.run(this.#id, range.lo)
      this.giveUp(state, range, maxDeliverReason)
    }
  }

  hasExhausted(now: number): boolean {
    return this.#exhausted(now).length > 0
  }

  #exhausted(now: number): InFlightRange[] {
    const {maxDeliver = Infinity} = this.#durable.config
    return this.due(now, mostDue).filter(({tries}) => tries >= maxDeliver)
  }

  /** A page of dead letters after this sequence. */
  failures(state: State, stream: StreamView, afterSeq: number): FailedMessage[] {
    const page: FailedMessage[] = []
    let bytes = 0
    for (const row of this.#statements.dead.iterate(this.#id, afterSeq) as Iterable<DeadRow>) {
      const [seq, deliveries, ts, reason, subject, hdr, data] = row
      if (!isWhole(seq) || !isWhole(deliveries)) throw damageError('a dead letter')
      const message = toMessage([seq, subject, ts, null, hdr, data], subject, true)
      page.push({seq, deliveries, reason, message, isThere: stream.next(state, seq, seq) !== undefined})
      bytes += data?.length ?? 0
      if (page.length === failurePage || bytes > failureBytes) break
    }
    return page
  }

  forget(seqs: readonly number[]): void {
    for (const seq of seqs) this.#statements.forget.run(this.#id, seq)
  }

  /** The advisories of what was given up since the last call. */
  takeAdvisories(): readonly Outgoing[] {
    return this.#advisories.splice(0)
  }

  /** Keeps copies of messages that are never redelivered, as dead letters. */
  giveUp(state: State, {lo, hi, tries}: InFlightRange, reason: string): void {
    for (let from = lo; from <= hi; ) {
      const {rows, upTo} = this.#view.page(state, from, hi, 1000)
      for (const row of rows) {
        const subject = this.#view.nameOf(row)
        this.#statements.deadLetter.run(this.#id, row[0], tries, reason, row[2], subject, row[4], row[5])
        const {name: stream} = this.#view.stream.config
        const failure = {stream, consumer: this.#durable.config.name, seq: row[0], deliveries: tries, reason}
        this.#advisories.push(failureAdvisory(failure))
      }
      from = Math.max(upTo, from) + 1
      if (from > state.last) return
    }
  }

  #keepPart(state: State, range: InFlightRange, lo: number, hi: number): void {
    if (lo > hi) return
    const messages = this.#view.count(state, lo, hi)
    if (messages > 0) this.add({...range, lo, hi, messages})
  }
}

type DeadRow = [
  seq: number,
  tries: number,
  ts: number,
  reason: string,
  subject: string,
  hdr: string | null,
  data: string | Uint8Array | null,
]

type RangeRow = [lo: number, hi: number, messages: number, tries: number, owner: number | null, due: number]

/** Rows as arrays, which takes less time than objects. */
function select(db: Db, where: string): Select {
  const statement = db.prepare(`SELECT lo, hi, messages, tries, owner, due FROM flight WHERE ${where}`).raw()
  return (...values) =>
    (statement.all(...values) as RangeRow[]).map(([lo, hi, messages, tries, owner, due]) => {
      if (!isWhole(lo) || !isWhole(hi) || !isWhole(messages) || !isWhole(tries)) throw damageError('messages in flight')
      return {lo, hi, messages, tries, owner, due}
    })
}
