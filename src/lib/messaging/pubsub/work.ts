import {BusError} from '../../core/errors.ts'
import {type Headers, type Message, type Outgoing, sizeOf} from '../../core/message.ts'
import type {Transport} from '../../transport/contract.ts'
import type {Fault, Outcome, RequestHandler} from './handlers.ts'

export interface Served {
  readonly request: Message
  /** Size of the reply's payload; nothing was sent if the request has no reply subject. */
  readonly bytes: number
  readonly fault?: Fault | undefined
  /** Milliseconds from taking the request to passing the reply to the bus. */
  readonly ms: number
}

export interface WorkOptions {
  readonly handler: RequestHandler
  /** Requests to handle at the same time. */
  readonly concurrency: number
  /** Called for each handled request; the request occupies its place until the promise resolves. */
  readonly onServed?: ((served: Served) => Promise<void> | undefined) | undefined
  /** Called when it cannot continue; `finished` then rejects. */
  readonly onFailure: () => void
}

/** The requests in progress: passes them to the handler, sends its replies, and counts. */
export class Work {
  readonly #bus: Transport
  readonly #options: WorkOptions
  #wake: (() => void) | undefined
  #flushing = false
  #failure: {error: unknown} | undefined
  /** Requests in progress. */
  open = 0
  served = 0
  failed = 0
  lastFault: Fault | undefined
  /** Milliseconds of all requests together. */
  spentMs = 0

  constructor(bus: Transport, options: WorkOptions) {
    this.#bus = bus
    this.#options = options
  }

  /** How many more requests may be taken, once there is room for at least one. */
  async room(): Promise<number> {
    while (this.open >= this.#options.concurrency) await this.#change()
    return this.#options.concurrency - this.open
  }

  /** Passes requests to the handler; waits only for `onServed`. */
  async begin(requests: readonly Message[]): Promise<void> {
    const done: Served[] = []
    for (const request of requests) {
      const from = performance.now()
      const outcome = this.#options.handler.handle(request)
      if (outcome instanceof Promise) void this.#settle(request, outcome, from)
      else done.push(this.#finish(request, outcome, from))
    }
    this.#flush()
    if (done.length > 0) await this.#tell(done)
  }

  /** Resolves when no request is in progress; rejects with the first failure, if any. */
  async finished(): Promise<void> {
    while (this.open > 0) await this.#change()
    if (this.#failure !== undefined) throw this.#failure.error
  }

  async #settle(request: Message, outcome: Promise<Outcome>, from: number): Promise<void> {
    this.open++
    try {
      const done = this.#finish(request, await outcome, from)
      this.#flush()
      await this.#tell([done])
    } catch (error) {
      this.#fail(error)
    } finally {
      this.open--
      this.#wake?.()
    }
  }

  /** Checks in the background that replies are sent; only one flush runs at a time. */
  #flush(): void {
    if (this.#flushing) return
    this.#flushing = true
    const over = () => {
      this.#flushing = false
    }
    this.#bus.flush().then(over, (error: unknown) => this.#fail(error))
  }

  #fail(error: unknown): void {
    this.#failure ??= {error}
    this.#options.onFailure()
  }

  #change(): Promise<void> {
    const {promise, resolve} = Promise.withResolvers<void>()
    this.#wake = resolve
    return promise
  }

  #finish(request: Message, outcome: Outcome, from: number): Served {
    const {bytes, fault} = this.#send(request, outcome)
    const ms = performance.now() - from
    this.served++
    this.spentMs += ms
    if (fault !== undefined) {
      this.failed++
      this.lastFault = fault
    }
    return {request, bytes, fault, ms}
  }

  /** Reports after the replies are sent, because writing a line takes longer than answering. */
  async #tell(done: readonly Served[]): Promise<void> {
    const {onServed} = this.#options
    if (onServed === undefined) return
    await new Promise((resolve) => setImmediate(resolve))
    let ready: Promise<void> | undefined
    for (const one of done) ready = onServed(one) ?? ready
    await ready
  }

  /** Sends the reply; if the bus refuses it, for example because it is too large, a service error is sent instead. */
  #send(request: Message, outcome: Outcome): {bytes: number; fault?: Fault | undefined} {
    const {reply} = request
    if ('fault' in outcome) {
      if (reply !== undefined) this.#tryPublish({subject: reply, headers: faultHeaders(outcome.fault)})
      return {bytes: 0, fault: outcome.fault}
    }
    if (reply === undefined) return {bytes: 0}
    try {
      this.#bus.publish({subject: reply, data: outcome.data, headers: outcome.headers})
      return {bytes: sizeOf(outcome.data), fault: outcome.failed}
    } catch (error) {
      if (!(error instanceof BusError)) throw error
      return this.#send(request, {fault: {code: 500, text: error.message}})
    }
  }

  /** An invalid reply subject is the requester's fault and must not end the service. */
  #tryPublish(message: Outgoing): void {
    try {
      this.#bus.publish(message)
    } catch (error) {
      if (!(error instanceof BusError)) throw error
    }
  }
}

/** The headers of a service error reply. A header value is one line. */
function faultHeaders({code, text}: Fault): Headers {
  return [
    ['Nats-Service-Error', text.replace(/[\r\n\0]+/g, ' ')],
    ['Nats-Service-Error-Code', String(code)],
  ]
}
