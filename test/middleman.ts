import {type AddressInfo, connect, createServer, type Server, type Socket} from 'node:net'
import type {NatsServer} from './nats-server.ts'

/** Stands between client and server, and does what networks do. */
export class Middleman implements AsyncDisposable {
  readonly #listener: Server
  readonly #clients = new Map<Socket, Socket>()
  #isSilent = false

  private constructor(port: number) {
    this.#listener = createServer((client) => {
      const upstream = connect(port, '127.0.0.1')
      for (const socket of [client, upstream]) socket.on('error', () => {})
      client.on('close', () => upstream.destroy())
      upstream.on('close', () => client.destroy())
      this.#clients.set(client, upstream)
      if (!this.#isSilent) client.pipe(upstream).pipe(client)
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
      client.unpipe(upstream).resume()
      upstream.unpipe(client).resume()
    }
  }

  /** Cuts what there is; new connections work. */
  cut(): void {
    this.#isSilent = false
    for (const client of this.#clients.keys()) client.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut()
    this.#listener.close()
  }
}
