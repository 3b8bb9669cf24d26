/** One durable consumer: its position, and its messages in flight. */

import type {BusError} from '../../core/errors.ts'
import type {Message, Outgoing} from '../../core/message.ts'
import {matches} from '../../core/subject.ts'
import {Timer} from '../../core/time/timer.ts'
import {failureAdvisory, maxDeliverReason} from '../shared/advisories.ts'
import {ackWaitOf} from '../shared/stream-settings.ts'
import type {ConsumerConfig, ConsumerInfo, FailedMessage, Start} from '../streams-contract.ts'
import {filterBy, type InterestedConsumer, type KeptMessage, type MemoryStream, type MessageFilter} from './stream.ts'

/** A message that was delivered to a member. */
export interface ClaimedMessage {
  readonly seq: number
  readonly message: Message
  readonly deliveries: number
  readonly pending: number
}

export interface ConsumerMember {
  /** Called when there may be something to claim. */
  wake(): void
  fail(failure: BusError): void
}

/** Delivered `deliveries` times; will be redelivered at `dueMs` unless it is acknowledged. */
interface InFlightMessage {
  deliveries: number
  dueMs: number
}

export class MemoryConsumer implements InterestedConsumer {
  config: ConsumerConfig
  readonly created = Date.now()
  readonly members = new Set<ConsumerMember>()
  readonly #stream: MemoryStream
  readonly #inFlight = new Map<number, InFlightMessage>()
  #wanted: MessageFilter
  /** The next sequence to deliver. */
  #next: number
  /** The last delivered message, or before the first delivery the position before `#next`. */
  #delivered: number
  readonly #failed = new Map<number, Omit<FailedMessage, 'seq' | 'isThere'>>()
  readonly #publish: (advisory: Outgoing) => void
  #lastActive: number | undefined
  #pausedUntil = 0
  #timer: Timer | undefined

  constructor(stream: MemoryStream, config: ConsumerConfig, publish: (advisory: Outgoing) => void) {
    this.#publish = publish
    this.#stream = stream
    this.config = config
    this.#wanted = filterBy(config.filters)
    this.#next = this.#begin()
    this.#delivered = this.#next - 1
    stream.watchers.add(this.#watch)
  }

  get deliveredSeq(): number {
    return this.#delivered
  }

  get info(): ConsumerInfo {
    this.#forgetGone()
    const givenUp = [...this.#failed.values()].filter(({reason}) => reason === maxDeliverReason).length
    return {
      stream: this.#stream.config.name,
      config: this.config,
      created: this.created,
      deliveredSeq: this.#delivered,
      ackFloor: this.#inFlight.size === 0 ? this.#delivered : Math.min(...this.#inFlight.keys()) - 1,
      pending: this.#stream.count(this.#next, this.#wanted),
      ackPending: this.#inFlight.size,
      redelivered: [...this.#inFlight.values()].filter(({deliveries}) => deliveries > 1).length,
      ...(givenUp > 0 && {givenUp}),
      lastActive: this.#lastActive,
      ...(this.#pausedUntil > Date.now() && {pausedUntil: this.#pausedUntil}),
    }
  }

  /** Delivers up to `max` messages: first those due for redelivery, then new ones. */
  claim(max: number): ClaimedMessage[] {
    this.#forgetGone()
    if (this.#pausedUntil > Date.now()) {
      this.#arm()
      return []
    }
    const again = this.#due().slice(0, max)
    const {ack, maxAckPending = Infinity} = this.config
    const room = ack === 'none' ? max : Math.min(max - again.length, maxAckPending - this.#inFlight.size)
    const fresh = room > 0 ? this.#stream.next(this.#next, Number.POSITIVE_INFINITY, room, this.#wanted) : []
    if (fresh.length > 0) this.#next = (fresh.at(-1)?.seq ?? 0) + 1
    const left = again.length + fresh.length > 0 ? this.#stream.count(this.#next, this.#wanted) : 0
    this.#arm()
    if (ack === 'none')
      this.#stream.handled(
        [...again, ...fresh].map(({seq}) => seq),
        this,
      )
    return [
      ...again.map((kept) => this.#deliver(kept, left + fresh.length)),
      ...fresh.map((kept, i) => this.#deliver(kept, left + fresh.length - i - 1)),
    ]
  }

  /** Marks a message as done or given up. */
  settle(seq: number): void {
    const done = this.config.ack === 'all' ? [...this.#inFlight.keys()].filter((each) => each <= seq) : [seq]
    for (const each of done) this.#inFlight.delete(each)
    this.#stream.handled(done, this)
    this.#lastActive = Date.now()
    this.#wake()
  }

  wants(subject: string): boolean {
    const {filters} = this.config
    return filters.length === 0 || filters.some((filter) => matches(filter, subject))
  }

  needs({seq, message}: KeptMessage): boolean {
    if (!this.wants(message.subject)) return false
    return seq >= this.#next || this.#inFlight.has(seq) || this.#failed.get(seq)?.reason === maxDeliverReason
  }

  terminate(seq: number, reason: string): void {
    this.#fail(seq, reason || 'terminated')
    this.settle(seq)
  }

  /** Those after a sequence, in order. */
  failures(afterSeq: number): FailedMessage[] {
    this.#due()
    const all = [...this.#failed].filter(([seq]) => seq > afterSeq).sort(([one], [other]) => one - other)
    return all.map(([seq, failure]) => ({seq, ...failure, isThere: this.#stream.get(seq) !== undefined}))
  }

  forget(seqs: readonly number[]): void {
    for (const seq of seqs) this.#failed.delete(seq)
  }

  /** Redelivers it after this delay; by default, after the ack wait. */
  postpone(seq: number, delayMs?: number): void {
    const found = this.#inFlight.get(seq)
    if (found === undefined) return
    found.dueMs = Date.now() + (delayMs ?? ackWaitOf(this.config, found.deliveries))
    this.#wake()
  }

  reset(to: Start | undefined): void {
    this.#wanted = filterBy(this.config.filters)
    this.#next = this.#stream.begin(to, this.#wanted)
    this.#delivered = this.#next - 1
    for (const [seq, failure] of this.#failed)
      if (failure.reason === maxDeliverReason)
        this.#failed.set(seq, {...failure, reason: `${maxDeliverReason}, before it was moved`})
    this.#inFlight.clear()
    this.#wake()
  }

  change(config: ConsumerConfig): void {
    const isFiltered = config.filters.join(' ') !== this.config.filters.join(' ')
    this.config = config
    if (isFiltered) this.#wanted = filterBy(config.filters)
    this.#wake()
  }

  pause(untilMs = 0): void {
    this.#pausedUntil = untilMs
    this.#wake()
  }

  remove(failure: BusError): void {
    this.#stream.watchers.delete(this.#watch)
    this.#timer?.cancel()
    for (const member of [...this.members]) member.fail(failure)
  }

  /** Sets the timer for the next redelivery, if there is a member. */
  #arm(): void {
    this.#timer?.cancel()
    const due = Math.min(...[...this.#inFlight.values()].map(({dueMs}) => dueMs))
    const next = this.#pausedUntil > Date.now() ? this.#pausedUntil : due
    if (this.members.size === 0 || next === Number.POSITIVE_INFINITY) return
    this.#timer = new Timer(Math.max(1, next - Date.now()), this.#wake)
  }

  readonly #watch = (failure?: BusError): void => {
    if (failure === undefined) this.#wake()
    else this.remove(failure)
  }

  readonly #wake = (): void => {
    for (const member of [...this.members]) member.wake()
    this.#arm()
  }

  #begin(): number {
    const {deliver} = this.config
    if (deliver === 'all') return 1
    if (deliver === 'new') return this.#stream.lastSeq + 1
    if (deliver === 'last') return this.#stream.begin({last: 1}, this.#wanted)
    if (deliver !== 'lastPerSubject') return this.#stream.begin(deliver, this.#wanted)
    const last = new Set(this.#stream.lastPerSubject(this.#wanted).map(({seq}) => seq))
    const [until, matching] = [this.#stream.lastSeq, this.#wanted]
    this.#wanted = (kept) => (kept.seq > until ? matching(kept) : last.has(kept.seq))
    return 1
  }

  /** The messages due for redelivery, in order, without those that reached their limit of deliveries. */
  #due(): KeptMessage[] {
    const now = Date.now()
    const {maxDeliver = Number.POSITIVE_INFINITY} = this.config
    const due: KeptMessage[] = []
    for (const [seq, {deliveries, dueMs}] of [...this.#inFlight].sort(([one], [other]) => one - other)) {
      if (dueMs > now) continue
      if (deliveries >= maxDeliver) {
        this.#fail(seq, maxDeliverReason)
        this.#inFlight.delete(seq)
      } else due.push(...this.#stream.next(seq, seq, 1, () => true))
    }
    return due
  }

  #fail(seq: number, reason: string): void {
    const {deliveries} = this.#inFlight.get(seq) ?? {}
    if (deliveries === undefined) return
    this.#failed.set(seq, {deliveries, reason, message: this.#stream.get(seq)})
    const place = {stream: this.#stream.config.name, consumer: this.config.name}
    this.#publish(failureAdvisory({...place, seq, deliveries, reason}))
  }

  #deliver({seq, message}: KeptMessage, pending: number): ClaimedMessage {
    const deliveries = (this.#inFlight.get(seq)?.deliveries ?? 0) + 1
    const now = Date.now()
    if (this.config.ack !== 'none')
      this.#inFlight.set(seq, {deliveries, dueMs: now + ackWaitOf(this.config, deliveries)})
    this.#delivered = Math.max(this.#delivered, seq)
    this.#lastActive = now
    return {seq, message, deliveries, pending}
  }

  /** Messages that were removed from the stream need no acknowledgement. */
  #forgetGone(): void {
    for (const seq of [...this.#inFlight.keys()]) if (this.#stream.get(seq) === undefined) this.#inFlight.delete(seq)
  }
}
