/** One WebSocket client: its subscriptions, its deliveries in flight, and its answers. */
import type {WebSocket} from 'ws'
import {BusError} from '../../core/errors.ts'
import {isObject} from '../../core/text/json-text.ts'
import {deliveryWriter, type Event, isOurId} from './event.ts'
import {shortened} from './log-limit.ts'
import type {Callbacks, EventDelivery} from './plugin.ts'
import {type EventSubscription, type Options, websocketOptions} from './subscription.ts'
import {
  type AnswerAction,
  bad,
  noMatch,
  notice,
  parseAction,
  parseQuery,
  protocolError,
  type StartAction,
} from './websocket-protocol.ts'

interface Ref {
  readonly namespace: string
  readonly name: string
}

export interface ConnectionDeps {
  readonly id: string
  readonly socket: WebSocket
  readonly callbacks: Callbacks
  readonly maxSubscriptions: number
  /** Whether it reads sentences about why nothing is delivered. */
  readonly wantsNotices: boolean
  /** Called before a frame is sent, possibly followed by more. */
  readonly gather: () => void
  readonly warn: (line: string) => void
}

const refusalMs = 1000
/** Bytes that may wait to be sent; further ones count as in flight until the client has read them. */
const mostBuffered = 64 * 1024
/** Largest number of answers that may wait; then no more are read. */
const mostQueued = 1000

export class Connection {
  readonly #deps: ConnectionDeps
  readonly #started = new Map<string, Ref>()
  /** In the order in which they were sent. */
  readonly #inFlight = new Map<string, {readonly ref: Ref; readonly id: string}>()
  readonly #writers = new WeakMap<EventSubscription, (event: Event) => string>()
  #autoack: boolean | undefined
  #hasWarned = false
  #starting = 0
  /** Answers that wait until everything before them has started. */
  #queued = 0
  #isOver = false
  #impatient: NodeJS.Timeout | undefined
  /** Actions are handled one after the other. */
  #working: Promise<void> = Promise.resolve()

  constructor(deps: ConnectionDeps) {
    this.#deps = deps
    const {id, callbacks} = deps
    callbacks.registerConnection(id, () => false)
  }

  /** Whether it has started a subscription. */
  get hasStarted(): boolean {
    return this.#started.size > 0
  }

  /** Handles an action of the client. An error is sent to it, and ends the connection: later actions are ignored. */
  take(action: string | StartAction): void {
    if (this.#isOver) return
    if (typeof action === 'string') {
      // Answers are handled without a promise each.
      const parsed = this.#guarded(() => parseAction(action))
      if (parsed === undefined) return
      if (parsed.type === 'start') this.take(parsed)
      else if (this.#starting === 0) this.#guarded(() => this.#answer(parsed))
      else this.#queue(parsed)
      return
    }
    if (this.#starting + this.#started.size >= this.#deps.maxSubscriptions) {
      this.#fail(bad(`a connection can have at most ${this.#deps.maxSubscriptions} subscriptions`))
      return
    }
    this.#starting++
    this.#working = this.#working
      .then(() => this.#start(action))
      .catch((error: unknown) => this.#fail(error))
      .finally(() => this.#starting--)
  }

  /** Starts the subscription that the query of its URL names, if any. */
  begin(query: URLSearchParams): void {
    try {
      const start = parseQuery(query)
      if (start !== undefined) this.take(start)
    } catch (error) {
      this.fail((error as Error).message)
    }
  }

  /** The client is gone: its remaining actions are ignored. */
  end(): void {
    this.#isOver = true
    clearTimeout(this.#impatient)
  }

  #queue(answer: AnswerAction): void {
    const {socket} = this.#deps
    if (++this.#queued === mostQueued) socket.pause()
    this.#working = this.#working.then(() => {
      if (this.#queued-- === mostQueued) socket.resume()
      this.#guarded(() => this.#answer(answer))
    })
  }

  /**
   * Sends a delivery; does nothing if the client has just gone. Returns a promise if the client is slow, which resolves when
   * the delivery is sent.
   */
  send(delivery: EventDelivery): Promise<void> | undefined {
    const {socket, callbacks, id: connection, gather} = this.#deps
    if (socket.readyState !== socket.OPEN) return undefined
    gather()
    const {id, subscription} = delivery
    const {namespace, name} = subscription
    const key = keyOf(subscription, id)
    if (this.#autoack) {
      socket.send(this.#text(delivery), (error) => {
        if (!error) callbacks.deliveryResponse(connection, {id, subscription: {namespace, name}})
      })
      return undefined
    }
    this.#inFlight.delete(key)
    this.#inFlight.set(key, {ref: subscription, id})
    const isSlow = socket.bufferedAmount > mostBuffered
    if (!isSlow) socket.send(this.#text(delivery))
    return isSlow ? new Promise((resolve) => socket.send(this.#text(delivery), () => resolve())) : undefined
  }

  /** Sends the client an error and closes, after a second at the latest. */
  fail(sentence: string): void {
    const {socket} = this.#deps
    this.#isOver = true
    if (socket.readyState === socket.OPEN) socket.send(protocolError(sentence))
    socket.close(1008)
    this.#impatient ??= setTimeout(() => socket.terminate(), refusalMs).unref()
  }

  #text({id, subscription, events}: EventDelivery): string {
    const write = this.#writer(subscription)
    const [first] = events
    if (!subscription.options.batch && first !== undefined) return write(first)
    const {namespace, name} = subscription
    const ref = JSON.stringify({id: subscription.id, namespace, name})
    return `{"type":"event_batch","id":"${id}","subscription":${ref},"events":[${events.map(write).join(',')}]}`
  }

  #writer(subscription: EventSubscription): (event: Event) => string {
    let writer = this.#writers.get(subscription)
    if (writer === undefined) {
      writer = deliveryWriter(subscription, subscription.options.withData)
      this.#writers.set(subscription, writer)
    }
    return writer
  }

  async #start({autoack = false, namespace, name, filter, options}: StartAction): Promise<void> {
    const {id, callbacks} = this.#deps
    if (this.#isOver) return
    if (this.#autoack !== undefined && this.#autoack !== autoack)
      throw bad('the autoack option must be the same for all subscriptions of a connection')
    this.#autoack = autoack
    if (name === undefined) {
      const ref = await callbacks.ephemeralSubscription(id, namespace, filter, readerOptions(options))
      this.#started.set(keyOf(ref), ref)
    } else {
      const ref = {namespace, name}
      this.#started.set(keyOf(ref), ref)
      callbacks.registerConnection(id, (subscription) => this.#started.has(keyOf(subscription)))
      void this.#explain(ref)
    }
  }

  async #explain(ref: Ref): Promise<void> {
    const {id, socket, callbacks, wantsNotices} = this.#deps
    const reason = await callbacks.whyWaiting(id, ref)
    if (reason !== undefined && wantsNotices && !this.#isOver) socket.send(notice(ref, shortened(reason)))
  }

  #answer(answer: AnswerAction): void {
    const {id: connection, callbacks, warn} = this.#deps
    if (this.#autoack) throw bad(`${answer.type} is not possible with autoack`)
    const found =
      answer.id === undefined ? this.#oldest(answer.subscription) : this.#named(answer.id, answer.subscription)
    if (found === undefined) {
      if (!this.#hasWarned)
        warn(
          `connection ${connection}: ignored the ${answer.type} of ${answer.id}, which is not in flight on this connection`,
        )
      this.#hasWarned = true
      return
    }
    const {ref, id} = found
    const {info, retryAfterMs} = answer
    const rejected = answer.type === 'nack'
    if (rejected) this.#reject(ref)
    else this.#inFlight.delete(keyOf(ref, id))
    callbacks.deliveryResponse(connection, {id, subscription: ref, rejected, info, retryAfterMs})
  }

  #oldest(wanted: Ref | undefined): {readonly ref: Ref; readonly id: string} {
    for (const one of this.#inFlight.values()) if (wanted === undefined || keyOf(one.ref) === keyOf(wanted)) return one
    throw bad(noMatch)
  }

  /**
   * Undefined for an event or batch that is not, or no longer, in flight: a client may answer it twice, or answer on a new
   * connection what it received on the previous one, as the SDK of FireFly does.
   */
  #named(id: string, wanted: Ref | undefined): {readonly ref: Ref; readonly id: string} | undefined {
    const [only] = this.#started.size === 1 ? this.#started.values() : []
    const ref = wanted ?? only
    if (ref === undefined) throw bad(noMatch)
    const found = this.#inFlight.get(keyOf(ref, id))
    if (found === undefined && !(this.#started.has(keyOf(ref)) && isOurId(id))) throw bad(noMatch)
    return found
  }

  /** Everything in flight on this subscription will be delivered again. */
  #reject(ref: Ref): void {
    for (const [key, one] of this.#inFlight) {
      if (keyOf(one.ref) === keyOf(ref)) this.#inFlight.delete(key)
    }
  }

  #guarded<T>(work: () => T): T | undefined {
    if (this.#isOver) return undefined
    try {
      return work()
    } catch (error) {
      this.#fail(error)
      return undefined
    }
  }

  #fail(error: unknown): void {
    const {id, warn} = this.#deps
    if (this.#isOver) return
    const isOurs = !(error instanceof BusError)
    warn(`connection ${id}: ${shortened(isOurs ? String(error) : error.message)}`)
    this.fail(isOurs ? 'internal error' : shortened(error.message))
  }
}

/** Parses the options of an ephemeral subscription, whose client may only read. Throws `usage`. */
function readerOptions(json: unknown): Options {
  const writing = isObject(json) ? ['deadLetter', 'maxRejects'].find((name) => name in json) : undefined
  if (writing !== undefined)
    throw bad(`the option "${writing}" is only for durable subscriptions, which the operator creates`)
  return websocketOptions(json)
}

function keyOf({namespace, name}: Ref, id = ''): string {
  return `${namespace}/${name}/${id}`
}
