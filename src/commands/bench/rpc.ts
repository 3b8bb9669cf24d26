import {string} from '@oclif/core/args'
import * as flags from '../../lib/cli/flags/flags.ts'
import {BenchCommand} from './bench-command.ts'

export default class BenchRpc extends BenchCommand {
  static override summary = 'measure how fast RPC methods answer'
  static override description =
    'Calls a method by its subject, as bus rpc ls shows it. A latency is the time to the answer.'
  static override examples = [
    {
      description: 'both sides, 16 calls at a time',
      command: `<%= config.bin %> bench rpc --msgs 2000 --window 16 --with-serve`,
    },
  ]
  static override args = {
    subject: string({description: 'the subject of the method (default: bench)'}),
  }
  static override flags = {
    msgs: flags.msgs({description: 'how many calls in all (default: 10000, or what --for allows)'}),
    size: flags.size({description: 'bytes of a request, and with --with-serve of a reply (default: 128)'}),
    rate: flags.rate({description: 'so many calls a second, minute or hour, all clients together'}),
    subjects: flags.subjects(),
    window: flags.window({description: 'how many calls of a client may be under way (default: 1, with --rate 1000)'}),
    'with-serve': flags.withServe(),
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(BenchRpc)
    await this.bench('rpc', {...flags, ...args})
  }
}
