/**
 * A member of a push consumer, which another client has created: the server sends messages to a subject, under flow control.
 * The ack wait of held messages is extended, and a slow reader requests no more than it takes in half an ack wait.
 */
import {headerOf} from '../../../core/message.ts'
import {isSystemSubject} from '../../../core/subject.ts'
import {Interval} from '../../../core/time/timer.ts'
import type {ConsumeOptions} from '../../streams-contract.ts'
import {subscribeDenied} from '../failures.ts'
import {parseHeaders} from '../headers.ts'
import type {MessageHandler, ServerSubscription} from '../protocol.ts'
import type {ConsumerJson} from './json.ts'
import {NatsMember} from './member.ts'
import type {JetStreamSession} from './session.ts'

/** The server is asked for more when fewer messages than this are held. */
const enough = 8192
/** The same for the slowest reader. */
const least = 16
/** The minimum interval between two extensions of the ack wait. */
const leastAliveMs = 20
/** Largest number of buffered messages, for a server without flow control. */
const mostHeld = 65_536
const lookMs = 5000
const space = 32

export class PushMember extends NatsMember {
  readonly #subscription: ServerSubscription
  readonly #lookMs: number
  #goOn: string | undefined
  #heardAt = performance.now()
  #dropped = 0
  #timer: NodeJS.Timeout
  /** The server is asked for more when fewer messages than this are held. */
  #wanted = enough
  /** The number of messages taken until the last check. */
  #taken = 0
  readonly #timers: readonly Interval[]

  constructor(session: JetStreamSession, info: ConsumerJson, options: ConsumeOptions) {
    super(session, info, options)
    const {deliver_subject: subject = '', deliver_group: queue, idle_heartbeat: heartbeat = 0} = info.config
    this.#lookMs = Math.max(lookMs, (heartbeat / 1e6) * 3)
    this.#subscription = session.addSubscription(subject, queue || undefined, this.#arrived, (error) =>
      this.fail(subscribeDenied(session.url, subject, error)),
    )
    this.#timer = setTimeout(this.#watch, this.#lookMs)
    this.#timers = this.#keepAlive()
  }

  #keepAlive(): readonly Interval[] {
    const {ack_policy: policy, ack_wait: ackWait = 30e9, backoff = []} = this.config
    if (policy === 'none') return []
    const waitMs = Math.min(ackWait, ...backoff) / 1e6
    const extend = new Interval(Math.max(leastAliveMs, waitMs / 3), () => {
      for (const delivery of this.queue.held()) this.working(delivery)
    })
    const measure = new Interval(Math.max(leastAliveMs, waitMs / 2), () => this.#measure())
    return [extend.unref(), measure.unref()]
  }

  /** How many were taken since the last check, half an ack wait ago; a reader that waits for messages may have all of them. */
  #measure(): void {
    const taken = this.received - this.queue.length
    const isSlow = this.queue.length > 0
    this.#wanted = isSlow ? Math.min(enough, Math.max(least, taken - this.#taken)) : enough
    this.#taken = taken
    this.refill()
  }

  readonly #arrived: MessageHandler = (arg, data) => {
    this.#heardAt = performance.now()
    if (arg.hdr > 0 && data[8] === space) return this.#word(arg.reply, data.subarray(0, arg.hdr))
    if (this.queue.length < mostHeld) return this.receive(arg, data)
    const text = `slow consumer: ${++this.#dropped} dropped so far from ${this.consumer} of ${this.stream}`
    if (this.#dropped === 1) this.session.notify('slowConsumer', text)
  }

  /** A heartbeat, or a flow control request. */
  #word(reply: Uint8Array | undefined, bytes: Uint8Array): void {
    const asks = reply === undefined ? undefined : Buffer.from(reply).toString('utf8')
    const subject = asks ?? headerOf(parseHeaders(bytes), 'Nats-Consumer-Stalled')
    // Others may publish to the deliver subject, and must not choose a subject of the API.
    if (subject !== undefined && (!isSystemSubject(subject) || subject.startsWith('$JS.FC.'))) this.#goOn = subject
    this.refill()
  }

  protected refill(): void {
    const subject = this.#goOn
    if (subject === undefined || this.queue.length >= Math.min(this.#wanted, this.mostBySize) || !this.isActive) return
    this.#goOn = undefined
    this.session.send({subject})
  }

  protected lost(): void {
    this.#goOn = undefined
  }

  /** With a queue group, the others get them. */
  protected get mayReceive(): boolean {
    return this.config.deliver_group === undefined
  }

  protected async stop(): Promise<void> {
    clearTimeout(this.#timer)
    // Until then, the ack wait of messages that can be taken after `finish` is extended.
    if (this.queue.closed) for (const timer of this.#timers) timer.cancel()
    await this.#subscription.drain()
  }

  protected isOwn(subject: string): boolean {
    return subject === this.#goOn
  }

  readonly #watch = (): void => {
    const isSilent = performance.now() - this.#heardAt >= this.#lookMs
    if (isSilent && this.session.isUp && this.isActive) void this.look()
    this.#timer = setTimeout(this.#watch, this.#lookMs)
  }
}
