import {benchFlags} from '../../lib/cli/flags/bench.ts'
import {bodyFlags} from '../../lib/cli/flags/body.ts'
import {consumerFlags} from '../../lib/cli/flags/consumer.ts'
import {argument, variant} from '../../lib/cli/flags/kinds.ts'
import {pacingFlags} from '../../lib/cli/flags/pacing.ts'
import {BenchCommand} from './bench-command.ts'

export default class BenchPub extends BenchCommand {
  static override summary = 'measure how fast a bus accepts messages'
  static override description =
    'Latency is the time until the bus has the message or, with --ack, until a stream has stored it. With --rate it is measured from the time the message was due, so a stall shows in every message that it delayed. With --with-sub a subscriber measures how long delivery takes; lost messages are exit code 6.'
  static override examples = [
    {description: 'both sides on this machine', command: `<%= config.bin %> bench pub --msgs 20000 --with-sub`},
    {
      description: 'four publishers at a steady rate, for two seconds',
      command: `<%= config.bin %> bench pub load --clients 4 --rate 2000/s --for 2s`,
    },
    {description: 'for a spreadsheet', command: `<%= config.bin %> bench pub --msgs 10000 --csv`},
  ]
  static override args = {
    subject: argument({description: 'subject to publish to (default: bench)'}),
  }
  static override flags = {
    msgs: variant(benchFlags.msgs, {
      description: 'number of messages in total (default: 100000, or as many as --for allows)',
    }),
    size: variant(bodyFlags.size, {description: 'size of a message in bytes (default: 128)'}),
    rate: variant(pacingFlags.rate, {description: 'messages per second, minute or hour, all clients together'}),
    subjects: benchFlags.subjects,
    batch: benchFlags.batch,
    ack: variant(consumerFlags.ack, {description: 'wait until a stream has stored each message'}),
    window: pacingFlags.window,
    'with-sub': benchFlags['with-sub'],
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(BenchPub)
    await this.bench('pub', {...flags, ...args})
  }
}
