import {BusError} from '../../core/errors.ts'
import {Message} from '../../core/message.ts'
import {eachTaken, Mailbox} from '../../transport/shared/mailbox.ts'
import {type Close, closeCodes, closeError} from './close-reasons.ts'

/** What is buffered for a slow reader, and what happens when the buffer is full. */
export interface BufferOptions {
  /** Frames that may wait to be read (default 16); see `whenFull`. */
  readonly buffer?: number | undefined
  /**
   * What happens to a stream that is read too slowly: it fails (`overrun`), or what does not fit is held in memory
   * (`hold`, the default), 64 MiB of data at most. The other streams continue either way: the protocol has no word to slow
   * down a producer, and to stop reading would stop all of them.
   */
  readonly whenFull?: 'overrun' | 'hold' | undefined
}

export interface StreamParts extends BufferOptions {
  readonly subject: string
  readonly token: string
  /** Told once, when no more frames are wanted. */
  readonly onEnd: () => void
}

/** As in the first implementation. */
const defaultBuffer = 16
const mostHeldBytes = 64 * 1024 * 1024

/**
 * The consumer's end: the data of the frames as messages of the subject that was opened. It ends after close 1000 and
 * fails with `remote` after any other, with `noResponders` when nobody serves the subject, with `timeout` when the
 * producer has vanished or the reader is too slow. Leaving the loop closes it.
 */
export class ResponseStream implements AsyncIterable<Message>, AsyncDisposable {
  readonly subject: string
  readonly token: string
  readonly #mailbox: Mailbox
  readonly #buffer: number
  readonly #fails: boolean
  readonly #onEnd: () => void
  #heldBytes = 0
  #isOver = false
  /** The close frame, once it came; what came before it may still be unread. */
  closed: Close | undefined
  /** Data frames that came. */
  frames = 0

  constructor({subject, token, buffer = defaultBuffer, whenFull = 'hold', onEnd}: StreamParts) {
    this.subject = subject
    this.token = token
    this.#buffer = buffer
    this.#fails = whenFull === 'overrun'
    this.#onEnd = onEnd
    this.#mailbox = new Mailbox({limit: Number.POSITIVE_INFINITY, onClose: () => this.#over()})
  }

  /** Whether no more frames are wanted. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** Whether a further frame would be one too many. */
  get isFull(): boolean {
    return this.#fails ? this.#mailbox.length >= this.#buffer : this.#heldBytes >= mostHeldBytes
  }

  /** Up to `max` frames as soon as there is one; none when the stream was closed as done. */
  async take(max: number): Promise<readonly Message[]> {
    const taken = await this.#mailbox.take(max)
    for (const {payload} of taken) this.#heldBytes -= payload.length
    return taken
  }

  /** Wants no more of it, and nothing of what has come. */
  close(): void {
    void this.#mailbox.close()
  }

  /** Wants no more of it; what has come can still be read, then it ends. */
  leave(): void {
    this.#over()
    void this.#mailbox.drain()
  }

  /** Hands in a data frame. */
  push(data: Uint8Array, time: number): void {
    if (this.#isOver) return
    this.frames++
    this.#heldBytes += data.length
    this.#mailbox.push(new Message(this.subject, data, undefined, undefined, undefined, time))
  }

  /** Hands in the close frame. */
  end(close: Close): void {
    if (this.#isOver) return
    this.closed = close
    if (close.code === closeCodes.normal) this.leave()
    else this.fail(closeError(close, this.subject, this.token))
  }

  /** Ends it with a failure that the reader meets after what came before. */
  fail(error: unknown): void {
    if (this.#isOver) return
    this.#over()
    this.#mailbox.fail(error)
  }

  overrun(): void {
    const limit = this.#fails ? `${this.#buffer} frames` : `${mostHeldBytes / 2 ** 20} MiB`
    const sentence = `overrun: the stream of "${this.subject}" is ahead of its reader by more than ${limit}`
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

  #over(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#onEnd()
  }
}
