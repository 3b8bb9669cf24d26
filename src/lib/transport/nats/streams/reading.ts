/**
 * Reads a stream in order through a consumer of its own, with pulls ahead of the reader. The consumer numbers its deliveries:
 * if a number is missing, after a reconnect, or when the consumer is gone, another consumer continues after the last message.
 */
import {isFailure} from '../../../core/errors.ts'
import {Message, noHeaders} from '../../../core/message.ts'
import {sleep} from '../../../core/time/timer.ts'
import {Mailbox} from '../../shared/mailbox.ts'
import {recreated} from '../../shared/stream-errors.ts'
import {subscribeDenied} from '../failures.ts'
import {parseHeaders} from '../headers.ts'
import type {MessageHandler} from '../protocol.ts'
import {subjectReader} from '../subscription.ts'
import {AckSubject} from './ack-subject.ts'
import {apiRequest, isPassing} from './api.ts'
import {fetchStream, stored} from './catalogue.ts'
import {type Ephemeral, makeEphemeral, matcher} from './ephemeral.ts'
import type {ConsumerConfigJson, ConsumerJson} from './json.ts'
import {MeanSize} from './mean-size.ts'
import {Pulls} from './pulls.ts'
import type {JetStreamSession} from './session.ts'

/** The sequences to read. */
export interface ReadPlan {
  readonly stream: string
  /** When the stream was created, as text from the server: a later time means another stream. */
  readonly created: string
  readonly filters: readonly string[]
  /** The start of the first consumer. */
  readonly start: ConsumerConfigJson
  /** Messages before this sequence are not wanted. */
  readonly fromSeq: number
  readonly fromTime: number
  /** The last sequence, and a time that all its messages precede. */
  readonly endSeq: number
  readonly endTime: number
  /** Total number of messages, after skipping some. */
  readonly limit: number
  readonly skip: number
  readonly lastPerSubject: boolean
  readonly follow: boolean
  /** The stream has replicas, and a consumer on one that lags behind has fewer messages than the stream. */
  readonly isReplicated: boolean
  readonly signal: AbortSignal | undefined
}

/** How long to wait for a replica that lags behind before another consumer is tried. */
const behindMs = 200
/** Largest number of messages buffered or in flight, and what they may have in bytes, about. */
const window = 8192
const windowBytes = 6 * 1024 * 1024
const leastBatch = 1024
const leastBytes = 3 * 1024 * 1024

export class NatsReading extends Mailbox {
  readonly #session: JetStreamSession
  readonly #plan: ReadPlan
  readonly #leave: () => void
  readonly #ack = new AckSubject()
  readonly #subjectOf = subjectReader()
  readonly #matches: (subject: string) => boolean
  #consumer: Ephemeral | undefined
  #pulls: Pulls | undefined
  #expected = 1
  #lastSeq: number
  #endSeq: number
  /** Largest number of messages that the consumer still has for us. */
  #pending = 0
  #limit: number
  #skip: number
  readonly #meanSize = new MeanSize()
  #isWaking = false
  #isRestarting = false
  #isConfirming = false
  #isOver = false

  constructor(session: JetStreamSession, plan: ReadPlan, consumer: Ephemeral) {
    super({limit: Number.POSITIVE_INFINITY, signal: plan.signal, onClose: () => this.#end()})
    this.#session = session
    this.#plan = plan
    this.#matches = matcher(plan.filters)
    this.#lastSeq = plan.fromSeq - 1
    this.#endSeq = plan.endSeq
    this.#limit = plan.limit
    this.#skip = plan.skip
    this.#leave = session.listen({
      onLost: () => this.#pulls?.forget(),
      onReconnect: () => void this.#restart(),
      onEnd: (failure) => this.fail(failure),
      onRefused: (subject, failure) => this.#refused(subject, failure),
      close: () => this.close(),
    })
    this.#use(consumer)
  }

  override take(max: number): Promise<readonly Message[]> {
    const taken = super.take(max)
    this.#ask()
    return taken
  }

  override drain(): Promise<void> {
    this.#end()
    return super.drain()
  }

  override fail(error: unknown): void {
    this.#end()
    super.fail(error)
  }

  #use(consumer: Ephemeral): void {
    const {stream, follow} = this.#plan
    this.#consumer = consumer
    this.#expected = 1
    this.#pending = consumer.pending
    if (this.#left() <= 0) {
      this.#atEnd()
      return
    }
    const {name} = consumer
    this.#pulls = new Pulls({
      session: this.#session,
      stream,
      consumer: name,
      heartbeatMs: follow ? 2000 : 1000,
      maxBytes: Math.max(leastBytes, 2 * this.#session.maxPayload),
      onMessage: (arg, data) => this.#arrived(arg, data),
      onIdle: () => this.#idle(name),
      onTrouble: () => void this.#restart(),
      onRefused: (error) => this.fail(subscribeDenied(this.#session.url, '_INBOX', error)),
    })
    this.#ask()
  }

  readonly #arrived: MessageHandler = (line, data) => {
    const ack = this.#ack
    if (this.#isOver || this.#isRestarting || !ack.read(line.bytes, line.replyAt, line.replyEnd)) return
    if (ack.consumerSeq !== this.#expected) return void this.#restart()
    this.#expected++
    this.#meanSize.add(data.length)
    const {seq, time, pending} = ack
    const {endTime, fromTime, follow} = this.#plan
    this.#pending = pending
    if (seq > this.#endSeq || time >= endTime) return void this.drain()
    if (seq > this.#lastSeq && time >= fromTime) this.#keep(this.#subjectOf(line), ack, data, line.hdr)
    this.#lastSeq = Math.max(seq, this.#lastSeq)
    if (!follow && (pending === 0 || seq >= this.#endSeq || this.#limit === 0)) this.#atEnd()
  }

  /** The consumer has nothing more: ends, unless its replica lags behind and the stream has more. */
  #atEnd(): void {
    const {isReplicated} = this.#plan
    if (!isReplicated || this.#lastSeq >= this.#endSeq || this.#limit === 0) void this.drain()
    else void this.#confirmEnd()
  }

  async #confirmEnd(): Promise<void> {
    if (this.#isOver || this.#isConfirming) return
    this.#isConfirming = true
    try {
      const hasMore = await this.#hasMore()
      if (this.#isOver) return
      if (!hasMore) return void this.drain()
      await sleep(behindMs)
      this.#isConfirming = false
      await this.#restart()
    } catch (error) {
      this.fail(error)
    } finally {
      this.#isConfirming = false
    }
  }

  /**
   * Whether the leader of the stream has a message after the last one. If it is beyond the end of the range, the consumer will
   * deliver it, too.
   */
  async #hasMore(): Promise<boolean> {
    const {stream, filters, fromTime} = this.#plan
    const subjects = filters.length === 0 ? ['>'] : filters
    const lasts = await Promise.all(subjects.map((subject) => stored(this.#session, stream, {last_by_subj: subject})))
    return lasts.some((last) => last !== undefined && (last.seq ?? 0) > this.#lastSeq && last.time >= fromTime)
  }

  #keep(subject: string, {seq, time}: Pick<AckSubject, 'seq' | 'time'>, data: Uint8Array, hdr: number): void {
    const isWanted = !this.#consumer?.isWide || this.#matches(subject)
    if (!isWanted || this.#skip > 0) {
      if (isWanted) this.#skip--
      this.#ask()
      return
    }
    this.#limit--
    const headers = hdr < 0 ? noHeaders : parseHeaders(data.subarray(0, hdr))
    this.hold(new Message(subject, hdr < 0 ? data : data.subarray(hdr), headers, undefined, seq, time))
    if (this.#isWaking) return
    this.#isWaking = true
    queueMicrotask(this.#wakeReader)
  }

  readonly #wakeReader = (): void => {
    this.#isWaking = false
    this.wake()
  }

  /** Requests more if there is room, and no more than exists. */
  #ask(): void {
    const pulls = this.#pulls
    if (pulls === undefined || this.#isOver || this.#isRestarting || !this.#session.isUp) return
    const most = Math.min(window, this.#meanSize.within(windowBytes))
    const room = most - this.length - pulls.asked
    const left = this.#left() - pulls.asked
    if (left <= 0 || room < Math.min(leastBatch, left, most / 2)) return
    pulls.ask(Math.min(room, left, Math.floor(most / 2)))
  }

  #left(): number {
    if (this.#plan.follow) return Number.POSITIVE_INFINITY
    const some = Math.min(this.#pending, this.#endSeq - this.#lastSeq)
    return this.#consumer?.isWide ? some : Math.min(some, this.#limit + this.#skip)
  }

  /** No messages arrive: checks whether there are more. They may have been removed. */
  #idle(consumer: string): void {
    this.#ask()
    const {stream, follow} = this.#plan
    if (follow || this.#isOver) return
    apiRequest<ConsumerJson>(this.#session, `CONSUMER.INFO.${stream}.${consumer}`, undefined, {stream, consumer}).then(
      (info) => {
        const isSame = this.#consumer?.name === consumer && !this.#isRestarting
        if (isSame && info.num_pending === 0 && info.delivered.consumer_seq === this.#expected - 1) this.#atEnd()
      },
      (error) => this.#notTold(error),
    )
  }

  /** Whether there is more cannot be determined now, or at all. */
  #notTold(error: unknown): void {
    if (this.#isOver || this.#isRestarting || isPassing(error, 0)) return
    if (isFailure(error, 'notFound')) void this.#restart()
    else this.fail(error)
  }

  async #restart(): Promise<void> {
    if (this.#isOver || this.#isRestarting) return
    this.#isRestarting = true
    this.#pulls?.close()
    this.#consumer?.remove()
    const since = performance.now()
    for (let waitMs = 50; !this.#isOver; waitMs = Math.min(waitMs * 2, 1000)) {
      try {
        await this.#session.ready()
        const consumer = await this.#another()
        this.#isRestarting = false
        return this.#isOver ? consumer.remove() : this.#use(consumer)
      } catch (error) {
        if (!isPassing(error, performance.now() - since)) return this.fail(error)
      }
      await sleep(waitMs)
    }
  }

  /** A consumer that continues after the last message. */
  async #another(): Promise<Ephemeral> {
    const {stream, filters, start, lastPerSubject, fromSeq, created} = this.#plan
    const info = await fetchStream(this.#session, stream)
    if (info.created !== created) throw recreated(this.#session.url, stream)
    if (this.#lastSeq < fromSeq) return makeEphemeral(this.#session, stream, start, filters)
    if (!lastPerSubject) {
      const {opt_start_time: _, ...same} = start
      const next = {...same, deliver_policy: 'by_start_sequence', opt_start_seq: this.#lastSeq + 1}
      return makeEphemeral(this.#session, stream, next, filters)
    }
    // The last message of a subject may have changed. So that no subject is missed, the current end is used.
    if (this.#endSeq === this.#plan.endSeq) this.#endSeq = info.state.last_seq
    return makeEphemeral(this.#session, stream, start, filters)
  }

  #refused(subject: string, failure: unknown): boolean {
    const isMine = this.#pulls?.subject === subject
    if (isMine) this.fail(failure)
    return isMine
  }

  #end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#leave()
    this.#pulls?.close()
    this.#consumer?.remove()
  }
}
