import {string} from '@oclif/core/args'
import * as flags from '../../lib/cli/flags/flags.ts'
import {BenchCommand} from './bench-command.ts'

export default class BenchReplay extends BenchCommand {
  static override summary = 'measure how fast stored messages are read'
  static override description =
    'Without a stream one is filled for the measurement and removed afterwards. With --durable clients share a consumer and acknowledge everything; else each reads the whole stream.'
  static override examples = [
    {description: 'a stream of its own', command: `<%= config.bin %> bench replay --msgs 10000`},
    {description: 'with acknowledgements', command: `<%= config.bin %> bench replay --durable worker --msgs 10000`},
    {description: 'a stream that is there', command: `<%= config.bin %> bench replay ORDERS --clients 2`},
  ]
  static override args = {
    stream: string({description: 'which stream'}),
  }
  static override flags = {
    msgs: flags.msgs({description: 'how many messages (default: all, and 100000 in a stream of its own)'}),
    size: flags.size({description: 'bytes of a message in a stream of its own (default: 128)'}),
    batch: flags.batchSize({description: 'take so many at a time (default: 1000)'}),
    durable: flags.durable(),
    window: flags.window({description: 'how many messages to have ready (default: 1000)'}),
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(BenchReplay)
    await this.bench('replay', {...flags, ...args})
  }
}
