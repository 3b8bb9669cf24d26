/** Several servers: a hub with a leaf node. */
import {freePorts} from '../nats-cluster.ts'
import {NatsServer} from '../nats-server.ts'

interface LeafPair extends AsyncDisposable {
  readonly hub: NatsServer
  readonly leaf: NatsServer
}

/** Connected servers with the domains `hub` and `leaf`. */
export async function leafPair(): Promise<LeafPair> {
  const [port] = await freePorts(1)
  const config = (domain: string, leafnodes: string) => (home: string) =>
    `server_name: ${domain}\njetstream {store_dir: "${home}", domain: ${domain}}\nleafnodes {${leafnodes}}`
  const hub = await NatsServer.start(config('hub', `listen: "127.0.0.1:${port}"`))
  const leaf = await NatsServer.start(config('leaf', `remotes: [{url: "nats-leaf://127.0.0.1:${port}"}]`))
  await leaf.logged(/Leafnode connection created|Connected leafnode/i)
  return {
    hub,
    leaf,
    async [Symbol.asyncDispose]() {
      await leaf[Symbol.asyncDispose]()
      await hub[Symbol.asyncDispose]()
    },
  }
}

export const leafLines: readonly (readonly ['hub' | 'leaf', string])[] = [
  ['hub', "bus stream add S 'hub.>'"],
  ['leaf', "bus stream add S 'leaf.>'"],
  ['leaf', 'bus stream info S'],
  ['hub', 'bus stream info S'],
  ['leaf', 'bus pub leaf.a 1 --ack'],
  ['leaf', 'bus pub hub.a 2 --ack'],
  ['hub', 'bus pub leaf.a 3 --ack'],
  ['leaf', "bus sub 'leaf.>' --from first --end"],
  ['hub', "bus sub 'hub.>' --from first --end"],
  ['leaf', "bus sub 'hub.>' --from first --end"],
  ['leaf', 'bus consumer add S c'],
  ['hub', 'bus consumer ls S'],
  ['leaf', 'bus consumer replay S c'],
  ['leaf', 'bus stream get S 2'],
  ['hub', 'bus events add S app'],
  ['leaf', 'bus events ls'],
  ['leaf', 'bus stream rm S --yes'],
  ['hub', 'bus stream ls'],
]
