import {once} from 'node:events'
import {BusCommand} from '../../lib/cli/base/command.ts'
import {limitHeap} from '../../lib/cli/base/heap-limit.ts'
import {checkProgram} from '../../lib/cli/base/program.ts'
import {answerFlags} from '../../lib/cli/flags/answer.ts'
import {gatewayToken} from '../../lib/cli/flags/events.ts'
import {count, duration, size, text, texts, toggle, variant} from '../../lib/cli/flags/kinds.ts'
import {BusError} from '../../lib/core/errors.ts'
import {EventManager} from '../../lib/protocols/event-delivery/manager.ts'
import {keepToken} from './gateway-token.ts'
import {type GatewayFlags, localPlugins, socketsConfig} from './serve-plan.ts'

export default class EventsServe extends BusCommand {
  static override summary = 'deliver events to applications over WebSocket, to webhooks and to programs'
  static override description = [
    'Applications start durable subscriptions, which bus events add creates, or ephemeral ones, and acknowledge or reject each event; docs/delivery.md describes the protocol. By default the gateway listens on 127.0.0.1:5599, and clients must present a token. Without --token it creates one, prints it, and stores it for bus events listen of the same user; an address that other machines can reach needs --token or --allow-anonymous.',
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
    ws: text('listen for WebSocket clients on this address (default: 127.0.0.1:5599)', '<address>'),
    webhooks: toggle('deliver the subscriptions that have a webhook'),
    exec: variant(answerFlags.exec, {description: 'run the program after -- for each event'}),
    'exec-timeout': answerFlags['exec-timeout'],
    stdout: toggle('deliver the subscriptions with transport stdout, as records', {exclusive: ['exec']}),
    token: gatewayToken,
    'allow-anonymous': toggle('accept clients without a token'),
    'allow-origin': texts('accept browser pages of this origin, such as https://app.example', '<origin>'),
    'allow-namespace': texts('let clients read this stream of the bus itself, such as KV_settings', '<name>'),
    'max-connections': count('maximum number of connected clients (default: 1000)'),
    'max-frame': size('maximum size of a WebSocket frame from a client (default: 1MiB)'),
    'max-in-flight': count('maximum number of unacknowledged events per subscription (default: 65536)'),
    'max-in-flight-bytes': size(
      'maximum number of unacknowledged bytes per client, and per subscription of other transports (default: 16MiB)',
    ),
    'idle-timeout': duration(
      'disconnect clients that have started no subscription or not responded for this long (default: 1m)',
    ),
  }

  async run(): Promise<void> {
    const {flags: parsed} = await this.parse(EventsServe)
    const flags: GatewayFlags = {...parsed, timeoutMs: parsed.timeout}
    const {token = process.env['BUS_EVENTS_TOKEN']} = flags
    const warn = (line: string) => this.say(line)
    const config = socketsConfig({...flags, token}, warn)
    if (flags.exec) checkProgram(this.program, process.env['PATH'] ?? '')
    limitHeap()
    let kept: Disposable | undefined
    using _kept = {[Symbol.dispose]: () => kept?.[Symbol.dispose]()}
    await using bus = await this.openBus({stream: true, writes: true})
    await using manager = await EventManager.start(bus, {
      ...{warn, maxInFlight: flags['max-in-flight']},
      maxInFlightBytes: flags['max-in-flight-bytes'],
      systemNamespaces: flags['allow-namespace'],
    })
    const userAgent = `busline/${this.version}`
    for (const plugin of await localPlugins(flags, this.program, this.output, userAgent))
      await manager.use(plugin, {warn})
    if (config !== undefined) {
      const {websockets} = await import('../../lib/protocols/event-delivery/websockets.ts')
      const plugin = websockets()
      await manager.use(plugin, config)
      this.say(`listening on ${plugin.url}`)
      if (token === undefined && plugin.token !== undefined) kept = this.#keep(plugin.token, plugin.url)
    } else this.say('delivering')
    if (!this.stop.aborted) await Promise.race([once(this.stop, 'abort'), manager.ended])
  }

  /** Clients that cannot read the file need the token as well. */
  #keep(token: string, url: string): Disposable | undefined {
    try {
      const kept = keepToken(token, url, process.env)
      this.say(`token: ${token} (valid until the gateway ends; also in ${kept.path}, where bus events listen finds it)`)
      return kept
    } catch (error) {
      if (!(error instanceof BusError)) throw error
      this.say(`token: ${token} (valid until the gateway ends; not saved to a file: ${error.message})`)
      return undefined
    }
  }
}
