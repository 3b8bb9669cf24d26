/**
 * What is between delivery and acknowledgement: ranges of a consumer's messages, none over another. A range that is
 * acknowledged in part is cut. All within a write transaction, unless it only looks.
 */
import type {Clients} from '../clients.ts'
import type {Db} from '../file.ts'
import type {Row} from '../rows.ts'
import type {State} from './catalogue.ts'
import type {Durable} from './durable.ts'
import type {View} from './view.ts'

/** A range that is due so much later than any could be was given out before the clock was set back. */
const turnedMs = 60_000

export interface Flight {
  readonly lo: number
  readonly hi: number
  readonly messages: number
  /** Deliveries so far; 0 for what was given back before anybody saw it. */
  readonly tries: number
  /** NULL when it waits to be delivered again. */
  readonly owner: number | null
  /** Unix milliseconds. */
  readonly due: number
}

/** Messages that now belong to a member, and how often they were delivered with this time. */
export interface Claimed {
  readonly rows: readonly Row<number>[]
  readonly tries: number
}

export class Flights {
  readonly #clients: Clients
  readonly #statements

  constructor(db: Db, clients: Clients) {
    this.#clients = clients
    this.#statements = {
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
      nextDue: db.prepare('SELECT min(due) FROM flight WHERE consumer = +?').pluck(),
      lowest: db.prepare('SELECT min(lo) FROM flight WHERE consumer = +?').pluck(),
      bury: db.prepare(
        `INSERT OR REPLACE INTO dead(consumer, seq, tries, reason, ts, subject, hdr, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      ),
    }
  }

  add(consumer: number, flight: Flight): void {
    const {lo, hi, messages, tries, owner, due} = flight
    this.#statements.insert.run(consumer, lo, hi, messages, tries, owner, due)
  }

  clear(consumer: number): void {
    this.#statements.clear.run(consumer)
  }

  all(consumer: number): Flight[] {
    return this.#statements.all(consumer)
  }

  /** Messages that were delivered and not acknowledged. */
  out(consumer: number): number {
    return this.#statements.out.get(consumer) as number
  }

  /** Messages that wait for their first delivery. */
  waiting(consumer: number): number {
    return this.#statements.waiting.get(consumer) as number
  }

  lowest(consumer: number): number | undefined {
    return (this.#statements.lowest.get(consumer) as number | null) ?? undefined
  }

  nextDue(consumer: number): number | undefined {
    return (this.#statements.nextDue.get(consumer) as number | null) ?? undefined
  }

  /** Has somebody else messages of this consumer? Whether that process lives nobody tells. */
  hasOthers(consumer: number): boolean {
    return this.#statements.other.get(consumer, this.#clients.id) !== undefined
  }

  /** Ranges to be delivered again, `most` of them: their time is up, or their owner is gone, or the clock was set back. */
  due({id: consumer, config}: Durable, now: number, most: number): Flight[] {
    const latest = now + turnedMs + Math.max(config.ackWaitMs, ...config.backoffMs)
    const due = this.#statements.overdue(consumer, now, latest, most)
    if (!this.hasOthers(consumer)) return due
    const owners = this.#statements.owners.all(consumer) as number[]
    const gone = owners.filter((owner) => !this.#clients.isLive(owner))
    const left = gone.flatMap((owner) => this.#statements.owned(consumer, owner))
    return [...due, ...left.filter(({due}) => due > now && due <= latest)].sort((a, b) => a.lo - b.lo)
  }

  /** Takes a range of sequences out of whatever flights it is in, and answers what these were. */
  cut(consumer: number, view: View, state: State, lo: number, hi: number): Flight[] {
    const flights = this.#statements.over(consumer, hi, lo)
    for (const flight of flights) {
      this.#statements.remove.run(consumer, flight.lo)
      this.#keepPart(consumer, view, state, flight, flight.lo, lo - 1)
      this.#keepPart(consumer, view, state, flight, hi + 1, flight.hi)
    }
    return flights
  }

  /** Makes up to `most` messages of a due flight the member's own. What can no longer be delivered is buried. */
  reclaim(durable: Durable, view: View, state: State, flight: Flight, most: number, now: number): Claimed {
    const {id, config} = durable
    this.#statements.remove.run(id, flight.lo)
    if (flight.tries >= (config.maxDeliver ?? Infinity)) {
      this.bury(durable, view, state, flight.lo, flight.hi, flight.tries, 'max deliver')
      return {rows: [], tries: 0}
    }
    const {rows, upTo} = view.page(state, flight.lo, flight.hi, most)
    const last = rows.at(-1)?.[0]
    this.#keepPart(id, view, state, flight, (last ?? upTo) + 1, flight.hi)
    const tries = flight.tries + 1
    if (last !== undefined && config.ack !== 'none') {
      const due = now + waitOf(durable, tries)
      this.add(id, {lo: rows[0]?.[0] ?? last, hi: last, messages: rows.length, tries, owner: this.#clients.id, due})
    }
    return {rows, tries}
  }

  /** Keeps copies of what is given up. */
  bury(durable: Durable, view: View, state: State, lo: number, hi: number, tries: number, reason: string): void {
    for (let from = lo; from <= hi; ) {
      const {rows, upTo} = view.page(state, from, hi, 1000)
      for (const row of rows) {
        this.#statements.bury.run(durable.id, row[0], tries, reason, row[2], view.nameOf(row), row[4], row[5])
      }
      from = Math.max(upTo, from) + 1
      if (from > state.last) return
    }
  }

  #keepPart(consumer: number, view: View, state: State, flight: Flight, lo: number, hi: number): void {
    if (lo > hi) return
    const messages = view.count(state, lo, hi)
    if (messages > 0) this.add(consumer, {...flight, lo, hi, messages})
  }
}

type FlightRow = [lo: number, hi: number, messages: number, tries: number, owner: number | null, due: number]

/** Rows as arrays: for objects better-sqlite3 compiles a function each time, which takes longer than a claim's other work. */
function select(db: Db, where: string): (...values: number[]) => Flight[] {
  const statement = db.prepare(`SELECT lo, hi, messages, tries, owner, due FROM flight WHERE ${where}`).raw()
  return (...values) =>
    (statement.all(...values) as FlightRow[]).map(([lo, hi, messages, tries, owner, due]) => {
      return {lo, hi, messages, tries, owner, due}
    })
}

/** How long the member has for a delivery, the first of which is 1. */
export function waitOf({config}: Durable, delivery: number): number {
  const {backoffMs, ackWaitMs} = config
  return backoffMs[Math.min(delivery, backoffMs.length) - 1] ?? ackWaitMs
}
