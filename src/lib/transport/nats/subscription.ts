import type {BusError} from '../../core/errors.ts'
import {Message, noHeaders} from '../../core/message.ts'
import {hasWildcard, matches, overlaps} from '../../core/subject.ts'
import {Mailbox, type MailboxOptions} from '../shared/mailbox.ts'
import {parseHeaders} from './headers.ts'
import type {Sink, Tap, Wire} from './protocol.ts'

export interface NatsSubscriptionOptions extends MailboxOptions {
  readonly queue: string | undefined
  /** How long a drain waits for a server that says nothing. */
  readonly drainMs: number
  /** Makes the failure for a pattern that the server refuses. */
  readonly refusal: (pattern: string, error: Error) => BusError
}

/** Who has not taken a message for so long does not read. */
const atWorkMs = 1000

/**
 * How long in all reading may rest for a reader who has fallen behind, until he has caught up. A burst is thus taken in
 * without a loss; but who is too slow for good must not have the server slow down the publishers, as it does for a client
 * that it cannot get rid of its messages to.
 */
const mostRestMs = 1000

/** A mailbox that one subscription a pattern fills. It ends for the reader when the server has nothing more for it. */
export class NatsSubscription extends Mailbox {
  readonly #taps: readonly Tap[]
  readonly #wire: Wire
  readonly #drainMs: number
  readonly #full: number
  #takenAt = Number.NEGATIVE_INFINITY
  #restedBefore = 0
  #draining: Promise<void> | undefined
  /** Why it failed, if it did. */
  failure: unknown

  constructor(wire: Wire, patterns: readonly string[], options: NatsSubscriptionOptions) {
    super({
      ...options,
      onClose: () => {
        this.#leave()
        options.onClose?.()
      },
    })
    const {queue, refusal, drainMs} = options
    this.#wire = wire
    this.#drainMs = drainMs
    this.#full = (options.limit ?? 65_536) / 2
    this.#taps = patterns.map((pattern, i) => {
      const earlier = queue === undefined ? patterns.slice(0, i).filter((other) => overlaps(other, pattern)) : []
      const sink = makeSink(pattern, earlier, (message) => this.#deliver(message))
      return wire.tap(pattern, queue, sink, (error) => this.fail(refusal(pattern, error)))
    })
  }

  override take(max: number): Promise<readonly Message[]> {
    this.#takenAt = performance.now()
    const taken = super.take(max)
    if (this.length < this.#full) this.#wire.goOn()
    if (this.length === 0) this.#restedBefore = this.#wire.restedMs
    return taken
  }

  /** The server may have sent more than has come: what it sent is delivered. */
  override drain(): Promise<void> {
    this.#draining ??= this.#drain()
    return this.#draining
  }

  override fail(error: unknown): void {
    this.failure ??= error
    super.fail(error)
    this.#leave()
  }

  /** Reading rests for a reader who is at work but behind, not for one who does not read. */
  #deliver(message: Message): void {
    this.push(message)
    if (this.length < this.#full || this.#wire.restedMs - this.#restedBefore > mostRestMs) return
    if (performance.now() - this.#takenAt < atWorkMs) this.#wire.rest()
  }

  async #drain(): Promise<void> {
    if (!this.closed) {
      const silence = this.#wire.silence(this.#drainMs)
      await Promise.race([Promise.all(this.#taps.map((tap) => tap.drain())), silence]).finally(silence.stop)
    }
    await super.drain()
  }

  #leave(): void {
    for (const tap of this.#taps) tap.close()
  }
}

/**
 * Makes messages of what comes for a pattern. With several patterns in one subscription the server sends a message for
 * each that matches: the first of them delivers it. In a queue group it sends it once, whatever matches.
 */
function makeSink(pattern: string, earlier: readonly string[], push: (message: Message) => void): Sink {
  const toMessage = hasWildcard(pattern) ? messageReader() : messageReader(pattern)
  if (earlier.length === 0) return (arg, data) => push(toMessage(arg, data))
  return (arg, data) => {
    const message = toMessage(arg, data)
    if (!earlier.some((other) => matches(other, message.subject))) push(message)
  }
}

/** Reads messages off the wire; the subject need not be read when it is always the same. */
export function messageReader(fixed?: string): (...args: Parameters<Sink>) => Message {
  const readSubject = fixed === undefined ? subjectReader() : () => fixed
  return ({subject, reply, hdr}, data) => {
    const text = reply === undefined ? undefined : decoded(reply)
    if (hdr < 0) return new Message(readSubject(subject), data, noHeaders, text)
    const headers = parseHeaders(data.subarray(0, hdr))
    return new Message(readSubject(subject), data.subarray(hdr), headers, text)
  }
}

/** Subjects come in runs: a name just seen is not made again. */
export function subjectReader(): (bytes: Uint8Array) => string {
  let last = new Uint8Array()
  let text = ''
  return (bytes) => {
    if (!isSame(last, bytes)) {
      last = Uint8Array.from(bytes)
      text = decoded(bytes)
    }
    return text
  }
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false
  for (let i = one.length - 1; i >= 0; i--) if (one[i] !== other[i]) return false
  return true
}

function decoded(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}
