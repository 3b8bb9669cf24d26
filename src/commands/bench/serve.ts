import {string} from '@oclif/core/args'
import * as flags from '../../lib/cli/flags/flags.ts'
import {BenchCommand} from './bench-command.ts'

export default class BenchServe extends BenchCommand {
  static override summary = 'answer requests as fast as possible, and measure it'
  static override description =
    'The other side of bus bench req. Clients share the requests. It ends after --msgs or --for, else by Ctrl-C.'
  static override examples = [
    {description: 'the other side, as on another machine', command: `<%= config.bin %> bench serve load --msgs 1000`},
  ]
  static override args = {
    subject: string({description: 'what to serve (default: bench)'}),
  }
  static override flags = {
    msgs: flags.msgs({description: 'end after so many requests, all clients together'}),
    size: flags.size({description: 'bytes of a reply (default: 128)'}),
    subjects: flags.subjects(),
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(BenchServe)
    await this.bench('serve', {...flags, ...args})
  }
}
