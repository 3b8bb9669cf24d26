import {string} from '@oclif/core/args'
import {BusCommand} from '../../lib/cli/base/command.ts'
import * as flags from '../../lib/cli/flags/flags.ts'
import {formatCount} from '../../lib/cli/render/units.ts'
import {findOrMake} from '../../lib/messaging/stored/find.ts'
import {deliverAt} from '../../lib/messaging/stored/places.ts'
import {type ConsumerDocument, consumerDocument, consumerSettings, parseDeliver} from './settings.ts'

export default class ConsumerAdd extends BusCommand<ConsumerDocument> {
  static override summary = 'make a durable consumer, which remembers what was handled'
  static override description =
    'A consumer with the same configuration is answered as it is, one with another is refused; with --if-missing any consumer of this name will do.'
  static override examples = [
    {description: 'everything, from the first message', command: '<%= config.bin %> consumer add ORDERS billing'},
    {
      description: 'what was paid in the last hour and later',
      command: `<%= config.bin %> consumer add ORDERS audit --filter 'orders.*.paid' --deliver @-1h`,
    },
    {
      description: 'five attempts, with growing pauses',
      command: '<%= config.bin %> consumer add ORDERS mailer --max-deliver 5 --backoff 1s,5s,30s --if-missing',
    },
  ]
  static override args = {
    stream: string({description: 'which stream', required: true}),
    consumer: string({description: 'its name', required: true}),
  }
  static override flags = {
    filter: flags.filter(),
    deliver: flags.deliver(),
    ack: flags.ackPolicy(),
    'ack-wait': flags.ackWait(),
    'max-deliver': flags.maxDeliver(),
    'max-ack-pending': flags.maxAckPending(),
    backoff: flags.backoff(),
    description: flags.description(),
    'if-missing': flags.ifMissing(),
  }

  async run(): Promise<ConsumerDocument> {
    const {args, flags} = await this.parse(ConsumerAdd)
    const {stream, consumer} = args
    const wish = parseDeliver(flags.deliver ?? 'all')
    await using bus = await this.openBus()
    const {consumers} = bus.streams
    const make = async () => {
      const deliver = await deliverAt(bus.streams, stream, wish, flags.filter)
      return consumers.add(stream, consumerSettings(consumer, deliver, flags))
    }
    const {found, info} = flags['if-missing']
      ? await findOrMake(() => consumers.info(stream, consumer), make)
      : {found: false, info: await make()}
    this.say(
      `consumer ${consumer} ${found ? 'was there already, and has' : 'has'} ${formatCount(info.pending)} pending in ${stream}`,
    )
    return consumerDocument(info)
  }
}
