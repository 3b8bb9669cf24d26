/**
 * One member of a durable consumer. A cycle is one transaction: it writes the acknowledgements so far and claims messages due
 * for redelivery, otherwise the next ones. Rows are read before the lock is taken and only claimed under it. A member that
 * finds nothing only reads, and never writes.
 */
import {BusError} from '../../../core/errors.ts'
import type {Message, Outgoing} from '../../../core/message.ts'
import {Timer} from '../../../core/time/timer.ts'
import {TakeQueue} from '../../shared/take-queue.ts'
import {type ConsumeOptions, type ConsumerInfo, type Consuming, Delivery} from '../../streams-contract.ts'
import type {Clients} from '../clients.ts'
import {busy, type Lock} from '../db.ts'
import {toMessage} from '../rows.ts'
import {type AckAnswer, ClaimedRange, PendingAcks} from './acks.ts'
import {Backlog} from './backlog.ts'
import type {Catalogue, KeptStream, State} from './catalogue.ts'
import {type ClaimedRows, Claims} from './claims.ts'
import type {ConsumedMessages} from './consumed.ts'
import type {ConsumerPlace, Durable, Durables} from './durable.ts'
import type {InFlight} from './in-flight.ts'
import type {StreamView} from './view.ts'
import {afterOthers, YieldCheck} from './yield-check.ts'

const prefetch = 512
/** How long acknowledgements wait for the next claim. */
const idleMs = 5
/** The interval at which the member checks whether others that hold messages were killed. */
const othersMs = 100
const overdueMs = 20
const firstAhead = 16
const soonMs = 20
const lateMs = 100
/** Largest number of messages to claim at a time if other members take part. */
const fairAhead = 64

export interface MemberDeps {
  readonly lock: Lock
  readonly clients: Clients
  readonly catalogue: Catalogue
  readonly durables: Durables
  readonly stream: KeptStream
  readonly durable: Durable
  readonly view: StreamView
  readonly inFlight: InFlight
  readonly consumed: ConsumedMessages
  readonly joined: ConsumerInfo
  /** Wakes the members of all processes. */
  readonly notify: () => void
  /** Publishes an advisory after the commit. */
  readonly publish: (advisory: Outgoing) => void
  /** Within a write transaction: it no longer takes part. */
  readonly leave: () => void
  /** Called when there is nothing left to write. */
  readonly onClose: (member: SqliteMember) => void
  /** Called when it is closed with something left to write. */
  readonly onUnwritten: (member: SqliteMember) => void
  /** Translates errors of SQLite. */
  readonly failure: (error: unknown) => unknown
}

type NamedRows = ClaimedRows & {readonly names: readonly string[]}

/** A delivery with its index among those claimed with it. */
class DeliveredRow extends Delivery {
  readonly range: ClaimedRange
  readonly index: number

  constructor(from: SqliteMember, range: ClaimedRange, place: {index: number; pending: number}, message: Message) {
    const {stream, consumer} = from
    const {seq = 0, time} = message
    super(from, {stream, consumer, seq, time, deliveries: range.tries, pending: place.pending}, message)
    this.range = range
    this.index = place.index
  }
}

export class SqliteMember implements Consuming {
  readonly stream: string
  readonly consumer: string
  readonly joined: ConsumerInfo
  gaps = 0
  /** The last delivered message, as of this member's last claim. */
  #delivered: number
  readonly #deps: MemberDeps
  readonly #acks: PendingAcks
  readonly #backlog: Backlog
  readonly #claims: Claims
  readonly #batchSize: BatchSize
  readonly #yield = new YieldCheck()
  readonly #queue: TakeQueue<DeliveredRow>
  #hasOthers = false
  #epoch = -1
  /** The consumer's position at the last check. */
  #next = 0
  /** Up to here there is nothing for this consumer. */
  #scanned = 0
  #isWaking = false
  #lookTimer: Timer | undefined
  #ackTimer: NodeJS.Timeout | undefined

  constructor(deps: MemberDeps, options: ConsumeOptions) {
    this.stream = deps.stream.config.name
    this.consumer = deps.durable.config.name
    this.#deps = deps
    this.joined = deps.joined
    this.#delivered = deps.joined.deliveredSeq
    this.#acks = new PendingAcks(deps)
    this.#backlog = new Backlog(deps.durable, deps.view)
    this.#claims = new Claims(deps, this.#backlog)
    this.#batchSize = new BatchSize(options.prefetch ?? prefetch)
    this.#queue = new TakeQueue({
      max: options.max,
      signal: options.signal,
      // What could not be written is written, or reported, by the reader's own `close`.
      onAbort: () => void this.close().catch(() => {}),
      refill: (most) => this.#claim(most),
      failure: deps.failure,
    })
  }

  get ended(): boolean {
    return this.#queue.ended
  }

  take(max: number, waitMs?: number): Promise<readonly Delivery[]> {
    if (this.#yield.isDue()) return afterOthers().then(() => this.#queue.take(max, waitMs))
    return this.#queue.take(max, waitMs)
  }

  ack(delivery: Delivery): void {
    const held = this.#own(delivery)
    if (held === undefined) return
    if (this.#deps.durable.config.ack === 'all') this.#acks.ackAll(held.range, held.index)
    else this.#acks.ack(held.range, held.index)
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

  async finish(): Promise<boolean> {
    await this.close()
    return false
  }

  async close(): Promise<void> {
    if (this.#queue.closed) return this.flush()
    this.#queue.end()
    this.#lookTimer?.cancel()
    const back = this.#queue.clear()
    try {
      await this.#write(() => {
        this.#deps.leave()
        if (!this.#isThere()) return
        this.#writeAcks()
        this.#giveBack(back)
      })
    } finally {
      this.#deps.onClose(this)
    }
    if (back.length > 0) this.#deps.notify()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** There was a commit, or something is due: serves the waiting reader; true if it could. */
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
    this.#queue.reject(this.#deps.failure(error))
  }

  /** Claims messages, or schedules another check if there may be some: `later`. */
  #claim(max: number): 'later' | undefined {
    this.#lookTimer?.cancel()
    const ahead = this.#isFinal ? max : this.#batchSize.want(max, this.#hasOthers)
    const want = Math.min(ahead, this.#queue.room)
    const now = Date.now()
    const look = this.#deps.view.read((state) => this.#look(state, want, now))
    if (look.isIdle) return look.lookAgainMs === undefined ? undefined : this.#lookAgain(look.lookAgainMs)
    const claims = this.#deps.lock.tryWrite(() => {
      this.#writeAcks()
      return this.#claims.take(want, look.page, now).map((claim) => this.#named(claim))
    })
    if (claims !== busy) {
      this.#settled()
      this.#hold(claims)
    }
    return this.#queue.length === 0 ? this.#lookAgain(0) : undefined
  }

  /** Whether a delivery may remove the message. Then no message is claimed before the reader asks for it. */
  get #isFinal(): boolean {
    const {consumed, durable, stream} = this.#deps
    return durable.config.ack === 'none' && consumed.of(stream) !== undefined
  }

  #look(state: State, want: number, now: number) {
    const {durables, durable, view, inFlight} = this.#deps
    const place = durables.place(durable)
    this.#follow(place)
    this.#hasOthers = inFlight.hasOthers()
    // Another member returned messages that it had not taken.
    if (place.next < this.#next) this.#scanned = 0
    this.#next = place.next
    const pausedMs = (durable.pausedUntil ?? 0) - now
    if (pausedMs > 0) return {isIdle: true, page: {rows: [], upTo: 0, from: place.next}, lookAgainMs: pausedMs}
    const room = durable.config.ack === 'none' ? Infinity : (durable.config.maxAckPending ?? Infinity) - inFlight.out()
    const hasRoom = room > 0 || this.#acks.any
    const most = Math.min(want, Math.max(1, room + this.#acks.freed))
    const from = Math.max(place.next, this.#scanned)
    const page = hasRoom ? view.page(state, from, state.last, most) : {rows: [], upTo: from - 1}
    const isDue = inFlight.due(now, want).some(({tries}) => tries > 0 || room > 0)
    if (page.rows.length === 0) this.#scanned = Math.max(this.#scanned, page.upTo + 1)
    this.#backlog.follow(state, place)
    const isIdle = !isDue && page.rows.length === 0
    const isPart = hasRoom && page.upTo < state.last
    const lookAgainMs = isIdle ? (isPart ? 0 : this.#nextLook(now)) : undefined
    return {isIdle, page: {...page, from: place.next}, lookAgainMs}
  }

  /** Milliseconds until something may be due without a commit. */
  #nextLook(now: number): number | undefined {
    const {inFlight} = this.#deps
    const due = inFlight.nextDue()
    if (due === undefined) return undefined
    const wait = due > now ? due - now : overdueMs
    return this.#hasOthers ? Math.min(wait, othersMs) : wait
  }

  /** Within the transaction of a claim, while the names of its subjects certainly exist. */
  #named(claim: ClaimedRows): NamedRows {
    return {...claim, names: claim.rows.map((row) => this.#deps.view.nameOf(row))}
  }

  #hold(claims: readonly NamedRows[]): void {
    const first = claims.reduce((sum, {tries, rows}) => sum + (tries === 1 ? rows.length : 0), 0)
    let pending = this.#backlog.count + this.#deps.inFlight.waiting() + first
    for (const {rows, names, tries, moved} of claims) {
      const range = new ClaimedRange(this.#epoch, rows, tries, moved)
      if (moved !== undefined) {
        if (moved.before.delivered !== this.#delivered) this.gaps++
        this.#delivered = rows.at(-1)?.[0] ?? this.#delivered
      }
      for (const [index, row] of rows.entries()) {
        if (tries === 1) pending--
        const message = toMessage(row, names[index] ?? '', true)
        this.#queue.hold(new DeliveredRow(this, range, {index, pending}, message))
      }
    }
  }

  /** If the consumer was moved, held messages are not the next ones any more. */
  #follow(place: ConsumerPlace): void {
    if (place.epoch === this.#epoch) return
    this.#queue.clear()
    this.#epoch = place.epoch
    this.#scanned = 0
    this.#backlog.forget()
  }

  #forgetMoved(): void {
    if (this.#queue.length === 0) return
    const {lock, durables} = this.#deps
    lock.read(() => {
      if (this.#isThere()) this.#follow(durables.place(this.#deps.durable))
    })
  }

  #isThere(): boolean {
    return this.#deps.durables.find(this.#deps.stream, this.consumer)?.id === this.#deps.durable.id
  }

  #answerOf(delivery: Delivery, answer: AckAnswer): void {
    const held = this.#own(delivery)
    if (held === undefined) return
    this.#acks.answer(held.range, held.index, answer)
    this.#armAcks()
  }

  /** A delivery that can be acknowledged; undefined on a `none` consumer. */
  #own(delivery: Delivery): DeliveredRow | undefined {
    if (!(delivery instanceof DeliveredRow) || delivery.from !== this) {
      throw new BusError('usage', 'a delivery is acknowledged where it was taken')
    }
    return this.#deps.durable.config.ack === 'none' ? undefined : delivery
  }

  /** A waiting reader may need the room that these acknowledgements free: then they are written immediately, with the claim. */
  #armAcks(): void {
    if (this.#queue.closed) this.#deps.onUnwritten(this)
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
      if (this.#deps.lock.tryWrite(() => this.#writeAcks()) === busy) this.#armAcks()
      else this.#settled()
    } catch (error) {
      this.fail(error)
    }
  }

  /** Within a write transaction. */
  #writeAcks(): void {
    // Those of an earlier attempt, which failed.
    this.#deps.inFlight.takeAdvisories()
    if (this.#acks.any)
      this.#acks.write(this.#deps.catalogue.state(this.#deps.stream), this.#deps.durables.place(this.#deps.durable))
  }

  /** Writes now, waiting for the lock if necessary. */
  async #write(work: () => void): Promise<void> {
    try {
      await this.#deps.lock.write(work, () => this.#settled())
    } catch (error) {
      throw this.#deps.failure(error)
    }
  }

  /** After the commit. */
  #settled(): void {
    if (this.#queue.closed) this.#deps.onClose(this)
    for (const advisory of this.#deps.inFlight.takeAdvisories()) this.#deps.publish(advisory)
    if (this.#acks.committed()) this.#deps.notify()
  }

  /** Within a write transaction: messages that were not taken count as never delivered. */
  #giveBack(deliveries: readonly DeliveredRow[]): void {
    const ranges = new Map<ClaimedRange, number>()
    for (const {range, index} of deliveries) if (!ranges.has(range)) ranges.set(range, index)
    for (const [range, from] of [...ranges].reverse()) {
      this.#acks.giveBack(
        range,
        from,
        this.#deps.catalogue.state(this.#deps.stream),
        this.#deps.durables.place(this.#deps.durable),
      )
    }
  }

  #lookAgain(afterMs: number): 'later' | undefined {
    if (afterMs > 0) this.#lookTimer = new Timer(afterMs, () => this.wake())
    else setImmediate(() => this.wake())
    return afterMs > 0 ? undefined : 'later'
  }
}

/**
 * How many messages a member claims at a time: few at first, and more while it returns quickly, so that others get their share.
 */
class BatchSize {
  readonly #prefetch: number
  #ahead: number
  #askedAt = 0

  constructor(prefetch: number) {
    this.#prefetch = prefetch
    this.#ahead = Math.min(firstAhead, prefetch)
  }

  /** At least the number wanted now. */
  want(max: number, hasOthers: boolean): number {
    const now = performance.now()
    const since = now - this.#askedAt
    this.#askedAt = now
    if (since < soonMs) this.#ahead = Math.min(this.#ahead * 2, this.#prefetch)
    else if (since > lateMs) this.#ahead = Math.min(firstAhead, this.#prefetch)
    return Math.max(max, hasOthers ? Math.min(this.#ahead, fairAhead) : this.#ahead)
  }
}
