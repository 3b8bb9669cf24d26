import {benchFlags} from '../../lib/cli/flags/bench.ts'
import {bodyFlags} from '../../lib/cli/flags/body.ts'
import {argument, variant} from '../../lib/cli/flags/kinds.ts'
import {pacingFlags} from '../../lib/cli/flags/pacing.ts'
import {BenchCommand} from './bench-command.ts'

export default class BenchOpen extends BenchCommand {
  static override summary = 'measure how fast response streams are opened and read'
  static override description =
    'Each response stream is read to its end. Latency is the time from the request to the close.'
  static override examples = [
    {
      description: 'both sides, 100 frames per response stream',
      command: `<%= config.bin %> bench open --msgs 200 --frames 100 --with-serve`,
    },
  ]
  static override args = {
    subject: argument({description: 'subject to send the requests to (default: bench)'}),
  }
  static override flags = {
    msgs: variant(benchFlags.msgs, {
      description: 'number of response streams in total (default: 100, or as many as --for allows)',
    }),
    size: variant(bodyFlags.size, {
      description: 'size of a request, and with --with-serve of a frame, in bytes (default: 128)',
    }),
    frames: variant(benchFlags.frames, {description: 'with --with-serve: frames per response stream (default: 1)'}),
    rate: variant(pacingFlags.rate, {description: 'response streams per second, minute or hour, all clients together'}),
    window: variant(pacingFlags.window, {
      description: 'response streams open at the same time per client (default: 1, with --rate 1000)',
    }),
    'with-serve': benchFlags['with-serve'],
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(BenchOpen)
    await this.bench('open', {...flags, ...args})
  }
}
