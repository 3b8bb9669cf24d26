import {BusCommand} from '../../lib/cli/base/command.ts'
import {consumerArgs} from '../../lib/cli/flags/consumer.ts'
import {isTerminal} from '../../lib/cli/io/terminal.ts'
import {formatMoment} from '../../lib/cli/render/units.ts'
import {peekNext, takeNext} from '../../lib/messaging/stored/next.ts'
import {stallReport} from '../../lib/messaging/stored/stall.ts'
import {checkTaken, nextFlags, planNext, takenText} from './next-plan.ts'

export default class ConsumerNext extends BusCommand {
  static override summary = 'show the next messages of a durable consumer and acknowledge them'
  static override description =
    'A message is acknowledged only after it has been written to stdout. With --peek, the messages after the ack floor are read from the stream and the consumer is not changed. The command exits with 6 if fewer messages than requested arrive within --timeout, which covers all of them, and at once if the consumer is paused for longer than that.'
  static override examples = [
    {description: 'one message, acknowledged', command: '<%= config.bin %> consumer next ORDERS billing'},
    {
      description: 'what would be delivered, without acknowledging it',
      command: '<%= config.bin %> consumer next ORDERS billing --peek -n 10',
    },
    {
      description: 'a hundred messages as records',
      command: '<%= config.bin %> consumer next ORDERS billing -n 100 --json > batch.ndjson',
    },
    {
      description: 'return a message, to be redelivered later',
      command: '<%= config.bin %> consumer next ORDERS billing --nak --delay 30s',
    },
  ]
  static override args = consumerArgs
  static override flags = nextFlags

  async run(): Promise<void> {
    const {args, flags} = await this.parse(ConsumerNext)
    const {stream, consumer} = args
    const {count = 1} = flags
    const screen = {terminal: isTerminal(1), paint: await this.paint(1), onFailure: (line: string) => this.say(line)}
    const deadlineMs = Date.now() + flags.timeout
    const {settle, delayMs, show} = await planNext(flags, screen, this.output)
    await using bus = await this.openBus({writes: !flags.peek, stream: count > 1})
    const options = {count, show, signal: this.stop}
    const taken =
      settle === undefined
        ? await peekNext(bus.streams, stream, consumer, options)
        : await takeNext(bus.streams, stream, consumer, {
            ...options,
            timeoutMs: flags.timeout,
            settle,
            delayMs,
            acceptLoss: flags.yes,
            onStall: stallReport(
              () => deadlineMs,
              (line) => this.say(line),
              formatMoment,
            ),
          })
    this.say(takenText(taken, settle))
    checkTaken(taken, {count, stream, consumer, timeoutMs: flags.timeout, settle, stopped: this.stop.aborted})
  }
}
