/** A real WebSocket client, for tests. */
import {onTestFinished} from 'vitest'
import {WebSocket} from 'ws'

interface Frame {
  readonly [member: string]: unknown
  readonly id: string
  readonly type: string
  readonly sequence: number
  readonly topic: string
  readonly error?: string
  readonly data?: {readonly json?: unknown; readonly text?: string}
  readonly events?: readonly Frame[]
}

export class Socket implements AsyncDisposable {
  readonly frames: Frame[] = []
  /** The code with which it was closed. */
  readonly closed: Promise<number>
  readonly #socket: WebSocket
  #wake: () => void = () => undefined

  private constructor(socket: WebSocket) {
    this.#socket = socket
    this.closed = new Promise((resolve) => socket.once('close', resolve))
    socket.on('message', (data) => {
      this.frames.push(JSON.parse(String(data)))
      this.#wake()
    })
    socket.on('error', () => undefined)
    onTestFinished(() => socket.terminate())
  }

  /** Fails with the status if it is refused. */
  static open(url: string, headers: Record<string, string> = {}): Promise<Socket> {
    const socket = new WebSocket(url, {headers})
    const client = new Socket(socket)
    return new Promise((resolve, reject) => {
      socket.once('open', () => resolve(client))
      socket.once('unexpected-response', (_request, response) => reject(new Error(`status ${response.statusCode}`)))
      socket.once('error', reject)
    })
  }

  say(action: unknown): void {
    this.#socket.send(typeof action === 'string' ? action : JSON.stringify(action))
  }

  start(more: object = {}): void {
    this.say({type: 'start', namespace: 'ORDERS', name: 'app', ...more})
  }

  ack(frame?: Frame, more: object = {}): void {
    this.say({type: 'ack', id: frame?.id, ...more})
  }

  /** This many frames in total, once they have arrived. */
  async got(count: number): Promise<readonly Frame[]> {
    while (this.frames.length < count) {
      const {promise, resolve} = Promise.withResolvers<void>()
      this.#wake = resolve
      await promise
    }
    return this.frames.slice(0, count)
  }

  async last(count: number): Promise<Frame> {
    const frame = (await this.got(count)).at(-1)
    if (frame === undefined) throw new Error('no frame')
    return frame
  }

  /** The protocol error, after which it is closed. */
  async refused(): Promise<string> {
    await this.closed
    const {type, error} = this.frames.at(-1) ?? {}
    return `${type}: ${error}`
  }

  /** Without a close frame, like a killed process. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.terminate()
    await this.closed
  }
}
