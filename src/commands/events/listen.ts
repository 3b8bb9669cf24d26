import {BusCommand} from '../../lib/cli/base/command.ts'
import {consumerFlags} from '../../lib/cli/flags/consumer.ts'
import {gatewayToken} from '../../lib/cli/flags/events.ts'
import {argument, text, toggle, variant} from '../../lib/cli/flags/kinds.ts'
import {pacingFlags} from '../../lib/cli/flags/pacing.ts'
import {viewFlags} from '../../lib/cli/flags/view.ts'
import {isTerminal} from '../../lib/cli/io/terminal.ts'
import {chooseView} from '../../lib/cli/render/view.ts'
import {BusError} from '../../lib/core/errors.ts'
import {maskedUrl} from '../../lib/core/secrets.ts'
import {shellWord} from '../../lib/core/text/shell-word.ts'
import {connectEvents, type Delivered, messageOf} from '../../lib/protocols/event-delivery/client.ts'
import type {EventFilter} from '../../lib/protocols/event-delivery/filter.ts'
import {findToken} from './gateway-token.ts'
import {filterOf, optionsOf, subscriptionFlags} from './subscriptions.ts'

export default class EventsListen extends BusCommand {
  static override summary = 'receive and acknowledge events over WebSocket, as an application would'
  static override description =
    'Each event is acknowledged once it is shown. --nak rejects it, --step asks for each event, and --auto-ack lets the gateway acknowledge. Events of a subscription without data have no payload (bus events add --with-data). Without --name the subscription is ephemeral: the flags set its filter and options, and it ends with the connection.'
  static override examples = [
    {
      description: 'a durable subscription',
      command: '<%= config.bin %> events listen --namespace ORDERS --name billing',
    },
    {
      description: 'all stored events with matching subjects, then new ones',
      command: `<%= config.bin %> events listen --namespace ORDERS --first-event oldest --topic 'paid$'`,
    },
    {
      description: 'decide on each event',
      command: '<%= config.bin %> events listen --namespace ORDERS --name billing --step',
    },
  ]
  static override args = {url: argument({description: 'gateway to connect to (default: ws://127.0.0.1:5599)'})}
  static override flags = {
    namespace: text('the stream', '<name>'),
    name: text('name of the durable subscription (default: an ephemeral one)', '<name>'),
    ...subscriptionFlags,
    'auto-ack': toggle('let the gateway acknowledge each event as soon as it is sent; events in flight can be lost', {
      exclusive: ['nak', 'step'],
    }),
    nak: variant(consumerFlags.nak, {exclusive: ['step']}),
    step: consumerFlags.step,
    token: variant(gatewayToken, {
      description:
        'bearer token for the gateway; safer in BUS_EVENTS_TOKEN (default: the token of your own gateway on this machine)',
    }),
    count: pacingFlags.count,
    raw: viewFlags.raw,
    format: viewFlags.format,
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(EventsListen)
    if (flags.step && !(isTerminal(0) && isTerminal(2))) throw new BusError('usage', '--step needs a terminal')
    const action = startAction(flags, filterOf(flags), optionsOf(flags))
    const url = args.url ?? 'ws://127.0.0.1:5599'
    const {token = process.env['BUS_EVENTS_TOKEN'] ?? findToken(url, process.env), timeout: timeoutMs} = flags
    const onNotice = (sentence: string) => this.say(sentence)
    await using client = await connectEvents(url, {token, timeoutMs, signal: this.stop, onNotice})
    if (action !== undefined) client.start(action)
    this.say(`listening to ${maskedUrl(url)}`)
    const decide = await this.#decision(flags)
    let left = flags.count ?? Number.POSITIVE_INFINITY
    for await (const delivered of client.deliveries()) {
      const answer = await decide(delivered)
      if (answer === undefined) break
      if (!flags['auto-ack']) client.answer(answer.type, delivered, answer.info)
      left -= delivered.events.length
      if (left <= 0) break
    }
    await this.output.end()
  }

  /** Shows a delivery and decides on its answer; undefined to stop without one. */
  async #decision(flags: {
    readonly json?: boolean
    readonly raw: boolean
    readonly nak: boolean
    readonly step: boolean
    readonly format?: string | undefined
    readonly count?: number | undefined
  }): Promise<(delivered: Delivered) => Promise<{type: 'ack' | 'nack'; info?: string} | undefined>> {
    const answer = {type: flags.nak ? ('nack' as const) : ('ack' as const)}
    if (flags.step) {
      const {stepSink} = await import('../../lib/cli/base/step-prompt.ts')
      let over = false
      const quit = () => {
        over = true
      }
      const sink = stepSink({signal: this.stop, paint: await this.paint(2), quit})
      return async ({events}) => {
        for (const event of events) {
          const refusal = await sink.take([messageOf(event)])
          if (over) return undefined
          if (refusal !== undefined && refusal.verdict !== 'term') return {type: 'nack', info: refusal.reason}
        }
        return {type: 'ack'}
      }
    }
    const view = await chooseView(flags, {
      ...{terminal: isTerminal(1), paint: await this.paint(1), stored: true},
      single: flags.count === 1,
    })
    return async ({events}) => {
      if (flags.json) for (const event of events) this.output.write(`${JSON.stringify(event)}\n`)
      else await view.show(events.map(messageOf), this.output)
      return (await this.output.written()) ? answer : undefined
    }
  }
}

/** The `start` action of the flags; undefined if they name no subscription, because the URL may. Throws `usage`. */
function startAction(
  flags: {
    readonly namespace?: string | undefined
    readonly name?: string | undefined
    readonly 'auto-ack'?: boolean | undefined
  },
  filter: EventFilter,
  options: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> | undefined {
  const {namespace, name, 'auto-ack': autoack = false} = flags
  const isGiven =
    Object.keys(filter).length > 0 || Object.values(options).some((value) => value !== undefined && value !== false)
  if (namespace === undefined) {
    if (name === undefined && !isGiven && !autoack) return undefined
    throw new BusError('usage', '--namespace is missing', {try: ['--namespace ORDERS']})
  }
  if (name === undefined) return {namespace, ephemeral: true, autoack, filter, options: {...options, withData: true}}
  if (isGiven) {
    const sentence = 'the filter and options of a durable subscription are set by bus events add'
    const hint = `bus events add ${shellWord(namespace)} ${shellWord(name)} --replace`
    throw new BusError('usage', sentence, {try: [`with these options: ${hint}`, 'leave --name out']})
  }
  return {namespace, name, autoack}
}
