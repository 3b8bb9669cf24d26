/** What a reader of a durable consumer has taken and not yet settled, each message once. */
import {Interval} from '../../core/time/timer.ts'
import type {ConsumerConfig, Delivery} from '../../transport/streams-contract.ts'

type Settlement = 'ack' | 'term'

/** Settled messages that are remembered at least, to recognize a copy that was sent before the settlement arrived. */
const remembered = 65_536

/**
 * A server delivers a message again when its ack wait has ended or when it lost the acknowledgement. Such a copy is not
 * handled again: the newest copy of what is in progress takes the place of the earlier one, and what was settled is
 * settled again. A first delivery is always new: the consumer was reset.
 */
export class Deliveries {
  readonly #inProgress = new Map<number, Delivery>()
  /** The last messages that were settled, and those before them: to drop all of the earlier ones costs less than one by one. */
  #settled = new Map<number, Settlement>()
  #settledBefore = new Map<number, Settlement>()

  get size(): number {
    return this.#inProgress.size
  }

  /** Adds what was taken, and returns those that are no copies. */
  add(taken: readonly Delivery[]): readonly Delivery[] {
    return taken.filter((delivery) => {
      const {seq = 0, deliveries} = delivery
      const isInProgress = this.#inProgress.has(seq)
      const settlement = deliveries > 1 && !isInProgress ? this.#settlementOf(seq) : undefined
      if (settlement === undefined) this.#inProgress.set(seq, delivery)
      else delivery.from[settlement](delivery)
      return settlement === undefined && !isInProgress
    })
  }

  /** Acknowledges a message, or ends its deliveries. */
  settle({seq = 0}: Delivery, settlement: Settlement, reason?: string): void {
    const delivery = this.#remove(seq, settlement)
    if (settlement === 'term') delivery?.from.term(delivery, reason)
    else delivery?.from.ack(delivery)
  }

  /** Gives a message back, to be delivered again. */
  giveBack({seq = 0}: Delivery, delayMs?: number): void {
    const delivery = this.#inProgress.get(seq)
    this.#inProgress.delete(seq)
    // It may have been settled before the consumer was reset.
    this.#settled.delete(seq)
    this.#settledBefore.delete(seq)
    delivery?.from.nak(delivery, delayMs)
  }

  giveAllBack(): void {
    for (const delivery of this.#inProgress.values()) delivery.from.nak(delivery)
    this.#inProgress.clear()
  }

  /** Extends the ack wait of all again and again, until it is cancelled. */
  keepAlive({ackWaitMs, backoffMs}: Pick<ConsumerConfig, 'ackWaitMs' | 'backoffMs'>): Interval {
    const everyMs = Math.max(20, Math.min(ackWaitMs, ...backoffMs) / 3)
    return new Interval(everyMs, () => {
      for (const delivery of this.#inProgress.values()) delivery.from.working(delivery)
    })
  }

  /** A message that is acknowledged with a later one. */
  forget({seq = 0}: Delivery): void {
    this.#remove(seq, 'ack')
  }

  #remove(seq: number, settlement: Settlement): Delivery | undefined {
    const delivery = this.#inProgress.get(seq)
    this.#inProgress.delete(seq)
    if (this.#settled.size === remembered) {
      this.#settledBefore = this.#settled
      this.#settled = new Map()
    }
    this.#settled.set(seq, settlement)
    return delivery
  }

  #settlementOf(seq: number): Settlement | undefined {
    return this.#settled.get(seq) ?? this.#settledBefore.get(seq)
  }
}
