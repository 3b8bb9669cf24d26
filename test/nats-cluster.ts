/** A cluster of three servers with JetStream, which find each other again after a restart. */
import {once} from 'node:events'
import {type AddressInfo, createServer} from 'node:net'
import {NatsServer} from './nats-server.ts'

const names = ['one', 'two', 'three'] as const

export class Cluster implements AsyncDisposable {
  readonly servers: readonly [NatsServer, NatsServer, NatsServer]

  private constructor(servers: readonly [NatsServer, NatsServer, NatsServer]) {
    this.servers = servers
  }

  /** `advertise`: clients learn the other servers. `config` is added to the configuration of each. */
  static async start({advertise = true, config = ''} = {}): Promise<Cluster> {
    const ports = await freePorts(names.length)
    const routes = ports.map((port) => `"nats://127.0.0.1:${port}"`).join(', ')
    const started = names.map((name, i) =>
      NatsServer.start(
        (folder) => `server_name: ${name}
          server_tags: [${name}]
          jetstream { store_dir: "${folder}/jetstream" }
          cluster { name: C, listen: "127.0.0.1:${ports[i]}", no_advertise: ${!advertise}, routes: [${routes}] }
          ${config}`,
      ),
    )
    return new Cluster((await Promise.all(started)) as unknown as Cluster['servers'])
  }

  named(name: string): NatsServer {
    const [one, two, three] = this.servers
    if (name === 'one') return one
    return name === 'two' ? two : three
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.servers.map((server) => server[Symbol.asyncDispose]()))
  }
}

/** Ports that nothing listens on. */
export async function freePorts(count: number): Promise<number[]> {
  const listeners = Array.from({length: count}, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(listeners.map((listener) => once(listener, 'listening')))
  const ports = listeners.map((listener) => (listener.address() as AddressInfo).port)
  await Promise.all(listeners.map((listener) => once(listener.close(), 'close')))
  return ports
}
