import {type AddressInfo, connect, createServer, type Server, type Socket} from 'node:net'
import {Transform} from 'node:stream'
import type {NatsServer} from './nats-server.ts'

/** Stands between client and server, and does what networks do. */
export class Middleman implements AsyncDisposable {
  readonly #listener: Server
  readonly #clients = new Map<Socket, Socket>()
  #isSilent = false
  #delayMs = 0

  private constructor(port: number) {
    this.#listener = createServer((client) => {
      const upstream = connect(port, '127.0.0.1')
      for (const socket of [client, upstream]) socket.on('error', () => {})
      client.on('close', () => upstream.destroy())
      upstream.on('close', () => client.destroy())
      this.#clients.set(client, upstream)
      if (!this.#isSilent) client.pipe(this.#way()).pipe(upstream).pipe(this.#way()).pipe(client)
    })
  }

  static async before(server: NatsServer): Promise<Middleman> {
    const middleman = new Middleman(server.port())
    await new Promise<void>((resolve) => middleman.#listener.listen(0, '127.0.0.1', resolve))
    return middleman
  }

  get url(): string {
    return `nats://127.0.0.1:${(this.#listener.address() as AddressInfo).port}`
  }

  garble(): void {
    for (const client of this.#clients.keys()) client.write('NONSENSE\r\n')
  }

  /** Passes nothing on, on the connections there are and on new ones. */
  silence(): void {
    this.#isSilent = true
    for (const [client, upstream] of this.#clients) {
      client.unpipe().resume()
      upstream.unpipe().resume()
    }
  }

  /** Whatever passes from now on takes so long, each way. */
  slow(delayMs: number): void {
    this.#delayMs = delayMs
  }

  /** Cuts what there is; new connections work. */
  cut(): void {
    this.#isSilent = false
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
