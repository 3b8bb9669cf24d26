import {BusCommand} from '../../lib/cli/base/command.ts'
import {confirm} from '../../lib/cli/base/confirm.ts'
import {subscriptionArgs} from '../../lib/cli/flags/events.ts'
import {streamFlags} from '../../lib/cli/flags/stream.ts'
import {openRegistry} from '../../lib/protocols/event-delivery/registry.ts'

/** What `--json` prints. */
export interface EventsRmResult {
  readonly removed: string
  readonly namespace: string
}

export default class EventsRm extends BusCommand<EventsRmResult> {
  static override summary = 'remove a subscription and its offset; the messages stay'
  static override description = 'The command asks for confirmation; without a terminal it needs --yes.'
  static override examples = [{description: 'in a script', command: '<%= config.bin %> events rm ORDERS billing --yes'}]
  static override args = subscriptionArgs
  static override flags = {yes: streamFlags.yes}

  async run(): Promise<EventsRmResult> {
    const {args, flags} = await this.parse(EventsRm)
    const {namespace, name} = args
    await using bus = await this.openBus({writes: true})
    const registry = await openRegistry(bus.streams, {make: false})
    const offset = await registry.offset(await registry.get(namespace, name))
    const what = `remove subscription ${name} of ${namespace} with its offset #${offset}`
    await confirm(what, {yes: flags.yes, signal: this.stop})
    await registry.remove(namespace, name)
    if (!this.jsonEnabled()) this.say(`removed subscription ${name} of ${namespace}`)
    return {removed: name, namespace}
  }
}
