/** A member of a push consumer, which another client has made: its server sends to a subject, under flow control. */
import {headerOf} from '../../../core/message.ts'
import type {ConsumeOptions} from '../../streams-contract.ts'
import {subscribeDenied} from '../failures.ts'
import {parseHeaders} from '../headers.ts'
import type {MessageHandler, ServerSubscription} from '../protocol.ts'
import type {ConsumerJson} from './json.ts'
import {NatsMember} from './member.ts'
import type {JetStreamSession} from './session.ts'

/** Buffered messages below which the server is asked for more. */
const enough = 8192
/** Held at most, when the server cannot be held back. */
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

  constructor(session: JetStreamSession, info: ConsumerJson, options: ConsumeOptions) {
    super(session, info, options)
    const {deliver_subject: subject = '', deliver_group: queue, idle_heartbeat: heartbeat = 0} = info.config
    this.#lookMs = Math.max(lookMs, (heartbeat / 1e6) * 3)
    this.#subscription = session.addSubscription(subject, queue || undefined, this.#arrived, (error) =>
      this.fail(subscribeDenied(session.url, subject, error)),
    )
    this.#timer = setTimeout(this.#watch, this.#lookMs)
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
    this.#goOn = asks ?? headerOf(parseHeaders(bytes), 'Nats-Consumer-Stalled') ?? this.#goOn
    this.refill()
  }

  protected refill(): void {
    const subject = this.#goOn
    if (subject === undefined || this.queue.length >= enough) return
    this.#goOn = undefined
    this.session.send({subject})
  }

  protected lost(): void {
    this.#goOn = undefined
  }

  protected async stop(): Promise<void> {
    clearTimeout(this.#timer)
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
