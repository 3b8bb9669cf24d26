import {argument} from '../../lib/cli/flags/kinds.ts'
import {BenchCommand, benchCallFlags} from './bench-command.ts'

export default class BenchRpc extends BenchCommand {
  static override summary = 'measure how fast RPC methods answer'
  static override description =
    'The clients call a method by its subject, as listed by bus rpc ls. Latency is the time until the answer.'
  static override examples = [
    {
      description: 'both sides, 16 calls at a time',
      command: `<%= config.bin %> bench rpc --msgs 2000 --window 16 --with-serve`,
    },
  ]
  static override args = {
    subject: argument({description: 'subject of the method (default: bench)'}),
  }
  static override flags = benchCallFlags('calls')

  async run(): Promise<void> {
    const {args, flags} = await this.parse(BenchRpc)
    await this.bench('rpc', {...flags, ...args})
  }
}
