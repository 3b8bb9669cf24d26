/**
 * Requests in flight on one connection. All replies arrive through one inbox subscription; the last token of the reply subject
 * identifies the request, so a request costs a map entry and a timer, never a subscription.
 */
import {BusError, interruptedError} from '../../core/errors.ts'
import type {Message} from '../../core/message.ts'
import {shellWord} from '../../core/text/shell-word.ts'
import {IdleTimer, Timer} from '../../core/time/timer.ts'
import type {ManyOptions, Outgoing, RequestOptions} from '../contract.ts'
import {Mailbox} from './mailbox.ts'

interface Pending {
  readonly subject: string
  arrived(message: Message): void
  failed(error: unknown): void
}

export interface RequestsOptions {
  /** Creates the last token of the next reply subject; by default a counter. */
  readonly token?: (() => string) | undefined
  /** The failure of a request at its timeout, if the bus can say more than that no reply arrived. */
  readonly late?: ((reply: string, timeoutMs: number) => unknown) | undefined
  /** Called for each reply subject that is no longer waited for, whether a reply arrived or not. */
  readonly over?: ((reply: string) => unknown) | undefined
}

export class Requests {
  readonly #pending = new Map<string, Pending>()
  readonly #url: string
  readonly #prefixOf: () => string
  readonly #send: (message: Outgoing) => void
  readonly #options: RequestsOptions
  #count = 0

  /** `prefix` returns the inbox with its trailing dot; `send` publishes a request and may throw. */
  constructor(url: string, prefix: () => string, send: (message: Outgoing) => void, options: RequestsOptions = {}) {
    this.#url = url
    this.#prefixOf = prefix
    this.#send = send
    this.#options = options
  }

  get size(): number {
    return this.#pending.size
  }

  get #prefix(): string {
    return this.#prefixOf()
  }

  /**
   * Handles a message to the inbox; false if nobody waits for it. A consumer replies under the subject of the stored message:
   * that is the reply to the oldest request for such a message, or to the only request.
   */
  arrived(message: Message): boolean {
    const {subject} = message
    const pending = subject.startsWith(this.#prefix)
      ? this.#pending.get(subject.slice(this.#prefix.length))
      : this.#oldestPull()
    pending?.arrived(message)
    return pending !== undefined
  }

  /** Fails the request with this reply subject: nobody serves it. */
  noResponders(reply: string, subject?: string): void {
    const pending = this.#pending.get(reply.slice(this.#prefix.length))
    pending?.failed(noRespondersError(this.#url, subject ?? pending.subject))
  }

  /** Fails the oldest request to this subject; false if there is none. */
  failTo(subject: string, error: unknown): boolean {
    for (const [token, pending] of this.#pending) {
      if (pending.subject !== subject) continue
      this.#pending.delete(token)
      pending.failed(error)
      return true
    }
    return false
  }

  failAll(error: unknown): void {
    for (const pending of [...this.#pending.values()]) pending.failed(error)
  }

  one(message: Outgoing, options: RequestOptions = {}): Promise<Message> {
    const timeoutMs = options.timeoutMs ?? 5000
    const {signal} = options
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(interruptedError())
      const token = this.#token()
      const settle = () => {
        this.#pending.delete(token)
        timer.cancel()
        signal?.removeEventListener('abort', abort)
        this.#over(token)
      }
      const failed = (error: unknown) => {
        settle()
        reject(error)
      }
      const abort = () => failed(interruptedError())
      const late = () =>
        failed(
          this.#options.late?.(this.#prefix + token, timeoutMs) ?? timeoutError(this.#url, message.subject, timeoutMs),
        )
      const timer = new Timer(timeoutMs, late)
      signal?.addEventListener('abort', abort)
      this.#pending.set(token, {
        subject: message.subject,
        failed,
        arrived(reply) {
          if (options.accept?.(reply) === false) return
          settle()
          resolve(reply)
        },
      })
      this.#sendOr(failed, message, token)
    })
  }

  async *many(message: Outgoing, options: ManyOptions = {}): AsyncGenerator<Message> {
    const {count = Number.POSITIVE_INFINITY, idleMs, untilEmpty, signal, timeoutMs = 5000} = options
    if (signal?.aborted) throw interruptedError()
    const token = this.#token()
    const replies: Mailbox = new Mailbox({
      limit: Number.POSITIVE_INFINITY,
      onDrop: () => replies.fail(tooManyReplies(this.#url, message.subject)),
    })
    const deadline = new Timer(timeoutMs, () => {
      const failure = this.#options.late?.(this.#prefix + token, timeoutMs)
      if (failure === undefined) void replies.drain()
      else replies.fail(failure)
    })
    const abort = () => replies.fail(interruptedError())
    signal?.addEventListener('abort', abort)
    let idle: IdleTimer | undefined
    this.#pending.set(token, {
      subject: message.subject,
      failed: (error) => replies.fail(error),
      arrived(reply) {
        if (options.accept?.(reply) === false) return
        if (untilEmpty && reply.payload.length === 0) return void replies.drain()
        replies.push(reply)
        if (idleMs === undefined) return
        if (idle === undefined) idle = new IdleTimer(idleMs, () => void replies.drain())
        else idle.restart()
      },
    })
    try {
      this.#sendOr((error) => replies.fail(error), message, token)
      let seen = 0
      for await (const reply of replies) {
        yield reply
        if (++seen >= count) return
      }
    } finally {
      this.#pending.delete(token)
      deadline.cancel()
      idle?.[Symbol.dispose]()
      signal?.removeEventListener('abort', abort)
      this.#over(token)
    }
  }

  #oldestPull(): Pending | undefined {
    const [first, ...others] = this.#pending.values()
    return others.length === 0 ? first : [first, ...others].find((each) => each?.subject.includes(pull))
  }

  #token(): string {
    return this.#options.token?.() ?? (++this.#count).toString(36)
  }

  #over(token: string): void {
    this.#options.over?.(this.#prefix + token)
  }

  #sendOr(failed: (error: unknown) => void, message: Outgoing, token: string): void {
    try {
      this.#send({...message, reply: this.#prefix + token})
    } catch (error) {
      failed(error)
    }
  }
}

/** Part of the subject of a request for the next messages of a consumer, with any prefix of the JetStream API. */
const pull = '.CONSUMER.MSG.NEXT.'

function noRespondersError(url: string, subject: string): BusError {
  return new BusError('noResponders', `nobody serves "${subject}" on ${url}`, {
    try: ['check the subject, and that its service is running'],
  })
}

function timeoutError(url: string, subject: string, timeoutMs: number): BusError {
  return new BusError('timeout', `no reply on "${subject}" within ${timeoutMs} ms from ${url}`, {
    try: ['a longer --timeout', `see whether the request arrives: bus sub ${shellWord(subject)}`],
  })
}

function tooManyReplies(url: string, subject: string): BusError {
  return new BusError('remote', `more replies on "${subject}" arrived from ${url} than can be held`, {
    try: ['--count or --until-idle'],
  })
}
