import {string} from '@oclif/core/args'
import * as flags from '../../lib/cli/flags/flags.ts'
import {BenchCommand} from './bench-command.ts'

export default class BenchOpen extends BenchCommand {
  static override summary = 'measure how fast response streams are opened and read'
  static override description =
    'Each stream is read to its end. A latency is the time from the request to the close of the stream.'
  static override examples = [
    {
      description: 'both sides, 100 frames a stream',
      command: `<%= config.bin %> bench open --msgs 200 --frames 100 --with-serve`,
    },
  ]
  static override args = {
    subject: string({description: 'which streams to open (default: bench)'}),
  }
  static override flags = {
    msgs: flags.msgs({description: 'how many streams in all (default: 100, or what --for allows)'}),
    size: flags.size({description: 'bytes of a request, and with --with-serve of a frame (default: 128)'}),
    frames: flags.frames({description: 'with --with-serve: frames of each stream (default: 1)'}),
    rate: flags.rate({description: 'open so many streams a second, minute or hour, all clients together'}),
    window: flags.window({description: 'how many streams of a client may be open (default: 1, with --rate 1000)'}),
    'with-serve': flags.withServe(),
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(BenchOpen)
    await this.bench('open', {...flags, ...args})
  }
}
