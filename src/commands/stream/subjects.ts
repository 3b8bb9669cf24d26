import {string} from '@oclif/core/args'
import {BusCommand} from '../../lib/cli/base/command.ts'
import {table} from '../../lib/cli/render/table.ts'
import {formatCount} from '../../lib/cli/render/units.ts'
import {checkPattern} from '../../lib/core/subject.ts'

export default class StreamSubjects extends BusCommand<Record<string, number>> {
  static override summary = 'list the subjects that a stream has messages of, with how many'
  static override examples = [
    {description: 'all of them', command: '<%= config.bin %> stream subjects ORDERS'},
    {description: 'some', command: `<%= config.bin %> stream subjects ORDERS 'orders.*.paid'`},
  ]
  static override args = {
    stream: string({description: 'which stream', required: true}),
    pattern: string({description: 'only those that match'}),
  }

  async run(): Promise<Record<string, number>> {
    const {args} = await this.parse(StreamSubjects)
    const pattern = args.pattern === undefined ? undefined : checkPattern(args.pattern)
    await using bus = await this.openBus()
    const found = [...(await bus.streams.subjects(args.stream, pattern))].sort(([a], [b]) => (a < b ? -1 : 1))
    if (!this.jsonEnabled()) {
      const rows = found.map(([subject, count]) => [formatCount(count), subject])
      if (rows.length === 0) this.say(`no messages${pattern === undefined ? '' : ` of ${pattern}`} in ${args.stream}`)
      else this.print(await table([{head: 'messages', align: 'right'}, {head: 'subject'}], rows, await this.paint(1)))
    }
    return Object.fromEntries(found)
  }
}
