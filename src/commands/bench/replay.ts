import {benchFlags} from '../../lib/cli/flags/bench.ts'
import {bodyFlags} from '../../lib/cli/flags/body.ts'
import {globalFlags} from '../../lib/cli/flags/global.ts'
import {argument, variant} from '../../lib/cli/flags/kinds.ts'
import {pacingFlags} from '../../lib/cli/flags/pacing.ts'
import {streamFlags} from '../../lib/cli/flags/stream.ts'
import {BenchCommand} from './bench-command.ts'

export default class BenchReplay extends BenchCommand {
  static override summary = 'measure how fast stored messages are read'
  static override description =
    'Without STREAM, a temporary stream is filled for the measurement and removed afterwards. With --durable, all clients share a consumer and acknowledge every message; otherwise each reads the whole stream.'
  static override examples = [
    {description: 'a temporary stream', command: `<%= config.bin %> bench replay --msgs 10000`},
    {description: 'with acknowledgements', command: `<%= config.bin %> bench replay --durable worker --msgs 10000`},
    {description: 'an existing stream', command: `<%= config.bin %> bench replay ORDERS --clients 2`},
  ]
  static override args = {
    stream: argument({description: 'name of the stream'}),
  }
  static override flags = {
    msgs: variant(benchFlags.msgs, {description: 'number of messages (default: all; 100000 in a temporary stream)'}),
    size: variant(bodyFlags.size, {description: 'size of a message in a temporary stream, in bytes (default: 128)'}),
    batch: variant(benchFlags.batch, {description: 'messages to take at a time (default: 1000)'}),
    durable: streamFlags.durable,
    'max-reconnects': variant(globalFlags['max-reconnects'], {
      helpGroup: '',
      description: 'reconnect attempts per server (default: 0, or 15 with --durable)',
    }),
    window: variant(pacingFlags.window, {description: 'messages to prefetch (default: 1000)'}),
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(BenchReplay)
    await this.bench('replay', {...flags, ...args})
  }
}
