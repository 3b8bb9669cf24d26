import type {ConnectionOptions, Transport as NatsTransport, Server, ServerInfo} from '@nats-io/transport-node'
import type {TlsFacts} from '../examination.ts'

const pieceBytes = 64 * 1024
/** What is said of a server that does not begin as NATS servers do. */
export const notNats = 'what answers there is no NATS server'

/** What a server says of itself in its first line. Throws what it says instead, or `notNats`. */
export function parseIntroduction(line: Buffer): ServerInfo {
  const [, word, rest] = /^(INFO|-ERR) (.*)/i.exec(line.toString('utf8')) ?? []
  if (word === undefined || rest === undefined) throw new Error(notNats)
  if (word === '-ERR') throw new Error(rest)
  return JSON.parse(rest)
}

/** What a socket must do to carry the NATS protocol: the half that TCP and WebSockets have in common. */
export abstract class Link implements NatsTransport {
  readonly lang = 'nats.js'
  readonly version = '3.4.0'
  closeError?: Error
  readonly #closed: Promise<Error | undefined>
  #end: (error: Error | undefined) => void = () => {}
  #frames: Uint8Array[] = []
  #wake: () => void = () => {}
  #isPaused = false
  #isOver = false
  #isDiscarded = false

  constructor() {
    this.#closed = new Promise((resolve) => {
      this.#end = resolve
    })
  }

  /** Resolves when the server has introduced itself. */
  abstract connect(server: Server, options: ConnectionOptions): Promise<void>
  abstract send(frame: Uint8Array): void
  abstract isEncrypted(): boolean
  /** Lets go of the socket, in whatever state it is. */
  protected abstract destroy(): void
  protected abstract stopReading(): void
  protected abstract startReading(): void

  /** Absent where it is not encrypted, or the platform does not tell. */
  get tlsFacts(): TlsFacts | undefined {
    return undefined
  }

  get isClosed(): boolean {
    return this.#isOver
  }

  /** Resolves when the other side has gone, or on `disconnect`; not when it was us who wanted no more of it. */
  closed(): Promise<Error | undefined> {
    return this.#closed
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

  /** Gives nothing more until `resume`. */
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
        // A frame of a WebSocket may hold megabytes; a pause must not have to wait for the end of it.
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

  /** The connection has ended; told once. */
  protected over(error?: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    if (error !== undefined) this.closeError = error
    this.#wake()
    this.#end(error)
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }
}
