import {BusCommand} from '../../lib/cli/base/command.ts'
import {argument} from '../../lib/cli/flags/kinds.ts'
import {streamArgs} from '../../lib/cli/flags/stream.ts'
import {tableFlags} from '../../lib/cli/flags/table.ts'
import {formatCount} from '../../lib/cli/render/units.ts'
import {checkPattern} from '../../lib/core/subject.ts'

export default class StreamSubjects extends BusCommand<Record<string, number>> {
  static override summary = 'list the subjects of stored messages, with their counts'
  static override examples = [
    {description: 'all subjects', command: '<%= config.bin %> stream subjects ORDERS'},
    {description: 'subjects that match a pattern', command: `<%= config.bin %> stream subjects ORDERS 'orders.*.paid'`},
  ]
  static override args = {
    ...streamArgs,
    pattern: argument({description: 'only subjects that match'}),
  }
  static override flags = tableFlags

  async run(): Promise<Record<string, number>> {
    const {args, flags} = await this.parse(StreamSubjects)
    const pattern = args.pattern === undefined ? undefined : checkPattern(args.pattern)
    await using bus = await this.openBus()
    const found = [...(await bus.streams.subjects(args.stream, pattern))].sort(([a], [b]) => (a < b ? -1 : 1))
    if (!this.jsonEnabled()) {
      const rows = found.map(([subject, count]) => [formatCount(count), subject])
      if (rows.length === 0) this.say(`no messages${pattern === undefined ? '' : ` of ${pattern}`} in ${args.stream}`)
      else await this.printTable([{head: 'messages', align: 'right'}, {head: 'subject'}], rows, flags.all)
    }
    return Object.fromEntries(found)
  }
}
