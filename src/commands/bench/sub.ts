import {benchFlags} from '../../lib/cli/flags/bench.ts'
import {argument, variant} from '../../lib/cli/flags/kinds.ts'
import {BenchCommand} from './bench-command.ts'

export default class BenchSub extends BenchCommand {
  static override summary = 'measure how fast a bus delivers messages'
  static override description =
    'Each client gets every message. The measurement ends after --msgs or --for, or on Ctrl-C. Rates are measured from the first message to the last.'
  static override examples = [
    {description: 'messages published from another terminal', command: `<%= config.bin %> bench sub load --msgs 1000`},
  ]
  static override args = {
    subject: argument({description: 'subject to subscribe to (default: bench)'}),
  }
  static override flags = {
    msgs: variant(benchFlags.msgs, {description: 'end after this many messages in each client'}),
    subjects: benchFlags.subjects,
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(BenchSub)
    await this.bench('sub', {...flags, ...args})
  }
}
