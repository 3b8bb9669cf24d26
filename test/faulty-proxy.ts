import {type AddressInfo, connect, createServer, type Server, type Socket} from 'node:net'
import {Transform} from 'node:stream'
import type {NatsServer} from './nats-server.ts'

/** A proxy between client and server with the faults of networks: delays, garbage, silence and lost connections. */
export class FaultyProxy implements AsyncDisposable {
  readonly #listener: Server
  readonly #clients = new Map<Socket, Socket>()
  #isStalled = false
  #delayMs = 0

  private constructor(port: number) {
    this.#listener = createServer((client) => {
      const upstream = connect(port, '127.0.0.1')
      for (const socket of [client, upstream]) socket.on('error', () => {})
      client.on('close', () => upstream.destroy())
      upstream.on('close', () => client.destroy())
      this.#clients.set(client, upstream)
      if (!this.#isStalled) client.pipe(this.#way()).pipe(upstream).pipe(this.#way()).pipe(client)
    })
  }

  static async before(server: NatsServer): Promise<FaultyProxy> {
    const proxy = new FaultyProxy(server.port())
    await new Promise<void>((resolve) => proxy.#listener.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  get url(): string {
    return `nats://127.0.0.1:${(this.#listener.address() as AddressInfo).port}`
  }

  garble(): void {
    for (const client of this.#clients.keys()) client.write('NONSENSE\r\n')
  }

  /** Forwards nothing, on existing and new connections, until `cut`. */
  stall(): void {
    this.#isStalled = true
    for (const [client, upstream] of this.#clients) {
      client.unpipe().resume()
      upstream.unpipe().resume()
    }
  }

  /** Delays all data from now on, in both directions. */
  slow(delayMs: number): void {
    this.#delayMs = delayMs
  }

  /** Closes the existing connections; new ones work. */
  cut(): void {
    this.#isStalled = false
    for (const client of this.#clients.keys()) client.destroy()
  }

  #way(): Transform {
    return new Transform({
      transform: (chunk, _encoding, done) => {
        if (this.#delayMs === 0) done(null, chunk)
        else setTimeout(done, this.#delayMs, null, chunk)
      },
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut()
    this.#listener.close()
  }
}
