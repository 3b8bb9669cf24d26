import {string} from '@oclif/core/args'
import * as flags from '../../lib/cli/flags/flags.ts'
import {BenchCommand} from './bench-command.ts'

export default class BenchPub extends BenchCommand {
  static override summary = 'measure how fast a bus takes messages'
  static override description =
    'A latency is the time until the bus has a message, with --ack until a stream has stored it. With --rate it begins when the message was due, so that a stall shows in all that it held up. With --with-sub a subscriber measures how long messages are on their way; messages that it loses are exit code 6.'
  static override examples = [
    {description: 'both sides on this machine', command: `<%= config.bin %> bench pub --msgs 20000 --with-sub`},
    {
      description: 'four publishers at a steady rate, for two seconds',
      command: `<%= config.bin %> bench pub load --clients 4 --rate 2000/s --for 2s`,
    },
    {description: 'for a spreadsheet', command: `<%= config.bin %> bench pub --msgs 10000 --csv`},
  ]
  static override args = {
    subject: string({description: 'where to publish (default: bench)'}),
  }
  static override flags = {
    msgs: flags.msgs({description: 'how many messages in all (default: 100000, or what --for allows)'}),
    size: flags.size({description: 'bytes of a message (default: 128)'}),
    rate: flags.rate({description: 'so many messages a second, minute or hour, all clients together'}),
    subjects: flags.subjects(),
    batch: flags.batchSize(),
    ack: flags.ack({description: 'wait until a stream has stored each message'}),
    window: flags.window(),
    'with-sub': flags.withSub(),
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(BenchPub)
    await this.bench('pub', {...flags, ...args})
  }
}
