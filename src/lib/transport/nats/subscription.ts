import type {BusError} from '../../core/errors.ts'
import {Message, noHeaders} from '../../core/message.ts'
import {hasWildcard, matches, overlaps} from '../../core/subject.ts'
import {exactText} from '../../core/text/exact-text.ts'
import {Mailbox, type MailboxOptions} from '../shared/mailbox.ts'
import {parseHeaders} from './headers.ts'
import type {MessageLine} from './parser.ts'
import type {MessageHandler, NatsProtocol, ServerSubscription} from './protocol.ts'

export interface NatsSubscriptionOptions extends MailboxOptions {
  readonly queue: string | undefined
  /** Drains subscriptions; resolves early if the server does not respond. */
  readonly drained: (subscriptions: readonly ServerSubscription[]) => Promise<void>
  /** Creates the error for a pattern that the server refuses. */
  readonly refusal: (pattern: string, error: Error) => BusError
}

/** A reader that has taken no message for this long is not reading. */
const activeMs = 1000

/** Half as many messages that are held make reading pause. */
const mostUnread = 65_536

/**
 * How long reading may pause in total for a reader that has fallen behind, until it has caught up. A burst is thus received
 * without loss; but a reader that stays too slow must not make the server slow down publishers, which happens when it cannot
 * send a client its messages.
 */
const mostPausedMs = 1000

/** A mailbox filled by one subscription per pattern. It ends for the reader when the server has nothing more to send. */
export class NatsSubscription extends Mailbox {
  readonly #subscriptions: readonly ServerSubscription[]
  readonly #protocol: NatsProtocol
  readonly #drained: NatsSubscriptionOptions['drained']
  readonly #full: number
  #takenAt = Number.NEGATIVE_INFINITY
  #pausedBefore = 0
  #draining: Promise<void> | undefined
  /** The cause, after a failure. */
  failure: unknown

  constructor(protocol: NatsProtocol, patterns: readonly string[], options: NatsSubscriptionOptions) {
    super({
      ...options,
      onClose: () => {
        this.#leave()
        options.onClose?.()
      },
    })
    const {queue, refusal, drained} = options
    this.#protocol = protocol
    this.#drained = drained
    this.#full = Math.min(options.limit ?? mostUnread, mostUnread) / 2
    this.#subscriptions = patterns.map((pattern, i) => {
      const earlier = queue === undefined ? patterns.slice(0, i).filter((other) => overlaps(other, pattern)) : []
      const handler = makeHandler(pattern, earlier, (message) => this.#deliver(message))
      return protocol.addSubscription(pattern, queue, handler, (error) => this.fail(refusal(pattern, error)))
    })
  }

  override take(max: number): Promise<readonly Message[]> {
    this.#takenAt = performance.now()
    const taken = super.take(max)
    if (this.length < this.#full) this.#protocol.resumeReading()
    if (this.length === 0) this.#pausedBefore = this.#protocol.pausedMs
    return taken
  }

  /** Delivers messages that the server has sent and that have not arrived yet. */
  override drain(): Promise<void> {
    this.#draining ??= this.#drain()
    return this.#draining
  }

  override fail(error: unknown): void {
    this.failure ??= error
    super.fail(error)
    this.#leave()
  }

  /** Reading pauses for an active reader that is behind, not for one that does not read. */
  #deliver(message: Message): void {
    this.push(message)
    if (this.length < this.#full || this.#protocol.pausedMs - this.#pausedBefore > mostPausedMs) return
    if (performance.now() - this.#takenAt < activeMs) this.#protocol.pauseReading()
  }

  async #drain(): Promise<void> {
    if (!this.closed) {
      await this.#drained(this.#subscriptions)
    }
    await super.drain()
  }

  #leave(): void {
    for (const each of this.#subscriptions) each.close()
  }
}

/**
 * Creates messages for one pattern. With several patterns the server sends a message once for each pattern that matches: the
 * first of them delivers it. To a queue group it sends a message once.
 */
function makeHandler(pattern: string, earlier: readonly string[], push: (message: Message) => void): MessageHandler {
  const toMessage = messageReader()
  if (earlier.length === 0) return (arg, data) => push(toMessage(arg, data))
  const literal = hasWildcard(pattern) ? undefined : pattern
  return (arg, data) => {
    const message = toMessage(arg, data)
    // The subject to which a consumer sent it is unknown if the pattern has a wildcard.
    const sentTo = literal ?? message.subject
    if (!matches(pattern, sentTo) || !earlier.some((other) => matches(other, sentTo))) push(message)
  }
}

/** Creates messages from protocol data. A consumer sends them under subjects other than the subscribed one. */
export function messageReader(): (...args: Parameters<MessageHandler>) => Message {
  const readSubject = subjectReader()
  return (line, data) => readMessage(readSubject(line), line, data)
}

/** Creates a message whose subject is known. */
export function readMessage(subject: string, {hdr, reply}: MessageLine, data: Uint8Array): Message {
  const text = reply === undefined ? undefined : exactText(reply)
  if (hdr < 0) return new Message(subject, data, noHeaders, text)
  return new Message(subject, data.subarray(hdr), parseHeaders(data.subarray(0, hdr)), text)
}

/** Equal subjects often follow each other: the string of the last one is reused. */
export function subjectReader(): (line: MessageLine) => string {
  let last = new Uint8Array()
  let text = ''
  return (line) => {
    if (!isSame(last, line)) {
      last = line.subject.slice()
      text = exactText(last)
    }
    return text
  }
}

function isSame(last: Uint8Array, {bytes, subjectAt, subjectEnd}: MessageLine): boolean {
  if (last.length !== subjectEnd - subjectAt) return false
  for (let i = last.length - 1; i >= 0; i--) if (last[i] !== bytes[subjectAt + i]) return false
  return true
}
