/**
 * Reads a stream for one subscription and passes its events to one connection: as many at once as may be in flight, again from
 * the offset after a rejection, with growing pauses while rejections continue and nothing is acknowledged.
 */
import {BusError} from '../../core/errors.ts'
import type {Headers, Message} from '../../core/message.ts'
import {durationText} from '../../core/time/duration.ts'
import {sleep} from '../../core/time/timer.ts'
import type {Transport} from '../../transport/contract.ts'
import {faultHeaders, type ReplySender} from '../../transport/reply-sender.ts'
import type {StreamInfo} from '../../transport/streams-contract.ts'
import type {ByteBudget} from './byte-budget.ts'
import {DeadLetterRefused, DeadLetters} from './dead-letters.ts'
import {type Event, eventHeaders, eventOf, newBatchId} from './event.ts'
import type {Matcher} from './filter.ts'
import {Flights} from './in-flight.ts'
import type {Place} from './offsets.ts'
import {Page} from './page.ts'
import type {DeliveryResponse, EventDelivery} from './plugin.ts'
import type {EventSubscription} from './subscription.ts'

export interface DispatcherDeps {
  readonly bus: Transport
  readonly replies: ReplySender
  readonly subscription: EventSubscription
  readonly matches: Matcher | undefined
  readonly place: Place
  readonly maxInFlight: number
  /** Delivers events; an exception counts as a rejection. */
  readonly deliver: (delivery: EventDelivery) => void | Promise<void>
  /** The budget of the connection, or of this subscription alone. */
  readonly budget: ByteBudget
  readonly warn: (line: string) => void
}

const pageSize = 128
/** Larger messages are read in smaller pages, and sent in smaller batches. */
const pageBytes = 1024 * 1024
const firstPauseMs = 100
const longestPauseMs = 30_000
const troublePauseMs = 1000

export class Dispatcher {
  readonly #deps: DispatcherDeps
  readonly #flights: Flights
  readonly #size: number
  readonly #events = new Map<string, readonly Event[]>()
  /** The bytes that each delivery has taken from the budget. */
  readonly #sizes = new Map<string, number>()
  readonly #dead: DeadLetters
  /** Deliveries that were in flight at the last rejection: late answers to them are expected. */
  #withdrawn: ReadonlySet<string> = new Set()
  #hasWarned = false
  /** Aborts when reading has to restart or end. */
  #reading = new AbortController()
  #wake: (() => void) | undefined
  #nextPage = 1
  #pauseMs = 0
  #rejections = 0
  #stopped: BusError | undefined

  constructor(deps: DispatcherDeps) {
    const {batch, readAhead} = deps.subscription.options
    this.#deps = deps
    this.#size = batch ? Math.max(1, Math.min(readAhead, deps.maxInFlight)) : 1
    this.#flights = new Flights(batch ? 1 : Math.min(1 + readAhead, deps.maxInFlight), deps.place.offset)
    this.#dead = new DeadLetters(deps.bus, deps.subscription, deps.warn)
  }

  /** Delivers until the signal aborts. Fails with `remote` if an event was rejected too often, or cannot become a dead letter. */
  async run(signal: AbortSignal): Promise<void> {
    const {warn, subscription} = this.#deps
    while (!signal.aborted) {
      this.#reading = new AbortController()
      const reading = AbortSignal.any([signal, this.#reading.signal])
      try {
        await this.#read(reading)
      } catch (error) {
        if (signal.aborted) return
        if (error instanceof DeadLetterRefused) throw error
        warn(`subscription ${subscription.name}: ${(error as Error).message}`)
        this.#pauseMs = Math.max(this.#pauseMs, troublePauseMs)
      } finally {
        this.#forget()
      }
      if (this.#stopped !== undefined) throw this.#stopped
      await sleep(this.#pauseMs, signal)
      this.#pauseMs = 0
    }
  }

  /** Handles an answer of the application. Ignores those to what is not in flight, with one warning. */
  respond(response: DeliveryResponse): void {
    const id = response.id ?? this.#flights.oldest
    const events = id === undefined ? undefined : this.#events.get(id)
    if (id === undefined || events === undefined) {
      if (this.#hasWarned || (id !== undefined && this.#withdrawn.has(id))) return
      this.#hasWarned = true
      const {name} = this.#deps.subscription
      this.#deps.warn(`subscription ${name}: ignored an answer to ${id ?? 'nothing'}, which is not in flight`)
    } else if (response.rejected) this.#reject(events, response)
    else if (response.reply === undefined) this.#acknowledge(id)
    else void this.#replied(id, events, response.reply)
  }

  async #read(signal: AbortSignal): Promise<void> {
    const {bus, subscription} = this.#deps
    this.#placeIn(await bus.streams.info(subscription.namespace))
    const {offset} = this.#flights
    const from = {seq: offset + 1}
    await using reading = await bus.streams.read(subscription.namespace, {from, follow: true, signal})
    const source = new Page(() => this.#page(reading))
    while (!signal.aborted) {
      const batch = await this.#collect(source, signal)
      if (batch === undefined) return
      while (!this.#hasRoom && !signal.aborted) await this.#room(signal)
      if (signal.aborted) return
      this.#send(batch)
    }
  }

  /**
   * An offset belongs to one stream. If that was removed and recreated, or restored to a state before the offset, it is
   * delivered from its first event.
   */
  #placeIn({id, state}: StreamInfo): void {
    const {subscription, place, warn} = this.#deps
    const {offset} = this.#flights
    const {name, options} = subscription
    const isBeyond = offset > state.lastSeq && offset > Number(options.firstEvent)
    if (place.stream === id && !isBeyond) return
    const isOther = place.stream !== undefined || isBeyond
    if (isOther) {
      warn(
        `subscription ${name}: stream ${subscription.namespace} was recreated or restored to an earlier state; it is delivered from its first event`,
      )
      this.#forget()
      this.#dead.forget()
      this.#flights.restart(0)
    }
    place.moveTo(id, this.#flights.offset)
  }

  /** The next event, or a batch of events; undefined at the end. */
  async #collect(source: Page, signal: AbortSignal): Promise<{events: Event[]; upTo: number} | undefined> {
    const {matches, place, subscription} = this.#deps
    const events: Event[] = []
    let bytes = 0
    let upTo = 0
    let dueMs = Number.POSITIVE_INFINITY
    while (events.length < this.#size && bytes < pageBytes) {
      let message = source.next()
      if (message === undefined) {
        place.commit(this.#flights.offset)
        const more = await source.more(dueMs)
        if (more === 'late') break
        if (more === 'ended' || signal.aborted) return undefined
        message = source.next()
        if (message === undefined) continue
      }
      const event = eventOf(subscription.namespace, message)
      const isWanted = matches === undefined || matches(event)
      if (isWanted && !(await this.#isGivenUp(event))) {
        if (events.length === 0) dueMs = performance.now() + subscription.options.batchTimeoutMs
        events.push(event)
        bytes += sizeOf(message)
        upTo = event.sequence
      } else if (events.length === 0) this.#flights.leftOut(event.sequence)
      else upTo = event.sequence
    }
    return {events, upTo}
  }

  #isGivenUp(event: Event): Promise<boolean> | false {
    return this.#dead.isEmpty ? false : this.#dead.bury(event)
  }

  /** Pages grow from one message to 128, or to a megabyte. */
  async #page(reading: {take(max: number): Promise<readonly Message[]>}): Promise<readonly Message[]> {
    const messages = await reading.take(this.#nextPage)
    const bytes = sizeOfAll(messages)
    const fitting = Math.floor((pageBytes * messages.length) / Math.max(1, bytes))
    this.#nextPage = Math.max(1, Math.min(pageSize, 4 * this.#nextPage, fitting))
    return messages
  }

  get #hasRoom(): boolean {
    return this.#flights.hasRoom && this.#deps.budget.hasRoom
  }

  #room(signal: AbortSignal): Promise<void> {
    const {budget} = this.#deps
    const {promise, resolve} = Promise.withResolvers<void>()
    const done = () => {
      signal.removeEventListener('abort', done)
      budget.forget(done)
      this.#wake = undefined
      resolve()
    }
    this.#wake = done
    signal.addEventListener('abort', done)
    if (!budget.hasRoom) budget.onRoom(done)
    return promise
  }

  #send({events, upTo}: {events: readonly Event[]; upTo: number}): void {
    const {subscription, deliver, budget} = this.#deps
    const [first] = events
    if (first === undefined) return
    const id = subscription.options.batch ? newBatchId() : first.id
    this.#flights.sent(id, first.sequence, upTo)
    this.#events.set(id, events)
    const bytes = events.length === 1 ? sizeOf(first.message) : sizeOfAll(events.map(({message}) => message))
    this.#sizes.set(id, bytes)
    budget.take(bytes)
    try {
      const sent = deliver({id, subscription, events})
      // Otherwise an application that acknowledges but does not read would have no limit.
      if (sent === undefined) return
      budget.take(bytes)
      void sent.finally(() => budget.release(bytes))
    } catch (error) {
      this.#reject(events, {info: (error as Error).message})
    }
  }

  #acknowledge(id: string): void {
    const before = this.#flights.offset
    if (!this.#flights.acknowledge(id)) return
    this.#events.delete(id)
    this.#release(id)
    const {offset, hasRoom} = this.#flights
    if (offset > before) {
      this.#rejections = 0
      this.#dead.passed(offset)
      this.#deps.place.commit(offset)
    }
    if (hasRoom) this.#wake?.()
  }

  #reject(events: readonly Event[], {info = '', retryAfterMs}: Pick<DeliveryResponse, 'info' | 'retryAfterMs'>): void {
    const {subscription, warn} = this.#deps
    const {maxRejects, deadLetter} = subscription.options
    const [first] = events
    if (first === undefined) return
    const times = this.#dead.rejected(first)
    this.#rejections++
    this.#forget()
    const why = info === '' ? '' : `: ${info}`
    const isRetried = maxRejects === 0 || times < maxRejects
    const pause = Math.min(longestPauseMs, firstPauseMs * 2 ** (this.#rejections - 1))
    const isLonger = isRetried && retryAfterMs !== undefined && retryAfterMs > pause
    const next = isLonger ? `; the next attempt is in ${durationText(Math.ceil(retryAfterMs))}` : ''
    warn(`subscription ${subscription.name}: event ${first.sequence} was rejected${why}${next}`)
    if (isRetried) {
      this.#pauseMs = Math.max(pause, retryAfterMs ?? 0)
    } else if (deadLetter !== undefined) this.#dead.giveUp(events, info)
    else {
      const sentence = `subscription ${subscription.name} has stopped before event ${first.sequence}, which was rejected ${times} times${why}`
      this.#stopped = new BusError('remote', sentence)
    }
    this.#reading.abort()
  }

  #release(id: string): void {
    const bytes = this.#sizes.get(id)
    if (bytes === undefined) return
    this.#sizes.delete(id)
    this.#deps.budget.release(bytes)
  }

  #forget(): void {
    if (this.#events.size > 0) this.#withdrawn = new Set(this.#events.keys())
    this.#flights.clear()
    this.#events.clear()
    for (const id of this.#sizes.keys()) this.#release(id)
  }

  /**
   * First the reply is published, then the event counts as done: a reply may be published twice, but is not lost. If the bus
   * refuses it, as it would every time, a service error is sent instead.
   */
  async #replied(id: string, events: readonly Event[], reply: NonNullable<DeliveryResponse['reply']>): Promise<void> {
    const {replies, warn, subscription} = this.#deps
    const [event] = events
    if (event === undefined) return
    try {
      const subject = reply.subject ?? event.message.header(eventHeaders.replyTo)
      if (event.message.header(eventHeaders.correlator) !== undefined)
        warn(`subscription ${subscription.name}: event ${event.sequence} is itself a reply, so it gets none`)
      else if (subject === undefined)
        warn(`subscription ${subscription.name}: event ${event.sequence} has no reply subject`)
      else {
        const own: Headers = [[eventHeaders.correlator, event.id]]
        const refusal = replies.send({...reply, subject, headers: [...(reply.headers ?? []), ...own]})
        if (refusal !== undefined) {
          const text = refusal.message
          warn(`subscription ${subscription.name}: the reply to event ${event.sequence} could not be sent: ${text}`)
          replies.send({subject, data: `error: ${text}`, headers: [...faultHeaders({code: 500, text}), ...own]})
        }
        await replies.flush()
      }
      this.#acknowledge(id)
    } catch (error) {
      if (this.#events.has(id)) this.#reject(events, {info: (error as Error).message})
    }
  }
}

/** The approximate size of a message. */
function sizeOf({payload, headers}: Message): number {
  let size = payload.length + 256
  if (headers.length > 0) for (const [name, value] of headers) size += name.length + value.length
  return size
}

function sizeOfAll(messages: readonly Message[]): number {
  let size = 0
  for (const message of messages) size += sizeOf(message)
  return size
}
