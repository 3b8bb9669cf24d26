import {string} from '@oclif/core/args'
import {benchFlags} from '../../lib/cli/flags/bench.ts'
import {bodyFlags} from '../../lib/cli/flags/body.ts'
import {variant} from '../../lib/cli/flags/kinds.ts'
import {pacingFlags} from '../../lib/cli/flags/pacing.ts'
import {BenchCommand} from './bench-command.ts'

export default class BenchRpc extends BenchCommand {
  static override summary = 'measure how fast RPC methods answer'
  static override description =
    'Calls a method by its subject, as listed by bus rpc ls. A latency is the time until the answer.'
  static override examples = [
    {
      description: 'both sides, 16 calls at a time',
      command: `<%= config.bin %> bench rpc --msgs 2000 --window 16 --with-serve`,
    },
  ]
  static override args = {
    subject: string({description: 'subject of the method (default: bench)'}),
  }
  static override flags = {
    msgs: variant(benchFlags.msgs, {
      description: 'number of calls in total (default: 10000, or as many as --for allows)',
    }),
    size: variant(bodyFlags.size, {
      description: 'size of a request, and with --with-serve of a reply, in bytes (default: 128)',
    }),
    rate: variant(pacingFlags.rate, {description: 'calls per second, minute or hour, all clients together'}),
    subjects: benchFlags.subjects,
    window: variant(pacingFlags.window, {description: 'calls in flight per client (default: 1, with --rate 1000)'}),
    'with-serve': benchFlags['with-serve'],
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(BenchRpc)
    await this.bench('rpc', {...flags, ...args})
  }
}
