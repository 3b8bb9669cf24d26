import {BusCommand} from '../../lib/cli/base/command.ts'
import {argument} from '../../lib/cli/flags/kinds.ts'
import {tableFlags} from '../../lib/cli/flags/table.ts'
import {openRegistry} from '../../lib/protocols/event-delivery/registry.ts'
import {type SubscriptionDocument, subscriptionColumns, subscriptionDocument, subscriptionRow} from './subscriptions.ts'

export default class EventsLs extends BusCommand<SubscriptionDocument[]> {
  static override summary = 'list durable subscriptions and their offsets'
  static override examples = [
    {description: 'all subscriptions', command: '<%= config.bin %> events ls'},
    {description: 'those of one stream, as JSON', command: '<%= config.bin %> events ls ORDERS --json'},
  ]
  static override args = {namespace: argument({description: 'name of the stream (default: all)'})}
  static override flags = tableFlags

  async run(): Promise<SubscriptionDocument[]> {
    const {args, flags} = await this.parse(EventsLs)
    await using bus = await this.openBus()
    const registry = await openRegistry(bus.streams, {
      make: false,
      onInvalid: (sentence) => this.say(`warning: ${sentence}`),
    })
    const all = await registry.list()
    const wanted = all.filter(({namespace}) => args.namespace === undefined || namespace === args.namespace)
    const documents = await Promise.all(
      wanted.map(async (one) => subscriptionDocument(one, await registry.offset(one), bus.streams)),
    )
    if (documents.length === 0)
      this.say(`no subscriptions${args.namespace === undefined ? '' : ` of ${args.namespace}`}`)
    else if (!this.jsonEnabled()) await this.printTable(subscriptionColumns, documents.map(subscriptionRow), flags.all)
    return documents
  }
}
