import {BusError} from '../../core/errors.ts'
import {type Headers, sizeOf} from '../../core/message.ts'
import type {Transport} from '../../transport/contract.ts'
import {type Close, closeCodes} from './close-reasons.ts'
import {dataFrameSize, encodeClose, encodeData, mostData, numberHeader} from './frames.ts'
import {takesNumbers} from './tokens.ts'

/** What a writer needs of a bus. */
export type FrameBus = Pick<Transport, 'url' | 'features' | 'maxPayload' | 'publish' | 'flush'>

/** The producer's end of a response stream: frames to one reply subject, in order. */
export class StreamWriter {
  readonly #bus: FrameBus
  readonly #subject: string
  readonly #takesNumbers: boolean
  #numberDue = 0
  #closed: Close | undefined
  /** Data frames written. */
  frames = 0
  /** Bytes of data written. */
  bytes = 0

  constructor(bus: FrameBus, subject: string) {
    this.#bus = bus
    this.#subject = subject
    this.#takesNumbers = bus.features.headers && takesNumbers(subject)
  }

  /** The reason why it ended, once it is closed. */
  get closed(): Close | undefined {
    return this.#closed
  }

  /** The largest number of bytes of data in one frame. */
  get mostData(): number {
    return mostData(this.#bus.maxPayload)
  }

  /** Resolves when the server has everything written so far. Awaiting it limits the memory used. */
  flush(): Promise<void> {
    return this.#bus.flush()
  }

  /**
   * Queues a data frame and returns its size in bytes. Throws `usage` once closed, and for data whose frame would exceed the
   * limit of the bus.
   */
  write(data: Uint8Array | string): number {
    if (this.#closed !== undefined)
      throw new BusError('usage', 'the response stream is closed: nothing more can be written to it')
    if (typeof data !== 'string' && !(data instanceof Uint8Array))
      throw new BusError('usage', 'the data of a frame is neither bytes nor a string')
    const bytes = sizeOf(data)
    const size = dataFrameSize(bytes)
    if (size > this.#bus.maxPayload) throw this.#tooLarge(bytes, size)
    this.#publish(encodeData(data), size)
    this.frames++
    this.bytes += bytes
    return size
  }

  /** Queues a data frame with a value as JSON. */
  writeObject(value: unknown): number {
    return this.write(JSON.stringify(value) ?? 'null')
  }

  /** Closes it with code 1000. Only the first close is sent. */
  close(): void {
    this.closeWithCode(closeCodes.normal)
  }

  /** Closes it with a code; the strings are joined by `: `. A string that is too long for the bus is truncated. */
  closeWithCode(code: number, ...texts: string[]): void {
    this.closeWith({code, text: texts.join(': ')})
  }

  /** Like `closeWithCode`, with a close. */
  closeWith(close: Close): void {
    if (this.#closed !== undefined) return
    const longest = Math.min(longestText, Math.floor(this.#bus.maxPayload / mostEscaped))
    this.#closed = {...close, text: close.text.slice(0, longest)}
    const frame = encodeClose(this.#closed)
    this.#publish(frame, Buffer.byteLength(frame))
  }

  /**
   * A number in every frame would cost half as much as the frame, so only some have one. A frame without room for a number has
   * none.
   */
  #publish(frame: string, size: number): void {
    const now = performance.now()
    const isNumbered =
      this.#takesNumbers && (now >= this.#numberDue || this.#closed !== undefined) && size + 64 <= this.#bus.maxPayload
    if (isNumbered) this.#numberDue = now + numberEveryMs
    const headers: Headers | undefined = isNumbered ? [[numberHeader, String(this.frames + 1)]] : undefined
    this.#bus.publish({subject: this.#subject, data: frame, headers})
  }

  #tooLarge(bytes: number, size: number): BusError {
    const {url, maxPayload} = this.#bus
    const sentence = `the data has ${bytes} bytes and its frame ${size}, but ${url} accepts at most ${maxPayload}, which is ${this.mostData} of data`
    return new BusError('usage', sentence, {code: 'tooLarge', data: {size: bytes, frame: size, limit: maxPayload}})
  }
}

/** The shortest time between two numbers. The first frame after a pause has one. */
const numberEveryMs = 20

/** The text of a close is a sentence; a character of it may take six bytes, as in `\u001f`. */
const longestText = 16 * 1024
const mostEscaped = 8
