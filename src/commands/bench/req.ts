import {argument} from '../../lib/cli/flags/kinds.ts'
import {BenchCommand, benchCallFlags} from './bench-command.ts'

export default class BenchReq extends BenchCommand {
  static override summary = 'measure how fast requests are answered'
  static override description =
    'Latency is the time until the reply. With --rate it is measured from the time the request was due, so a stall shows in every request that it delayed.'
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
    subject: argument({description: 'subject to send requests to (default: bench)'}),
  }
  static override flags = benchCallFlags('requests')

  async run(): Promise<void> {
    const {args, flags} = await this.parse(BenchReq)
    await this.bench('req', {...flags, ...args})
  }
}
