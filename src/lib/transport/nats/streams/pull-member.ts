import type {ConsumeOptions} from '../../streams-contract.ts'
import {subscribeDenied} from '../failures.ts'
import {apiRequest} from './api.ts'
import type {ConsumerJson} from './json.ts'
import {NatsMember} from './member.ts'
import {Pulls} from './pulls.ts'
import type {JetStreamSession} from './session.ts'

const heartbeatMs = 2000
const longestPullMs = 30_000
/** Largest number of messages per pull. */
const mostAsked = 4096
const leastBytes = 8 * 1024 * 1024
/** How many messages to request before the reader wants them: usually, and at most on a slow network. */
const usualPrefetch = 512
const mostPrefetch = 8192
/** Messages per millisecond from which on waiting for more is a matter of the network. */
const quickPerMs = 0.25

/** A member of a pull consumer. It requests no more than it may take, and requests more when half of that is taken. */
export class PullMember extends NatsMember {
  readonly #pulls: Pulls
  readonly #leastPrefetch: number
  #prefetch: number
  /** How many messages had arrived, and when, at the last look at the rate. */
  #arrived = 0
  #arrivedAt = performance.now()
  /** How many had arrived when the server last reported that a request is over, or that it is alive. */
  #arrivedIdle = 0
  readonly #most: number
  readonly #expiresMs: number
  readonly #group: string | undefined
  /** The server refused the last request, because too many wait. */
  #isRefused = false

  constructor(session: JetStreamSession, info: ConsumerJson, options: ConsumeOptions) {
    super(session, info, options)
    const {max_batch: most = 0, max_bytes: bytes = 0, max_expires: expires = 0, priority_groups: groups} = info.config
    const maxBytes = Math.max(leastBytes, 2 * session.maxPayload)
    // Messages of a consumer without acknowledgements are gone once they are delivered, so only those needed now are requested.
    this.#leastPrefetch = info.config.ack_policy === 'none' ? 0 : (options.prefetch ?? usualPrefetch)
    this.#prefetch = this.#leastPrefetch
    this.#most = Math.min(most > 0 ? most : mostAsked, mostAsked)
    this.#expiresMs = expires > 0 ? Math.min(expires / 1e6, longestPullMs) : longestPullMs
    this.#group = groups?.[0]
    this.#pulls = new Pulls({
      session,
      stream: info.stream_name,
      consumer: info.name,
      heartbeatMs,
      maxBytes: bytes > 0 ? Math.min(bytes, maxBytes) : maxBytes,
      mostBytes: bytes > 0 ? bytes : undefined,
      group: this.#group,
      onMessage: info.config.priority_policy === 'pinned_client' ? this.receivePinned : this.receive,
      onIdle: () => {
        this.#isRefused = false
        this.#shrink()
        this.refill()
      },
      onTrouble: (reason) => this.#troubled(reason),
      onRefused: (error) => this.fail(subscribeDenied(session.url, '_INBOX', error)),
    })
    this.refill()
  }

  override get isUnheard(): boolean {
    return this.#isRefused || this.#pulls.isUnheard
  }

  protected refill(wanted = this.queue.wanted): void {
    if (!this.isActive || !this.session.isUp) return
    const {asked} = this.#pulls
    const {length, room: left} = this.queue
    if (this.#prefetch >= usualPrefetch && wanted > 0 && length === 0) this.#grow()
    const goal = Math.min(left + length, this.mostBySize, Math.max(this.#prefetch, wanted))
    const room = goal - length - asked
    if (room <= 0 || room * 2 < Math.min(goal, mostAsked)) return
    this.#pulls.ask(Math.min(room, this.#most), this.#expiresMs, this.pin)
  }

  /** The reader waits for more. If messages arrive quickly, they take long to arrive, so more of them are requested. */
  #grow(): void {
    const some = this.received - this.#arrived
    if (some < this.#prefetch) return
    const now = performance.now()
    if (some >= (now - this.#arrivedAt) * quickPerMs) this.#prefetch = Math.min(2 * this.#prefetch, mostPrefetch)
    this.#arrived = this.received
    this.#arrivedAt = now
  }

  /** Nothing arrives any more: the next messages may be shared with other members. */
  #shrink(): void {
    if (this.received === this.#arrivedIdle) this.#prefetch = this.#leastPrefetch
    this.#arrivedIdle = this.received
  }

  #troubled(reason: string): void {
    if (/pin/i.test(reason)) this.pin = undefined
    if (/max ?waiting/i.test(reason)) this.#isRefused = true
    void this.look()
  }

  /** Without this, no other client would get messages until the pin expires, which it does if this fails. */
  protected override async released(): Promise<void> {
    if (this.pin === undefined || !this.session.isUp) return
    const operation = `CONSUMER.UNPIN.${this.stream}.${this.consumer}`
    await apiRequest(this.session, operation, {group: this.#group}).catch(() => {})
  }

  protected lost(): void {
    this.#pulls.forget()
  }

  protected get mayReceive(): boolean {
    return this.#pulls.asked > 0
  }

  protected stop(): Promise<void> {
    return this.#pulls.drain()
  }

  protected isOwn(subject: string): boolean {
    return subject === this.#pulls.subject
  }
}
