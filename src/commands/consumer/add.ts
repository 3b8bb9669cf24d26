import {BusCommand} from '../../lib/cli/base/command.ts'
import {changeFlags} from '../../lib/cli/flags/change.ts'
import {consumerArgs} from '../../lib/cli/flags/consumer.ts'
import {text, variant} from '../../lib/cli/flags/kinds.ts'
import {streamFlags} from '../../lib/cli/flags/stream.ts'
import {findOrMake} from '../../lib/messaging/stored/find.ts'
import {deliverAt} from '../../lib/messaging/stored/places.ts'
import {configSettings, withoutAbsent} from './edit-plan.ts'
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
    config: variant(changeFlags.config, {exclusive: []}),
    'if-missing': streamFlags['if-missing'],
  }

  async run(): Promise<ConsumerDocument> {
    const {args, flags} = await this.parse(ConsumerAdd)
    const {stream, consumer} = args
    const whole = flags.config === undefined ? undefined : await configSettings(flags.config, this.stop)
    const policy = flags.deliver === undefined ? (whole?.deliver ?? 'all') : parseDeliver(flags.deliver)
    await using bus = await this.openBus({writes: true})
    const {consumers} = bus.streams
    const make = async () => {
      const given = withoutAbsent(consumerSettings(consumer, undefined, flags))
      const settings = {...whole, ...given, name: consumer}
      const other = whole?.other && given.other ? {...whole.other, ...given.other} : settings.other
      const deliver = await deliverAt(bus.streams, stream, policy, settings.filters)
      return consumers.add(stream, {...settings, deliver, other})
    }
    const {found, info} = flags['if-missing']
      ? await findOrMake(() => consumers.info(stream, consumer), make)
      : {found: false, info: await make()}
    this.say(addedText(info, {found, deliver: flags.deliver}))
    return consumerDocument(info)
  }
}
