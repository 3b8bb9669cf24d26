/** Five operations on any bus: publish, stream, request, serve, close. Payloads are bytes. */

import {BusError, isFailure, thrownText} from '../../core/errors.ts'
import {type Message, serviceError} from '../../core/message.ts'
import {warnOfFailure} from '../../core/process/background-failure.ts'
import {sleep} from '../../core/time/timer.ts'
import type {OpenOptions, Subscription, Transport} from '../../transport/contract.ts'
import {open} from '../../transport/open.ts'
import {type ReplyOptions, ReplySender} from '../../transport/reply-sender.ts'
import {bounded, type WaitBounds} from '../../transport/shared/bounded.ts'
import {MessengerError} from './messenger-error.ts'

const patienceMs = 1000
const defaultTimeoutMs = 10_000
/** Requests that a service answers at the same time. */
const mostAtOnce = 256

/** Receives one payload at a time; an exception is passed to `onError`, and the next payload follows. */
export type Receiver = (data: Uint8Array) => void | Promise<void>

/** Answers a request. An exception becomes the reply `error: <message>`, which a requester cannot distinguish from data. */
export type Responder = (data: Uint8Array) => Uint8Array | string | Promise<Uint8Array | string>

/** Ends the subscription or service, once the current payload is handled, or after one second. */
export type Unsubscribe = () => Promise<void>

/** How to reach the bus, and the timeout of requests. */
export interface MessengerOptions extends OpenOptions, ReplyOptions {
  /** Milliseconds for a request or a publish without its own; default 10,000. */
  readonly timeoutMs?: number | undefined
  /** Called with exceptions of a receiver, and when a subscription ends. Without it the process emits a warning. */
  readonly onError?: ((error: unknown) => void) | undefined
}

/** Opens the bus at `url`. Fails as `open` does. */
export async function openMessenger(url: string, options: MessengerOptions = {}): Promise<Messenger> {
  return new Messenger(await open(url, options), options)
}

type Payload = Pick<Message, 'data' | 'reply'>
type Loop = {readonly subscription: Subscription; readonly done: Promise<void>}
/** Ends a wait for the bus, or a subscription that is live. */
type Ending = Pick<WaitBounds, 'signal'>

/** Five operations on one bus. Every failure is a `MessengerError`. It supports `await using`, which also closes the bus. */
export class Messenger implements AsyncDisposable {
  readonly #bus: Transport
  readonly #options: MessengerOptions
  readonly #replies: ReplySender
  /** Refused messages of `publish` that were noticed when replies were flushed. */
  readonly #refused = new Map<string, BusError>()
  /** The last loss of messages that were in flight. */
  #lost: BusError | undefined
  readonly #loops = new Set<Loop>()
  #isClosed = false

  constructor(bus: Transport, options: MessengerOptions = {}) {
    this.#bus = bus
    this.#options = options
    this.#replies = new ReplySender(bus, (failure, isFirst) => isFirst && this.#failed('a reply', failure), options)
  }

  /**
   * Resolves when the bus has the message, whether or not there are listeners. After the time or an abort it is not sent any
   * more; if it was sent before, it may be published.
   */
  async publish(subject: string, data: Uint8Array | string, options: WaitBounds = {}): Promise<void> {
    this.#check()
    const {timeoutMs = this.#options.timeoutMs ?? defaultTimeoutMs, signal} = options
    const lostBefore = this.#lost
    const message = {subject, data}
    const send = async () => {
      this.#bus.publish(message)
      await this.#replies.flush()
      if (this.#lost !== lostBefore) throw this.#lost
      const refusal = this.#refused.get(subject)
      if (refusal !== undefined) throw refusal
    }
    const late = () => {
      const fate = this.#bus.withdraw?.(message) ? 'was not sent' : 'may be published'
      return new BusError('timeout', `${this.#bus.url} did not confirm it within ${timeoutMs} ms; it ${fate}`)
    }
    try {
      await bounded(send, {timeoutMs, signal}, late)
    } catch (error) {
      this.#bus.withdraw?.(message)
      this.#refused.delete(subject)
      this.#noteLoss(error)
      throw this.#failure('publish', error)
    }
  }

  /** Delivers everything published after it resolves, in order, until it is ended or the signal aborts. */
  async stream(subject: string, receive: Receiver, options: Ending = {}): Promise<Unsubscribe> {
    const handle = async ({data}: Payload) => {
      try {
        await receive(data)
      } catch (error) {
        this.#failed(subject, error)
      }
    }
    return this.#loop({subject, signal: options.signal}, handle)
  }

  /** Returns the first reply. Fails with `noResponders` immediately if nobody serves the subject. */
  async request(subject: string, data: Uint8Array | string, options: WaitBounds = {}): Promise<Uint8Array> {
    this.#check()
    const {timeoutMs = this.#options.timeoutMs ?? defaultTimeoutMs, signal} = options
    try {
      const reply = await this.#bus.request({subject, data}, {timeoutMs, signal})
      const failure = reply.data.length === 0 ? serviceError(reply) : undefined
      return failure === undefined ? reply.data : Buffer.from(`error: ${failure.text}`)
    } catch (error) {
      throw this.#failure('request', error)
    }
  }

  /**
   * Answers requests, up to 256 at the same time (one on libbus files); several servers of a subject share them. A reply that
   * cannot be sent, for example because it is too large, becomes `error: …`. It ends when the signal aborts.
   */
  async serve(subject: string, respond: Responder, options: Ending = {}): Promise<Unsubscribe> {
    const most = this.#bus.features.requestsAreMessages ? mostAtOnce : 1
    const open = new Set<Promise<void>>()
    const handle = async ({data, reply}: Payload) => {
      const one = this.#answer(data, reply, respond)
        .catch((error: unknown) => this.#failed(subject, error))
        .finally(() => open.delete(one))
      open.add(one)
      if (open.size >= most) await Promise.race(open)
    }
    const {signal} = options
    return this.#loop({subject, queue: subject, signal}, handle, async () => void (await Promise.all(open)))
  }

  /** Ends everything, waits at most one second for handlers, and closes the bus. May be called again. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    const loops = [...this.#loops]
    for (const {subscription} of loops) await subscription.close()
    await finished(loops)
    await this.#bus.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #answer(data: Uint8Array, reply: string | undefined, respond: Responder): Promise<void> {
    let answer: Uint8Array | string
    try {
      answer = await respond(data)
      if (typeof answer !== 'string' && !(answer instanceof Uint8Array))
        throw new TypeError('the answer is neither bytes nor a string')
    } catch (error) {
      answer = failureText(error)
    }
    if (reply === undefined || this.#isClosed) return
    const refusal = this.#replies.send({subject: reply, data: answer})
    // An invalid reply subject is the requester's fault.
    if (refusal !== undefined && this.#replies.send({subject: reply, data: failureText(refusal)}) !== undefined)
      this.#failed('a reply', refusal)
    else await this.#replies.flush().catch((failure: unknown) => this.#keep(failure))
  }

  #keep(failure: unknown): void {
    this.#noteLoss(failure)
    const subject = isFailure(failure, 'denied') ? failure.data?.['subject'] : undefined
    if (typeof subject === 'string') this.#refused.set(subject, failure as BusError)
    else this.#failed('a reply', failure)
  }

  /** A flush reports it once, but other messages may have been in flight, too. */
  #noteLoss(failure: unknown): void {
    if (isFailure(failure, 'connect') && failure.data?.['unconfirmed'] !== undefined) this.#lost = failure
  }

  async #loop(
    {subject, queue, signal}: Ending & {readonly subject: string; readonly queue?: string | undefined},
    handle: (message: Payload) => Promise<void>,
    finish: () => Promise<void> = async () => {},
  ): Promise<Unsubscribe> {
    this.#check()
    let subscription: Subscription
    try {
      subscription = await this.#bus.subscribe(subject, {queue, signal})
    } catch (error) {
      throw this.#failure('stream', error)
    }
    const run = async () => {
      // A request that is taken early is lost to the other servers if this process ends.
      const most = queue === undefined ? 256 : 1
      for (let taken = await subscription.take(most); taken.length > 0; taken = await subscription.take(most)) {
        for (const message of taken) await handle(message)
      }
      await finish()
    }
    const done = run()
      .catch((error: unknown) => this.#failed(subject, error))
      .finally(() => this.#loops.delete(loop))
    const loop: Loop = {subscription, done}
    this.#loops.add(loop)
    return async () => {
      await subscription.drain()
      await finished([loop])
    }
  }

  #failure(operation: MessengerError['operation'], cause: unknown): MessengerError {
    return new MessengerError(this.#isClosed ? 'closed' : operation, cause)
  }

  #failed(subject: string, error: unknown): void {
    if (this.#options.onError === undefined) warnOfFailure(`messages on "${subject}"`, error)
    else this.#options.onError(error)
  }

  #check(): void {
    if (this.#isClosed) throw new MessengerError('closed')
  }
}

/** Waits for their handlers, at most one second. */
async function finished(loops: readonly Loop[]): Promise<void> {
  const over = new AbortController()
  const all = Promise.all(loops.map(({done}) => done)).then(() => over.abort())
  await Promise.race([all, sleep(patienceMs, over.signal)])
}

function failureText(error: unknown): string {
  return `error: ${thrownText(error)}`
}
