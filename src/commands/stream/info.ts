import {BusCommand} from '../../lib/cli/base/command.ts'
import {streamArgs} from '../../lib/cli/flags/stream.ts'
import {factSheet} from '../../lib/cli/render/table.ts'
import {hasOptions, type StreamDocument, streamDocument, streamFacts} from './settings.ts'

export default class StreamInfo extends BusCommand<StreamDocument> {
  static override summary = 'show the state and configuration of a stream'
  static override examples = [
    {description: 'as text', command: '<%= config.bin %> stream info ORDERS'},
    {description: 'as JSON', command: '<%= config.bin %> stream info ORDERS --json'},
  ]
  static override args = streamArgs

  async run(): Promise<StreamDocument> {
    const {args} = await this.parse(StreamInfo)
    await using bus = await this.openBus()
    const info = await bus.streams.info(args.stream)
    if (this.jsonEnabled()) return streamDocument(info)
    const more =
      hasOptions(info.config) && (await import('../../lib/cli/render/options.ts')).streamOptions({...info.config})
    this.print(await factSheet(streamFacts(info, more || undefined), await this.paint(1)))
    return streamDocument(info)
  }
}
