/**
 * Many messages for streams, pipelined: an entry of a map each, one share of the inbox, and one timer for the oldest.
 * When the connection is lost, those that are on their way may be stored or not. With a `Nats-Msg-Id` they are sent again
 * once the connection is back, and the stream stores them once as long as it remembers the id (its dedupe window); without
 * one they fail. With an id they are also sent again when no answer comes for a while, as when a stream's leader dies. What
 * is pushed meanwhile waits, so that the order stays.
 */
import {setTimeout as sleep} from 'node:timers/promises'
import {closedError} from '../../../core/errors.ts'
import {headerOf, type Outgoing} from '../../../core/message.ts'
import {checkOutgoing} from '../../shared/outgoing.ts'
import {interruptedError} from '../../shared/requests.ts'
import {placed} from '../../shared/stream-errors.ts'
import {type PublisherOptions, type Stored, type StreamPublisher, storeHeaders} from '../../streams-contract.ts'
import {isPassing} from './api.ts'
import {electionMs, late, mustBeKept} from './publish.ts'
import {fateUnknown, neverSent} from './publisher-failures.ts'
import type {Line, Routed} from './session.ts'
import {StoredReader} from './stored.ts'
import {refusing, type Waiter, waiter} from './waiter.ts'

interface Sent {
  readonly message: Outgoing
  /** Since when it waits for its acknowledgement. */
  at: number
  /** When it was sent; undefined: it is still to be sent. */
  sentAt: number | undefined
}

/** How long a message with an id may be without an answer before it is sent again. */
const againMs = 2000

export class Publisher implements StreamPublisher {
  readonly #line: Line
  readonly #options: PublisherOptions
  readonly #window: number
  readonly #timeoutMs: number
  readonly #reader: StoredReader
  readonly #route: Routed
  readonly #leave: () => void
  /** Not acknowledged, the oldest first. */
  readonly #sent = new Map<number, Sent>()
  #count = 0
  #room: (Waiter & {promise: Promise<void>}) | undefined
  #flushes: Waiter[] = []
  #timer: NodeJS.Timeout | undefined
  #failure: unknown
  #isClosed = false
  #isLast = false
  /** A stream chooses its leader. */
  #isPausing = false
  acknowledged = 0
  duplicates = 0
  last: Stored | undefined

  constructor(line: Line, options: PublisherOptions) {
    line.check()
    this.#line = line
    this.#options = options
    this.#window = Math.max(1, options.window ?? 1000)
    this.#timeoutMs = options.timeoutMs ?? 5000
    this.#reader = new StoredReader(line.url)
    this.#route = line.route({
      arrived: (index, data, headerSize) => this.#arrived(index, data, headerSize),
      refused: (failure) => this.#failAll(failure),
    })
    this.#leave = line.attend({
      lost: () => this.#lost(),
      returned: () => this.#returned(),
      ended: (failure) => this.#failAll(failure),
      refused: (subject, failure) => this.#refused(subject, failure),
      close: () => this.#busCloses(),
    })
    options.signal?.addEventListener('abort', this.#abort)
    if (options.signal?.aborted) this.#abort()
  }

  push(message: Outgoing): Promise<void> | undefined {
    if (this.#isClosed) throw closedError(this.#line.url)
    if (this.#failure !== undefined) return refusing(this.#failure)
    const index = this.#count
    const isReady = this.#line.isUp && !this.#isPausing
    if (isReady) this.#line.store(message, this.#route.prefix + index)
    else checkOutgoing(message, this.#line.maxPayload, this.#line.url)
    this.#count++
    const now = performance.now()
    this.#sent.set(index, {message, at: now, sentAt: isReady ? now : undefined})
    if (this.#timer === undefined) this.#watch()
    return this.#sent.size < this.#window ? undefined : this.#untilRoom()
  }

  async flush(): Promise<void> {
    if (this.#failure === undefined && this.#sent.size > 0)
      await new Promise<void>((resolve, reject) => this.#flushes.push({resolve, reject}))
    if (this.#failure !== undefined) throw this.#failure
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#flushAndClose()
  }

  readonly #abort = (): void => this.#failAll(interruptedError())

  /** Waits for the server, but not for a connection. */
  #busCloses(): Promise<void> {
    this.#isLast = true
    if (!this.#line.isUp) this.#failAll(neverSent(this.#line.url, this.#sent.size))
    return this.#flushAndClose()
  }

  async #flushAndClose(): Promise<void> {
    if (this.#isClosed) return
    // Whoever wants to know of failures flushes.
    await this.flush().catch(() => {})
    this.#isClosed = true
    clearTimeout(this.#timer)
    this.#options.signal?.removeEventListener('abort', this.#abort)
    this.#route.close()
    this.#leave()
  }

  #arrived(index: number, data: Uint8Array, headerSize: number): void {
    const sent = this.#sent.get(index)
    if (sent === undefined) return
    const refusal = this.#reader.read(data, headerSize)
    if (refusal === 'nobody') void this.#pause(sent)
    else if (refusal === undefined) this.#acknowledged(index)
    else this.#fail(index, refusal)
  }

  #acknowledged(index: number): void {
    this.#sent.delete(index)
    this.acknowledged++
    const {last} = this
    const {seq, duplicate} = this.#reader
    if (duplicate) this.duplicates++
    const {onStored} = this.#options
    if (onStored !== undefined || last === undefined || seq >= last.seq) {
      const {stored} = this.#reader
      if (last === undefined || seq >= last.seq) this.last = stored
      onStored?.(index, stored)
    }
    this.#settled()
  }

  /** Nobody listens to its subject: no stream keeps it, or one does and chooses its leader. */
  async #pause(sent: Sent): Promise<void> {
    sent.sentAt = undefined
    if (this.#isPausing) return
    this.#isPausing = true
    await sleep(electionMs)
    const subjects = new Set([...this.#waiting()].map(([, {message}]) => message.subject))
    await Promise.all([...subjects].map((subject) => this.#check(subject)))
    this.#isPausing = false
    this.#sendWaiting()
  }

  async #check(subject: string): Promise<void> {
    try {
      await mustBeKept(this.#line, subject)
    } catch (error) {
      // Servers that choose a leader may also not answer; then the message's own time ends.
      if (isPassing(error, 0)) return
      for (const [index, {message}] of this.#waiting()) if (message.subject === subject) this.#fail(index, error)
    }
  }

  #waiting(): [number, Sent][] {
    return [...this.#sent].filter(([, {sentAt}]) => sentAt === undefined)
  }

  #sendWaiting(): void {
    if (!this.#line.isUp || this.#isPausing) return
    const now = performance.now()
    for (const [index, sent] of this.#waiting()) {
      try {
        this.#line.store(sent.message, this.#route.prefix + index)
        sent.sentAt = now
      } catch (error) {
        this.#fail(index, error)
      }
    }
  }

  #settled(): void {
    if (this.#room !== undefined && this.#sent.size < this.#window) {
      this.#room.resolve()
      this.#room = undefined
    }
    if (this.#sent.size > 0) return
    for (const {resolve} of this.#flushes.splice(0)) resolve()
  }

  #untilRoom(): Promise<void> {
    this.#room ??= waiter()
    return this.#room.promise
  }

  /** One message was not stored; the others go on. */
  #fail(index: number, error: unknown): void {
    this.#sent.delete(index)
    this.#failure ??= placed(error, index)
    this.#room?.reject(this.#failure)
    this.#room = undefined
    this.#settled()
  }

  #failAll(error: unknown): void {
    const [oldest] = this.#sent.keys()
    this.#failure ??= placed(error, oldest ?? this.#count)
    this.#sent.clear()
    this.#room?.reject(this.#failure)
    this.#room = undefined
    this.#settled()
  }

  #refused(subject: string, failure: unknown): boolean {
    for (const [index, {message}] of this.#sent) {
      if (message.subject !== subject) continue
      this.#fail(index, failure)
      return true
    }
    return false
  }

  /** Looks at the oldest when its time may be over. */
  #watch(): void {
    const [first] = this.#sent
    if (first === undefined || this.#isClosed || !this.#line.isUp) {
      this.#timer = undefined
      return
    }
    const [index, {message, at, sentAt = at}] = first
    const now = performance.now()
    const left = at + this.#timeoutMs - now
    if (left <= 0) this.#fail(index, late(this.#line.url, message.subject, this.#timeoutMs))
    else if (now - sentAt >= againMs) this.#again(now)
    this.#timer = setTimeout(() => this.#whenRead(), Math.max(1, Math.min(left, againMs)))
  }

  /** What has come while we were too busy to read is read first. */
  #whenRead(): void {
    setImmediate(() => this.#watch())
  }

  /** Those with an id that have waited for long. */
  #again(now: number): void {
    for (const sent of this.#sent.values())
      if (hasId(sent) && sent.sentAt !== undefined && now - sent.sentAt >= againMs) sent.sentAt = undefined
    this.#sendWaiting()
  }

  #lost(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const unknown = [...this.#sent].filter(([, sent]) => sent.sentAt !== undefined && !hasId(sent))
    for (const [index] of unknown) this.#sent.delete(index)
    for (const sent of this.#sent.values()) sent.sentAt = undefined
    const [first] = unknown
    if (first !== undefined) this.#fail(first[0], fateUnknown(this.#line.url, unknown.length))
    if (this.#isLast) this.#failAll(neverSent(this.#line.url, this.#sent.size))
  }

  #returned(): void {
    const now = performance.now()
    for (const sent of this.#sent.values()) sent.at = now
    this.#sendWaiting()
    if (this.#timer === undefined) this.#watch()
  }
}

function hasId({message}: Sent): boolean {
  return headerOf(message.headers ?? [], storeHeaders.msgId) !== undefined
}
