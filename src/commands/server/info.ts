import {BusCommand} from '../../lib/cli/base/command.ts'
import {argument} from '../../lib/cli/flags/kinds.ts'
import {factSheet} from '../../lib/cli/render/table.ts'
import {formatAgo, formatBytes, formatCount} from '../../lib/cli/render/units.ts'
import {BusError} from '../../lib/core/errors.ts'
import {serversOf} from '../../lib/messaging/stored/leader.ts'
import type {ServerReply} from '../../lib/transport/server-requests.ts'
import {needsSystemLogin, serverFlags} from './flags.ts'

/** A server in `--json` output; `raw` is its own document. */
interface ServerDocument extends Omit<ServerReply, 'data' | 'ms'> {
  readonly raw: ServerReply['data']
}

export default class ServerInfo extends BusCommand<readonly ServerDocument[]> {
  static override summary = 'show the state and limits of a server, or of all'
  static override description = needsSystemLogin
  static override examples = [
    {description: 'every server', command: '<%= config.bin %> server info'},
    {description: 'one of them', command: '<%= config.bin %> server info one'},
  ]
  static override args = {name: argument({description: 'name or id of the server (default: all)'})}
  static override flags = {idle: serverFlags.idle}

  async run(): Promise<readonly ServerDocument[]> {
    const {args, flags} = await this.parse(ServerInfo)
    await using bus = await this.openBus()
    const options = {timeoutMs: this.timeoutMs, idleMs: flags.idle, signal: this.stop}
    const replies = await serversOf(bus).ask('$SYS.REQ.SERVER.PING.VARZ', {}, options)
    const wanted = replies.filter(({name, id}) => args.name === undefined || args.name === name || args.name === id)
    if (wanted.length === 0)
      throw new BusError('notFound', `there is no server ${args.name} on ${bus.url}`, {
        try: [`one of ${replies.map(({name}) => name).join(', ')}`],
      })
    if (!this.jsonEnabled()) {
      const paint = await this.paint(1)
      const sheets = await Promise.all(wanted.map((reply) => factSheet(serverFacts(reply), paint)))
      this.output.write(sheets.join('\n'))
      await this.output.end()
    }
    return wanted.map(({data, ms: _, ...server}) => ({...server, raw: data}))
  }
}

function serverFacts({name, id, cluster, version, data}: ServerReply): Record<string, string | undefined> {
  const number = (member: string, format: (value: number) => string = formatCount) =>
    typeof data[member] === 'number' ? format(data[member]) : undefined
  const pair = (messages: string, bytes: string) =>
    `${number(messages) ?? '0'} messages, ${number(bytes, formatBytes) ?? '0 B'}`
  const {start, host, port} = data
  return {
    server: name,
    id,
    cluster,
    version,
    address: typeof host === 'string' ? `${host}:${String(port)}` : undefined,
    started: typeof start === 'string' ? formatAgo(Date.parse(start)) : undefined,
    connections: `${number('connections') ?? '0'} of ${number('max_connections') ?? 'any number'}`,
    'leaf nodes': number('leafnodes'),
    routes: number('routes'),
    subscriptions: number('subscriptions'),
    received: pair('in_msgs', 'in_bytes'),
    sent: pair('out_msgs', 'out_bytes'),
    'slow consumers': number('slow_consumers'),
    memory: number('mem', formatBytes),
    'largest payload': number('max_payload', formatBytes),
    'largest pending': number('max_pending', formatBytes),
    JetStream: data['jetstream'] !== undefined && Object.keys(data['jetstream'] ?? {}).length > 0 ? 'yes' : 'no',
  }
}
