import {string} from '@oclif/core/args'
import * as flags from '../../lib/cli/flags/flags.ts'
import {BenchCommand} from './bench-command.ts'

export default class BenchReq extends BenchCommand {
  static override summary = 'measure how fast requests are answered'
  static override description =
    'A latency is the time to the reply; with --rate it begins when the request was due, so that a stall shows in all that it held up.'
  static override examples = [
    {
      description: 'both sides, 64 requests at a time',
      command: `<%= config.bin %> bench req --msgs 5000 --window 64 --with-serve`,
    },
    {
      description: 'a service that runs, at a steady rate',
      command: `<%= config.bin %> bench req orders.get --rate 500/s --for 1s`,
    },
  ]
  static override args = {
    subject: string({description: 'what to ask (default: bench)'}),
  }
  static override flags = {
    msgs: flags.msgs({description: 'how many requests in all (default: 10000, or what --for allows)'}),
    size: flags.size({description: 'bytes of a request, and with --with-serve of a reply (default: 128)'}),
    rate: flags.rate({description: 'so many requests a second, minute or hour, all clients together'}),
    subjects: flags.subjects(),
    window: flags.window({
      description: 'how many requests of a client may be under way (default: 1, with --rate 1000)',
    }),
    'with-serve': flags.withServe(),
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(BenchReq)
    await this.bench('req', {...flags, ...args})
  }
}
