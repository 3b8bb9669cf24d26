import {BusCommand} from '../../lib/cli/base/command.ts'
import {consumerArgs} from '../../lib/cli/flags/consumer.ts'
import {text} from '../../lib/cli/flags/kinds.ts'
import {streamFlags} from '../../lib/cli/flags/stream.ts'
import {findOrMake} from '../../lib/messaging/stored/find.ts'
import {deliverAt} from '../../lib/messaging/stored/places.ts'
import {
  addedText,
  type ConsumerDocument,
  consumerDocument,
  consumerSettingFlags,
  consumerSettings,
  parseDeliver,
} from './settings.ts'

export default class ConsumerAdd extends BusCommand<ConsumerDocument> {
  static override summary = 'create a durable consumer, which remembers what was acknowledged'
  static override description =
    'If the consumer exists with the same configuration, nothing changes; with a different one the command fails. With --if-missing, any existing consumer with this name is accepted.'
  static override examples = [
    {description: 'all messages, from the first', command: '<%= config.bin %> consumer add ORDERS billing'},
    {
      description: 'messages of the last hour and later that match a pattern',
      command: `<%= config.bin %> consumer add ORDERS audit --filter 'orders.*.paid' --deliver @-1h`,
    },
    {
      description: 'five attempts with growing delays',
      command: '<%= config.bin %> consumer add ORDERS mailer --max-deliver 5 --backoff 1s,5s,30s --if-missing',
    },
  ]
  static override args = consumerArgs
  static override flags = {
    ...consumerSettingFlags,
    deliver: text(
      'deliver policy: all, new, last, last-per-subject, 1042, -100 or @-15m (default: all); a position after the last message means new',
      '<position>',
    ),
    'if-missing': streamFlags['if-missing'],
  }

  async run(): Promise<ConsumerDocument> {
    const {args, flags} = await this.parse(ConsumerAdd)
    const {stream, consumer} = args
    const policy = parseDeliver(flags.deliver ?? 'all')
    await using bus = await this.openBus({writes: true})
    const {consumers} = bus.streams
    const make = async () => {
      const deliver = await deliverAt(bus.streams, stream, policy, flags.filter)
      return consumers.add(stream, consumerSettings(consumer, deliver, flags))
    }
    const {found, info} = flags['if-missing']
      ? await findOrMake(() => consumers.info(stream, consumer), make)
      : {found: false, info: await make()}
    this.say(addedText(info, {found, deliver: flags.deliver}))
    return consumerDocument(info)
  }
}
