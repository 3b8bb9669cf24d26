import {BusError} from '../../core/errors.ts'
import {Message} from '../../core/message.ts'
import {eachTaken, Mailbox} from '../../transport/shared/mailbox.ts'
import {CloseError} from './close-error.ts'
import {type Close, closeCodes} from './close-reasons.ts'
import type {Dialect} from './dialects.ts'

/** The buffer for a slow reader, and what happens when it is full. */
export interface BufferOptions {
  /** Frames that may wait to be read (default 16); see `whenFull`. */
  readonly buffer?: number | undefined
  /**
   * What happens to a response stream that is read too slowly: it fails (`overrun`), or further data is held in memory (`hold`,
   * the default), up to 64 MiB. Other response streams continue either way: the protocol cannot slow down a producer, and to
   * stop reading would stop all of them.
   */
  readonly whenFull?: 'overrun' | 'hold' | undefined
}

export interface ResponseStreamDeps extends BufferOptions {
  readonly subject: string
  readonly token: string
  readonly dialect: Dialect
  /** The value of `gaps` of the bus when the response stream was opened. */
  readonly gaps: number | undefined
  /** Called once, when no more frames are wanted. */
  readonly onEnd: () => void
}

/** The number of frames that may wait to be read, as in the first implementation. */
export const requestChanLen = 16
const mostHeldBytes = 64 * 1024 * 1024

/**
 * The consumer's end: the data of the frames as messages of the opened subject. It ends after close 1000 and fails with
 * `remote` after any other, with `noResponders` if nobody serves the subject, with `timeout` if the producer is gone or the
 * reader is too slow. Leaving the loop closes it.
 */
export class ResponseStream implements AsyncIterable<Message>, AsyncDisposable {
  readonly subject: string
  readonly token: string
  readonly dialect: Dialect
  readonly #mailbox: Mailbox
  readonly #buffer: number
  readonly #fails: boolean
  readonly #gaps: number | undefined
  readonly #onEnd: () => void
  #heldBytes = 0
  #isNumbered = false
  #isOver = false
  /** The close frame, once it has arrived; earlier frames may still be unread. */
  closed: Close | undefined
  /** The number of data frames received. */
  frames = 0
  /** More than one producer sends frames. */
  hasOthers = false
  /** False if frames are missing or may be missing. */
  isComplete = true

  constructor({subject, token, dialect, gaps, buffer = requestChanLen, whenFull = 'hold', onEnd}: ResponseStreamDeps) {
    this.subject = subject
    this.token = token
    this.dialect = dialect
    this.#gaps = gaps
    this.#buffer = buffer
    this.#fails = whenFull === 'overrun'
    this.#onEnd = onEnd
    this.#mailbox = new Mailbox({limit: Number.POSITIVE_INFINITY, onClose: () => this.#over()})
  }

  /** Whether no more frames are wanted. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** Whether the buffer has no room for another frame. */
  get isFull(): boolean {
    return this.#fails ? this.#mailbox.length >= this.#buffer : this.#heldBytes >= mostHeldBytes
  }

  /** Up to `max` frames as soon as there is one; none after a normal close. */
  async take(max: number): Promise<readonly Message[]> {
    const taken = await this.#mailbox.take(max)
    for (const {payload} of taken) this.#heldBytes -= payload.length
    return taken
  }

  /** Ends it and discards unread frames. */
  close(): void {
    void this.#mailbox.close()
  }

  /** Ends it; unread frames can still be read. */
  leave(): void {
    this.#over()
    void this.#mailbox.drain()
  }

  /**
   * Checks the number of the next frame, and ends the response stream if frames are missing. A lower number comes from another
   * producer.
   */
  follows(number: number): boolean {
    this.#isNumbered = true
    const missing = number - this.frames - 1
    if (missing < 0) this.hasOthers = true
    if (missing > 0)
      this.#failIncomplete(`is incomplete: ${missing} of the first ${number - 1} frames did not arrive`, missing)
    return missing <= 0
  }

  /** Adds a data frame. */
  push(data: Uint8Array, time: number): void {
    if (this.#isOver) return
    this.frames++
    this.#heldBytes += data.length
    this.#mailbox.push(new Message(this.subject, data, undefined, undefined, undefined, time))
  }

  /** Adds the close frame. Without numbers, frames may have been lost with the connection. */
  end(close: Close, now?: number): void {
    if (this.#isOver) return
    this.closed = close
    if (close.code !== closeCodes.normal) this.fail(new CloseError(close, this))
    else if (this.#isNumbered || now === this.#gaps) this.leave()
    else this.#failIncomplete('may be incomplete: the connection was lost')
  }

  /** Ends it with a failure, which the reader gets after the frames that arrived before. */
  fail(error: unknown): void {
    if (this.#isOver) return
    this.#over()
    this.#mailbox.fail(error)
  }

  overrun(): void {
    const limit = this.#fails ? `${this.#buffer} frames` : `${mostHeldBytes / 2 ** 20} MiB`
    const sentence = `overrun: more than ${limit} of the response stream of "${this.subject}" are waiting to be read`
    this.fail(
      new BusError('timeout', sentence, {try: ['a faster reader', 'a larger --buffer'], data: {stream: this.token}}),
    )
  }

  [Symbol.asyncIterator](): AsyncIterator<Message> {
    return eachTaken(this)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }

  #failIncomplete(what: string, missing?: number): void {
    this.isComplete &&= this.#isOver
    const sentence = `the response stream of "${this.subject}" ${what}`
    this.fail(new BusError('timeout', sentence, {data: {stream: this.token, missing}}))
  }

  #over(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#onEnd()
  }
}
