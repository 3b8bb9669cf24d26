/** A member of a durable consumer: the common part of pull and push consumers. */
import {isFailure} from '../../../core/errors.ts'
import {noHeaders} from '../../../core/message.ts'
import {sleep} from '../../../core/time/timer.ts'
import {recreatedConsumer} from '../../shared/stream-errors.ts'
import {TakeQueue} from '../../shared/take-queue.ts'
import {type ConsumeOptions, type ConsumerInfo, type Consuming, Delivery} from '../../streams-contract.ts'
import {parseHeaders} from '../headers.ts'
import type {MessageHandler, ServerSubscription} from '../protocol.ts'
import {subjectReader} from '../subscription.ts'
import {AckSubject} from './ack-subject.ts'
import {NatsAcks} from './acks.ts'
import {apiRequest, isPassing} from './api.ts'
import {stored} from './catalogue.ts'
import type {ConsumerConfigJson, ConsumerJson} from './json.ts'
import {MeanSize} from './mean-size.ts'
import {isSince, type JetStreamSession} from './session.ts'
import {consumerInfo} from './settings.ts'

/** The interval between two checks of a consumer that has a problem. */
const lookMs = 100
/** A consumer that is being recreated does not exist for a moment. */
const awayMs = 500
/** The interval between two checks whether the consumer still delivers, and how long to wait while nothing arrives. */
const stillMs = 50
const silentMs = 1000
/** What held and requested messages may have in bytes, about. */
const windowBytes = 8 * 1024 * 1024
/** The header by which the server tells a client of a priority group that it is the pinned one. */
const pinHeader = 'Nats-Pin-Id'

export abstract class NatsMember implements Consuming {
  protected readonly session: JetStreamSession
  protected readonly stream: string
  protected readonly consumer: string
  protected readonly config: ConsumerConfigJson
  protected readonly queue: TakeQueue<NatsDelivery>
  readonly joined: ConsumerInfo
  /** When the consumer was created, as text from the server. */
  readonly #created: string
  gaps = 0
  pin: string | undefined
  readonly exhausted = new Set<number>()
  readonly #advisories: ServerSubscription | undefined
  /** The consumer sequence of the last delivery here, or to any client before. */
  #consumerSeq: number
  readonly #acks: NatsAcks
  readonly #leave: () => void
  readonly #read: ReturnType<typeof deliveryReader>
  readonly #meanSize = new MeanSize()
  /** The number of deliveries put into the queue. */
  protected received = 0
  #isLooking = false
  /** No more messages are claimed. */
  #isFinishing = false
  #isFinished = false
  #closing: Promise<void> | undefined

  constructor(session: JetStreamSession, info: ConsumerJson, {max, signal}: ConsumeOptions) {
    this.session = session
    this.stream = info.stream_name
    this.consumer = info.name
    this.config = info.config
    this.joined = consumerInfo(info)
    this.#created = info.created
    this.#consumerSeq = info.delivered.consumer_seq
    this.queue = new TakeQueue({
      max,
      signal,
      onAbort: () => void this.close(),
      refill: (wanted) => this.refill(wanted),
      onTaken: () => this.refill(),
    })
    this.#read = deliveryReader(this, info.stream_name, info.name)
    this.#acks = new NatsAcks(session, `${info.name} of ${info.stream_name}`)
    this.#advisories = this.#followAdvisories()
    this.#leave = session.listen({
      onLost: () => this.lost(),
      onReconnect: () => this.#returned(),
      onEnd: (failure) => this.fail(failure),
      onRefused: (subject, failure) => this.#refused(subject, failure),
      close: () => this.close(),
    })
  }

  /** Called when there is room for more, or when a reader waits for this many. */
  protected abstract refill(wanted?: number): void
  /** Called when messages that were requested will not arrive. */
  protected abstract lost(): void
  /** Whether messages may arrive although nothing more is requested. */
  protected abstract get mayReceive(): boolean
  /** Requests nothing more; resolves when all messages in flight have arrived. */
  protected abstract stop(): Promise<void>
  /** Called when everything is returned and the consumer may serve others. */
  protected released?(): Promise<void>
  /** Whether this member publishes to this subject. */
  protected abstract isOwn(subject: string): boolean

  get ended(): boolean {
    return this.queue.ended || (this.#isFinished && this.queue.length === 0)
  }

  get isUnheard(): boolean {
    return false
  }

  /** Largest number of messages to hold and to request, because of their size. */
  protected get mostBySize(): number {
    return this.#meanSize.within(windowBytes)
  }

  protected get isActive(): boolean {
    return !this.ended && !this.queue.isFailed && !this.#isLooking && !this.#isFinishing
  }

  take(max: number, waitMs?: number): Promise<readonly Delivery[]> {
    return this.config.headers_only ? this.#takeWhole(max, waitMs) : this.queue.take(max, waitMs)
  }

  /**
   * The consumer delivers headers only, so the messages themselves are read from the stream. Those that were removed in the
   * meantime are given up.
   */
  async #takeWhole(max: number, waitMs: number | undefined): Promise<readonly Delivery[]> {
    for (;;) {
      const taken = await this.queue.take(max, waitMs)
      const whole = await Promise.all(taken.map((delivery) => this.#wholeOf(delivery)))
      const there = whole.filter((delivery) => delivery !== undefined)
      if (taken.length === 0 || there.length > 0) return there
    }
  }

  async #wholeOf(delivery: NatsDelivery): Promise<NatsDelivery | undefined> {
    const {stream, consumer, seq = 0, time, deliveries, pending} = delivery
    const message = await stored(this.session, stream, {seq})
    if (message === undefined) return void this.term(delivery, 'removed from the stream')
    const place = {stream, consumer, seq, time, deliveries, pending}
    return new NatsDelivery(delivery, this, place, message)
  }

  ack(delivery: Delivery): void {
    if (this.config.ack_policy !== 'none') this.#acks.ack(ackSubject(delivery))
  }

  nak(delivery: Delivery, delayMs?: number): void {
    if (this.config.ack_policy === 'none') return
    const word = delayMs === undefined ? '-NAK' : `-NAK {"delay": ${Math.round(delayMs * 1e6)}}`
    this.#acks.once(ackSubject(delivery), word)
  }

  term(delivery: Delivery, reason?: string): void {
    if (this.config.ack_policy === 'none') return
    const word = reason !== undefined && isSince(this.session, 2, 10, 4) ? `+TERM ${reason}` : '+TERM'
    this.#acks.once(ackSubject(delivery), word)
  }

  working(delivery: Delivery): void {
    if (this.config.ack_policy !== 'none') this.#acks.say(ackSubject(delivery), '+WPI')
  }

  flush(leave?: AbortSignal): Promise<void> {
    return this.#acks.flush(leave)
  }

  async finish(): Promise<boolean> {
    const {max_deliver: most = -1, ack_policy: policy} = this.config
    this.#isFinishing = true
    if (most >= 1 || policy === 'none') await this.#isStill()
    await this.stop()
    if (most < 1 && policy !== 'none') for (const delivery of this.queue.clear()) this.nak(delivery)
    this.#isFinished = true
    this.queue.finish()
    return this.queue.length > 0
  }

  /**
   * Resolves when the consumer delivers nothing more: nothing is requested, nothing is left, or too much is unacknowledged. The
   * server counts a delivery before it sends it, and what it has not sent when a subscription ends is lost.
   */
  async #isStill(): Promise<void> {
    let before: number | undefined
    let [arrived, since] = [this.#consumerSeq, performance.now()]
    while (this.mayReceive && this.session.isUp && performance.now() - since < silentMs) {
      // Without the permission, and without an answer, what has arrived here has to do.
      const info = await this.#info(performance.now() + silentMs).catch(() => undefined)
      const seq = info?.delivered.consumer_seq ?? arrived
      if (seq === before) return
      before = seq
      await sleep(stillMs)
      if (arrived !== this.#consumerSeq) [arrived, since] = [this.#consumerSeq, performance.now()]
    }
  }

  /**
   * The server publishes an advisory for each message that reached its limit of deliveries. A login without permission for them
   * gets none.
   */
  #followAdvisories(): ServerSubscription | undefined {
    const {max_deliver: most = -1} = this.config
    if (most < 1) return undefined
    const subject = `$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.${this.stream}.${this.consumer}`
    const read: MessageHandler = ({hdr}, data) => {
      const {stream_seq: seq} = JSON.parse(Buffer.from(hdr < 0 ? data : data.subarray(hdr)).toString()) as {
        stream_seq?: number
      }
      if (seq !== undefined) this.exhausted.add(seq)
    }
    return this.session.addSubscription(subject, undefined, read, () => {})
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  protected readonly receive: MessageHandler = (arg, data) => {
    const delivery = this.#read(arg, data)
    if (delivery !== undefined) this.#put(delivery)
  }

  /** Like `receive`, for the messages of a pinned client: takes the id of the client from the headers. */
  protected readonly receivePinned: MessageHandler = (arg, data) => {
    const delivery = this.#read(arg, data)
    if (delivery === undefined) return
    this.pin = delivery.header(pinHeader) ?? this.pin
    this.#put(delivery.without(pinHeader))
  }

  #put(delivery: NatsDelivery): void {
    if (delivery.consumerSeq !== ++this.#consumerSeq) {
      this.gaps++
      // Only another consumer with this name counts from the start again.
      if (delivery.consumerSeq < this.#consumerSeq) void this.look()
      this.#consumerSeq = delivery.consumerSeq
    }
    this.#meanSize.add(delivery.payload.length)
    this.received++
    this.queue.put(delivery)
  }

  protected fail(error: unknown): void {
    this.queue.fail(error)
  }

  /** Something is wrong. If the consumer is still the same, the member continues. */
  protected async look(): Promise<void> {
    if (this.#isLooking || this.queue.closed) return
    this.#isLooking = true
    const since = performance.now()
    while (!this.queue.closed && !this.queue.isFailed) {
      await sleep(lookMs)
      try {
        await this.session.ready()
        const {created} = await this.#info()
        if (created !== this.#created) this.#gone(recreatedConsumer(this.session.url, this.stream, this.consumer))
        break
      } catch (error) {
        const forMs = performance.now() - since
        // The one who aborts it closes the member next.
        if (isFailure(error, 'interrupted')) break
        const isAway = isFailure(error, 'notFound') && forMs < awayMs
        if (isAway || isPassing(error, forMs)) continue
        if (isFailure(error, 'notFound')) this.#gone(error)
        else this.fail(error)
      }
    }
    this.#isLooking = false
    if (this.isActive) this.refill()
  }

  /** The consumer no longer exists, so nobody will confirm acknowledgements. */
  #gone(error: unknown): void {
    this.#acks.refused(error, true)
    this.fail(error)
  }

  #info(deadline?: number): Promise<ConsumerJson> {
    const {stream, consumer} = this
    return apiRequest(this.session, `CONSUMER.INFO.${stream}.${consumer}`, undefined, {stream, consumer, deadline})
  }

  #returned(): void {
    this.#acks.onReconnect()
    this.lost()
    if (this.isActive) this.refill()
  }

  #refused(subject: string, failure: unknown): boolean {
    const isAck = subject.startsWith('$JS.ACK.') && subject.includes(`.${this.stream}.${this.consumer}.`)
    if (isAck) this.#acks.refused(failure, this.#closing === undefined)
    const isMine = isAck || this.isOwn(subject)
    if (isMine) this.fail(failure)
    return isMine
  }

  async #close(): Promise<void> {
    this.queue.end()
    this.#advisories?.close()
    await this.stop()
    const rest = this.queue.clear()
    for (const delivery of rest) this.nak(delivery)
    if (rest.length > 0 && this.config.ack_policy === 'none') this.#notGivenBack(rest.length)
    const unsaid = await this.#acks.close()
    await this.released?.()
    this.#leave()
    if (unsaid > 0) this.#tellUnsaid(unsaid)
  }

  #notGivenBack(count: number): void {
    const what = `the consumer ${this.consumer} of ${this.stream} takes no acknowledgements`
    this.session.notify(
      'gap',
      `${what}: ${count === 1 ? 'a message was' : `${count} messages were`} delivered and not taken, and will not be redelivered`,
    )
  }

  #tellUnsaid(count: number): void {
    const what = count === 1 ? 'an acknowledgement' : `${count} acknowledgements`
    this.session.notify('error', `${what} to ${this.session.url} may not have arrived: the messages may be redelivered`)
  }
}

function ackSubject(delivery: Delivery): Uint8Array {
  if (delivery instanceof NatsDelivery) return delivery.ackSubject
  throw new Error('the delivery comes from another bus')
}

/** A delivery, and the subject for its acknowledgement. */
class NatsDelivery extends Delivery {
  readonly ackSubject: Uint8Array
  /** The number of this delivery among all deliveries of the consumer. */
  readonly consumerSeq: number

  constructor(ack: Pick<NatsDelivery, 'ackSubject' | 'consumerSeq'>, ...rest: ConstructorParameters<typeof Delivery>) {
    super(...rest)
    this.ackSubject = ack.ackSubject
    this.consumerSeq = ack.consumerSeq
  }

  /** The same delivery without the headers with this name. */
  without(name: string): NatsDelivery {
    const headers = this.headers.filter(([each]) => each !== name)
    const {stream, consumer, seq = 0, time = 0, deliveries, pending, subject, payload} = this
    const place = {stream, consumer, seq, time, deliveries, pending}
    return new NatsDelivery(this, this.from, place, {subject, payload, headers})
  }
}

/** Creates deliveries from protocol messages; undefined for anything else, and for those of another consumer. */
function deliveryReader(
  from: Consuming,
  stream: string,
  consumer: string,
): (...args: Parameters<MessageHandler>) => NatsDelivery | undefined {
  const subjectOf = subjectReader()
  const ack = new AckSubject({stream, consumer})
  return (line, data) => {
    const {hdr} = line
    if (!ack.read(line.bytes, line.replyAt, line.replyEnd)) return undefined
    const {seq, time, deliveries, pending} = ack
    const place = {stream, consumer, seq, time, deliveries, pending}
    const headers = hdr < 0 ? noHeaders : parseHeaders(data.subarray(0, hdr))
    const own = {ackSubject: line.reply as Uint8Array, consumerSeq: ack.consumerSeq}
    const payload = hdr < 0 ? data : data.subarray(hdr)
    return new NatsDelivery(own, from, place, {subject: subjectOf(line), payload, headers})
  }
}
