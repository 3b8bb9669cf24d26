/**
 * The single subscription that receives all replies. The last token of the subject identifies the request; `-<share>-<number>`
 * belongs to a share of the inbox, for senders with too many requests for a promise each.
 */
import type {Message} from '../../core/message.ts'
import type {Requests} from '../shared/requests.ts'
import {inboxDenied} from './failures.ts'
import {isNoResponders} from './headers.ts'
import type {MessageLine} from './parser.ts'
import type {NatsProtocol, ServerSubscription} from './protocol.ts'
import type {InboxShare, ReplyHandler} from './streams/session.ts'
import {messageReader, readMessage} from './subscription.ts'

export interface InboxOptions {
  readonly url: string
  /** Returns it with its trailing dot. */
  readonly prefix: () => string
  readonly protocol: NatsProtocol
  readonly requests: Requests
  /** Called with a message under another subject, for which the request is unknown. */
  readonly onUnclaimed: (message: Message) => void
}

export class Inbox {
  readonly #options: InboxOptions
  #prefix: Uint8Array = new Uint8Array()
  readonly #shares = new Map<number, ReplyHandler>()
  #subscription: ServerSubscription | undefined
  #count = 0

  constructor(options: InboxOptions) {
    this.#options = options
  }

  /** The pattern of all replies. */
  get pattern(): string {
    return `${this.#options.prefix()}*`
  }

  open(): void {
    if (this.#subscription !== undefined) return
    const {url, protocol, requests, onUnclaimed} = this.#options
    const prefix = this.#options.prefix()
    this.#prefix = Buffer.from(prefix)
    const read = messageReader()
    const {pattern} = this
    this.#subscription = protocol.addSubscription(
      pattern,
      undefined,
      (line, data) => {
        const token = this.#token(line)
        if (token === dash) return this.#arrived(line, data)
        const pending = token === 0 ? undefined : requests.numbered(this.#number(line))
        // The subject does not have to be decoded.
        if (pending !== undefined && !isNoResponders(data, line.hdr))
          return pending.arrived(readMessage(pending.reply, line, data))
        const message = read(line, data)
        if (isNoResponders(data, line.hdr)) requests.noResponders(message.subject)
        else if (!requests.arrived(message) && !message.subject.startsWith(prefix)) onUnclaimed(message)
      },
      (error) => {
        this.#subscription = undefined
        const failure = inboxDenied(url, pattern, error)
        requests.failAll(failure)
        for (const each of [...this.#shares.values()]) each.refused(failure)
      },
    )
  }

  route(route: ReplyHandler): InboxShare {
    this.open()
    const id = this.#count++
    this.#shares.set(id, route)
    return {prefix: `${this.#options.prefix()}-${id}-`, close: () => this.#shares.delete(id)}
  }

  /** The first byte of the last token: a dash for a share, a digit for a request; 0 if the subject is not one of this inbox. */
  #token({bytes, subjectAt, subjectEnd}: MessageLine): number {
    const size = this.#prefix.length
    if (subjectAt + size >= subjectEnd) return 0
    for (let i = size - 1; i >= size - distinctBytes; i--) if (bytes[subjectAt + i] !== this.#prefix[i]) return 0
    return bytes[subjectAt + size] ?? 0
  }

  /** The last token as a number; 0 if it is not a number, or has leading zeros. */
  #number({bytes, subjectAt, subjectEnd}: MessageLine): number {
    const from = subjectAt + this.#prefix.length
    if (bytes[from] === zero || subjectEnd - from > mostDigits) return 0
    let value = 0
    for (let at = from; at < subjectEnd; at++) {
      const digit = (bytes[at] ?? 0) - zero
      if (digit < 0 || digit > 9) return 0
      value = value * 10 + digit
    }
    return value
  }

  #arrived({bytes, subjectAt, subjectEnd, hdr}: MessageLine, data: Uint8Array): void {
    let at = subjectAt + this.#prefix.length + 1
    const number = () => {
      let value = 0
      for (; at < subjectEnd && bytes[at] !== dash; at++) value = value * 10 + (bytes[at] ?? 0) - zero
      at++
      return value
    }
    this.#shares.get(number())?.arrived(number(), data, hdr)
  }
}

const dash = 45
/** The part of the prefix that no other connection and no stored message has: digits of a unique id, and a dot. */
const distinctBytes = 8
const zero = 48
/** Numbers with more digits may not be exact. */
const mostDigits = 15
