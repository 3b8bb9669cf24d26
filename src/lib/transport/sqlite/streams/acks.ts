/** What a member said of its deliveries, kept in memory until it is written: with the next claim, or a little later. */
import type {Clients} from '../clients.ts'
import type {Row} from '../rows.ts'
import type {State} from './catalogue.ts'
import type {Durable, Durables, Place} from './durable.ts'
import {type Flight, type Flights, waitOf} from './in-flight.ts'
import type {View} from './view.ts'

export type Answer =
  | {readonly kind: 'working'}
  | {readonly kind: 'nak'; readonly delayMs: number}
  | {readonly kind: 'term'; readonly reason: string}

/** Of each message of a lot. */
const marks = {open: 0, acked: 1, answered: 2, done: 3} as const

/** Messages that were claimed together: neighbours among those of the consumer. */
export class Lot {
  readonly epoch: number
  readonly seqs: readonly number[]
  readonly tries: number
  /** How the consumer moved when they were delivered for the first time. */
  readonly moved: {readonly before: Place; readonly next: number} | undefined
  readonly marks: Uint8Array
  readonly answers = new Map<number, Answer>()
  isDirty = false

  constructor(epoch: number, rows: readonly Row<number>[], tries: number, moved: Lot['moved']) {
    this.epoch = epoch
    this.seqs = rows.map((row) => row[0])
    this.tries = tries
    this.moved = moved
    this.marks = new Uint8Array(rows.length)
  }
}

interface AckedUpTo {
  readonly epoch: number
  readonly seq: number
}

export interface AcksParts {
  readonly flights: Flights
  readonly durables: Durables
  readonly clients: Clients
}

export class Acks {
  readonly #parts: AcksParts
  readonly #durable: Durable
  readonly #view: View
  #dirty: Lot[] = []
  /** On an `all` consumer: up to where all is acknowledged. */
  #all: AckedUpTo | undefined
  /** What is being written, should the transaction fail. */
  #undo: {lots: {lot: Lot; marks: Uint8Array}[]; all: AckedUpTo | undefined} | undefined
  #isNews = false

  constructor(parts: AcksParts, durable: Durable, view: View) {
    this.#parts = parts
    this.#durable = durable
    this.#view = view
  }

  /** Something is to be written, maybe again. */
  get any(): boolean {
    return this.#dirty.length > 0 || this.#all !== undefined || this.#undo !== undefined
  }

  /** For how many more messages there is room once they are written, at most. */
  freed = 0

  ack(lot: Lot, index: number): void {
    if (lot.marks[index] === marks.done) return
    lot.marks[index] = marks.acked
    this.freed++
    if (lot.answers.size > 0) lot.answers.delete(index)
    this.#touch(lot)
  }

  ackAll({epoch, seqs}: Lot, index: number): void {
    const seq = seqs[index] ?? 0
    if (this.#all === undefined || this.#all.epoch < epoch || this.#all.seq < seq) this.#all = {epoch, seq}
    this.freed = Number.POSITIVE_INFINITY
  }

  answer(lot: Lot, index: number, answer: Answer): void {
    if (lot.marks[index] === marks.done || lot.marks[index] === marks.acked) return
    lot.marks[index] = marks.answered
    this.freed++
    lot.answers.set(index, answer)
    this.#touch(lot)
  }

  /** Within a write transaction, after which `committed` is to be called. */
  write(state: State, place: Place): void {
    this.#restore()
    const {flights} = this.#parts
    const {id, config} = this.#durable
    this.#undo = {lots: this.#dirty.map((lot) => ({lot, marks: lot.marks.slice()})), all: this.#all}
    this.#isNews = config.maxAckPending <= flights.out(id)
    if (this.#all?.epoch === place.epoch) flights.cut(id, this.#view, state, 0, this.#all.seq)
    const now = Date.now()
    for (const lot of this.#dirty) this.#writeLot(lot, state, place, now)
    this.#parts.durables.touch(this.#durable, now)
    this.#dirty = []
    this.#all = undefined
    this.freed = 0
  }

  /** Answers whether others should look. */
  committed(): boolean {
    const isNews = this.#undo !== undefined && this.#isNews
    this.#undo = undefined
    return isNews
  }

  /** Within a write transaction: the messages of a lot from an index on were never delivered. */
  giveBack(lot: Lot, from: number, state: State, place: Place): void {
    const {flights, durables} = this.#parts
    const {id} = this.#durable
    const [lo, hi] = [lot.seqs[from], lot.seqs.at(-1)]
    if (lo === undefined || hi === undefined || lot.epoch !== place.epoch) return
    const messages = lot.seqs.length - from
    const ours = flights.cut(id, this.#view, state, lo, hi)
    if (lot.moved?.next === place.next) {
      const delivered = from === 0 ? lot.moved.before.delivered : (lot.seqs[from - 1] ?? 0)
      durables.move(this.#durable, {...place, next: lo, passed: place.passed - messages, delivered})
      return
    }
    const tries = lot.tries - 1
    if (this.#durable.config.ack === 'none') flights.add(id, {lo, hi, messages, tries, owner: null, due: 0})
    for (const flight of ours) {
      const part = {lo: Math.max(flight.lo, lo), hi: Math.min(flight.hi, hi)}
      const count = this.#view.count(state, part.lo, part.hi)
      flights.add(id, {...part, messages: count, tries, owner: null, due: 0})
    }
  }

  #touch(lot: Lot): void {
    if (lot.isDirty) return
    lot.isDirty = true
    this.#dirty.push(lot)
  }

  #restore(): void {
    if (this.#undo === undefined) return
    for (const {lot, marks: before} of this.#undo.lots) {
      for (const [i, mark] of before.entries()) if (lot.marks[i] === marks.done) lot.marks[i] = mark
      this.#touch(lot)
    }
    this.#all ??= this.#undo.all
    this.freed = Number.POSITIVE_INFINITY
    this.#undo = undefined
  }

  #writeLot(lot: Lot, state: State, place: Place, now: number): void {
    lot.isDirty = false
    const isCurrent = lot.epoch === place.epoch
    for (let from = 0; from < lot.marks.length; ) {
      const mark = lot.marks[from]
      const answer = lot.answers.get(from)
      let to = from
      while (to + 1 < lot.marks.length && lot.marks[to + 1] === mark && isSame(answer, lot.answers.get(to + 1))) to++
      if (isCurrent && mark === marks.acked) this.#cut(lot, from, to, state)
      if (isCurrent && mark === marks.answered && answer !== undefined) {
        this.#writeAnswer(answer, this.#cut(lot, from, to, state), state, now)
      }
      const isOpen = mark === marks.answered && answer?.kind === 'working'
      if (mark !== marks.open) lot.marks.fill(isOpen ? marks.open : marks.done, from, to + 1)
      from = to + 1
    }
    lot.answers.clear()
  }

  /** The parts of flights that these messages were in. */
  #cut(lot: Lot, from: number, to: number, state: State): Flight[] {
    const [lo, hi] = [lot.seqs[from] ?? 0, lot.seqs[to] ?? 0]
    const flights = this.#parts.flights.cut(this.#durable.id, this.#view, state, lo, hi)
    return flights.map((flight) => ({...flight, lo: Math.max(flight.lo, lo), hi: Math.min(flight.hi, hi)}))
  }

  #writeAnswer(answer: Answer, parts: readonly Flight[], state: State, now: number): void {
    const {flights, clients} = this.#parts
    const {id, config} = this.#durable
    for (const part of parts) {
      const {lo, hi, tries} = part
      if (answer.kind === 'term') {
        flights.bury(this.#durable, this.#view, state, lo, hi, tries, answer.reason || 'terminated')
        continue
      }
      const messages = this.#view.count(state, lo, hi)
      if (answer.kind === 'working') {
        const due = part.owner === clients.id ? now + waitOf(this.#durable, tries) : part.due
        flights.add(id, {...part, messages, due})
      } else if (tries >= (config.maxDeliver ?? Infinity)) {
        flights.bury(this.#durable, this.#view, state, lo, hi, tries, 'max deliver')
      } else {
        this.#isNews = true
        flights.add(id, {...part, messages, owner: null, due: now + answer.delayMs})
      }
    }
  }
}

function isSame(one: Answer | undefined, other: Answer | undefined): boolean {
  if (one === undefined || other === undefined) return one === other
  if (one.kind !== other.kind) return false
  if (one.kind === 'nak' && other.kind === 'nak') return one.delayMs === other.delayMs
  return one.kind === 'working' || (one.kind === 'term' && other.kind === 'term' && one.reason === other.reason)
}
