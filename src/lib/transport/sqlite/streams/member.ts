/**
 * One member of a durable consumer. A cycle is one transaction: the acknowledgements so far are written, what is due to
 * be delivered again is taken, else the next messages. Rows are read before the lock is taken and only claimed under it.
 * A member that finds nothing only looks, and never writes.
 */
import {BusError} from '../../../core/errors.ts'
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

interface Waiting {
  readonly max: number
  readonly resolve: (taken: readonly Delivery[]) => void
  readonly reject: (error: unknown) => void
  timer: NodeJS.Timeout | undefined
  /** Its time is up, so it gets nothing once all has been looked through. */
  isLate: boolean
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
  readonly #signal: AbortSignal | undefined
  #left: number
  #hasOthers = false
  #epoch = -1
  /** Where the consumer was at the last look. */
  #next = 0
  /** Up to here there is nothing for this consumer. */
  #scanned = 0
  /** There may be messages, though none was found yet. */
  #isLooking = false
  #isWaking = false
  #buffer: Held[] = []
  #first = 0
  #waiting: Waiting | undefined
  #lookTimer: NodeJS.Timeout | undefined
  #ackTimer: NodeJS.Timeout | undefined
  #isClosed = false

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
    this.#left = options.max ?? Infinity
    this.#signal = options.signal
    this.#signal?.addEventListener('abort', this.#abort)
  }

  get ended(): boolean {
    return this.#isClosed || (this.#left <= 0 && this.#first === this.#buffer.length)
  }

  async take(max: number, waitMs?: number): Promise<readonly Delivery[]> {
    if (this.#waiting !== undefined) throw new Error('a consumer has one reader at a time')
    if (this.#turn.isLong()) await nextTurn()
    if (this.ended || max <= 0) return []
    const taken = this.#tryTake(max)
    if (taken.length > 0) return taken
    if (waitMs === 0 && !this.#isLooking) {
      await nextTurn()
      return []
    }
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {max, resolve, reject, timer: undefined, isLate: waitMs === 0}
      this.#waiting = waiting
      if (waitMs !== undefined && waitMs > 0) waiting.timer = setTimeout(() => this.#late(waiting), waitMs)
    })
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
    if (this.#isClosed) return this.flush()
    this.#isClosed = true
    this.#signal?.removeEventListener('abort', this.#abort)
    clearTimeout(this.#lookTimer)
    this.#answer([])
    const back = this.#buffer.slice(this.#first)
    this.#buffer = []
    this.#first = 0
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

  /** Somebody committed, or something is due: serves whoever waits; true when it could. */
  wake(): boolean {
    if (this.#isClosed) return false
    const waiting = this.#waiting
    try {
      if (waiting === undefined) {
        this.#forgetMoved()
        return false
      }
      const taken = this.#takeNow(waiting.max)
      const isOver = this.ended || (waiting.isLate && !this.#isLooking)
      if (taken.length === 0 && !isOver) return false
      this.#answer(taken)
      return taken.length > 0
    } catch (error) {
      this.fail(error)
      return false
    }
  }

  /** Ends a wait with an error. */
  fail(error: unknown): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    clearTimeout(waiting?.timer)
    waiting?.reject(this.#parts.failure(error))
  }

  #late(waiting: Waiting): void {
    waiting.isLate = true
    if (!this.#isLooking) this.#answer([])
  }

  readonly #abort = (): void => {
    this.close().catch(() => {})
  }

  #answer(taken: readonly Delivery[]): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    clearTimeout(waiting?.timer)
    waiting?.resolve(taken)
  }

  #tryTake(max: number): readonly Delivery[] {
    try {
      return this.#takeNow(max)
    } catch (error) {
      throw this.#parts.failure(error)
    }
  }

  #takeNow(max: number): readonly Delivery[] {
    if (this.#first === this.#buffer.length && this.#left > 0) this.#claim(max)
    const taken = this.#buffer.slice(this.#first, this.#first + max)
    this.#first += taken.length
    if (this.#first === this.#buffer.length) {
      this.#buffer = []
      this.#first = 0
    }
    return taken
  }

  /** Gets messages into the buffer, or sees to it that it looks again when there may be some. */
  #claim(max: number): void {
    clearTimeout(this.#lookTimer)
    const want = Math.min(this.#pace.want(max, this.#hasOthers), this.#left)
    const now = Date.now()
    const look = this.#view.read((state) => this.#look(state, want, now))
    this.#isLooking = look.lookAgainMs === 0
    if (look.isIdle) {
      if (look.lookAgainMs !== undefined) this.#lookAgain(look.lookAgainMs)
      return
    }
    const claims = this.#parts.lock.tryWrite(() => {
      this.#writeAcks()
      return this.#claims.take(want, look.page, now)
    })
    if (claims !== busy) {
      this.#settled()
      this.#hold(claims)
    }
    this.#isLooking = this.#buffer.length === 0
    if (this.#isLooking) this.#lookAgain(0)
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
        this.#buffer.push(new Held(this, lot, i, pending, row, this.#view.nameOf(row)))
      }
      this.#left -= rows.length
    }
  }

  /** Was it moved to another place? Then what is here is not what comes next. */
  #follow(place: Place): void {
    if (place.epoch === this.#epoch) return
    if (this.#epoch >= 0) {
      this.#left += this.#buffer.length - this.#first
      this.#buffer = []
      this.#first = 0
    }
    this.#epoch = place.epoch
    this.#scanned = 0
    this.#backlog.forget()
  }

  #forgetMoved(): void {
    if (this.#first === this.#buffer.length) return
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
    if (this.#isClosed) this.#parts.onUnwritten(this)
    if (this.#waiting !== undefined && !this.#isWaking) {
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
    if (this.#isClosed) this.#parts.onClose(this)
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

  #lookAgain(afterMs: number): void {
    clearTimeout(this.#lookTimer)
    if (afterMs > 0) this.#lookTimer = setTimeout(() => this.wake(), afterMs)
    else setImmediate(() => this.wake())
  }
}
