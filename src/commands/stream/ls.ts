import {BusCommand} from '../../lib/cli/base/command.ts'
import {tableFlags} from '../../lib/cli/flags/table.ts'
import {unreachableError} from '../../lib/transport/shared/stream-errors.ts'
import {type StreamDocument, streamColumns, streamDocument, streamRow} from './settings.ts'

export default class StreamLs extends BusCommand<StreamDocument[]> {
  static override summary = 'list the streams of a bus'
  static override examples = [
    {description: 'as a table', command: '<%= config.bin %> stream ls'},
    {description: 'as JSON', command: '<%= config.bin %> stream ls --json > streams.json'},
  ]
  static override flags = tableFlags

  async run(): Promise<StreamDocument[]> {
    const {flags} = await this.parse(StreamLs)
    await using bus = await this.openBus()
    const unreachable: string[] = []
    const streams = await bus.streams.list({onUnreachable: (names) => unreachable.push(...names)})
    if (streams.length > 0 && !this.jsonEnabled())
      await this.printTable(streamColumns, streams.map(streamRow), flags.all)
    if (streams.length === 0 && unreachable.length === 0) this.say('no streams; bus stream add creates one')
    if (unreachable.length === 0) return streams.map(streamDocument)
    if (this.jsonEnabled()) this.logJson(streams.map(streamDocument))
    throw unreachableError(bus.url, unreachable)
  }
}
