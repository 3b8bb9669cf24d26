import {BusCommand} from '../../lib/cli/base/command.ts'
import {argument} from '../../lib/cli/flags/kinds.ts'
import {tableFlags} from '../../lib/cli/flags/table.ts'
import {listConsumers} from '../../lib/messaging/stored/find.ts'
import {unreachableError} from '../../lib/transport/shared/stream-errors.ts'
import {byLag, type ConsumerDocument, consumerDocument, consumerTable} from './settings.ts'

export default class ConsumerLs extends BusCommand<ConsumerDocument[]> {
  static override summary = 'list the consumers of a stream, or of all streams, with their lag'
  static override description =
    'The largest lag comes first. Lag is the sum of pending (not yet delivered) and ack pending (delivered but not yet acknowledged) messages.'
  static override examples = [
    {description: 'all consumers', command: '<%= config.bin %> consumer ls'},
    {description: 'those of one stream, as JSON', command: '<%= config.bin %> consumer ls ORDERS --json'},
  ]
  static override args = {stream: argument({description: 'name of the stream (default: all)'})}
  static override flags = tableFlags

  async run(): Promise<ConsumerDocument[]> {
    const {args, flags} = await this.parse(ConsumerLs)
    await using bus = await this.openBus()
    const unreachable: string[] = []
    const consumers = await listConsumers(bus.streams, args.stream, {
      onUnreachable: (names) => unreachable.push(...names),
    })
    if (consumers.length > 0 && !this.jsonEnabled()) {
      const {columns, rows} = consumerTable(byLag(consumers))
      await this.printTable(columns, rows, flags.all)
    }
    if (consumers.length === 0 && unreachable.length === 0)
      this.say(`no consumers${args.stream === undefined ? '' : ` of stream ${args.stream}`}`)
    if (unreachable.length === 0) return consumers.map(consumerDocument)
    if (this.jsonEnabled()) this.logJson(consumers.map(consumerDocument))
    throw unreachableError(bus.url, unreachable)
  }
}
