import {BusCommand} from '../../lib/cli/base/command.ts'
import {subscriptionArgs} from '../../lib/cli/flags/events.ts'
import {factSheet} from '../../lib/cli/render/table.ts'
import {openRegistry} from '../../lib/protocols/event-delivery/registry.ts'
import {type SubscriptionDocument, subscriptionDocument, subscriptionFacts} from './subscriptions.ts'

export default class EventsInfo extends BusCommand<SubscriptionDocument> {
  static override summary = 'show the configuration and offset of a subscription'
  static override examples = [
    {description: 'as text', command: '<%= config.bin %> events info ORDERS billing'},
    {
      description: 'the last acknowledged event',
      command: '<%= config.bin %> events info ORDERS billing --json | jq .status.currentOffset',
    },
  ]
  static override args = subscriptionArgs

  async run(): Promise<SubscriptionDocument> {
    const {args} = await this.parse(EventsInfo)
    await using bus = await this.openBus()
    const registry = await openRegistry(bus.streams, {make: false})
    const subscription = await registry.get(args.namespace, args.name)
    const document = await subscriptionDocument(subscription, await registry.offset(subscription), bus.streams)
    if (!this.jsonEnabled()) this.print(await factSheet(subscriptionFacts(document), await this.paint(1)))
    return document
  }
}
