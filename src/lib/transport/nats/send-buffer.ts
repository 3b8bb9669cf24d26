/**
 * Publishes by writing commands into chunks of bytes, which are sent at the end of each turn of the event loop, or when full. This is
 * much cheaper than one buffer for each part of each message. Holds messages published while disconnected, and counts those
 * that the server has not confirmed.
 */
import {BusError} from '../../core/errors.ts'
import {type Outgoing, sizeOf} from '../../core/message.ts'
import {checkOutgoing} from '../shared/outgoing.ts'
import {headerText} from './headers.ts'

const chunkBytes = 64 * 1024
const mostKnown = 10_000
/** Bytes to hold while disconnected. */
const mostWaiting = 8 * 1024 * 1024
/** At least the length of two sizes, spaces and line ends. */
const framing = 64

export interface SendBufferOptions {
  readonly url: string
  readonly maxPayload: () => number
  readonly isConnected: () => boolean
  /** Sends bytes; `isTurnOver` means that nothing else follows in this turn of the event loop. */
  readonly send: (bytes: Uint8Array, isTurnOver?: boolean) => void
}

/** Bytes that wait for a connection: those of one message, or of several that cannot be withdrawn. */
interface Held {
  readonly bytes: Uint8Array
  readonly message?: Outgoing | undefined
  /** Whether it counts as published. */
  readonly counts?: boolean | undefined
}

export class SendBuffer {
  readonly #parts: SendBufferOptions
  /** The start of the command, for each valid subject. */
  readonly #known = new Map<string, Uint8Array>()
  /** Messages with equal lines often follow each other: the subject and size of the last one, and after two the line itself. */
  #lastSubject = ''
  #lastSize = -1
  #lastLine: Uint8Array | undefined
  #chunk: Buffer = Buffer.alloc(0)
  #start = 0
  #end = 0
  #armed = false
  #waiting: Held[] = []
  #waitingBytes = 0
  #published = 0
  #sent = 0
  #confirmed = 0

  constructor(parts: SendBufferOptions) {
    this.#parts = parts
  }

  /** Messages sent and not yet confirmed. */
  get unconfirmed(): number {
    return this.#sent - this.#confirmed
  }

  /** Messages waiting for a connection. */
  get unsent(): number {
    return this.#published - this.#sent
  }

  /** Queues a message. Throws `usage` if no server would accept it, `connect` if too much is waiting for a connection. */
  publish(message: Outgoing): void {
    const isHeld = this.#isHeld()
    this.#write(message)
    this.#published++
    if (isHeld) this.#hold(message, true)
  }

  /** Like `publish`, for a message that is confirmed by its reply, whose subject needs no check. */
  request(message: Outgoing): void {
    const isHeld = this.#isHeld()
    this.#write(message, message.reply)
    if (isHeld) this.#hold(message, false)
  }

  /** Takes back the first message like this that waits for a connection; false if there is none. */
  withdraw(isWanted: (message: Outgoing) => boolean): boolean {
    const at = this.#waiting.findIndex(({message}) => message !== undefined && isWanted(message))
    const [held] = at < 0 ? [] : this.#waiting.splice(at, 1)
    if (held === undefined) return false
    this.#waitingBytes -= held.bytes.length
    if (held.counts) this.#published--
    return true
  }

  /** Like `request`, with a reply subject that needs no check. */
  store(message: Outgoing, reply: string): void {
    this.#write(message, reply)
  }

  /** Publishes a short payload to a subject that came from the server. */
  answer(subject: Uint8Array, word: string, reply?: string): void {
    this.#room(subject.length + (word.length + (reply?.length ?? 0)) * 3 + framing)
    this.#bytes(pub)
    this.#bytes(subject)
    this.#bytes(space)
    if (reply !== undefined) this.#text(`${reply} `)
    this.#number(sizeOf(word), newline)
    if (word !== '') this.#text(word)
    this.#bytes(newline)
    this.#arm()
  }

  /** Sends the queue; returns a mark for `confirm`. */
  send(isTurnOver = false): number {
    if (this.#isHeld()) {
      this.#hold()
      return this.#confirmed
    }
    const bytes = this.#taken()
    this.#sent = this.#published
    if (bytes.length > 0) this.#parts.send(bytes, isTurnOver)
    return this.#sent
  }

  /** To be called after a reconnect: sends messages that were held. */
  resume(): void {
    const waiting = this.#waiting
    this.#waiting = []
    this.#waitingBytes = 0
    for (const {bytes} of waiting) this.#parts.send(bytes)
    this.send()
  }

  /** The server has received everything up to the mark. */
  confirm(mark: number): void {
    this.#confirmed = Math.max(this.#confirmed, mark)
  }

  /** To be called when the connection is lost: returns the number of unconfirmed messages, and stops counting them. */
  forget(): number {
    const {unconfirmed} = this
    this.#confirmed = this.#sent
    return unconfirmed
  }

  #isHeld(): boolean {
    return this.#waiting.length > 0 || !this.#parts.isConnected()
  }

  #hold(message?: Outgoing, counts?: boolean): void {
    const bytes = this.#taken()
    if (bytes.length > 0) this.#waiting.push({bytes, message, counts})
    this.#waitingBytes += bytes.length
  }

  /** What was written since the last time. */
  #taken(): Uint8Array {
    const bytes = this.#chunk.subarray(this.#start, this.#end)
    this.#start = this.#end
    return bytes
  }

  #write(message: Outgoing, own?: string): void {
    const {subject, data = '', headers} = message
    const reply = own ?? message.reply
    const {url, maxPayload} = this.#parts
    const hasHeaders = headers !== undefined && headers.length > 0
    const isPlain = !hasHeaders && reply === undefined && typeof data !== 'string'
    if (isPlain && this.#lastLine !== undefined && this.#isAlike(subject, data.length) && data.length <= maxPayload()) {
      this.#writeAlike(this.#lastLine, data)
      return
    }
    const known = this.#known.get(subject)
    if (known === undefined || hasHeaders || reply !== own) checkOutgoing(message, maxPayload(), url)
    const prefix = known ?? this.#know(subject)
    if (this.#waitingBytes > mostWaiting) throw tooMuch(url)
    const size = sizeOf(data)
    const head = hasHeaders ? headerText(headers) : ''
    const headSize = sizeOf(head)
    if (headSize + size > maxPayload()) throw tooLarge(headSize, size, maxPayload(), url)
    this.#room(prefix.length + (reply?.length ?? 0) * 3 + headSize + size + framing)
    const from = this.#end
    if (hasHeaders) this.#text('H')
    this.#bytes(prefix)
    if (reply !== undefined) this.#text(`${reply} `)
    if (hasHeaders) this.#number(headSize, space)
    this.#number(headSize + size, newline)
    if (isPlain) this.#learn(subject, size, from)
    if (hasHeaders) this.#text(head)
    if (typeof data === 'string') this.#text(data)
    else this.#bytes(data)
    this.#endOfLine()
    this.#arm()
  }

  /** Whether the line of a message is that of the last one. */
  #isAlike(subject: string, size: number): boolean {
    return size === this.#lastSize && subject === this.#lastSubject && this.#waitingBytes <= mostWaiting
  }

  #writeAlike(line: Uint8Array, data: Uint8Array): void {
    this.#room(line.length + data.length + framing)
    this.#bytes(line)
    this.#bytes(data)
    this.#endOfLine()
    this.#arm()
  }

  #learn(subject: string, size: number, from: number): void {
    this.#lastLine = this.#isAlike(subject, size) ? Uint8Array.from(this.#chunk.subarray(from, this.#end)) : undefined
    this.#lastSubject = subject
    this.#lastSize = size
  }

  #know(subject: string): Uint8Array {
    const prefix = Buffer.from(`PUB ${subject} `)
    if (this.#known.size >= mostKnown) this.#known.clear()
    this.#known.set(subject, prefix)
    return prefix
  }

  #room(bytes: number): void {
    if (this.#end + bytes <= this.#chunk.length) return
    this.send()
    this.#chunk = Buffer.allocUnsafeSlow(Math.max(chunkBytes, bytes))
    this.#start = 0
    this.#end = 0
  }

  #text(text: string): void {
    this.#end += this.#chunk.write(text, this.#end)
  }

  #bytes(bytes: Uint8Array): void {
    this.#chunk.set(bytes, this.#end)
    this.#end += bytes.length
  }

  /** Two bytes are written much faster one by one. */
  #endOfLine(): void {
    this.#chunk[this.#end] = 13
    this.#chunk[this.#end + 1] = 10
    this.#end += 2
  }

  #number(value: number, after: Uint8Array): void {
    const digits = value < 10 ? 1 : value < 100 ? 2 : value < 1000 ? 3 : String(value).length
    let rest = value
    for (let at = this.#end + digits - 1; at >= this.#end; at--) {
      this.#chunk[at] = 48 + (rest % 10)
      rest = Math.floor(rest / 10)
    }
    this.#end += digits
    this.#bytes(after)
  }

  readonly #sendAll = (): void => {
    this.#armed = false
    this.send(true)
  }

  #arm(): void {
    if (this.#armed) return
    this.#armed = true
    // After all microtasks, so that what many of them publish is sent in one piece.
    process.nextTick(this.#sendAll)
  }
}

const pub = Buffer.from('PUB ')
const space = Buffer.from(' ')
const newline = Buffer.from('\r\n')

function tooLarge(headers: number, payload: number, limit: number, url: string): BusError {
  const what = headers === 0 ? `the payload has ${payload}` : `headers and payload have ${headers + payload}`
  const data = {size: headers + payload, limit}
  return new BusError('usage', `${what} bytes, but ${url} accepts at most ${limit}`, {code: 'tooLarge', data})
}

function tooMuch(url: string): BusError {
  return new BusError(
    'connect',
    `there is no connection to ${url}, and ${mostWaiting} bytes are already waiting for one`,
  )
}
