/**
 * NATS over TCP and TLS. Unlike the transport of nats.js it destroys a socket that failed to connect, so that the
 * process can end, and checks the certificate against the IP address when the server is given by address.
 */
import {connect as connectTcp, isIP, type Socket} from 'node:net'
import type {TLSSocket} from 'node:tls'
import {type ConnectionOptions, checkOptions, type Server} from '@nats-io/transport-node'
import type {TlsFacts} from '../examination.ts'
import {longestInfo, NatsSocket, notNats, ProtocolFault, parseIntroduction} from './socket.ts'
import {type Tls, tlsFactsOf} from './tls.ts'

export async function resolveHost(host: string): Promise<string[]> {
  const found = await process.getBuiltinModule('node:dns').promises.lookup(host, {all: true})
  return found.map(({address}) => address)
}

export class TcpSocket extends NatsSocket {
  readonly #tls: Tls
  #socket: Socket | undefined
  #encrypted = false
  #isConnected = false
  /** The system writes here what it reads: a new buffer for each read would cost as much as parsing a short message. */
  #buffer = Buffer.allocUnsafeSlow(readBytes)
  /** Bytes that arrived while connecting. */
  #early: Buffer = Buffer.alloc(0)
  /** Receives the bytes that arrive. */
  #take: (frame: Uint8Array) => void = (frame) => this.#keep(frame)
  #failed: (error: Error) => void = () => {}

  constructor(tls: Tls) {
    super()
    this.#tls = tls
  }

  async connect(server: Server, options: ConnectionOptions): Promise<void> {
    const {first, isWanted} = this.#tls
    const onread = {
      buffer: () => this.#buffer,
      callback: (size: number) => {
        if (!this.#encrypted) this.#take(this.#read(size))
        return true
      },
    }
    await this.#step<void>((done) =>
      this.#use(connectTcp({host: server.hostname, port: server.port, noDelay: true, onread}), done),
    )
    if (first) await this.#secure(server)
    const line = await this.#introduction()
    const info = parseIntroduction(line)
    checkOptions(info, options)
    if (!first && (info.tls_required || isWanted)) {
      // Anybody between this process and the server could have added it.
      if (this.#early.length > 0) throw new ProtocolFault('it sent something before the connection was encrypted')
      await this.#secure(server)
    }
    this.#isConnected = true
    this.received(line)
    if (this.#early.length > 0) this.received(this.#early)
    this.#take = (frame) => this.received(frame)
  }

  send(frame: Uint8Array, isTurnOver = false): void {
    const socket = this.#socket
    if (this.isClosed || socket === undefined) return
    // The commands of one turn are sent in one piece. A server that refuses a login then has no unread data when it closes the
    // connection; with unread data its system could reset the connection before the refusal arrives.
    const isNow = isTurnOver || frame.length >= ownPieceBytes
    if (socket.writableCorked === 0 && !isNow) {
      socket.cork()
      process.nextTick(() => socket.uncork())
    }
    socket.write(frame)
    if (isNow) socket.uncork()
  }

  get unsentBytes(): number {
    return this.#socket?.writableLength ?? 0
  }

  isEncrypted(): boolean {
    return this.#encrypted
  }

  override get tlsFacts(): TlsFacts | undefined {
    return this.#encrypted ? tlsFactsOf(this.#socket as TLSSocket) : undefined
  }

  protected stopReading(): void {
    this.#socket?.pause()
  }

  protected startReading(): void {
    this.#socket?.resume()
  }

  protected destroy(): void {
    this.#socket?.destroy()
  }

  /** Uses this socket from now on; `ready` is called when it is connected. */
  #use(socket: Socket, ready: () => void, event = 'connect'): void {
    this.#socket = socket
    let failure: Error | undefined
    socket.once(event, ready)
    socket.on('error', (error) => {
      failure = error
    })
    socket.on('close', () => {
      if (this.#socket !== socket) return
      if (this.#isConnected) this.over(failure)
      else this.#failed(failure ?? new Error('the server closed the connection'))
    })
    // Discarded while connecting.
    if (this.isClosed) socket.destroy()
  }

  #step<T>(act: (done: (value: T) => void) => void): Promise<T> {
    const {promise, resolve, reject} = Promise.withResolvers<T>()
    this.#failed = reject
    act(resolve)
    return promise
  }

  #secure({hostname, tlsName}: Server): Promise<void> {
    // Loaded only here, because a plain connection does not need it.
    const {connect: connectTls} = process.getBuiltinModule('node:tls')
    const host = tlsName || hostname
    const name = isIP(host) ? {} : {servername: host}
    const plain = this.#socket as Socket
    this.#encrypted = true
    return this.#step((done) => {
      const secure = connectTls({socket: plain, host, ...name, ...this.#tls.material})
      this.#use(secure, done, 'secureConnect')
      secure.on('data', (frame) => this.#take(frame))
    })
  }

  /** The server's first line. Data after it is kept. */
  #introduction(): Promise<Buffer> {
    return this.#step((done) => {
      const look = () => {
        const got = this.#early
        const end = got.indexOf('\r\n') + 2
        if (end < 2 && got.length < longestInfo) return
        if (end < 2) return this.#failed(new ProtocolFault(notNats))
        this.#take = (frame) => this.#keep(frame)
        this.#early = got.subarray(end)
        done(got.subarray(0, end))
      }
      this.#take = (frame) => {
        this.#keep(frame)
        look()
      }
      look()
    })
  }

  #keep(frame: Uint8Array): void {
    this.#early = Buffer.concat([this.#early, frame])
  }

  /** The bytes that were read, in memory that is not reused: messages refer to it. */
  #read(size: number): Uint8Array {
    const bytes = this.#buffer.subarray(0, size)
    // Without a copy, a few bytes would keep a large buffer in memory.
    if (size < readBytes / 2) return Buffer.from(bytes)
    this.#buffer = Buffer.allocUnsafeSlow(readBytes)
    return bytes
  }
}

const readBytes = 64 * 1024
const ownPieceBytes = 16 * 1024
