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
  /** The reply subject. */
  readonly reply: string
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
  /** Pending requests by the last token of the reply subject: a number, or the result of `options.token`. */
  readonly #pending = new Map<string | number, Pending>()
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
    const pending = subject.startsWith(this.#prefix) ? this.#replied(subject) : this.#oldestPull()
    pending?.arrived(message)
    return pending !== undefined
  }

  /** The request whose reply subject ends with this number. */
  numbered(number: number): Pick<Pending, 'reply' | 'arrived'> | undefined {
    return this.#pending.get(number)
  }

  /** Fails the request with this reply subject: nobody serves it. */
  noResponders(reply: string, subject?: string): void {
    const pending = this.#replied(reply)
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
      const reply = this.#prefix + token
      const settle = () => {
        this.#pending.delete(token)
        timer.cancel()
        signal?.removeEventListener('abort', abort)
        this.#options.over?.(reply)
      }
      const failed = (error: unknown) => {
        settle()
        reject(error)
      }
      const abort = () => failed(interruptedError())
      const late = () =>
        failed(this.#options.late?.(reply, timeoutMs) ?? timeoutError(this.#url, message.subject, timeoutMs))
      const timer = new Timer(timeoutMs, late)
      signal?.addEventListener('abort', abort)
      this.#pending.set(token, {
        subject: message.subject,
        reply,
        failed,
        arrived(answer) {
          if (options.accept?.(answer) === false) return
          settle()
          resolve(answer)
        },
      })
      this.#sendOr(failed, message, reply)
    })
  }

  async *many(message: Outgoing, options: ManyOptions = {}): AsyncGenerator<Message> {
    const {count = Number.POSITIVE_INFINITY, idleMs, untilEmpty, signal, timeoutMs = 5000} = options
    if (signal?.aborted) throw interruptedError()
    const token = this.#token()
    const reply = this.#prefix + token
    const replies: Mailbox = new Mailbox({
      limit: Number.POSITIVE_INFINITY,
      onDrop: () => replies.fail(tooManyReplies(this.#url, message.subject)),
    })
    const deadline = new Timer(timeoutMs, () => {
      const failure = this.#options.late?.(reply, timeoutMs)
      if (failure === undefined) void replies.drain()
      else replies.fail(failure)
    })
    const abort = () => replies.fail(interruptedError())
    signal?.addEventListener('abort', abort)
    let idle: IdleTimer | undefined
    this.#pending.set(token, {
      subject: message.subject,
      reply,
      failed: (error) => replies.fail(error),
      arrived(answer) {
        if (options.accept?.(answer) === false) return
        if (untilEmpty && answer.payload.length === 0) return void replies.drain()
        replies.push(answer)
        if (idleMs === undefined) return
        if (idle === undefined) idle = new IdleTimer(idleMs, () => void replies.drain())
        else idle.restart()
      },
    })
    try {
      this.#sendOr((error) => replies.fail(error), message, reply)
      let seen = 0
      for await (const answer of replies) {
        yield answer
        if (++seen >= count) return
      }
    } finally {
      this.#pending.delete(token)
      deadline.cancel()
      idle?.[Symbol.dispose]()
      signal?.removeEventListener('abort', abort)
      this.#options.over?.(reply)
    }
  }

  #oldestPull(): Pending | undefined {
    const [first, ...others] = this.#pending.values()
    return others.length === 0 ? first : [first, ...others].find((each) => each?.subject.includes(pull))
  }

  #token(): string | number {
    return this.#options.token?.() ?? ++this.#count
  }

  #replied(reply: string): Pending | undefined {
    const token = reply.slice(this.#prefix.length)
    const pending = this.#pending.get(this.#options.token === undefined ? Number(token) : token)
    return pending?.reply === reply ? pending : undefined
  }

  #sendOr(failed: (error: unknown) => void, message: Outgoing, reply: string): void {
    try {
      this.#send({...message, reply})
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
