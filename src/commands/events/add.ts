import {BusCommand} from '../../lib/cli/base/command.ts'
import {subscriptionArgs} from '../../lib/cli/flags/events.ts'
import {toggle} from '../../lib/cli/flags/kinds.ts'
import {openRegistry} from '../../lib/protocols/event-delivery/registry.ts'
import {durableFlags, type SubscriptionDocument, subscriptionDocument, wishOf} from './subscriptions.ts'

export default class EventsAdd extends BusCommand<SubscriptionDocument> {
  static override summary = 'create a durable subscription that bus events serve will deliver'
  static override description =
    'If the same subscription exists, nothing changes; a different one is refused, except with --replace, which changes it and keeps its offset. Patterns are RE2 regular expressions that match anywhere; all of them must match. See docs/delivery.md.'
  static override examples = [
    {description: 'events from now on', command: '<%= config.bin %> events add ORDERS billing'},
    {
      description: 'all events with matching subjects, fifty in flight at a time',
      command: `<%= config.bin %> events add ORDERS audit --first-event oldest --topic 'paid$' --read-ahead 49`,
    },
    {
      description: 'to a webhook; events rejected five times become dead letters',
      command: `<%= config.bin %> events add ORDERS mail --webhook http://127.0.0.1:8080/events --max-rejects 5 --dead-letter 'dead.{subject}'`,
    },
  ]
  static override args = subscriptionArgs
  static override flags = {
    ...durableFlags,
    replace: toggle('change an existing subscription and keep its offset'),
  }

  async run(): Promise<SubscriptionDocument> {
    const {args, flags} = await this.parse(EventsAdd)
    const {namespace, name} = args
    const wanted = await wishOf(namespace, name, flags)
    await using bus = await this.openBus({writes: true})
    const registry = await openRegistry(bus.streams)
    const {subscription, made} = await registry.add(wanted, {replace: flags.replace})
    const document = await subscriptionDocument(subscription, await registry.offset(subscription), bus.streams)
    this.say(
      `subscription ${name} of ${namespace} ${made ? 'starts' : 'resumes'} after #${document.status.currentOffset}`,
    )
    return document
  }
}
