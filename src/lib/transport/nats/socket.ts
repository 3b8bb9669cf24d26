import type {ConnectionOptions, Transport as NatsTransport, Server, ServerInfo} from '@nats-io/transport-node'
import type {TlsFacts} from '../examination.ts'

const pieceBytes = 64 * 1024
/** The failure for a server whose first line is not that of a NATS server. */
export const notNats = 'the server there is not a NATS server'

/** Parses the INFO in a server's first line. Throws the error that the server sent instead, or `notNats`. */
export function parseIntroduction(line: Buffer): ServerInfo {
  const [, word, rest] = /^(INFO|-ERR) (.*)/i.exec(line.toString('utf8')) ?? []
  if (word === undefined || rest === undefined) throw new Error(notNats)
  if (word === '-ERR') throw new Error(rest)
  return JSON.parse(rest)
}

/** A socket for the NATS protocol: what TCP and WebSockets share. */
export abstract class NatsSocket implements NatsTransport {
  readonly lang = 'nats.js'
  readonly version = '3.4.0'
  closeError?: Error
  readonly #closed = Promise.withResolvers<Error | undefined>()
  #frames: Uint8Array[] = []
  #wake: () => void = () => {}
  #isPaused = false
  #isOver = false
  #isDiscarded = false

  /** Resolves when the server has sent its INFO. */
  abstract connect(server: Server, options: ConnectionOptions): Promise<void>
  abstract send(frame: Uint8Array): void
  abstract isEncrypted(): boolean
  /** Destroys the socket, in any state. */
  protected abstract destroy(): void
  protected abstract stopReading(): void
  protected abstract startReading(): void

  /** Undefined if not encrypted, or if the platform does not report it. */
  get tlsFacts(): TlsFacts | undefined {
    return undefined
  }

  /** Bytes that wait to be sent. */
  abstract get unsentBytes(): number

  get isClosed(): boolean {
    return this.#isOver
  }

  /** Resolves when the other side closes, or on `disconnect`; not after `discard`. */
  closed(): Promise<Error | undefined> {
    return this.#closed.promise
  }

  disconnect(): void {
    this.over()
    this.destroy()
  }

  async close(): Promise<void> {
    this.discard()
  }

  discard(): void {
    this.#isOver = true
    this.#isDiscarded = true
    this.destroy()
    this.#wake()
  }

  /** Yields nothing more until `resume`. */
  pause(): void {
    this.#isPaused = true
    this.stopReading()
  }

  resume(): void {
    this.#isPaused = false
    this.startReading()
    this.#wake()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const frames = this.#frames
      this.#frames = []
      for (const frame of frames) {
        // A WebSocket frame may hold megabytes; a pause must take effect before its end.
        for (let at = 0; at < frame.length; at += pieceBytes) {
          while (this.#isPaused && !this.#isDiscarded) await this.#change()
          if (this.#isDiscarded) return
          yield frame.length <= pieceBytes ? frame : frame.subarray(at, at + pieceBytes)
        }
      }
      if (this.#frames.length > 0) continue
      if (this.#isOver) return
      await this.#change()
    }
  }

  protected received(frame: Uint8Array): void {
    this.#frames.push(frame)
    this.#wake()
  }

  /** The connection has ended; reported once. */
  protected over(error?: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    if (error !== undefined) this.closeError = error
    this.#wake()
    this.#closed.resolve(error)
  }

  #change(): Promise<void> {
    const {promise, resolve} = Promise.withResolvers<void>()
    this.#wake = resolve
    return promise
  }
}
