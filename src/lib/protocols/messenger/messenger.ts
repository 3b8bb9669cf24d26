/** Five operations on any bus: publish, stream, request, serve, close. Payloads are bytes. */

import {warnOfFailure} from '../../core/process/background-failure.ts'
import {sleep} from '../../core/time/timer.ts'
import type {OpenOptions, Subscription, Transport} from '../../transport/contract.ts'
import {open} from '../../transport/open.ts'

/** The errors of a messenger: the `code`, and the beginning of the sentence. */
export const messengerErrors = {
  closed: 'connection closed',
  stream: 'stream subscription failed',
  publish: 'message publishing failed',
  timeout: 'request timed out',
} as const

/** Every failure of a messenger. `cause` is the failure of the bus. */
export class MessengerError extends Error {
  readonly code: keyof typeof messengerErrors

  constructor(code: keyof typeof messengerErrors, cause?: unknown) {
    const reason = cause instanceof Error ? `: ${cause.message}` : ''
    super(`${messengerErrors[code]}${reason}`, {cause})
    this.name = 'MessengerError'
    this.code = code
  }
}

const patienceMs = 1000

/** Receives one payload at a time; an exception is passed to `onError`, and the next payload follows. */
export type Receiver = (data: Uint8Array) => void | Promise<void>

/** Answers a request. An exception becomes the reply `error: <message>`, which a requester cannot distinguish from data. */
export type Responder = (data: Uint8Array) => Uint8Array | string | Promise<Uint8Array | string>

/** Ends the subscription or service, once the current payload is handled. */
export type Unsubscribe = () => Promise<void>

/** How to reach the bus, and the timeout of requests. */
export interface MessengerOptions extends OpenOptions {
  /** Milliseconds for a request without its own; default 10,000. */
  readonly timeoutMs?: number | undefined
  /** Called with exceptions of a receiver, and when a subscription ends. Without it the process emits a warning. */
  readonly onError?: ((error: unknown) => void) | undefined
}

/** Opens the bus at `url`. Fails as `open` does. */
export async function openMessenger(url: string, options: MessengerOptions = {}): Promise<Messenger> {
  return new Messenger(await open(url, options), options)
}

/** Five operations on one bus. Every failure is a `MessengerError`. It supports `await using`, which also closes the bus. */
export class Messenger implements AsyncDisposable {
  readonly #bus: Transport
  readonly #options: MessengerOptions
  readonly #loops = new Set<{subscription: Subscription; done: Promise<void>}>()
  #isClosed = false

  constructor(bus: Transport, options: MessengerOptions = {}) {
    this.#bus = bus
    this.#options = options
  }

  /** Resolves when the bus has the message, whether or not anybody listens. Fails with `closed` or `publish`. */
  async publish(subject: string, data: Uint8Array | string): Promise<void> {
    this.#check()
    try {
      this.#bus.publish({subject, data})
      await this.#bus.flush()
    } catch (error) {
      throw new MessengerError('publish', error)
    }
  }

  /** Delivers everything published after it resolves, in order. Fails with `closed` or `stream`. */
  async stream(subject: string, receive: Receiver): Promise<Unsubscribe> {
    return this.#loop(subject, undefined, async ({data}) => {
      try {
        await receive(data)
      } catch (error) {
        this.#failed(subject, error)
      }
    })
  }

  /** Returns the first reply. Fails with `closed`, or with `timeout`, immediately if nobody serves the subject. */
  async request(
    subject: string,
    data: Uint8Array | string,
    options: {readonly timeoutMs?: number; readonly signal?: AbortSignal} = {},
  ): Promise<Uint8Array> {
    this.#check()
    const {timeoutMs = this.#options.timeoutMs ?? 10_000, signal} = options
    try {
      return (await this.#bus.request({subject, data}, {timeoutMs, signal})).data
    } catch (error) {
      throw new MessengerError(this.#isClosed ? 'closed' : 'timeout', error)
    }
  }

  /** Answers requests, one at a time; several servers of a subject share them. Fails with `closed` or `stream`. */
  async serve(subject: string, respond: Responder): Promise<Unsubscribe> {
    return this.#loop(subject, subject, async ({data, reply}) => {
      let answer: Uint8Array | string
      try {
        answer = await respond(data)
      } catch (error) {
        answer = `error: ${error instanceof Error ? error.message : String(error)}`
      }
      if (reply !== undefined && !this.#isClosed) this.#bus.publish({subject: reply, data: answer})
    })
  }

  /** Ends everything, waits at most one second for handlers, and closes the bus. May be called again. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    const loops = [...this.#loops]
    for (const {subscription} of loops) await subscription.close()
    const over = new AbortController()
    const all = Promise.all(loops.map(({done}) => done)).then(() => over.abort())
    await Promise.race([all, sleep(patienceMs, over.signal)])
    await this.#bus.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #loop(
    subject: string,
    queue: string | undefined,
    handle: (message: {data: Uint8Array; reply: string | undefined}) => Promise<void>,
  ): Promise<Unsubscribe> {
    this.#check()
    let subscription: Subscription
    try {
      subscription = await this.#bus.subscribe(subject, {queue})
    } catch (error) {
      throw new MessengerError('stream', error)
    }
    const run = async () => {
      // A request that is taken early is lost to the other servers if this process ends.
      const most = queue === undefined ? 256 : 1
      for (let taken = await subscription.take(most); taken.length > 0; taken = await subscription.take(most)) {
        for (const message of taken) await handle(message)
      }
    }
    const loop = {subscription, done: run().catch((error: unknown) => this.#failed(subject, error))}
    this.#loops.add(loop)
    return async () => {
      this.#loops.delete(loop)
      await subscription.drain()
      await loop.done
    }
  }

  #failed(subject: string, error: unknown): void {
    if (this.#options.onError === undefined) warnOfFailure(`messages on "${subject}"`, error)
    else this.#options.onError(error)
  }

  #check(): void {
    if (this.#isClosed) throw new MessengerError('closed')
  }
}
