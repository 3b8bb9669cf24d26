import {once} from 'node:events'
import {BusCommand} from '../../lib/cli/base/command.ts'
import {staySmall} from '../../lib/cli/base/heap-limit.ts'
import {checkProgram} from '../../lib/cli/base/program.ts'
import * as flags from '../../lib/cli/flags/flags.ts'
import {EventManager} from '../../lib/protocols/event-delivery/manager.ts'
import {type GatewayFlags, localPlugins, socketsConfig} from './serve-plan.ts'

export default class EventsServe extends BusCommand {
  static override summary = 'deliver events to applications over WebSocket, to webhooks and to programs'
  static override description = [
    'Applications start durable subscriptions, which bus events add creates, or ephemeral ones, and acknowledge or reject each event; docs/delivery.md describes the protocol. By default it listens on 127.0.0.1:5599; an address that other machines can reach needs --token or --allow-anonymous.',
    'Several gateways on one bus share the subscriptions. Each is delivered by one gateway, and another takes over if that one stops.',
    'With --exec the program after -- runs for each event of subscriptions with transport exec. It gets the payload on stdin and the rest in its environment; exit code 0 acknowledges.',
  ].join('\n\n')
  static override examples = [
    {description: 'applications on this machine', command: '<%= config.bin %> events serve --ws 127.0.0.1:5599'},
    {
      description: 'applications on other machines, and webhooks',
      command: '<%= config.bin %> events serve --ws 0.0.0.0:5599 --token s3cret --webhooks',
    },
    {description: 'a program for each event', command: '<%= config.bin %> events serve --exec -- ./bill.sh'},
  ]
  static override flags = {
    ws: flags.ws(),
    webhooks: flags.webhooks(),
    exec: flags.exec({description: 'run the program after -- for each event'}),
    'exec-timeout': flags.execTimeout({dependsOn: ['exec']}),
    stdout: flags.stdout({exclusive: ['exec']}),
    token: flags.gatewayToken(),
    'allow-anonymous': flags.allowAnonymous(),
    'allow-origin': flags.allowOrigin(),
    'max-connections': flags.maxConnections(),
    'max-frame': flags.maxFrame(),
    'max-in-flight': flags.maxInFlight(),
    'idle-timeout': flags.idleTimeout(),
  }

  async run(): Promise<void> {
    const {flags: given} = await this.parse(EventsServe)
    const flags: GatewayFlags = {...given, timeoutMs: given.timeout}
    const {token = process.env['BUS_EVENTS_TOKEN']} = flags
    const warn = (line: string) => this.say(line)
    const config = socketsConfig({...flags, token}, warn)
    if (flags.exec) checkProgram(this.program, process.env['PATH'] ?? '')
    staySmall()
    await using bus = await this.openBus({stream: true})
    await using manager = await EventManager.start(bus, {warn, maxInFlight: flags['max-in-flight']})
    for (const plugin of await localPlugins(flags, this.program, this.output)) await manager.use(plugin, {warn})
    if (config !== undefined) {
      const {websockets} = await import('../../lib/protocols/event-delivery/websockets.ts')
      const plugin = websockets()
      await manager.use(plugin, config)
      this.say(`listening on ${plugin.url}`)
    } else this.say('delivering')
    if (!this.stop.aborted) await Promise.race([once(this.stop, 'abort'), manager.ended])
  }
}
