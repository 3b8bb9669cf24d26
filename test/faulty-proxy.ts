import {type AddressInfo, connect, createServer, type Server, type Socket} from 'node:net'
import {Transform} from 'node:stream'
import type {NatsServer} from './nats-server.ts'

/** A proxy between client and server with the faults of networks: delays, garbage, silence and lost connections. */
export class FaultyProxy implements AsyncDisposable {
  readonly #listener: Server
  readonly #clients = new Map<Socket, Socket>()
  #isStalled = false
  #delayMs = 0
  readonly #deadAfter: number

  private constructor(port: number, deadAfter = Number.POSITIVE_INFINITY) {
    this.#deadAfter = deadAfter
    this.#listener = createServer((client) => {
      const upstream = connect(port, '127.0.0.1')
      for (const socket of [client, upstream]) socket.on('error', () => {})
      client.on('close', () => upstream.destroy())
      upstream.on('close', () => client.destroy())
      this.#clients.set(client, upstream)
      const count = {lines: 0}
      if (this.#deadAfter < Number.POSITIVE_INFINITY) this.#relay(client, upstream, count)
      else if (!this.#isStalled) client.pipe(this.#way()).pipe(upstream).pipe(this.#way()).pipe(client)
    })
  }

  /**
   * With `deadAfter`, each connection forwards this many lines of the protocol, in both directions together, and then nothing.
   */
  static async before(server: NatsServer, deadAfter?: number): Promise<FaultyProxy> {
    const proxy = new FaultyProxy(server.port(), deadAfter)
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

  #relay(client: Socket, upstream: Socket, count: {lines: number}): void {
    const forward = (to: Socket) => (chunk: Buffer) => {
      let end = 0
      while (count.lines < this.#deadAfter) {
        const at = chunk.indexOf('\r\n', end)
        if (at < 0) {
          end = chunk.length
          break
        }
        end = at + 2
        count.lines++
      }
      if (end > 0) to.write(chunk.subarray(0, end))
    }
    client.on('data', forward(upstream))
    upstream.on('data', forward(client))
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
