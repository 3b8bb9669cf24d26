/**
 * Reads a stream message by message, for streams that remove consumed messages: there a consumer of ours would keep messages
 * from being removed, or is not allowed. Slow, but without side effects.
 */
import type {Message} from '../../../core/message.ts'
import {sleep} from '../../../core/time/timer.ts'
import {Mailbox} from '../../shared/mailbox.ts'
import {recreated} from '../../shared/stream-errors.ts'
import {isPassing} from './api.ts'
import {fetchStream, stored} from './catalogue.ts'
import {matcher} from './ephemeral.ts'
import {MeanSize} from './mean-size.ts'
import type {ReadPlan} from './reading.ts'
import type {JetStreamSession} from './session.ts'

/** Largest number of messages buffered for the reader, and what they may have in bytes, about. */
const ahead = 256
const aheadBytes = 8 * 1024 * 1024
/** The interval between two checks for new messages. */
const lookMs = 200
/** Checks for new messages between two checks that the stream is still the same. */
const looksPerCheck = 5

export class Walk extends Mailbox {
  readonly #session: JetStreamSession
  readonly #plan: ReadPlan
  readonly #leave: () => void
  readonly #meanSize = new MeanSize()
  #isWalking = false
  #isOver = false
  #next: number
  #waits = 0
  #lastOf: Map<string, number> | undefined

  constructor(session: JetStreamSession, plan: ReadPlan) {
    super({limit: Number.POSITIVE_INFINITY, signal: plan.signal, onClose: () => this.#end()})
    this.#session = session
    this.#plan = plan
    this.#next = plan.fromSeq
    this.#leave = session.listen({onEnd: (failure) => this.fail(failure), close: () => this.close()})
    void this.#walk()
  }

  override take(max: number): Promise<readonly Message[]> {
    const taken = super.take(max)
    void this.#walk()
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

  async #walk(): Promise<void> {
    if (this.#isWalking) return
    this.#isWalking = true
    try {
      if (this.#plan.lastPerSubject) this.#lastOf ??= await this.#lasts()
      while (!this.#isOver && this.length < Math.min(ahead, this.#meanSize.within(aheadBytes))) await this.#step()
    } catch (error) {
      this.fail(error)
    }
    this.#isWalking = false
  }

  async #step(): Promise<void> {
    const {follow, endSeq, endTime, fromTime, filters} = this.#plan
    const message = this.#next > endSeq ? undefined : await this.#get()
    if (this.#isOver) return
    const {seq = 0, time = 0} = message ?? {}
    if (message === undefined) return follow ? this.#wait() : this.drain()
    if (seq > endSeq || time >= endTime) return this.drain()
    this.#next = seq + 1
    this.#meanSize.add(message.payload.length)
    const isLast = this.#lastOf === undefined || this.#lastOf.get(message.subject) === seq
    if (time >= fromTime && isLast && (filters.length < 2 || matcher(filters)(message.subject))) this.push(message)
  }

  async #wait(): Promise<void> {
    await sleep(lookMs)
    if (this.#isOver || ++this.#waits % looksPerCheck !== 0) return
    const {stream, created} = this.#plan
    try {
      if ((await fetchStream(this.#session, stream)).created !== created) throw recreated(this.#session.url, stream)
    } catch (error) {
      // A check that fails temporarily is repeated.
      if (!isPassing(error, 0)) throw error
    }
  }

  /** The next existing message. */
  async #get(): Promise<Message | undefined> {
    const {filters, stream} = this.#plan
    const [only = '>'] = filters.length < 2 ? filters : []
    for (const since = performance.now(); ; ) {
      try {
        await this.#session.ready()
        return await stored(this.#session, stream, {seq: this.#next, next_by_subj: only})
      } catch (error) {
        if (this.#isOver || !isPassing(error, performance.now() - since)) throw error
      }
      await sleep(lookMs)
    }
  }

  /** The sequence of the last message of each subject. */
  async #lasts(): Promise<Map<string, number>> {
    const lasts = new Map<string, number>()
    const all = new Walk(this.#session, {...this.#plan, lastPerSubject: false, signal: undefined})
    for await (const {subject, seq} of all) if (seq !== undefined) lasts.set(subject, seq)
    return lasts
  }

  #end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#leave()
  }
}
