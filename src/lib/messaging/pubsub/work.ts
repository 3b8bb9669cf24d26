import type {BusError} from '../../core/errors.ts'
import {type Message, sizeOf} from '../../core/message.ts'
import type {Transport} from '../../transport/contract.ts'
import {faultHeaders, type ReplyOptions, ReplySender} from '../../transport/reply-sender.ts'
import type {Fault, Outcome, RequestHandler} from './handlers.ts'

export interface Served {
  readonly request: Message
  /** Size of the reply's payload; nothing was sent if the request has no reply subject. */
  readonly bytes: number
  readonly fault?: Fault | undefined
  /** Milliseconds from taking the request to passing the reply to the bus. */
  readonly ms: number
}

export interface WorkOptions extends ReplyOptions {
  readonly handler: RequestHandler
  /** Requests to handle at the same time. */
  readonly concurrency: number
  /** Called for each handled request; the request occupies its place until the promise resolves. */
  readonly onServed?: ((served: Served) => Promise<void> | undefined) | undefined
  /** Called with a sentence about the first reply to a requester that the server refuses; the service continues. */
  readonly onRefused?: ((sentence: string) => void) | undefined
  /** Called when it cannot continue; `finished` then rejects. */
  readonly onFailure: () => void
}

/** The shortest time between two checks that replies are sent: each costs both sides a round trip. */
const checkMs = 10

/** The requests in progress: passes them to the handler, sends its replies, and counts. */
export class Work {
  readonly #replies: ReplySender
  readonly #options: WorkOptions
  #wake: (() => void) | undefined
  #flushing = false
  #pause: NodeJS.Timeout | undefined
  /** Replies were sent since the flush began. */
  #toFlush = false
  #failure: {error: unknown} | undefined
  /** Requests in progress. */
  open = 0
  served = 0
  failed = 0
  lastFault: Fault | undefined
  /** Milliseconds of all requests together. */
  spentMs = 0

  constructor(bus: Transport, options: WorkOptions) {
    this.#options = options
    const onRefused = (failure: BusError, isFirst: boolean) => {
      this.failed++
      this.lastFault = {code: 403, text: failure.message}
      if (isFirst) options.onRefused?.(`a reply could not be sent: ${failure.message}`)
    }
    this.#replies = new ReplySender(bus, onRefused, options)
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

  /** Resolves when no request is in progress and the replies are sent; rejects with the first failure, if any. */
  async finished(): Promise<void> {
    while (this.open > 0) await this.#change()
    clearTimeout(this.#pause)
    if (this.#failure !== undefined) throw this.#failure.error
    await this.#replies.flush()
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
    this.#toFlush = true
    if (this.#flushing) return
    this.#flushing = true
    this.#toFlush = false
    const over = () => {
      this.#flushing = false
      if (this.#toFlush) this.#flush()
    }
    const pause = () => {
      this.#pause = setTimeout(over, checkMs).unref()
    }
    this.#replies.settle().then(pause, (error: unknown) => this.#fail(error))
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

  /** Sends the reply; if the bus refuses it, for example because it is too large, a failure is sent instead. */
  #send(request: Message, outcome: Outcome): {bytes: number; fault?: Fault | undefined} {
    const {reply} = request
    if ('fault' in outcome) {
      if (reply !== undefined) this.#sendFailure(reply, outcome.fault)
      return {bytes: 0, fault: outcome.fault}
    }
    if (reply === undefined) return {bytes: 0}
    const refusal = this.#replies.send({subject: reply, data: outcome.data, headers: outcome.headers})
    if (refusal === undefined) return {bytes: sizeOf(outcome.data), fault: outcome.failed}
    return this.#send(request, {fault: {code: 500, text: refusal.message}})
  }

  /**
   * In the form of the handler's protocol; otherwise a service error, whose body is for requesters that do not read its
   * headers. An invalid reply subject is the requester's fault.
   */
  #sendFailure(subject: string, fault: Fault): void {
    const own = this.#options.handler.failureReply?.(fault)
    const headers = own === undefined ? faultHeaders(fault) : own.headers
    const refusal = this.#replies.send({subject, data: own?.data ?? `error: ${fault.text}`, headers})
    if (refusal !== undefined && own === undefined) this.#replies.send({subject, headers})
  }
}
