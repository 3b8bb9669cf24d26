/** Several servers: a hub with a leaf node, and a cluster with a server down. */
import {vi} from 'vitest'
import {open} from '../../src/lib/transport/open.ts'
import {Cluster, freePorts} from '../nats-cluster.ts'
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

/** A cluster whose server `one` is down. HERE has replicas on all servers, LOST only on that one; both have the consumer c. */
export async function clusterWithOneDown(): Promise<Cluster> {
  const cluster = await Cluster.start()
  const [one, two] = cluster.servers
  {
    await using bus = await open(one.url())
    await bus.streams.add({name: 'HERE', subjects: ['here.>'], replicas: 3})
    const lost = {name: 'LOST', subjects: ['lost.>'], placement: {tags: ['one']}}
    await bus.request({subject: '$JS.API.STREAM.CREATE.LOST', data: JSON.stringify(lost)})
    for (const stream of ['here', 'lost'])
      for (const [i, token] of ['a', 'b', 'a'].entries())
        await bus.streams.publish({subject: `${stream}.${token}`, data: `${i + 1}`})
    for (const stream of ['HERE', 'LOST']) await bus.streams.consumers.add(stream, {name: 'c'})
  }
  await one.stop()
  await using bus = await open(two.url())
  const isSettled = async () => {
    const {peers = []} = await bus.streams.info('HERE')
    await bus.streams.consumers.info('HERE', 'c')
    // Without a leader of JetStream, there is no answer.
    const lost = await bus.request({subject: '$JS.API.STREAM.INFO.LOST'}).catch(() => undefined)
    return peers.map(({state}) => state).join() === 'offline,current' && lost?.text.includes('offline')
  }
  await vi.waitUntil(isSettled, {timeout: 30_000, interval: 200})
  return cluster
}

/** The files that the command lines below name. */
export const clusterFiles = {
  'here.yaml': JSON.stringify({
    checks: [
      {name: 'stream', stream: 'HERE'},
      {name: 'consumer', consumer: {stream: 'HERE', name: 'c'}},
    ],
  }),
  'lost.yaml': JSON.stringify({checks: [{name: 'consumer', consumer: {stream: 'LOST', name: 'c'}}]}),
}

/** Lists of command lines that run at the same time: those about LOST wait 30 s for a leader. */
export const clusterLines: readonly (readonly string[])[] = [
  [
    'bus stream ls',
    'bus stream ls --json',
    'bus stream info HERE',
    'bus stream info HERE --json',
    'bus doctor',
    'bus context check',
    'bus check init all.yaml --yes -t 1s',
    'bus stream subjects HERE',
    'bus stream get HERE 1',
    'bus stream get HERE --last-for here.a --json',
    "bus sub 'here.>' --from first --end",
    'bus sub none --from first --end',
    "bus stream add OTHER 'lost.a'",
    "bus stream add HERE 'here.>'",
    'bus consumer ls',
    'bus consumer ls HERE --json',
    'bus consumer info HERE c',
    'bus consumer next HERE c --peek --json',
    'bus consumer next HERE c -t 1s',
    "bus sub 'here.>' --durable c -n 1 --for 2s",
    'bus consumer replay HERE --dry-run',
    'bus consumer replay HERE --from -1 --json',
    'bus check here.yaml --json',
    'bus bench replay HERE',
    'bus pub here.a 4',
    'bus pub here.a 5 --ack --json',
    'bus req here.a 6 --ack-is-reply',
    'bus req here.a 7 -t 1s --json',
    'bus events ls',
    'bus events add HERE app',
    'bus events ls HERE --json',
    'bus consumer reset HERE c --to 2 --yes',
    'bus consumer replay HERE c',
    'bus stream purge HERE --keep 1 --yes',
    'bus consumer rm HERE c --yes',
    'bus stream rm HERE --yes',
  ],
  ['bus consumer ls LOST', 'bus stream info LOST'],
  ['bus consumer ls LOST --json', 'bus consumer next LOST c -t 1s --json'],
  ['bus pub lost.a 4', 'bus pub lost.a 4 --ack -t 1s --json'],
  ['bus req lost.a 4 -t 1s', 'bus check lost.yaml -t 1s'],
  ['bus consumer add LOST d', "bus sub 'lost.>' --from first --end"],
  ['bus req lost.a 4 --ack-is-reply', 'bus stream get LOST 1'],
]

/** Which of the other servers is the leader, and how much of what they store they have told each other, differs. */
export function clusterText(shown: string): string {
  return (
    shown
      .replace(/\b(two|three)\b/g, 'OTHER')
      .replace(/\d+ B (storage|on disk)/g, 'SIZE $1')
      // How far the server that is down is behind is known only if it was heard of meanwhile.
      .replace(/(?<=one: offline), \d+ behind/g, '')
      .replace(/(?<="state":"offline"),"lag":\d+/g, '')
  )
}
