/**
 * stdout for many messages. Output is collected; `ready` passes it to the system, one write at a time, and makes the caller
 * wait if the reader is slower. So a single message is written immediately, and under load everything collected during one
 * write is written by the next.
 */
import {write} from 'node:fs'
import type {BusError} from '../../core/errors.ts'
import {freeBytes} from '../../core/free-bytes.ts'
import {terminalText} from '../render/printable.ts'
import {cannotWrite, isTerminal, wantsColour, writeAll} from './terminal.ts'

const chunkBytes = 64 * 1024
/** Spare chunks to keep, and how many may be waiting before the caller has to wait. */
const mostChunks = 4
/** Text is encoded in pieces of this length: joining strings is cheaper than encoding each. */
const textPiece = 16 * 1024
/** How long to wait before writing to a full non-blocking pipe again, in milliseconds. */
const retryMs = 5
/** How long a reader may take nothing after the command was stopped, in milliseconds. */
const stuckMs = 400

export class Output {
  readonly #fd: number
  readonly #terminal: boolean
  /** Undefined if everything is written unchanged. */
  readonly #safe: ((data: string | Uint8Array) => string) | undefined
  readonly #closed = new AbortController()
  readonly #full: Uint8Array[] = []
  /** Those of them that nobody else uses. */
  readonly #owned = new Set<Uint8Array>()
  readonly #spare: Uint8Array[] = []
  #chunk: Uint8Array = Buffer.allocUnsafeSlow(chunkBytes)
  #used = 0
  #text = ''
  /** Bytes that were collected in chunks. */
  #keptBytes = 0
  /** Chunks that were filled, and chunks that were written. */
  #filled = 0
  #written = 0
  #bytesWritten = 0
  readonly #waiting: {upTo: number; resolve: (written: boolean) => void; reject: (error: unknown) => void}[] = []
  #writing: Promise<void> | undefined
  #failure: BusError | undefined

  /** On a terminal, control characters are escaped, unless it is `raw`. */
  constructor(fd = 1, {raw = false}: {readonly raw?: boolean} = {}) {
    this.#fd = fd
    this.#terminal = isTerminal(fd)
    if (this.#terminal && !raw) this.#safe = terminalWriter(fd)
  }

  /** Aborts when the reader is gone (`| head -1`). Later output is discarded. */
  get closed(): AbortSignal {
    return this.#closed.signal
  }

  /** Collects output. More than 64 KiB are not copied, so they must not change. */
  write(data: string | Uint8Array): void {
    this.writeAsIs(this.#safe === undefined ? data : this.#safe(data))
  }

  /** Like `write`, for bytes that nobody uses afterwards: they are freed as soon as they are written. */
  writeOwned(data: Uint8Array): void {
    if (this.#safe !== undefined) this.write(data)
    else {
      if (data.length > chunkBytes) this.#owned.add(data)
      this.writeAsIs(data)
    }
  }

  /** Like `write`, but unchanged on a terminal too: for text that the user typed, and to move the cursor. */
  writeAsIs(data: string | Uint8Array): void {
    if (typeof data === 'string') {
      this.#text += data
      if (this.#text.length >= textPiece) this.#encodeText()
    } else {
      if (this.#text !== '') this.#encodeText()
      this.#append(data)
    }
  }

  /**
   * Starts writing what was collected. Returns a promise if the caller should wait before it writes more. Throws `output` if an
   * earlier write failed, for example because the disk is full.
   */
  ready(): Promise<void> | undefined {
    if (this.#failure) throw this.#failure
    if (this.#terminal) return this.#writeNow()
    if (!this.#writing) {
      const chunk = this.#next()
      if (chunk) this.#writing = this.#writeFrom(chunk)
    }
    return this.#keptBytes - this.#bytesWritten > (mostChunks + 1) * chunkBytes ? this.#writing : undefined
  }

  /** Resolves when everything collected so far is written: true, or false if the reader is gone. Fails as `ready` does. */
  written(): Promise<boolean> {
    if (this.#text !== '') this.#encodeText()
    if (this.#used > 0) this.#takeChunk()
    this.ready()
    if (this.closed.aborted || this.#terminal) return Promise.resolve(!this.closed.aborted)
    const upTo = this.#filled
    if (this.#written >= upTo) return Promise.resolve(true)
    const {promise, resolve, reject} = Promise.withResolvers<boolean>()
    this.#waiting.push({upTo, resolve, reject})
    return promise
  }

  /** Resolves when everything is written. Fails as `ready` does. */
  async end(): Promise<void> {
    this.ready()
    await this.#writing
    if (this.#failure) throw this.#failure
  }

  /** Calls `end` if something is to be written, and the reader takes nothing for a while: nothing else would end the write. */
  whenStuck(end: () => void): void {
    let before: number | undefined
    const timer = setInterval(() => {
      if (this.#writing !== undefined && this.#bytesWritten === before) {
        clearInterval(timer)
        end()
      }
      before = this.#bytesWritten
    }, stuckMs).unref()
  }

  #encodeText(): void {
    const bytes = Buffer.from(this.#text)
    this.#text = ''
    if (bytes.length > chunkBytes) this.#owned.add(bytes)
    this.#append(bytes)
  }

  #append(bytes: Uint8Array): void {
    if (bytes.length > chunkBytes) {
      if (this.#used > 0) this.#takeChunk()
      this.#keep(bytes)
      return
    }
    const room = chunkBytes - this.#used
    this.#chunk.set(bytes.subarray(0, room), this.#used)
    this.#used += Math.min(bytes.length, room)
    if (bytes.length <= room) return
    this.#takeChunk()
    this.#chunk.set(bytes.subarray(room))
    this.#used = bytes.length - room
  }

  #takeChunk(): void {
    this.#keep(this.#chunk.subarray(0, this.#used))
    this.#chunk = this.#spare.pop() ?? Buffer.allocUnsafeSlow(chunkBytes)
    this.#used = 0
  }

  #keep(chunk: Uint8Array): void {
    if (this.closed.aborted) return
    this.#full.push(chunk)
    this.#keptBytes += chunk.length
    this.#filled++
  }

  /** The next bytes to write: the oldest full chunk, else everything collected so far. */
  #next(): Uint8Array | undefined {
    if (this.#full.length === 0) {
      if (this.#text !== '') this.#encodeText()
      if (this.#used > 0) this.#takeChunk()
    }
    return this.#full.shift()
  }

  #writeNow(): undefined {
    for (let chunk = this.#next(); chunk; chunk = this.#next()) {
      if (!writeAll(this.#fd, chunk)) this.#end()
      if (this.#owned.delete(chunk)) freeBytes(chunk)
    }
  }

  async #writeFrom(first: Uint8Array): Promise<void> {
    for (let chunk: Uint8Array | undefined = first; chunk; chunk = this.#next()) {
      await this.#writeChunk(chunk)
      this.#written++
      while (this.#waiting[0] !== undefined && this.#waiting[0].upTo <= this.#written && !this.closed.aborted)
        this.#waiting.shift()?.resolve(true)
      if (this.#owned.delete(chunk)) freeBytes(chunk)
      else if (chunk.length <= chunkBytes && this.#spare.length < mostChunks)
        this.#spare.push(new Uint8Array(chunk.buffer))
    }
    this.#writing = undefined
  }

  async #writeChunk(chunk: Uint8Array): Promise<void> {
    let done = 0
    while (done < chunk.length && !this.closed.aborted) {
      const written = await this.#writeSome(chunk.subarray(done))
      done += written
      this.#bytesWritten += written
    }
  }

  /** Resolves with the number of bytes written, which may be 0. */
  #writeSome(bytes: Uint8Array): Promise<number> {
    return new Promise((resolve) => {
      write(this.#fd, bytes, (error, written) => {
        if (!error) return resolve(written)
        if (error.code === 'EAGAIN') return setTimeout(resolve, retryMs, 0)
        if (error.code !== 'EPIPE') this.#failure = cannotWrite(error)
        this.#end()
        resolve(0)
      })
    })
  }

  #end(): void {
    this.#full.length = 0
    this.#owned.clear()
    this.#closed.abort()
    for (const {resolve, reject} of this.#waiting.splice(0)) {
      if (this.#failure) reject(this.#failure)
      else resolve(false)
    }
  }
}

/** A character may be split between two chunks. */
function terminalWriter(fd: number): (data: string | Uint8Array) => string {
  const decoder = new TextDecoder('utf-8', {ignoreBOM: true})
  const isColoured = wantsColour(fd, false, process.env)
  return (data) => terminalText(typeof data === 'string' ? data : decoder.decode(data, {stream: true}), isColoured)
}
