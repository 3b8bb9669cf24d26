/** Deliveries that a reader of a durable consumer has taken and not yet settled, each message once. */
import {BusError} from '../core/errors.ts'
import {Interval} from '../core/time/timer.ts'
import type {ConsumerConfig, ConsumerInfo, Delivery} from './streams-contract.ts'

type Settlement = 'ack' | 'term'

/** Number of settled messages to remember, in order to recognise a copy that was sent before the settlement arrived. */
const remembered = 65_536

/**
 * The server of a push consumer sends everything at once. What is not taken cannot be given back where nothing is
 * acknowledged, and loses a delivery where they are limited. Fails with `usage` when more than `count` would be sent.
 */
export function checkNoneLost({stream, config, pending, ackPending}: ConsumerInfo, count: number): void {
  const {name, push, ack, maxDeliver} = config
  const sent = pending + ackPending
  if (push === undefined || sent <= count || (ack !== 'none' && maxDeliver === undefined)) return
  const loss =
    ack === 'none'
      ? 'what is not taken would not be delivered again (ack policy none)'
      : `each that is not taken would lose one of its ${maxDeliver} deliveries`
  throw new BusError(
    'usage',
    `the push consumer ${name} of ${stream} would send all of its ${sent} messages: ${loss}`,
    {
      data: {stream, consumer: name, pending, ackPending},
      try: [`bus consumer next ${stream} ${name} --peek`, 'a pull consumer: bus consumer add', '--yes, to accept that'],
    },
  )
}

/**
 * A server redelivers a message when its ack wait has ended, or when it lost the acknowledgement. Such a copy is not handled
 * again: a newer copy of a message in progress replaces the earlier one, and a settled message is settled again. A first
 * delivery is always new, because the consumer may have been reset.
 */
export class Deliveries {
  readonly #inProgress = new Map<number, Delivery>()
  /**
   * Sequences that were settled, at their index modulo the size, so that a later one replaces a much earlier one; negative for
   * `term`.
   */
  readonly #settled = new Float64Array(remembered)

  get size(): number {
    return this.#inProgress.size
  }

  /** Adds deliveries, and returns those that are not copies. */
  add(taken: readonly Delivery[]): readonly Delivery[] {
    let copies: Set<Delivery> | undefined
    for (const delivery of taken) if (!this.#isNew(delivery)) copies = (copies ?? new Set()).add(delivery)
    return copies === undefined ? taken : taken.filter((delivery) => !copies.has(delivery))
  }

  /** Acknowledges a message, or terminates it. */
  settle({seq = 0}: Delivery, settlement: Settlement, reason?: string): void {
    const delivery = this.#remove(seq, settlement)
    if (settlement === 'term') delivery?.from.term(delivery, reason)
    else delivery?.from.ack(delivery)
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
  keepAlive({ackWaitMs, backoffMs}: Pick<ConsumerConfig, 'ackWaitMs' | 'backoffMs'>): Interval {
    const everyMs = Math.max(20, Math.min(ackWaitMs, ...backoffMs) / 3)
    return new Interval(everyMs, () => {
      for (const delivery of this.#inProgress.values()) delivery.from.working(delivery)
    })
  }

  /** Removes a message that is acknowledged together with a later one. */
  forget({seq = 0}: Delivery): void {
    this.#remove(seq, 'ack')
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
    return this.#inProgress.size > before
  }
}
