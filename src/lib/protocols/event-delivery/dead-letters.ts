/** Events that an application rejects again and again: how often, and where they go in the end. */
import {checkHeader, type Headers} from '../../core/message.ts'
import type {Transport} from '../../transport/contract.ts'
import type {Event} from './event.ts'
import {deadSubject, type EventSubscription} from './subscription.ts'

export class DeadLetters {
  readonly #bus: Transport
  readonly #subscription: EventSubscription
  readonly #rejections = new Map<number, number>()
  /** Sequence → why; empty once it is published. */
  readonly #givenUp = new Map<number, {readonly info: string; published: boolean}>()

  constructor(bus: Transport, subscription: EventSubscription) {
    this.#bus = bus
    this.#subscription = subscription
  }

  /** Nothing is given up. */
  get isEmpty(): boolean {
    return this.#givenUp.size === 0
  }

  /** Answers how often it was rejected by now. */
  rejected({sequence}: Event): number {
    const times = (this.#rejections.get(sequence) ?? 0) + 1
    this.#rejections.set(sequence, times)
    return times
  }

  /** They go to the dead-letter subject when they are next read. */
  giveUp(events: readonly Event[], info: string): void {
    for (const {sequence} of events) this.#givenUp.set(sequence, {info, published: false})
  }

  /** True for an event that is given up, and is now published where such events go. Fails as `Streams.publish` does. */
  async bury(event: Event): Promise<boolean> {
    const grave = this.#givenUp.get(event.sequence)
    if (grave === undefined) return false
    if (!grave.published) await this.#publish(event, grave.info)
    grave.published = true
    return true
  }

  /** All up to this offset is done with. */
  passed(offset: number): void {
    for (const some of [this.#rejections, this.#givenUp])
      for (const sequence of some.keys()) if (sequence <= offset) some.delete(sequence)
  }

  /** Sequences are now those of another stream. */
  forget(): void {
    this.#rejections.clear()
    this.#givenUp.clear()
  }

  async #publish({id: event, sequence, namespace, topic, message}: Event, info: string): Promise<void> {
    const {id, name, options} = this.#subscription
    const reason: Headers = info === '' ? [] : [['Bus-Reason', info.replace(/[\r\n\0]+/g, ' ')]]
    await this.#bus.streams.publish({
      subject: deadSubject(options.deadLetter ?? '', topic),
      data: message.payload,
      headers: [
        ...message.headers.filter((header) => !/^nats-/i.test(header[0]) && canBeSent(header)),
        ['Nats-Msg-Id', `${id}:${event}`],
        ['Bus-Stream', namespace],
        ['Bus-Sequence', String(sequence)],
        ['Bus-Subject', topic],
        ['Bus-Subscription', name],
        ...reason,
      ],
    })
  }
}

/** A server takes header lines from anybody that nobody may send on; they must not keep a subscription from going on. */
function canBeSent([name, value]: Headers[number]): boolean {
  try {
    checkHeader(name, value)
    return true
  } catch {
    // Left out, so that the event can be buried.
    return false
  }
}
