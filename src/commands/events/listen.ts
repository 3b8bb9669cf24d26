import {string} from '@oclif/core/args'
import {BusCommand} from '../../lib/cli/base/command.ts'
import {excluding} from '../../lib/cli/base/flag-rules.ts'
import * as flags from '../../lib/cli/flags/flags.ts'
import {isTerminal} from '../../lib/cli/io/terminal.ts'
import {chooseView} from '../../lib/cli/render/view.ts'
import {BusError} from '../../lib/core/errors.ts'
import {connectEvents, type Delivered, messageOf} from '../../lib/protocols/event-delivery/client.ts'
import {startAction} from './listen-plan.ts'
import {filterOf, optionsOf} from './subscriptions.ts'

export default class EventsListen extends BusCommand {
  static override summary = 'get events over WebSocket as an application does, and answer them'
  static override description =
    'Each event is acknowledged once it is shown; --nak rejects it, --step asks for each, --auto-ack leaves acknowledging to the gateway. Without --name the subscription is ephemeral: it has a filter and options of its own, and goes with the connection.'
  static override examples = [
    {
      description: 'a durable subscription',
      command: '<%= config.bin %> events listen --namespace ORDERS --name billing',
    },
    {
      description: 'everything that was paid so far, and then live',
      command: `<%= config.bin %> events listen --namespace ORDERS --first-event oldest --topic 'paid$'`,
    },
    {
      description: 'decide by hand',
      command: '<%= config.bin %> events listen --namespace ORDERS --name billing --step',
    },
  ]
  static override args = {url: string({description: 'the gateway (default: ws://127.0.0.1:5599)'})}
  static override flags = {
    namespace: flags.namespace(),
    name: flags.name(),
    topic: flags.topic(),
    events: flags.eventTypes(),
    tag: flags.tag(),
    group: flags.group(),
    author: flags.author(),
    'transaction-type': flags.transactionType(),
    'first-event': flags.firstEvent(),
    'read-ahead': flags.readAhead(),
    batch: flags.batch(),
    'batch-timeout': flags.batchTimeout(),
    'auto-ack': flags.autoAck(),
    nak: flags.nak(),
    step: flags.step(),
    token: flags.gatewayToken({description: 'bearer token of the gateway; safer in BUS_EVENTS_TOKEN'}),
    count: flags.count(),
    raw: flags.raw(),
    format: flags.format(),
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(EventsListen)
    const {token = process.env['BUS_EVENTS_TOKEN'], timeout: timeoutMs} = flags
    excluding(flags, 'auto-ack', 'nak', 'step')
    excluding(flags, 'nak', 'step')
    if (flags.step && !(isTerminal(0) && isTerminal(2)))
      throw new BusError('usage', '--step needs a terminal to ask on')
    const action = startAction(flags, filterOf(flags), optionsOf(flags))
    const url = args.url ?? 'ws://127.0.0.1:5599'
    await using client = await connectEvents(url, {token, timeoutMs, signal: this.stop})
    if (action !== undefined) client.start(action)
    this.say(`listening to ${url.replace(/[?#].*$/, '')}`)
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

  /** Shows a delivery and says what becomes of it; undefined: nothing, it is over. */
  async #decision(flags: {
    readonly json?: boolean
    readonly raw: boolean
    readonly nak: boolean
    readonly step: boolean
    readonly format?: string | undefined
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
    const view = await chooseView(flags, {terminal: isTerminal(1), paint: await this.paint(1)})
    return async ({events}) => {
      if (flags.json) for (const event of events) this.output.write(`${JSON.stringify(event)}\n`)
      else await view.show(events.map(messageOf), this.output)
      return (await this.output.written()) ? answer : undefined
    }
  }
}
