import {string} from '@oclif/core/args'
import * as flags from '../../lib/cli/flags/flags.ts'
import {BenchCommand} from './bench-command.ts'

export default class BenchSub extends BenchCommand {
  static override summary = 'measure how fast a bus delivers messages'
  static override description =
    'Each client gets every message. It ends after --msgs or --for, else by Ctrl-C; the time is that from the first to the last message.'
  static override examples = [
    {description: 'what another terminal publishes', command: `<%= config.bin %> bench sub load --msgs 1000`},
  ]
  static override args = {
    subject: string({description: 'what to listen to (default: bench)'}),
  }
  static override flags = {
    msgs: flags.msgs({description: 'end after so many messages, in each client'}),
    subjects: flags.subjects(),
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(BenchSub)
    await this.bench('sub', {...flags, ...args})
  }
}
