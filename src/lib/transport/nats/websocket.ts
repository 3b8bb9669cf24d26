/**
 * NATS over WebSockets, with `ws`: Node's own client accepts no CA and no client certificate, and does not report the cause of
 * failures.
 */
import {type ConnectionOptions, checkOptions, type Server} from '@nats-io/transport-node'
import WebSocket from 'ws'
import {NatsSocket, ProtocolFault, parseIntroduction} from './socket.ts'
import type {Tls} from './tls.ts'

/** Bytes: more than a server sends in one frame. */
const longestMessage = 128 * 1024 * 1024
/** Bytes that wait to be sent above which pings are not answered. */
const mostUnsent = 1024 * 1024

export class WsSocket extends NatsSocket {
  readonly #tls: Tls
  #socket: WebSocket | undefined
  #encrypted = false

  constructor(tls: Tls) {
    super()
    this.#tls = tls
  }

  connect(server: Server, options: ConnectionOptions): Promise<void> {
    this.#encrypted = server.src.startsWith('wss:')
    const socket = new WebSocket(server.src, {
      perMessageDeflate: false,
      skipUTF8Validation: true,
      autoPong: false,
      maxPayload: longestMessage,
      ...this.#tls.material,
    })
    this.#socket = socket
    let failure: Error | undefined
    return new Promise((resolve, reject) => {
      socket.once('message', (data: Buffer) => {
        try {
          checkOptions(parseIntroduction(data), options)
        } catch (error) {
          return reject(error)
        }
        socket.on('message', (frame: Buffer) => this.received(frame))
        this.received(data)
        resolve()
      })
      // A server that sends pings but does not read must not fill the memory with our answers.
      socket.on('ping', (data) => socket.bufferedAmount < mostUnsent && socket.pong(data))
      socket.on('error', (error) => {
        failure = /^WS_ERR_|^HPE_/.test((error as NodeJS.ErrnoException).code ?? '')
          ? new ProtocolFault(`it violated the WebSocket protocol: ${error.message}`)
          : error
      })
      socket.on('close', () => {
        reject(failure ?? new Error('the server closed the connection'))
        this.over(failure)
      })
    })
  }

  send(frame: Uint8Array): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(frame)
  }

  get unsentBytes(): number {
    return this.#socket?.bufferedAmount ?? 0
  }

  isEncrypted(): boolean {
    return this.#encrypted
  }

  protected stopReading(): void {
    this.#socket?.pause()
  }

  protected startReading(): void {
    this.#socket?.resume()
  }

  protected destroy(): void {
    this.#socket?.terminate()
  }
}
