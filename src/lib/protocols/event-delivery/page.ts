import type {Message} from '../../core/message.ts'
import {Timer} from '../../core/time/timer.ts'

/** Messages read ahead of their delivery. */
export class Page {
  readonly #take: () => Promise<readonly Message[]>
  #messages: readonly Message[] = []
  #at = 0
  #taking: Promise<readonly Message[]> | undefined

  constructor(take: () => Promise<readonly Message[]>) {
    this.#take = take
  }

  /** The next message that has arrived. */
  next(): Message | undefined {
    return this.#messages[this.#at++]
  }

  /** Waits for more until `dueMs` (on the clock of `performance.now`), and keeps what arrives. */
  async more(dueMs: number): Promise<'more' | 'late' | 'ended'> {
    this.#taking ??= this.#take()
    const messages = await (dueMs === Number.POSITIVE_INFINITY ? this.#taking : until(this.#taking, dueMs))
    if (messages === undefined) return 'late'
    this.#taking = undefined
    this.#messages = messages
    this.#at = 0
    return messages.length === 0 ? 'ended' : 'more'
  }
}

async function until<T>(promise: Promise<T>, dueMs: number): Promise<T | undefined> {
  const {promise: late, resolve} = Promise.withResolvers<undefined>()
  using _timer = new Timer(Math.max(0, dueMs - performance.now()), () => resolve(undefined))
  return await Promise.race([promise, late])
}
