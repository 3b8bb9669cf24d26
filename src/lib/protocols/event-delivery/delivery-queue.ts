/** The connections that want one subscription: the first of them is served, the others stand by. */

import {sleep} from '../../core/time/timer.ts'
import type {Transport} from '../../transport/contract.ts'
import type {ReplySender} from '../../transport/reply-sender.ts'
import type {ByteBudget} from './byte-budget.ts'
import type {Dispatcher} from './dispatcher.ts'
import {compileEventFilter, type Matcher} from './filter.ts'
import type {Leases} from './leases.ts'
import {type Offsets, type Place, passingPlace} from './offsets.ts'
import type {DeliveryResponse, EventDelivery} from './plugin.ts'
import type {EventSubscription} from './subscription.ts'

export interface Member {
  readonly connection: string
  /** Delivers events; an exception counts as a rejection. */
  deliver(delivery: EventDelivery): void | Promise<void>
  readonly budget: ByteBudget
  /** Called with the reason when nothing more is delivered on this subscription. */
  stopped(subscription: EventSubscription, reason: string): void
}

export interface DeliveryQueueDeps {
  readonly bus: Transport
  readonly replies: ReplySender
  /** Absent for an ephemeral subscription. */
  readonly stored?: {readonly offsets: Offsets; readonly leases: Leases} | undefined
  readonly maxInFlight: number
  /** Exclude events whose topic begins with `$`. */
  readonly hidesSystem: boolean
  readonly warn: (line: string) => void
}

const troublePauseMs = 1000

export class DeliveryQueue {
  readonly subscription: EventSubscription
  readonly #deps: DeliveryQueueDeps
  readonly #members: {readonly member: Member; readonly gone: AbortController}[] = []
  readonly #closed = new AbortController()
  #running: Promise<void> | undefined
  #dispatcher: {readonly connection: string; readonly dispatcher: Dispatcher} | undefined
  #halted = false
  /** The connection whose late answers were reported. */
  #ignored: string | undefined

  constructor(subscription: EventSubscription, deps: DeliveryQueueDeps) {
    this.subscription = subscription
    this.#deps = deps
  }

  /** The connection that is being served. */
  get active(): string | undefined {
    return this.#dispatcher?.connection
  }

  get connections(): readonly string[] {
    return this.#members.map(({member}) => member.connection)
  }

  join(member: Member): void {
    if (this.#members.some((one) => one.member.connection === member.connection)) return
    this.#members.push({member, gone: new AbortController()})
    this.#running ??= this.#run()
  }

  leave(connection: string): void {
    const at = this.#members.findIndex(({member}) => member.connection === connection)
    if (at >= 0) this.#members.splice(at, 1)[0]?.gone.abort()
  }

  respond(connection: string, response: DeliveryResponse): void {
    if (this.#dispatcher?.connection === connection) {
      this.#dispatcher.dispatcher.respond(response)
      return
    }
    if (this.#ignored === connection) return
    this.#ignored = connection
    this.#deps.warn(
      `subscription ${this.subscription.name}: ignored answers from a connection that is not being served`,
    )
  }

  /** Resolves when the offset is written and another gateway may take over. */
  async close(): Promise<void> {
    this.#closed.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const {stored, warn} = this.#deps
    while (!this.#halted && !this.#closed.signal.aborted) {
      const [first] = this.#members
      if (first === undefined) break
      try {
        await this.#serve(first)
      } catch (error) {
        warn(`subscription ${this.subscription.name}: ${(error as Error).message}`)
        await sleep(troublePauseMs, this.#closed.signal)
      }
    }
    await stored?.leases.release(this.subscription)
    this.#running = undefined
    if (this.#members.length > 0 && !this.#halted && !this.#closed.signal.aborted) this.#running = this.#run()
  }

  async #serve({member, gone}: {readonly member: Member; readonly gone: AbortController}): Promise<void> {
    const {bus, replies, warn, maxInFlight, hidesSystem} = this.#deps
    const {subscription} = this
    const ended = AbortSignal.any([gone.signal, this.#closed.signal])
    const place = await this.#place(ended)
    if (place === undefined) return
    const wanted = await compileEventFilter(subscription.filter)
    const matches: Matcher | undefined = hidesSystem
      ? (event) => !event.topic.startsWith('$') && (wanted === undefined || wanted(event))
      : wanted
    const deliver = (delivery: EventDelivery) => member.deliver(delivery)
    const {Dispatcher: Delivering} = await import('./dispatcher.ts')
    const dispatcher = new Delivering({
      ...{bus, replies, subscription, matches, place, maxInFlight, deliver, warn},
      budget: member.budget,
    })
    this.#dispatcher = {connection: member.connection, dispatcher}
    try {
      await dispatcher.run(AbortSignal.any([ended, place.lost]))
    } catch (error) {
      this.#halted = true
      warn((error as Error).message)
      for (const one of this.#members) one.member.stopped(subscription, (error as Error).message)
    } finally {
      this.#dispatcher = undefined
      await place.flush()
    }
    if (place.lost.aborted) warn(`subscription ${subscription.name}: another gateway has taken it over`)
  }

  /** Undefined if it ended before this gateway got the lease. */
  async #place(signal: AbortSignal): Promise<Place | undefined> {
    const {stored, warn} = this.#deps
    if (stored === undefined) return passingPlace(Number(this.subscription.options.firstEvent))
    const onWaiting = () => warn(`subscription ${this.subscription.name}: another gateway delivers it; standing by`)
    if (!(await stored.leases.acquire(this.subscription, signal, onWaiting))) return undefined
    return stored.offsets.open(this.subscription)
  }
}
