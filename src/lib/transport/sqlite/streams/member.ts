/**
 * One member of a durable consumer. A cycle is one transaction: the acknowledgements so far are written, what is due to
 * be delivered again is taken, else the next messages. Rows are read before the lock is taken and only claimed under it.
 * A member that finds nothing only looks, and never writes.
 */
import {BusError} from '../../../core/errors.ts'
import {Timer} from '../../../core/time/timer.ts'
import {TakeQueue} from '../../shared/take-queue.ts'
import {type ConsumeOptions, type Consuming, Delivery} from '../../streams-contract.ts'
import type {Clients} from '../clients.ts'
import {busy, type Lock} from '../lock.ts'
import {type Row, toMessage} from '../rows.ts'
import {Acks, type Answer, Lot} from './acks.ts'
import {Backlog} from './backlog.ts'
import {Pace} from './batch-size.ts'
import type {Catalogue, Kept, State} from './catalogue.ts'
import {type Claim, Claims} from './claims.ts'
import type {Durable, Durables, Place} from './durable.ts'
import type {Flights} from './in-flight.ts'
import type {View} from './view.ts'
import {nextTurn, Turn} from './yield-turn.ts'

const prefetch = 512
/** Acknowledgements wait so long for the next claim. */
const idleMs = 5
/** Whether a member that has messages was killed is looked at so often. */
const othersMs = 100
const overdueMs = 20

export interface MemberParts {
  readonly lock: Lock
  readonly clients: Clients
  readonly catalogue: Catalogue
  readonly durables: Durables
  readonly flights: Flights
  /** Wakes the members of all processes. */
  readonly ring: () => void
  /** Told when there is nothing left to write. */
  readonly onClose: (member: Member) => void
  /** Told when it is closed and yet has something to write. */
  readonly onUnwritten: (member: Member) => void
  /** Makes one sentence of what SQLite says. */
  readonly failure: (error: unknown) => unknown
}

/** A delivery with its place among those claimed with it. */
class Held extends Delivery {
  readonly lot: Lot
  readonly index: number

  constructor(from: Member, lot: Lot, index: number, pending: number, row: Row<number>, subject: string) {
    const {payload, headers, reply, time} = toMessage(row, subject, true)
    const {stream, consumer} = from
    super(from, {stream, consumer, seq: row[0], time, deliveries: lot.tries, pending}, subject, payload, headers, reply)
    this.lot = lot
    this.index = index
  }
}

export class Member implements Consuming {
  readonly stream: string
  readonly consumer: string
  readonly #parts: MemberParts
  readonly #kept: Kept
  readonly #durable: Durable
  readonly #view: View
  readonly #acks: Acks
  readonly #backlog: Backlog
  readonly #claims: Claims
  readonly #pace: Pace
  readonly #turn = new Turn()
  readonly #queue: TakeQueue<Held>
  #hasOthers = false
  #epoch = -1
  /** Where the consumer was at the last look. */
  #next = 0
  /** Up to here there is nothing for this consumer. */
  #scanned = 0
  #isWaking = false
  #lookTimer: Timer | undefined
  #ackTimer: NodeJS.Timeout | undefined

  constructor(parts: MemberParts, kept: Kept, durable: Durable, view: View, options: ConsumeOptions) {
    this.stream = kept.config.name
    this.consumer = durable.config.name
    this.#parts = parts
    this.#kept = kept
    this.#durable = durable
    this.#view = view
    this.#acks = new Acks(parts, durable, view)
    this.#backlog = new Backlog(durable, view)
    this.#claims = new Claims(parts, kept, durable, view, this.#backlog)
    this.#pace = new Pace(options.prefetch ?? prefetch)
    this.#queue = new TakeQueue({
      max: options.max,
      signal: options.signal,
      onAbort: () => void this.close().catch(() => {}),
      refill: (most) => this.#claim(most),
      failure: parts.failure,
    })
  }

  get ended(): boolean {
    return this.#queue.ended
  }

  take(max: number, waitMs?: number): Promise<readonly Delivery[]> {
    if (this.#turn.isLong()) return nextTurn().then(() => this.#queue.take(max, waitMs))
    return this.#queue.take(max, waitMs)
  }

  ack(delivery: Delivery): void {
    const held = this.#own(delivery)
    if (held === undefined) return
    if (this.#durable.config.ack === 'all') this.#acks.ackAll(held.lot, held.index)
    else this.#acks.ack(held.lot, held.index)
    this.#armAcks()
  }

  nak(delivery: Delivery, delayMs = 0): void {
    this.#answerOf(delivery, {kind: 'nak', delayMs})
  }

  term(delivery: Delivery, reason = ''): void {
    this.#answerOf(delivery, {kind: 'term', reason})
  }

  working(delivery: Delivery): void {
    this.#answerOf(delivery, {kind: 'working'})
  }

  async flush(): Promise<void> {
    if (this.#acks.any) await this.#write(() => this.#writeAcks())
  }

  async close(): Promise<void> {
    if (this.#queue.closed) return this.flush()
    this.#queue.end()
    this.#lookTimer?.cancel()
    const back = this.#queue.clear()
    try {
      await this.#write(() => {
        if (!this.#isThere()) return
        this.#writeAcks()
        this.#giveBack(back)
      })
    } finally {
      this.#parts.onClose(this)
    }
    if (back.length > 0) this.#parts.ring()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Somebody committed, or something is due: serves the waiting reader; true when it could. */
  wake(): boolean {
    if (this.#queue.closed) return false
    if (this.#queue.isWaiting) return this.#queue.wake()
    try {
      this.#forgetMoved()
    } catch (error) {
      this.fail(error)
    }
    return false
  }

  /** Ends a wait with an error. */
  fail(error: unknown): void {
    this.#queue.reject(this.#parts.failure(error))
  }

  /** Claims messages, or sees to it that it looks again when there may be some: `later`. */
  #claim(max: number): 'later' | undefined {
    this.#lookTimer?.cancel()
    const want = Math.min(this.#pace.want(max, this.#hasOthers), this.#queue.room)
    const now = Date.now()
    const look = this.#view.read((state) => this.#look(state, want, now))
    if (look.isIdle) return look.lookAgainMs === undefined ? undefined : this.#lookAgain(look.lookAgainMs)
    const claims = this.#parts.lock.tryWrite(() => {
      this.#writeAcks()
      return this.#claims.take(want, look.page, now)
    })
    if (claims !== busy) {
      this.#settled()
      this.#hold(claims)
    }
    return this.#queue.length === 0 ? this.#lookAgain(0) : undefined
  }

  #look(state: State, want: number, now: number) {
    const {durables, flights} = this.#parts
    const {id, config} = this.#durable
    const place = durables.place(this.#durable)
    this.#follow(place)
    this.#hasOthers = flights.hasOthers(id)
    // Another member gave back what it had not taken.
    if (place.next < this.#next) this.#scanned = 0
    this.#next = place.next
    const room = config.ack === 'none' ? Infinity : config.maxAckPending - flights.out(id)
    const hasRoom = room > 0 || this.#acks.any
    const most = Math.min(want, Math.max(1, room + this.#acks.freed))
    const from = Math.max(place.next, this.#scanned)
    const page = hasRoom ? this.#view.page(state, from, state.last, most) : {rows: [], upTo: from - 1}
    const isDue = flights.due(this.#durable, now, want).some((flight) => flight.tries > 0 || room > 0)
    if (page.rows.length === 0) this.#scanned = Math.max(this.#scanned, page.upTo + 1)
    this.#backlog.follow(state, place)
    if (isDue || page.rows.length > 0) return {isIdle: false, page: {...page, from: place.next}, lookAgainMs: undefined}
    const isPart = hasRoom && page.upTo < state.last
    const lookAgainMs = isPart ? 0 : this.#nextLook(now)
    return {isIdle: true, page: {...page, from: place.next}, lookAgainMs}
  }

  /** Milliseconds until something may be due that no bell tells of. */
  #nextLook(now: number): number | undefined {
    const {flights} = this.#parts
    const due = flights.nextDue(this.#durable.id)
    if (due === undefined) return undefined
    const wait = due > now ? due - now : overdueMs
    return this.#hasOthers ? Math.min(wait, othersMs) : wait
  }

  #hold(claims: readonly Claim[]): void {
    const first = claims.reduce((sum, {tries, rows}) => sum + (tries === 1 ? rows.length : 0), 0)
    let pending = this.#backlog.count + this.#parts.flights.waiting(this.#durable.id) + first
    for (const {rows, tries, moved} of claims) {
      const lot = new Lot(this.#epoch, rows, tries, moved)
      for (const [i, row] of rows.entries()) {
        if (tries === 1) pending--
        this.#queue.hold(new Held(this, lot, i, pending, row, this.#view.nameOf(row)))
      }
    }
  }

  /** Was it moved to another place? Then what is here is not what comes next. */
  #follow(place: Place): void {
    if (place.epoch === this.#epoch) return
    this.#queue.clear()
    this.#epoch = place.epoch
    this.#scanned = 0
    this.#backlog.forget()
  }

  #forgetMoved(): void {
    if (this.#queue.length === 0) return
    const {lock, durables} = this.#parts
    lock.read(() => {
      if (this.#isThere()) this.#follow(durables.place(this.#durable))
    })
  }

  #isThere(): boolean {
    return this.#parts.durables.find(this.#kept, this.consumer)?.id === this.#durable.id
  }

  #answerOf(delivery: Delivery, answer: Answer): void {
    const held = this.#own(delivery)
    if (held === undefined) return
    this.#acks.answer(held.lot, held.index, answer)
    this.#armAcks()
  }

  /** A delivery that can be acknowledged; on a `none` consumer there is none. */
  #own(delivery: Delivery): Held | undefined {
    if (!(delivery instanceof Held) || delivery.from !== this) {
      throw new BusError('usage', 'a delivery is acknowledged where it was taken')
    }
    return this.#durable.config.ack === 'none' ? undefined : delivery
  }

  /** Whoever waits may do so for the room that these make: then they are written with the claim, at once. */
  #armAcks(): void {
    if (this.#queue.closed) this.#parts.onUnwritten(this)
    if (this.#queue.isWaiting && !this.#isWaking) {
      this.#isWaking = true
      setImmediate(() => {
        this.#isWaking = false
        this.wake()
      })
    }
    this.#ackTimer ??= setTimeout(() => {
      this.#ackTimer = undefined
      this.#writeSoon()
    }, idleMs)
  }

  #writeSoon(): void {
    try {
      if (!this.#acks.any || !this.#isThere()) return
      if (this.#parts.lock.tryWrite(() => this.#writeAcks()) === busy) this.#armAcks()
      else this.#settled()
    } catch (error) {
      this.fail(error)
    }
  }

  /** Within a write transaction. */
  #writeAcks(): void {
    if (this.#acks.any)
      this.#acks.write(this.#parts.catalogue.state(this.#kept), this.#parts.durables.place(this.#durable))
  }

  /** Writes now, whatever it takes. */
  async #write(work: () => void): Promise<void> {
    try {
      await this.#parts.lock.write(work, () => this.#settled())
    } catch (error) {
      throw this.#parts.failure(error)
    }
  }

  /** After the commit. */
  #settled(): void {
    if (this.#queue.closed) this.#parts.onClose(this)
    if (this.#acks.committed()) this.#parts.ring()
  }

  /** Within a write transaction: what nobody took was never delivered. */
  #giveBack(deliveries: readonly Held[]): void {
    const lots = new Map<Lot, number>()
    for (const {lot, index} of deliveries) if (!lots.has(lot)) lots.set(lot, index)
    for (const [lot, from] of [...lots].reverse()) {
      this.#acks.giveBack(lot, from, this.#parts.catalogue.state(this.#kept), this.#parts.durables.place(this.#durable))
    }
  }

  #lookAgain(afterMs: number): 'later' | undefined {
    if (afterMs > 0) this.#lookTimer = new Timer(afterMs, () => this.wake())
    else setImmediate(() => this.wake())
    return afterMs > 0 ? undefined : 'later'
  }
}
