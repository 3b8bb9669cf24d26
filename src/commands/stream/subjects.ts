import {getBuiltinModule} from 'node:process'
import {BusCommand} from '../../lib/cli/base/command.ts'
import {argument} from '../../lib/cli/flags/kinds.ts'
import {streamArgs} from '../../lib/cli/flags/stream.ts'
import {tableFlags} from '../../lib/cli/flags/table.ts'
import {isTerminal} from '../../lib/cli/io/terminal.ts'
import {printable, printableJson} from '../../lib/cli/render/printable.ts'
import {type Column, readableRows} from '../../lib/cli/render/table.ts'
import {formatCount} from '../../lib/cli/render/units.ts'
import {checkPattern} from '../../lib/core/subject.ts'
import {SubjectList} from './subject-list.ts'

const columns: readonly Column[] = [{head: 'messages', align: 'right'}, {head: 'subject'}]

export default class StreamSubjects extends BusCommand {
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

  async run(): Promise<void> {
    const {args, flags} = await this.parse(StreamSubjects)
    const pattern = args.pattern === undefined ? undefined : checkPattern(args.pattern)
    await using bus = await this.openBus()
    // Otherwise V8 gives a million short-lived strings 60 MB.
    getBuiltinModule('v8').setFlagsFromString('--semi-space-growth-factor=1')
    const found = new SubjectList()
    await bus.streams.subjects(args.stream, pattern, async (page) => found.add(page))
    if (this.jsonEnabled()) return this.#write(json(found))
    if (found.size === 0) this.say(`no messages${pattern === undefined ? '' : ` of ${pattern}`} in ${args.stream}`)
    else if (found.size <= readableRows || (isTerminal(1) && !flags.all)) {
      const rows = found.first(readableRows).map(([subject, count]) => [formatCount(count), subject])
      await this.printTable(columns, rows, flags.all, found.size)
    } else await this.#write(this.#lines(found))
  }

  /** A piece of memory and of output for each page, however many there are. */
  async #write(pieces: Iterable<string> | AsyncIterable<string>): Promise<void> {
    for await (const piece of pieces) {
      this.output.write(piece)
      await this.output.ready()
    }
  }

  /** The table that `printTable` would write, without its cells. */
  async *#lines(found: SubjectList): AsyncIterable<string> {
    const [messages, subject] = columns.map(({head}) => head) as [string, string]
    const width = Math.max(messages.length, formatCount(found.most).length)
    const head = `${messages.padStart(width)}  ${subject}`
    yield `${(await this.paint(1))?.dim(head) ?? head}\n`
    for (const page of found.pages())
      yield page.map(([name, count]) => `${formatCount(count).padStart(width)}  ${printable(name)}\n`).join('')
  }
}

function* json(found: SubjectList): Iterable<string> {
  let begin = '{'
  for (const page of found.pages()) {
    const text = begin + page.map(([subject, count]) => `${JSON.stringify(subject)}:${count}`).join(',')
    yield isTerminal(1) ? printableJson(text) : text
    begin = ','
  }
  yield found.size === 0 ? '{}\n' : '}\n'
}
