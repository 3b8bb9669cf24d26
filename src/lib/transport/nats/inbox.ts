/**
 * The one subscription to which all replies come. The last token says whose a reply is: that of a request, or
 * `-<route>-<number>` for whoever has so many that a promise each would cost too much.
 */
import type {Requests} from '../shared/requests.ts'
import {inboxDenied} from './failures.ts'
import {isNoResponders} from './headers.ts'
import type {Tap, Wire} from './protocol.ts'
import type {Route, Routed} from './streams/session.ts'
import {messageReader} from './subscription.ts'

export class Inbox {
  readonly #url: string
  readonly #prefix: string
  readonly #prefixBytes: number
  readonly #wire: Wire
  readonly #requests: Requests
  readonly #routes = new Map<number, Route>()
  #tap: Tap | undefined
  #count = 0

  /** `prefix` with its trailing dot. */
  constructor(url: string, prefix: string, wire: Wire, requests: Requests) {
    this.#url = url
    this.#prefix = prefix
    this.#prefixBytes = Buffer.byteLength(prefix)
    this.#wire = wire
    this.#requests = requests
  }

  open(): void {
    if (this.#tap !== undefined) return
    const read = messageReader()
    const pattern = `${this.#prefix}*`
    this.#tap = this.#wire.tap(
      pattern,
      undefined,
      (arg, data) => {
        if (arg.subject[this.#prefixBytes] === dash) return this.#routed(arg.subject, data, arg.hdr)
        const message = read(arg, data)
        if (isNoResponders(data, arg.hdr)) this.#requests.noResponders(message.subject)
        else this.#requests.arrived(message)
      },
      (error) => {
        this.#tap = undefined
        const failure = inboxDenied(this.#url, pattern, error)
        this.#requests.failAll(failure)
        for (const each of [...this.#routes.values()]) each.refused(failure)
      },
    )
  }

  route(route: Route): Routed {
    this.open()
    const id = this.#count++
    this.#routes.set(id, route)
    return {prefix: `${this.#prefix}-${id}-`, close: () => this.#routes.delete(id)}
  }

  #routed(subject: Uint8Array, data: Uint8Array, headerSize: number): void {
    let at = this.#prefixBytes + 1
    const number = () => {
      let value = 0
      for (let byte = subject[at]; byte !== undefined && byte !== dash; byte = subject[++at])
        value = value * 10 + byte - zero
      at++
      return value
    }
    this.#routes.get(number())?.arrived(number(), data, headerSize)
  }
}

const dash = 45
const zero = 48
