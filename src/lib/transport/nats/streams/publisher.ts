/**
 * Publishes many messages to streams, pipelined: a map entry each, one share of the inbox, and one timer for the oldest. When
 * the connection is lost, messages in flight may or may not be stored. Those with a `Nats-Msg-Id` are sent again after the
 * reconnect, and the stream stores them once as long as it remembers the id (its duplicate window); those without one fail.
 * Messages with an id are also sent again if no answer arrives for a while, for example because a stream's leader died.
 * Messages refused because of an election are sent again, and new messages wait meanwhile. Some messages in flight may be
 * stored before those, so only a window of one keeps the order.
 */

import {BusError} from '../../../core/errors.ts'
import {headerOf, type Outgoing} from '../../../core/message.ts'
import {shellWord} from '../../../core/text/shell-word.ts'
import {sleep} from '../../../core/time/timer.ts'
import {isPassingCode} from '../../shared/jetstream-errors.ts'
import {checkOutgoing} from '../../shared/outgoing.ts'
import {PublishWindow} from '../../shared/publish-window.ts'
import {lateError} from '../../shared/stream-errors.ts'
import {type PublisherOptions, storeHeaders} from '../../streams-contract.ts'
import {isPassing, noLeader} from './api.ts'
import {electionMs, mustBeKept, silentStream} from './catalogue.ts'
import {leaderWaitMs} from './elections.ts'
import type {InboxShare, JetStreamSession} from './session.ts'
import {checkHeadersSince} from './since.ts'
import {StoredReader} from './stored.ts'

interface Sent {
  readonly message: Outgoing
  /** The time since which it has been waiting for its acknowledgement. */
  at: number
  /** When it was sent; undefined if it has yet to be sent. */
  sentAt: number | undefined
  /** Nobody listened to its subject. */
  isUnheard?: boolean
  /** The time since which an election has kept it from being stored. */
  refusedAt?: number | undefined
  /** How the server refused it then. */
  refusal?: BusError | undefined
}

/** How long a message with an id may be unanswered before it is sent again. */
export const repeatMs = 2000
/** One acknowledgement of this many is timed. */
const timedEvery = 64

export class NatsStreamPublisher extends PublishWindow {
  readonly #session: JetStreamSession
  readonly #reader: StoredReader
  readonly #route: InboxShare
  readonly #leave: () => void
  /** Unacknowledged messages, the oldest first. */
  readonly #sent = new Map<number, Sent>()
  /** Messages that failed without an answer, which may still arrive. */
  readonly #late = new Set<number>()
  /** Subjects to which nobody listens. */
  readonly #unheard = new Set<string>()
  #isBusClosing = false
  /** A stream is electing its leader. */
  #isPausing = false

  constructor(session: JetStreamSession, options: PublisherOptions) {
    session.check()
    super(session.url, options)
    this.#session = session
    this.#reader = new StoredReader(session.url, session.domain)
    this.#route = session.route({
      arrived: (index, data, headerSize) => this.#arrived(index, data, headerSize),
      refused: (failure) => this.giveUp(failure),
    })
    this.#leave = session.listen({
      onLost: () => this.#lost(),
      onReconnect: () => this.#returned(),
      onEnd: (failure) => this.giveUp(failure),
      onRefused: (subject, failure) => this.#refused(subject, failure),
      close: () => this.#busCloses(),
    })
  }

  protected send(message: Outgoing, index: number): void {
    checkHeadersSince(this.#session, message.headers)
    const isReady = this.#session.isUp && !this.#isPausing
    if (isReady) this.#session.store(message, this.#route.prefix + index)
    else checkOutgoing(message, this.#session.maxPayload, this.url)
    const now = performance.now()
    this.#sent.set(index, {message, at: now, sentAt: isReady ? now : undefined})
  }

  protected override get oldest(): {readonly index: number; readonly subject: string} {
    const [first] = this.#sent
    return first === undefined ? super.oldest : {index: first[0], subject: first[1].message.subject}
  }

  protected override giveUp(error: unknown): void {
    super.giveUp(error)
    this.#sent.clear()
  }

  /** The oldest may be late, or has to be sent again. */
  protected override look(): number | undefined {
    if (!this.#session.isUp) return undefined
    const now = performance.now()
    let wait = repeatMs
    for (const [index, sent] of this.#sent) {
      const left = this.#dueAt(sent) - now
      if (left > 0) wait = Math.min(wait, left)
      else this.#giveUpOn(index, sent)
    }
    this.#sendAgain(now)
    return this.#sent.size === 0 ? undefined : wait
  }

  /** The deadline for an answer. */
  #dueAt({message, at, sentAt, refusedAt}: Sent): number {
    const leaderMs = Math.max(this.timeoutMs, leaderWaitMs)
    if (this.#session.elections.isClustered && hasMsgId(message)) return at + leaderMs
    // A message without an id that may be stored is not sent again.
    return refusedAt === undefined || sentAt !== undefined ? (sentAt ?? at) + this.timeoutMs : refusedAt + leaderMs
  }

  #giveUpOn(index: number, {message, at, sentAt, refusedAt, refusal, isUnheard}: Sent): void {
    const late = lateError(this.url, message.subject, this.timeoutMs)
    const isSilent = sentAt !== undefined
    if (isSilent) this.#late.add(index)
    const isElection = refusedAt !== undefined || (this.#session.elections.isClustered && hasMsgId(message))
    if (isElection) this.#fail(index, noLeader(this.#session, refusedAt ?? at, isSilent ? late : refusal))
    else if (isUnheard) this.#fail(index, elsewhere(this.url, message.subject))
    else void this.#failLate(index, message.subject, late)
  }

  /** A stream may never acknowledge. */
  async #failLate(index: number, subject: string, late: BusError): Promise<void> {
    this.#sent.delete(index)
    // If this is not known, the acknowledgement is late all the same.
    const silent = await silentStream(this.#session, subject).catch(() => undefined)
    this.refuse(index, silent === undefined ? late : neverAcknowledges(this.url, silent, subject))
  }

  protected override closed(): void {
    this.#route.close()
    this.#leave()
  }

  /** Waits for the server, but not for a connection. */
  async #busCloses(): Promise<void> {
    this.#isBusClosing = true
    if (!this.#session.isUp) this.giveUp(neverSent(this.url, this.#sent.size))
    await this[Symbol.asyncDispose]()
  }

  #arrived(index: number, data: Uint8Array, headerSize: number): void {
    const sent = this.#sent.get(index)
    if (sent === undefined) {
      this.#arrivedLate(index, data, headerSize)
      return
    }
    const refusal = isInBatch(sent.message, data) ? uncommitted(this.url) : this.#reader.read(data, headerSize)
    if (refusal === undefined) {
      this.#sent.delete(index)
      if (sent.refusedAt !== undefined) this.#session.elections.over()
      else if (index % timedEvery === 0 && sent.sentAt !== undefined) this.adapt(performance.now() - sent.sentAt)
      this.settle(index, this.#reader.stored)
    } else if (refusal === 'nobody' || isPassingCode(refusal)) void this.#pause(sent, refusal)
    else this.#fail(index, refusal)
  }

  #arrivedLate(index: number, data: Uint8Array, headerSize: number): void {
    if (!this.#late.has(index) || this.#reader.read(data, headerSize) !== undefined) return
    this.#late.delete(index)
    this.storedLate(index, this.#reader.stored)
  }

  /** Its stream is electing its leader, or, if nobody listens, no stream stores its subject. */
  async #pause(sent: Sent, refusal: BusError | 'nobody'): Promise<void> {
    const {elections} = this.#session
    const isUnheard = refusal === 'nobody'
    sent.sentAt = undefined
    sent.refusal = isUnheard ? undefined : refusal
    if (!isUnheard || elections.isClustered) {
      sent.refusedAt ??= performance.now()
      elections.waiting(sent.refusedAt)
    }
    sent.isUnheard = isUnheard
    if (isUnheard) this.#unheard.add(sent.message.subject)
    if (this.#isPausing) return
    this.#isPausing = true
    await sleep(electionMs)
    const subjects = [...this.#unheard]
    this.#unheard.clear()
    await Promise.all(subjects.map((subject) => this.#check(subject)))
    this.#isPausing = false
    this.#sendUnsent()
  }

  async #check(subject: string): Promise<void> {
    try {
      await mustBeKept(this.#session, subject, performance.now() + repeatMs)
    } catch (error) {
      // JetStream may have no leader either; then the timeout of the message applies.
      if (isPassing(error, 0)) return
      for (const [index, {message}] of this.#unsent()) if (message.subject === subject) this.#fail(index, error)
    }
  }

  #unsent(): [number, Sent][] {
    return [...this.#sent].filter(([, {sentAt}]) => sentAt === undefined)
  }

  #sendUnsent(): void {
    if (!this.#session.isUp || this.#isPausing) return
    const now = performance.now()
    for (const [index, sent] of this.#unsent()) {
      try {
        this.#session.store(sent.message, this.#route.prefix + index)
        sent.sentAt = now
      } catch (error) {
        this.#fail(index, error)
      }
    }
  }

  /** One message was not stored; the others are not affected. */
  #fail(index: number, error: unknown): void {
    this.#sent.delete(index)
    this.refuse(index, error)
  }

  #refused(subject: string, failure: unknown): boolean {
    for (const [index, {message}] of this.#sent) {
      if (message.subject !== subject) continue
      this.#fail(index, failure)
      return true
    }
    return false
  }

  /** Resends messages with an id that have waited too long. */
  #sendAgain(now: number): void {
    for (const sent of this.#sent.values())
      if (hasMsgId(sent.message) && sent.sentAt !== undefined && now - sent.sentAt >= repeatMs) sent.sentAt = undefined
    this.#sendUnsent()
  }

  #lost(): void {
    const unknown = [...this.#sent].filter(([, sent]) => sent.sentAt !== undefined && !hasMsgId(sent.message))
    const failure = unacknowledgedFailure(this.url, unknown.length)
    for (const [index] of unknown) this.#fail(index, failure)
    for (const sent of this.#sent.values()) sent.sentAt = undefined
    if (this.#isBusClosing) this.giveUp(neverSent(this.url, this.#sent.size))
  }

  #returned(): void {
    const now = performance.now()
    for (const sent of this.#sent.values()) sent.at = now
    this.#sendUnsent()
    this.watch()
  }
}

/** A stream answers to the messages of an atomic batch before the last one with an empty message. */
function isInBatch({headers = []}: Outgoing, answer: Uint8Array): boolean {
  return answer.length === 0 && headerOf(headers, 'Nats-Batch-Id') !== undefined
}

function uncommitted(url: string): BusError {
  return new BusError('remote', `the stream on ${url} has not stored the message: its batch is not committed`, {
    try: ['Nats-Batch-Commit: 1 in the last message of the batch'],
  })
}

function elsewhere(url: string, subject: string): BusError {
  const sentence = `nobody received "${subject}" on ${url}: the stream that stores this subject may be in another account`
  return new BusError('noResponders', sentence, {try: ['a login of that account', 'bus doctor']})
}

function neverAcknowledges(url: string, stream: string, subject: string): BusError {
  const sentence = `the stream ${stream} on ${url} acknowledges nothing (no_ack): it may have stored "${subject}"`
  return new BusError('timeout', sentence, {try: [`bus stream info ${shellWord(stream)}`, 'without --ack']})
}

export function hasMsgId({headers = []}: Outgoing): boolean {
  return headerOf(headers, storeHeaders.msgId) !== undefined
}

function neverSent(url: string, count: number): BusError {
  return new BusError(
    'connect',
    `${count === 1 ? 'a message is' : `${count} messages are`} not acknowledged: there is no connection to ${url}`,
    {
      data: {unconfirmed: count},
    },
  )
}

export function unacknowledgedFailure(url: string, count: number): BusError {
  const [what, they] = count === 1 ? ['a message was', 'it'] : [`${count} messages were`, 'they']
  return new BusError(
    'connect',
    `the connection to ${url} broke while ${what} in flight: ${they} may or may not be stored`,
    {
      try: ['a Nats-Msg-Id in each message: they are then resent and stored once'],
      data: {unconfirmed: count},
    },
  )
}
