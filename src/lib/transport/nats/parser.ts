/**
 * Parses what the server sends. Messages that arrive whole, which is nearly all of them, are parsed here, in one pass and
 * with one view of the bytes each; everything else is left to the parser of nats.js, a piece at a time.
 */
import {DenoBuffer, type MsgArg, Parser, type ProtocolHandler, State} from '@nats-io/transport-node'
import {longestInfo, ProtocolFault} from './socket.ts'

const [cr, lf, space, zero] = [13, 10, 32, 48]
const [letterG, letterH, letterM, letterS] = [71, 72, 77, 83]

/** The line before a message: where its parts are, and the size of the headers, -1 if there are none. Valid until the next one. */
export class MessageLine {
  sid = -1
  hdr = -1
  size = -1
  bytes: Uint8Array = new Uint8Array()
  subjectAt = 0
  subjectEnd = 0
  replyAt = -1
  replyEnd = -1
  /** The position after the line. */
  end = 0

  get subject(): Uint8Array {
    return view(this.bytes, this.subjectAt, this.subjectEnd)
  }

  get reply(): Uint8Array | undefined {
    return this.replyAt < 0 ? undefined : view(this.bytes, this.replyAt, this.replyEnd)
  }

  /** Takes over a line that nats.js has parsed: its parts are in one buffer. */
  use({sid, hdr, size, subject, reply}: MsgArg): this {
    this.sid = sid
    this.hdr = hdr
    this.size = size
    this.bytes = new Uint8Array(subject.buffer)
    this.subjectAt = subject.byteOffset
    this.subjectEnd = subject.byteOffset + subject.length
    this.replyAt = reply === undefined ? -1 : reply.byteOffset
    this.replyEnd = reply === undefined ? -1 : reply.byteOffset + reply.length
    return this
  }

  /** Parses the line at this position: `MSG` or `HMSG` as servers write it. False for anything else, and for half a line. */
  read(bytes: Uint8Array, from: number): boolean {
    const isHeaded = bytes[from] === letterH
    let at = isHeaded ? from + 1 : from
    if (bytes[at] !== letterM || bytes[at + 1] !== letterS || bytes[at + 2] !== letterG || bytes[at + 3] !== space)
      return false
    this.bytes = bytes
    this.subjectAt = at + 4
    at = endOfToken(bytes, this.subjectAt)
    this.subjectEnd = at
    if (bytes[at] !== space) return false
    at = this.#number(bytes, at + 1)
    this.sid = this.#value
    if (bytes[at] !== space) return false
    const rest = at + 1
    // Without a reply subject only sizes follow; a reply subject may be a number too.
    at = endOfToken(bytes, rest)
    // Old servers write two spaces if there is no reply subject. nats.js can read that.
    if (at === rest) return false
    let sizes = rest
    const isLast = bytes[isHeaded ? endOfToken(bytes, at + 1) : at] === cr
    this.replyAt = isLast ? -1 : rest
    this.replyEnd = isLast ? -1 : at
    if (!isLast) sizes = at + 1
    this.hdr = -1
    if (isHeaded) {
      sizes = this.#number(bytes, sizes) + 1
      this.hdr = this.#value
      if (bytes[sizes - 1] !== space) return false
    }
    at = this.#number(bytes, sizes)
    this.size = this.#value
    this.end = at + 2
    return bytes[at] === cr && bytes[at + 1] === lf && this.hdr <= this.size
  }

  #value = 0

  /** Parses a number of at most nine digits; returns its end. If there is none, what follows it is not what is expected. */
  #number(bytes: Uint8Array, from: number): number {
    this.#value = 0
    let at = from
    for (let digit = digitAt(bytes, at); digit >= 0 && digit <= 9 && at < from + 9; digit = digitAt(bytes, ++at))
      this.#value = this.#value * 10 + digit
    return at === from ? bytes.length : at
  }
}

function digitAt(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) - zero
}

/** The position of the next space or control character; may be the end. */
function endOfToken(bytes: Uint8Array, from: number): number {
  let at = from
  while ((bytes[at] ?? 0) > space) at++
  return at
}

/** Much cheaper than `subarray`, which has to ask for the class of the array. */
function view(bytes: Uint8Array, from: number, to: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + from, to - from)
}

/** Bytes of the longest line except INFO: subjects and sizes, or an error. */
const longestLine = 64 * 1024

/** Bytes of the largest message that a server can be configured for. */
const largestMessage = 64 * 1024 * 1024

export interface ParserEvents {
  /** Called with each whole message. */
  readonly onMessage: (line: MessageLine, data: Uint8Array) => void
  /** Called after each piece of data, and whether it ends within a message. */
  readonly onParsed: (inMessage: boolean) => void
  readonly onFault: (fault: ProtocolFault) => void
}

/**
 * Reports violations of the protocol. nats.js prints them on stdout and reads nothing more, and its lines have no limit. It
 * also collects a message that arrives in pieces in a buffer that it doubles, so three times the message is allocated.
 */
export class CheckedParser extends Parser {
  readonly #events: ParserEvents
  readonly #line = new MessageLine()
  #isBroken = false

  constructor(protocol: ProtocolHandler, events: ParserEvents) {
    super(protocol)
    this.#events = events
  }

  override parse(bytes: Uint8Array): void {
    if (this.#isBroken) return
    try {
      for (let at = 0; at < bytes.length; ) {
        if (this.state === State.OP_START) at = this.#parseWhole(bytes, at)
        if (at === bytes.length) break
        const end = this.#endOfPiece(bytes, at)
        super.parse(view(bytes, at, end))
        this.#fitBuffer()
        this.#checkLine()
        at = end
      }
    } catch (error) {
      this.#isBroken = true
      this.#events.onFault(error instanceof ProtocolFault ? error : new ProtocolFault(notProtocol))
    }
    this.#events.onParsed(this.state === State.MSG_PAYLOAD)
  }

  /** Parses whole messages; returns where something else begins. */
  #parseWhole(bytes: Uint8Array, from: number): number {
    const line = this.#line
    let at = from
    while (line.read(bytes, at)) {
      const end = line.end + line.size
      if (bytes[end] !== cr || bytes[end + 1] !== lf) break
      at = end + 2
      this.#events.onMessage(line, view(bytes, line.end, end))
    }
    return at
  }

  /** The end of a line, or of the message that has begun. */
  #endOfPiece(bytes: Uint8Array, at: number): number {
    const {msgBuf, ma, state} = this
    if (state !== State.MSG_PAYLOAD || msgBuf === undefined) return bytes.indexOf(lf, at) + 1 || bytes.length
    return Math.min(bytes.length, at + Math.max(0, ma.size - msgBuf.length) + 2)
  }

  /** Makes room for the rest of a message at once. */
  #fitBuffer(): void {
    const {msgBuf, ma, state} = this
    if (state !== State.MSG_PAYLOAD || msgBuf === undefined || msgBuf.capacity >= ma.size) return
    if (ma.size > largestMessage) return
    this.msgBuf = new DenoBuffer(new ArrayBuffer(ma.size))
    this.msgBuf.reset()
    this.msgBuf.write(msgBuf.bytes({copy: false}))
  }

  #checkLine(): void {
    const {argBuf, state} = this
    if (argBuf === undefined || state === State.MSG_PAYLOAD) return
    if (argBuf.length > (state === State.INFO_ARG ? longestInfo : longestLine)) throw new ProtocolFault(notProtocol)
  }
}

const notProtocol = 'it sent something that is not the NATS protocol'
