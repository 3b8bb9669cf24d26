import {BusCommand} from '../../lib/cli/base/command.ts'
import {consumerArgs} from '../../lib/cli/flags/consumer.ts'
import {factSheet} from '../../lib/cli/render/table.ts'
import {type ConsumerDocument, consumerDocument, consumerFacts} from './settings.ts'

export default class ConsumerInfo extends BusCommand<ConsumerDocument> {
  static override summary = 'show the state and configuration of a consumer'
  static override examples = [
    {description: 'as text', command: '<%= config.bin %> consumer info ORDERS billing'},
    {description: 'as JSON', command: '<%= config.bin %> consumer info ORDERS billing --json'},
  ]
  static override args = consumerArgs

  async run(): Promise<ConsumerDocument> {
    const {args} = await this.parse(ConsumerInfo)
    await using bus = await this.openBus()
    const info = await bus.streams.consumers.info(args.stream, args.consumer)
    if (this.jsonEnabled()) return consumerDocument(info)
    const more =
      (info.config.other ?? info.config.metadata) &&
      (await import('../../lib/cli/render/options.ts')).consumerOptions({...info.config})
    this.print(await factSheet(consumerFacts(info, more || undefined), await this.paint(1)))
    return consumerDocument(info)
  }
}
