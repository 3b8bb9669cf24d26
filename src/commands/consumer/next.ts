import {string} from '@oclif/core/args'
import {BusCommand} from '../../lib/cli/base/command.ts'
import * as flags from '../../lib/cli/flags/flags.ts'
import {isTerminal} from '../../lib/cli/io/terminal.ts'
import {peekNext, takeNext} from '../../lib/messaging/stored/next.ts'
import {checkTaken, planNext, takenText} from './next-plan.ts'

export default class ConsumerNext extends BusCommand {
  static override summary = 'show the next messages of a durable consumer, and settle them'
  static override description =
    'A message is acknowledged only after it was written to stdout. With --peek the messages from the ack floor on are read from the stream: the consumer does not notice. Fewer messages than asked in time (--timeout, for all of them) are exit code 6.'
  static override examples = [
    {description: 'one, acknowledged', command: '<%= config.bin %> consumer next ORDERS billing'},
    {
      description: 'what would come, and nothing is touched',
      command: '<%= config.bin %> consumer next ORDERS billing --peek -n 10',
    },
    {
      description: 'a hundred records for a program',
      command: '<%= config.bin %> consumer next ORDERS billing -n 100 --json > batch.ndjson',
    },
    {
      description: 'one back, for later',
      command: '<%= config.bin %> consumer next ORDERS billing --nak --delay 30s',
    },
  ]
  static override args = {
    stream: string({description: 'which stream', required: true}),
    consumer: string({description: 'which consumer', required: true}),
  }
  static override flags = {
    count: flags.count({description: 'how many messages (default: 1)'}),
    ack: flags.ack(),
    nak: flags.nak(),
    delay: flags.delay({description: 'with --nak: deliver again after so long, one duration or a range'}),
    term: flags.term(),
    peek: flags.peek(),
    raw: flags.raw(),
    delimiter: flags.delimiter(),
    format: flags.format(),
    'headers-only': flags.headersOnly(),
    'subjects-only': flags.subjectsOnly(),
    select: flags.select(),
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(ConsumerNext)
    const {stream, consumer} = args
    const {count = 1} = flags
    const screen = {terminal: isTerminal(1), paint: await this.paint(1), onFailure: (line: string) => this.say(line)}
    const {settle, delayMs, show} = await planNext(flags, screen, this.output)
    await using bus = await this.openBus()
    const options = {count, show, signal: this.stop}
    const taken =
      settle === undefined
        ? await peekNext(bus.streams, stream, consumer, options)
        : await takeNext(bus.streams, stream, consumer, {...options, timeoutMs: flags.timeout, settle, delayMs})
    this.say(takenText(taken, settle))
    checkTaken(taken, {count, stream, consumer, timeoutMs: flags.timeout, settle, stopped: this.stop.aborted})
  }
}
