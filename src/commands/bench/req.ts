import {string} from '@oclif/core/args'
import {benchFlags} from '../../lib/cli/flags/bench.ts'
import {bodyFlags} from '../../lib/cli/flags/body.ts'
import {variant} from '../../lib/cli/flags/kinds.ts'
import {pacingFlags} from '../../lib/cli/flags/pacing.ts'
import {BenchCommand} from './bench-command.ts'

export default class BenchReq extends BenchCommand {
  static override summary = 'measure how fast requests are answered'
  static override description =
    'A latency is the time until the reply. With --rate it counts from when the request was due, so that a stall shows in every request it delayed.'
  static override examples = [
    {
      description: 'both sides, 64 requests at a time',
      command: `<%= config.bin %> bench req --msgs 5000 --window 64 --with-serve`,
    },
    {
      description: 'a running service, at a steady rate',
      command: `<%= config.bin %> bench req orders.get --rate 500/s --for 1s`,
    },
  ]
  static override args = {
    subject: string({description: 'subject to send requests to (default: bench)'}),
  }
  static override flags = {
    msgs: variant(benchFlags.msgs, {
      description: 'number of requests in total (default: 10000, or as many as --for allows)',
    }),
    size: variant(bodyFlags.size, {
      description: 'size of a request, and with --with-serve of a reply, in bytes (default: 128)',
    }),
    rate: variant(pacingFlags.rate, {description: 'requests per second, minute or hour, all clients together'}),
    subjects: benchFlags.subjects,
    window: variant(pacingFlags.window, {description: 'requests in flight per client (default: 1, with --rate 1000)'}),
    'with-serve': benchFlags['with-serve'],
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(BenchReq)
    await this.bench('req', {...flags, ...args})
  }
}
