import {string} from '@oclif/core/args'
import {BusCommand} from '../../lib/cli/base/command.ts'
import * as flags from '../../lib/cli/flags/flags.ts'
import {isTerminal} from '../../lib/cli/io/terminal.ts'
import {planGet} from './get-plan.ts'

export default class StreamGet extends BusCommand {
  static override summary = 'show one message of a stream'
  static override description =
    'A person sees its place, time, subject, headers and payload; a pipe gets the payload alone, unless a flag says otherwise.'
  static override examples = [
    {description: 'by its sequence', command: '<%= config.bin %> stream get ORDERS 1042'},
    {
      description: 'the last one of a subject, as a record',
      command: `<%= config.bin %> stream get ORDERS --last-for 'orders.*.paid' --json`,
    },
  ]
  static override args = {
    stream: string({description: 'which stream', required: true}),
    seq: string({description: 'its sequence'}),
  }
  static override flags = {
    'last-for': flags.lastFor(),
    raw: flags.raw(),
    delimiter: flags.delimiter(),
    format: flags.format(),
    'headers-only': flags.headersOnly(),
    'subjects-only': flags.subjectsOnly(),
    select: flags.select(),
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(StreamGet)
    const {view, fetch} = await planGet({...flags, ...args}, {terminal: isTerminal(1), paint: await this.paint(1)})
    await using bus = await this.openBus()
    await view.show([await fetch(bus.streams)], this.output)
  }
}
