/** Counts the rejections of events, and publishes dead letters. */
import {BusError} from '../../core/errors.ts'
import {checkHeader, type Headers} from '../../core/message.ts'
import type {Transport} from '../../transport/contract.ts'
import {isTooLarge} from '../../transport/shared/stream-errors.ts'
import type {Event} from './event.ts'
import {checkDeadSubject, deadSubject, type EventSubscription} from './subscription.ts'

/** An event that was given up has no dead letter that its stream accepts. */
export class DeadLetterRefused extends BusError {}

const longestReason = 1000

export class DeadLetters {
  readonly #bus: Transport
  readonly #subscription: EventSubscription
  readonly #warn: (line: string) => void
  readonly #rejections = new Map<number, number>()
  /** The reason for each sequence that was given up; removed once it is published. */
  readonly #givenUp = new Map<number, {readonly info: string; published: boolean}>()

  constructor(bus: Transport, subscription: EventSubscription, warn: (line: string) => void) {
    this.#bus = bus
    this.#subscription = subscription
    this.#warn = warn
  }

  /** Whether no event is given up. */
  get isEmpty(): boolean {
    return this.#givenUp.size === 0
  }

  /** Returns how often the event has been rejected. */
  rejected({sequence}: Event): number {
    const times = (this.#rejections.get(sequence) ?? 0) + 1
    this.#rejections.set(sequence, times)
    return times
  }

  /** Marks events as given up: they are published to the dead-letter subject when they are next read. */
  giveUp(events: readonly Event[], info: string): void {
    for (const {sequence} of events) this.#givenUp.set(sequence, {info, published: false})
  }

  /**
   * Publishes an event that was given up to the dead-letter subject and returns true; false for any other event. Fails as
   * `Streams.publish` does, and with a `DeadLetterRefused` if every dead letter would be too large.
   */
  async bury(event: Event): Promise<boolean> {
    const grave = this.#givenUp.get(event.sequence)
    if (grave === undefined) return false
    if (!grave.published) await this.#publish(event, grave.info)
    grave.published = true
    return true
  }

  /** Everything up to this offset is done. */
  passed(offset: number): void {
    for (const some of [this.#rejections, this.#givenUp])
      for (const sequence of some.keys()) if (sequence <= offset) some.delete(sequence)
  }

  /** The stream was replaced, so known sequences are no longer valid. */
  forget(): void {
    this.#rejections.clear()
    this.#givenUp.clear()
  }

  async #publish(event: Event, info: string): Promise<void> {
    const {sequence, topic, message} = event
    const {name, options} = this.#subscription
    const subject = checkDeadSubject(deadSubject(options.deadLetter ?? '', sendableSubject(topic)))
    const own = this.#headersOf(event, info)
    const kept = message.headers.filter((header) => !/^nats-/i.test(header[0]) && canBeSent(header))
    try {
      await this.#bus.streams.publish({subject, data: message.payload, headers: [...kept, ...own]})
    } catch (error) {
      if (!isTooLarge(error)) throw error
      const what = `subscription ${name}: the dead letter of event ${sequence}`
      this.#warn(`${what} has neither its payload nor its headers: ${error.message}`)
      await this.#bus.streams
        .publish({subject, headers: [...own, ['Bus-Left-Out', 'payload and headers']]})
        .catch((cause) => {
          if (!isTooLarge(cause)) throw cause
          throw new DeadLetterRefused('remote', `${what} cannot be stored: ${cause.message}`, {cause})
        })
    }
  }

  #headersOf({id: event, sequence, namespace, topic}: Event, info: string): Headers {
    const {id, name} = this.#subscription
    const reason = info.slice(0, longestReason).replace(/[\r\n\0]+/g, ' ')
    return [
      ['Nats-Msg-Id', `${id}:${event}`],
      ['Bus-Stream', namespace],
      ['Bus-Sequence', String(sequence)],
      ['Bus-Subject', sendableSubject(topic)],
      ['Bus-Subscription', name],
      ...(reason === '' ? [] : [['Bus-Reason', reason] as const]),
    ]
  }
}

/** A server may also store subjects that clients may not publish to: `_` replaces what is not allowed. */
function sendableSubject(subject: string): string {
  return subject.replace(/[\p{Cc}\p{Cs} \u00a0\u2028\u2029]|(?<=^|\.)[*>](?=$|\.)/gu, '_')
}

/** A server may accept header lines that clients may not send; they must not block a subscription. */
function canBeSent([name, value]: Headers[number]): boolean {
  try {
    checkHeader(name, value)
    return true
  } catch {
    // Omitted, so that the event can become a dead letter.
    return false
  }
}
