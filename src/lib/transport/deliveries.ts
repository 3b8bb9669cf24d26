/** Deliveries that a reader of a durable consumer has taken and not yet settled, each message once. */

import {BusError} from '../core/errors.ts'
import {counted} from '../core/text/count.ts'
import {shellWord} from '../core/text/shell-word.ts'
import {Interval} from '../core/time/timer.ts'
import type {ConsumerInfo, Consumers, Consuming, Delivery} from './streams-contract.ts'

type Settlement = 'ack' | 'term'

/** Number of settled messages to remember, in order to recognise a copy that was sent before the settlement arrived. */
const remembered = 65_536

/**
 * How long a client that ends waits for a lost connection, so that its acknowledgements are confirmed: after a signal or at the end
 * of a time, and after it has done its work. In milliseconds.
 */
export const lostWaitMs = {interrupted: 500, complete: 5000} as const

/** Whether a message that is delivered and returned loses one of a limited number of deliveries. */
export function isLimited({config}: ConsumerInfo): boolean {
  return config.ack === 'none' || config.maxDeliver !== undefined
}

/**
 * The server of a push consumer sends everything at once. A message that is not taken cannot be returned with ack policy
 * `none`, and loses a delivery if deliveries are limited. Fails with `usage` if more than `count` would be sent.
 */
export function checkNoneLost({stream, config, pending, ackPending}: ConsumerInfo, count: number): void {
  const {name, push, ack, maxDeliver} = config
  const sent = pending + ackPending
  if (push === undefined || sent <= count || (ack !== 'none' && maxDeliver === undefined)) return
  const loss =
    ack === 'none'
      ? 'messages that are not taken would not be redelivered (ack policy none)'
      : `each message that is not taken would lose one of its ${maxDeliver} deliveries`
  throw new BusError(
    'usage',
    `the push consumer ${name} of ${stream} would send all of its ${counted(sent, 'message')}: ${loss}`,
    {
      data: {stream, consumer: name, pending, ackPending},
      try: [
        `bus consumer next ${shellWord(stream)} ${shellWord(name)} --peek`,
        'a pull consumer: bus consumer add',
        '--yes, to accept that',
      ],
    },
  )
}

/**
 * A server redelivers a message when its ack wait has ended, or when it lost the acknowledgement. Such a copy is not handled
 * again: a newer copy of a message in progress replaces the earlier one, and a settled message is settled again. A first
 * delivery is always new, because the consumer may have been reset.
 *
 * With ack policy `all` an acknowledgement covers every earlier message, including those in flight to other
 * clients. So a settled message is held until all earlier ones are settled here, and none is in flight to others.
 */
export class Deliveries {
  readonly #info: ConsumerInfo
  readonly #inProgress = new Map<number, Delivery>()
  /**
   * Sequences that were settled, at their index modulo the size, so that a later one replaces a much earlier one; negative for
   * `term`.
   */
  readonly #settled = new Float64Array(remembered)
  /** With ack policy `all`. */
  readonly #prefix: SettledPrefix | undefined

  constructor(info: ConsumerInfo) {
    this.#info = info
    if (info.config.ack === 'all') this.#prefix = new SettledPrefix()
  }

  /** The number of unacknowledged messages, including held ones. */
  get size(): number {
    return this.#inProgress.size
  }

  /** The number of messages that are settled but not acknowledged, because of earlier ones. */
  get held(): number {
    return this.#prefix?.held ?? 0
  }

  /** Whether the message was acknowledged or terminated, as far as it is remembered. */
  hasSettled(seq: number): boolean {
    return Math.abs(this.#settled[seq % remembered] ?? 0) === seq
  }

  /** Adds deliveries, and returns those that are not copies. */
  add(taken: readonly Delivery[]): readonly Delivery[] {
    let copies: Set<Delivery> | undefined
    for (const delivery of taken) if (!this.#isNew(delivery)) copies = (copies ?? new Set()).add(delivery)
    return copies === undefined ? taken : taken.filter((delivery) => !copies.has(delivery))
  }

  /** Acknowledges a message, or terminates it. */
  settle(delivery: Delivery, settlement: Settlement, reason?: string): void {
    if (this.#prefix !== undefined) {
      this.#acknowledge(this.#prefix.settle([delivery]))
      return
    }
    const newest = this.#remove(delivery.seq ?? 0, settlement)
    if (settlement === 'term') newest?.from.term(newest, reason)
    else newest?.from.ack(newest)
  }

  /** Acknowledges messages. */
  settleAll(deliveries: readonly Delivery[]): void {
    if (this.#prefix !== undefined) this.#acknowledge(this.#prefix.settle(deliveries))
    else for (const delivery of deliveries) this.settle(delivery, 'ack')
  }

  /**
   * Asks the consumer for its state and the number of messages in flight to others; if there are none, acknowledges held
   * messages. Messages on their way to this client count as in flight to others.
   */
  async ask(consumers: Pick<Consumers, 'info'>): Promise<{readonly info: ConsumerInfo; readonly others: number}> {
    const before = this.size
    const info = await consumers.info(this.#info.stream, this.#info.config.name)
    const others = Math.max(0, info.ackPending - Math.min(before, this.size))
    if (others === 0) this.#acknowledge(this.#prefix?.release((seq) => this.#inProgress.has(seq)) ?? [])
    return {info, others}
  }

  /** The error when a reader ends while messages are held. */
  heldError(): BusError {
    const {stream, config} = this.#info
    const what = this.held === 1 ? '1 message is' : `${this.held} messages are`
    const sentence = `${what} not acknowledged: ${config.name} of ${stream} has ack policy all, and earlier messages are in flight or to be redelivered`
    return new BusError('timeout', sentence, {
      data: {stream, consumer: config.name, unacknowledged: this.held},
      try: [
        `bus consumer info ${shellWord(stream)} ${shellWord(config.name)}`,
        'run the same command again after the ack wait',
      ],
    })
  }

  /** Returns a message for redelivery. */
  giveBack({seq = 0}: Delivery, delayMs?: number): void {
    const delivery = this.#inProgress.get(seq)
    this.#inProgress.delete(seq)
    // It may have been settled before the consumer was reset.
    const at = seq % remembered
    if (Math.abs(this.#settled[at] ?? 0) === seq) this.#settled[at] = 0
    delivery?.from.nak(delivery, delayMs)
  }

  giveAllBack(): void {
    for (const delivery of this.#inProgress.values()) delivery.from.nak(delivery)
    this.#inProgress.clear()
  }

  /** Extends the ack wait of all deliveries at an interval, until it is disposed. */
  keepAlive(): Interval {
    const {ackWaitMs, backoffMs} = this.#info.config
    const everyMs = Math.max(20, Math.min(ackWaitMs, ...backoffMs) / 3)
    return new Interval(everyMs, () => {
      for (const delivery of this.#inProgress.values()) delivery.from.working(delivery)
    })
  }

  /** Acknowledges the last of these, and with it those before it. */
  #acknowledge(covered: readonly number[]): void {
    for (const seq of covered.slice(0, -1)) this.#remove(seq, 'ack')
    const last = covered.at(-1)
    if (last === undefined) return
    const newest = this.#remove(last, 'ack')
    newest?.from.ack(newest)
  }

  #remove(seq: number, settlement: Settlement): Delivery | undefined {
    const delivery = this.#inProgress.get(seq)
    this.#inProgress.delete(seq)
    this.#settled[seq % remembered] = settlement === 'ack' ? seq : -seq
    return delivery
  }

  /** Keeps a delivery as the newest of its message, or settles it again; false for a copy. */
  #isNew(delivery: Delivery): boolean {
    const {seq = 0, deliveries} = delivery
    const settled = deliveries > 1 ? (this.#settled[seq % remembered] ?? 0) : 0
    if (settled !== 0 && Math.abs(settled) === seq && !this.#inProgress.has(seq)) {
      delivery.from[settled > 0 ? 'ack' : 'term'](delivery)
      return false
    }
    const before = this.#inProgress.size
    this.#inProgress.set(seq, delivery)
    this.#prefix?.add(delivery)
    return this.#inProgress.size > before
  }
}

/**
 * The sequences taken here, in order, and the position up to which all of them are settled and nothing is in flight to others.
 */
class SettledPrefix {
  readonly #open: number[] = []
  readonly #settled = new Set<number>()
  /** Gaps in the deliveries that are known to be closed, per member. */
  readonly #gaps = new Map<Consuming, number>()
  /**
   * Messages up to `#deliveredSeq` that were in flight to others when the last member joined, and that have not been taken
   * here.
   */
  #outstanding = 0
  #deliveredSeq = 0
  /** Whether messages between those taken here were delivered to others. */
  #hasGaps = false

  /** Messages settled after one that is not, or that is in flight to others. */
  get held(): number {
    return this.#settled.size
  }

  add({seq = 0, from}: Delivery): void {
    this.#follow(from)
    const before = this.#open.findLastIndex((other) => other <= seq)
    if (this.#open[before] === seq) return
    if (seq <= this.#deliveredSeq) this.#outstanding--
    this.#open.splice(before + 1, 0, seq)
  }

  /** Returns the sequences that no longer have an unsettled one before them. */
  settle(deliveries: readonly Delivery[]): readonly number[] {
    for (const {seq = 0} of deliveries) this.#settled.add(seq)
    if (this.#outstanding > 0 || this.#hasGaps) return []
    const open = this.#open.findIndex((seq) => !this.#settled.has(seq))
    const covered = this.#open.splice(0, open < 0 ? this.#open.length : open)
    for (const seq of covered) this.#settled.delete(seq)
    return covered
  }

  /** Like `settle`: nothing is in flight to others. Returned messages are settled by others. */
  release(isInProgress: (seq: number) => boolean): readonly number[] {
    this.#outstanding = 0
    this.#hasGaps = false
    const here = this.#open.filter(isInProgress)
    this.#open.splice(0, this.#open.length, ...here)
    return this.settle([])
  }

  #follow(from: Consuming): void {
    const gaps = this.#gaps.get(from)
    if (gaps === undefined) {
      this.#outstanding = Math.max(0, from.joined.ackPending - this.#open.length)
      this.#deliveredSeq = from.joined.deliveredSeq
    }
    if (from.gaps > (gaps ?? 0)) this.#hasGaps = true
    if (from.gaps !== gaps) this.#gaps.set(from, from.gaps)
  }
}
