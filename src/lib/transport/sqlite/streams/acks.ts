/** Acknowledgements of a member, kept in memory until they are written: with the next claim, or shortly afterwards. */
import {maxDeliverReason} from '../../shared/advisories.ts'
import {ackWaitOf} from '../../shared/stream-settings.ts'
import type {Clients} from '../clients.ts'
import type {Row} from '../rows.ts'
import type {KeptStream, State} from './catalogue.ts'
import type {ConsumedMessages} from './consumed.ts'
import type {ConsumerPlace, Durable, Durables} from './durable.ts'
import type {InFlight, InFlightRange} from './in-flight.ts'
import type {StreamView} from './view.ts'

export type AckAnswer =
  | {readonly kind: 'working'}
  | {readonly kind: 'nak'; readonly delayMs: number}
  | {readonly kind: 'term'; readonly reason: string}

/** The state of each message of a claimed range. */
const marks = {open: 0, acked: 1, answered: 2, done: 3} as const

/** Messages that were claimed together: consecutive among those of the consumer. */
export class ClaimedRange {
  readonly epoch: number
  readonly seqs: readonly number[]
  readonly tries: number
  /** The change of the consumer's position when they were delivered for the first time. */
  readonly moved: {readonly before: ConsumerPlace; readonly next: number} | undefined
  readonly marks: Uint8Array
  readonly answers = new Map<number, AckAnswer>()
  isDirty = false

  constructor(epoch: number, rows: readonly Row<number>[], tries: number, moved: ClaimedRange['moved']) {
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

export interface AcksDeps {
  readonly durables: Durables
  readonly clients: Clients
  readonly durable: Durable
  readonly view: StreamView
  readonly inFlight: InFlight
  readonly consumed: ConsumedMessages
  readonly stream: KeptStream
}

export class PendingAcks {
  readonly #deps: AcksDeps
  #dirty: ClaimedRange[] = []
  /** On an `all` consumer: the position up to which everything is acknowledged. */
  #all: AckedUpTo | undefined
  /** What is being written, to be restored if the transaction fails. */
  #undo: {ranges: {range: ClaimedRange; marks: Uint8Array}[]; all: AckedUpTo | undefined} | undefined
  /** The stream, while acknowledgements are written that remove messages from it. */
  #consumed: KeptStream | undefined
  /** Other members should check: there is room, or something to redeliver. */
  #isNews = false

  constructor(deps: AcksDeps) {
    this.#deps = deps
  }

  /** Something has to be written, possibly again. */
  get any(): boolean {
    return this.#dirty.length > 0 || this.#all !== undefined || this.#undo !== undefined
  }

  /** How many more messages may be claimed once these are written, at most. */
  freed = 0

  ack(range: ClaimedRange, index: number): void {
    if (range.marks[index] === marks.done) return
    range.marks[index] = marks.acked
    this.freed++
    if (range.answers.size > 0) range.answers.delete(index)
    this.#touch(range)
  }

  ackAll({epoch, seqs}: ClaimedRange, index: number): void {
    const seq = seqs[index] ?? 0
    if (this.#all === undefined || this.#all.epoch < epoch || this.#all.seq < seq) this.#all = {epoch, seq}
    this.freed = Number.POSITIVE_INFINITY
  }

  answer(range: ClaimedRange, index: number, answer: AckAnswer): void {
    if (range.marks[index] === marks.done || range.marks[index] === marks.acked) return
    range.marks[index] = marks.answered
    this.freed++
    range.answers.set(index, answer)
    this.#touch(range)
  }

  /** Within a write transaction; `committed` is to be called afterwards. */
  write(state: State, place: ConsumerPlace): void {
    this.#restore()
    const {inFlight, durables, durable} = this.#deps
    this.#undo = {ranges: this.#dirty.map((range) => ({range, marks: range.marks.slice()})), all: this.#all}
    this.#isNews = (durable.config.maxAckPending ?? Infinity) <= inFlight.out()
    this.#consumed = this.#deps.consumed.of(this.#deps.stream)
    if (this.#all?.epoch === place.epoch) this.#cutUpTo(this.#all.seq, state)
    const now = Date.now()
    for (const range of this.#dirty) this.#writeRange(range, state, place, now)
    durables.touch(durable, now)
    this.#dirty = []
    this.#all = undefined
    this.freed = 0
  }

  /** Returns whether others should check. */
  committed(): boolean {
    const isNews = this.#undo !== undefined && this.#isNews
    this.#undo = undefined
    return isNews
  }

  /** Within a write transaction: the messages of a range from an index on were never delivered. */
  giveBack(range: ClaimedRange, from: number, state: State, place: ConsumerPlace): void {
    const {inFlight, durables, durable, view} = this.#deps
    const [lo, hi] = [range.seqs[from], range.seqs.at(-1)]
    if (lo === undefined || hi === undefined || range.epoch !== place.epoch) return
    const messages = range.seqs.length - from
    const ours = inFlight.cut(state, lo, hi)
    if (range.moved?.next === place.next) {
      const delivered = from === 0 ? range.moved.before.delivered : (range.seqs[from - 1] ?? 0)
      durables.move(durable, {...place, next: lo, passed: place.passed - messages, delivered})
      return
    }
    const again = {tries: range.tries - 1, owner: null, due: 0}
    if (durable.config.ack === 'none') inFlight.add({lo, hi, messages, ...again})
    for (const each of ours) {
      const part = {lo: Math.max(each.lo, lo), hi: Math.min(each.hi, hi)}
      inFlight.add({...part, messages: view.count(state, part.lo, part.hi), ...again})
    }
  }

  #touch(range: ClaimedRange): void {
    if (range.isDirty) return
    range.isDirty = true
    this.#dirty.push(range)
  }

  #restore(): void {
    if (this.#undo === undefined) return
    for (const {range, marks: before} of this.#undo.ranges) {
      for (const [i, mark] of before.entries()) if (range.marks[i] === marks.done) range.marks[i] = mark
      this.#touch(range)
    }
    this.#all ??= this.#undo.all
    this.freed = Number.POSITIVE_INFINITY
    this.#undo = undefined
  }

  #writeRange(range: ClaimedRange, state: State, place: ConsumerPlace, now: number): void {
    range.isDirty = false
    const isCurrent = range.epoch === place.epoch
    for (let from = 0; from < range.marks.length; ) {
      const mark = range.marks[from]
      const answer = range.answers.get(from)
      let to = from
      while (to + 1 < range.marks.length && range.marks[to + 1] === mark && isSame(answer, range.answers.get(to + 1)))
        to++
      if (isCurrent && mark === marks.acked) {
        this.#cut(range, from, to, state)
        this.#handled(range.seqs[from] ?? 0, range.seqs[to] ?? 0)
      }
      if (isCurrent && mark === marks.answered && answer !== undefined) {
        this.#writeAnswer(answer, this.#cut(range, from, to, state), state, now)
      }
      const isOpen = mark === marks.answered && answer?.kind === 'working'
      if (mark !== marks.open) range.marks.fill(isOpen ? marks.open : marks.done, from, to + 1)
      from = to + 1
    }
    range.answers.clear()
  }

  #cutUpTo(seq: number, state: State): void {
    for (const {lo, hi} of this.#deps.inFlight.cut(state, 0, seq)) this.#handled(lo, Math.min(hi, seq))
  }

  /** The consumer is done with its messages of this range of sequences. */
  #handled(lo: number, hi: number): void {
    const {consumed, durable, view} = this.#deps
    if (this.#consumed !== undefined) consumed.handled(this.#consumed, durable, view, [lo, hi])
  }

  /** Removes these messages from the ranges in flight that contain them. */
  #cut(range: ClaimedRange, from: number, to: number, state: State): InFlightRange[] {
    const [lo, hi] = [range.seqs[from] ?? 0, range.seqs[to] ?? 0]
    const cut = this.#deps.inFlight.cut(state, lo, hi)
    return cut.map((each) => ({...each, lo: Math.max(each.lo, lo), hi: Math.min(each.hi, hi)}))
  }

  #writeAnswer(answer: AckAnswer, parts: readonly InFlightRange[], state: State, now: number): void {
    const {inFlight, clients, durable, view} = this.#deps
    for (const part of parts) {
      const {lo, hi, tries} = part
      if (answer.kind === 'term') {
        inFlight.giveUp(state, part, answer.reason || 'terminated')
        this.#handled(lo, hi)
        continue
      }
      const messages = view.count(state, lo, hi)
      if (answer.kind === 'working') {
        const due = part.owner === clients.id ? now + ackWaitOf(durable.config, tries) : part.due
        inFlight.add({...part, messages, due})
      } else if (tries >= (durable.config.maxDeliver ?? Infinity)) {
        inFlight.giveUp(state, part, maxDeliverReason)
      } else {
        this.#isNews = true
        inFlight.add({...part, messages, owner: null, due: now + answer.delayMs})
      }
    }
  }
}

function isSame(one: AckAnswer | undefined, other: AckAnswer | undefined): boolean {
  if (one === undefined || other === undefined) return one === other
  if (one.kind !== other.kind) return false
  if (one.kind === 'nak' && other.kind === 'nak') return one.delayMs === other.delayMs
  return one.kind === 'working' || (one.kind === 'term' && other.kind === 'term' && one.reason === other.reason)
}
