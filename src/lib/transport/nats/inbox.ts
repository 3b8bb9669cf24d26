/**
 * The one subscription that receives all replies. The last token of the subject says which request a reply belongs to;
 * `-<share>-<number>` is a share of the inbox, for senders with too many requests for a promise each.
 */
import type {Requests} from '../shared/requests.ts'
import {inboxDenied} from './failures.ts'
import {isNoResponders} from './headers.ts'
import type {NatsProtocol, ServerSubscription} from './protocol.ts'
import type {InboxShare, ReplyHandler} from './streams/session.ts'
import {messageReader} from './subscription.ts'

export class Inbox {
  readonly #url: string
  readonly #prefix: string
  readonly #prefixBytes: number
  readonly #protocol: NatsProtocol
  readonly #requests: Requests
  readonly #shares = new Map<number, ReplyHandler>()
  #subscription: ServerSubscription | undefined
  #count = 0

  /** `prefix` with its trailing dot. */
  constructor(url: string, prefix: string, protocol: NatsProtocol, requests: Requests) {
    this.#url = url
    this.#prefix = prefix
    this.#prefixBytes = Buffer.byteLength(prefix)
    this.#protocol = protocol
    this.#requests = requests
  }

  open(): void {
    if (this.#subscription !== undefined) return
    const read = messageReader()
    const pattern = `${this.#prefix}*`
    this.#subscription = this.#protocol.addSubscription(
      pattern,
      undefined,
      (arg, data) => {
        if (arg.subject[this.#prefixBytes] === dash) return this.#arrived(arg.subject, data, arg.hdr)
        const message = read(arg, data)
        if (isNoResponders(data, arg.hdr)) this.#requests.noResponders(message.subject)
        else this.#requests.arrived(message)
      },
      (error) => {
        this.#subscription = undefined
        const failure = inboxDenied(this.#url, pattern, error)
        this.#requests.failAll(failure)
        for (const each of [...this.#shares.values()]) each.refused(failure)
      },
    )
  }

  route(route: ReplyHandler): InboxShare {
    this.open()
    const id = this.#count++
    this.#shares.set(id, route)
    return {prefix: `${this.#prefix}-${id}-`, close: () => this.#shares.delete(id)}
  }

  #arrived(subject: Uint8Array, data: Uint8Array, headerSize: number): void {
    let at = this.#prefixBytes + 1
    const number = () => {
      let value = 0
      for (let byte = subject[at]; byte !== undefined && byte !== dash; byte = subject[++at])
        value = value * 10 + byte - zero
      at++
      return value
    }
    this.#shares.get(number())?.arrived(number(), data, headerSize)
  }
}

const dash = 45
const zero = 48
