import {benchFlags} from '../../lib/cli/flags/bench.ts'
import {bodyFlags} from '../../lib/cli/flags/body.ts'
import {argument, variant} from '../../lib/cli/flags/kinds.ts'
import {BenchCommand} from './bench-command.ts'

export default class BenchServe extends BenchCommand {
  static override summary = 'answer requests as fast as possible, and measure how fast'
  static override description =
    'This is the other side of bus bench req. Clients share the requests. The measurement ends after --msgs or --for, or on Ctrl-C.'
  static override examples = [
    {
      description: 'the other side, for example on another machine',
      command: `<%= config.bin %> bench serve load --msgs 1000`,
    },
  ]
  static override args = {
    subject: argument({description: 'subject to serve (default: bench)'}),
  }
  static override flags = {
    msgs: variant(benchFlags.msgs, {description: 'end after this many requests, all clients together'}),
    size: variant(bodyFlags.size, {description: 'size of a reply in bytes (default: 128)'}),
    subjects: benchFlags.subjects,
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(BenchServe)
    await this.bench('serve', {...flags, ...args})
  }
}
