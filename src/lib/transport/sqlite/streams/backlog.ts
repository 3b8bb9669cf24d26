/**
 * The number of messages that a consumer has yet to deliver. For a whole stream that loses only its oldest messages this
 * follows from two counters; otherwise it is counted once, on the shorter side, and then kept up to date.
 */
import type {State} from './catalogue.ts'
import type {ConsumerPlace, Durable} from './durable.ts'
import type {StreamView} from './view.ts'

export class Backlog {
  readonly #durable: Durable
  readonly #view: StreamView
  #known: {next: number; upTo: number; removed: number} | undefined
  count = 0

  constructor(durable: Durable, view: StreamView) {
    this.#durable = durable
    this.#view = view
  }

  forget(): void {
    this.#known = undefined
  }

  /** Within a read: counts the messages from the consumer's position on. */
  follow(state: State, place: ConsumerPlace): void {
    this.count = this.#count(state, place)
    this.#known = {next: place.next, upTo: state.last, removed: state.stored - state.messages}
  }

  /** Records that messages were delivered, and that the consumer is now at `next`. */
  took(messages: number, next: number): void {
    this.count = Math.max(0, this.count - messages)
    if (this.#known !== undefined) this.#known.next = next
  }

  #count(state: State, place: ConsumerPlace): number {
    const removed = state.stored - state.messages
    if (this.#durable.config.filters.length === 0 && state.holes === 0)
      return state.stored - Math.max(place.passed, removed)
    const known = this.#known
    if (known === undefined || known.removed !== removed || known.next > place.next) {
      return this.#view.countFrom(state, place.next)
    }
    const delivered = this.#view.count(state, known.next, Math.min(place.next - 1, known.upTo))
    return this.count - delivered + this.#view.count(state, Math.max(known.upTo + 1, place.next), state.last)
  }
}
