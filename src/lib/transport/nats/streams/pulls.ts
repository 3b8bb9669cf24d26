/**
 * Pull requests of one consumer (ADR-13, ADR-37). Several may be open; the server serves them in turn, so this class counts how
 * many messages the server may still send in total. Messages keep their own subjects; a message to the inbox itself reports the
 * status of a pull.
 */
import {headerOf} from '../../../core/message.ts'
import {parseHeaders} from '../headers.ts'
import type {MessageHandler, ServerSubscription} from '../protocol.ts'
import type {JetStreamSession} from './session.ts'

export interface PullDeps {
  readonly session: JetStreamSession
  readonly stream: string
  readonly consumer: string
  /** The interval at which the server reports that it is alive while it has no messages. */
  readonly heartbeatMs: number
  readonly maxBytes?: number | undefined
  /** The consumer accepts no pull with more bytes. */
  readonly mostBytes?: number | undefined
  readonly group?: string | undefined
  readonly onMessage: MessageHandler
  /** Called for a heartbeat, and for a pull that found nothing. */
  readonly onIdle?: (() => void) | undefined
  /** Called when pulls ended unexpectedly, or when the server does not respond. Requested messages may or may not arrive. */
  readonly onTrouble: (reason: string) => void
  /** Called when the server refuses the inbox. */
  readonly onRefused: (error: Error) => void
}

const longestPullMs = 30_000
/** The sizes of this many recent pulls are remembered. */
const mostKnown = 64

export class Pulls {
  readonly #deps: PullDeps
  readonly #inbox: string
  readonly #subject: string
  readonly #subscription: ServerSubscription
  readonly #sizes = new Map<string, number>()
  /** Doubled for a message that is larger: a server that allows smaller messages now may still hold it. */
  #maxBytes: number | undefined
  #count = 0
  #heardAt = performance.now()
  #watch: NodeJS.Timeout | undefined
  /** How many messages the server may still send. */
  asked = 0

  constructor(deps: PullDeps) {
    const {session, stream, consumer, onMessage} = deps
    this.#deps = deps
    this.#maxBytes = deps.maxBytes
    this.#subject = `${session.apiPrefix}.CONSUMER.MSG.NEXT.${stream}.${consumer}`
    this.#inbox = `${session.newInbox()}.`
    const handler: MessageHandler = (arg, data) => {
      this.#heardAt = performance.now()
      if (arg.reply === undefined && arg.hdr > 0) return this.#word(arg.subject, data.subarray(0, arg.hdr))
      if (this.asked > 0) this.asked--
      onMessage(arg, data)
    }
    this.#subscription = session.addSubscription(`${this.#inbox}*`, undefined, handler, deps.onRefused)
  }

  get subject(): string {
    return this.#subject
  }

  /** Whether the server should have reported by now that it is alive. It ignores requests if too many wait. */
  get isUnheard(): boolean {
    return this.asked > 0 && performance.now() - this.#heardAt > this.#deps.heartbeatMs * 1.25
  }

  /** Requests this many messages within the time; `pin` is the id of a pinned client. */
  ask(batch: number, expiresMs = longestPullMs, pin?: string): void {
    const {session, group} = this.#deps
    const maxBytes = this.#maxBytes
    const token = String(this.#count++)
    // No server accepts a heartbeat longer than half of the expiry.
    const heartbeatMs = Math.min(this.#deps.heartbeatMs, Math.floor(expiresMs / 2))
    const wish = {
      batch,
      expires: Math.round(expiresMs * 1e6),
      ...(heartbeatMs >= leastHeartbeatMs && {idle_heartbeat: heartbeatMs * 1e6}),
      ...(maxBytes !== undefined && {max_bytes: maxBytes}),
      ...(group !== undefined && {group}),
      ...(pin !== undefined && {id: pin}),
    }
    this.#sizes.set(token, batch)
    const [oldest] = this.#sizes.keys()
    if (this.#sizes.size > mostKnown && oldest !== undefined) this.#sizes.delete(oldest)
    if (this.asked === 0) this.#heardAt = performance.now()
    this.asked += batch
    session.send({subject: this.#subject, data: JSON.stringify(wish), reply: this.#inbox + token})
    this.#watch ??= setTimeout(this.#look, this.#longestSilenceMs)
  }

  /** None of the requested messages will arrive. */
  forget(): void {
    this.asked = 0
    this.#sizes.clear()
  }

  /** Requests nothing more; resolves when all messages in flight have arrived. */
  async drain(): Promise<void> {
    clearTimeout(this.#watch)
    await this.#subscription.drain()
  }

  close(): void {
    clearTimeout(this.#watch)
    this.#subscription.close()
  }

  get #longestSilenceMs(): number {
    return this.#deps.heartbeatMs * 2.5
  }

  readonly #look = (): void => {
    this.#watch = undefined
    if (this.asked === 0) return
    const left = this.#heardAt + this.#longestSilenceMs - performance.now()
    if (left > 0 || !this.#deps.session.isUp) {
      this.#watch = setTimeout(this.#whenRead, Math.max(left, this.#deps.heartbeatMs))
      return
    }
    this.forget()
    this.#deps.onTrouble('it is silent')
  }

  /** Messages that arrived while we were too busy to read are read first. */
  readonly #whenRead = (): void => void setImmediate(this.#look)

  #word(subject: Uint8Array, bytes: Uint8Array): void {
    const headers = parseHeaders(bytes)
    const code = headerOf(headers, 'Status')
    if (code === '100') {
      this.#deps.onIdle?.()
      return
    }
    const said = headerOf(headers, 'Description') ?? ''
    const token = Buffer.from(subject).toString('latin1').slice(this.#inbox.length)
    const size = this.#sizes.get(token)
    if (size === undefined) return
    this.#sizes.delete(token)
    const left = headerOf(headers, 'Nats-Pending-Messages')
    this.asked = Math.max(0, this.asked - (left === undefined ? size : Number(left)))
    const isTooLarge = /message size exceeds/i.test(said)
    const {mostBytes = Number.POSITIVE_INFINITY} = this.#deps
    if (isTooLarge && this.#maxBytes !== undefined) this.#maxBytes = Math.min(2 * this.#maxBytes, mostBytes)
    if (code === '408' || code === '404' || isTooLarge || /batch completed/i.test(said)) this.#deps.onIdle?.()
    else this.#deps.onTrouble(said === '' ? `status ${code}` : said)
  }
}

const leastHeartbeatMs = 100
