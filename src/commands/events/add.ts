import {string} from '@oclif/core/args'
import {BusCommand} from '../../lib/cli/base/command.ts'
import * as flags from '../../lib/cli/flags/flags.ts'
import {openRegistry} from '../../lib/protocols/event-delivery/registry.ts'
import {type SubscriptionDocument, subscriptionDocument, wishOf} from './subscriptions.ts'

export default class EventsAdd extends BusCommand<SubscriptionDocument> {
  static override summary = 'make a durable subscription for applications, which bus events serve delivers'
  static override description =
    'One that is the same is answered as it is, one that wants something else is refused or, with --replace, changed: it goes on where it was. Patterns are RE2 regular expressions that match anywhere; all that are given must match. See docs/delivery.md.'
  static override examples = [
    {description: 'what is new from now on', command: '<%= config.bin %> events add ORDERS billing'},
    {
      description: 'everything that was paid, fifty on their way at a time',
      command: `<%= config.bin %> events add ORDERS audit --first-event oldest --topic 'paid$' --read-ahead 49`,
    },
    {
      description: 'to a webhook; what it refuses five times goes elsewhere',
      command: `<%= config.bin %> events add ORDERS mail --webhook http://127.0.0.1:8080/events --max-rejects 5 --dead-letter 'dead.{subject}'`,
    },
  ]
  static override args = {
    namespace: string({description: 'the stream', required: true}),
    name: string({description: 'its name', required: true}),
  }
  static override flags = {
    topic: flags.topic(),
    events: flags.eventTypes(),
    tag: flags.tag(),
    group: flags.group(),
    author: flags.author(),
    'transaction-type': flags.transactionType(),
    'first-event': flags.firstEvent(),
    'read-ahead': flags.readAhead(),
    'with-data': flags.withData({allowNo: true}),
    batch: flags.batch(),
    'batch-timeout': flags.batchTimeout(),
    'max-rejects': flags.maxRejects(),
    'dead-letter': flags.deadLetter(),
    transport: flags.transport(),
    webhook: flags.webhook(),
    fastack: flags.fastack(),
    'with-reply': flags.withReply(),
    reply: flags.reply({description: 'publish what the webhook answers there'}),
    replace: flags.replace(),
  }

  async run(): Promise<SubscriptionDocument> {
    const {args, flags} = await this.parse(EventsAdd)
    const {namespace, name} = args
    const wish = await wishOf(namespace, name, flags)
    await using bus = await this.openBus()
    const registry = await openRegistry(bus.streams)
    const {subscription, made} = await registry.add(wish, {replace: flags.replace})
    const document = await subscriptionDocument(subscription, await registry.offset(subscription), bus.streams)
    this.say(
      `subscription ${name} of ${namespace} ${made ? 'begins' : 'goes on'} after #${document.status.currentOffset}`,
    )
    return document
  }
}
