import {string} from '@oclif/core/args'
import {BusCommand} from '../../lib/cli/base/command.ts'
import {confirm} from '../../lib/cli/base/confirm.ts'
import * as flags from '../../lib/cli/flags/flags.ts'
import {firstFrom, resetAt} from '../../lib/messaging/stored/places.ts'
import {type ConsumerDocument, consumerDocument, movedText, moveText} from './settings.ts'

/** What `--json` prints: the consumer as it is now, and where it was. */
export interface ConsumerResetResult extends ConsumerDocument {
  readonly before: Pick<ConsumerDocument, 'ackFloor' | 'deliveredSeq' | 'pending' | 'ackPending' | 'lag'>
}

export default class ConsumerReset extends BusCommand<ConsumerResetResult> {
  static override summary = 'move a consumer to another place in its stream'
  static override description =
    'What comes after that place is delivered (again), what comes before it is not. It asks before; without a terminal it needs --yes.'
  static override examples = [
    {description: 'everything again', command: '<%= config.bin %> consumer reset ORDERS billing --to first'},
    {
      description: 'the last quarter of an hour again, in a script',
      command: '<%= config.bin %> consumer reset ORDERS billing --to @-15m --yes',
    },
  ]
  static override args = {
    stream: string({description: 'which stream', required: true}),
    consumer: string({description: 'which consumer', required: true}),
  }
  static override flags = {to: flags.toPosition(), yes: flags.yes()}

  async run(): Promise<ConsumerResetResult> {
    const {args, flags} = await this.parse(ConsumerReset)
    const {stream, consumer} = args
    await using bus = await this.openBus()
    const before = await bus.streams.consumers.info(stream, consumer)
    const to = resetAt(flags.to)
    const seq = to && (await firstFrom(bus.streams, stream, to, before.config.filters))
    await confirm(moveText(before, flags.to, seq), {yes: flags.yes, signal: this.stop})
    const after = await bus.streams.consumers.reset(stream, consumer, to)
    if (!this.jsonEnabled()) this.say(movedText(before, after))
    const {ackFloor, deliveredSeq, pending, ackPending, lag} = consumerDocument(before)
    return {...consumerDocument(after), before: {ackFloor, deliveredSeq, pending, ackPending, lag}}
  }
}
