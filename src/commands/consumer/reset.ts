import {BusCommand} from '../../lib/cli/base/command.ts'
import {confirm} from '../../lib/cli/base/confirm.ts'
import {consumerArgs} from '../../lib/cli/flags/consumer.ts'
import {required, value} from '../../lib/cli/flags/kinds.ts'
import {streamFlags} from '../../lib/cli/flags/stream.ts'
import {type Position, parsePosition} from '../../lib/core/position.ts'
import {firstFrom, resetAt} from '../../lib/messaging/stored/places.ts'
import {type ConsumerDocument, consumerDocument, movedText, moveText} from './settings.ts'

/** What `--json` prints: the consumer and its state before. */
export interface ConsumerResetResult extends ConsumerDocument {
  readonly before: Pick<ConsumerDocument, 'ackFloor' | 'deliveredSeq' | 'pending' | 'ackPending' | 'lag'>
}

export default class ConsumerReset extends BusCommand<ConsumerResetResult> {
  static override summary = 'move a consumer to another position in its stream'
  static override description =
    'Messages from that position on are delivered (again); earlier ones are not. The command asks for confirmation; without a terminal it needs --yes.'
  static override examples = [
    {description: 'all messages again', command: '<%= config.bin %> consumer reset ORDERS billing --to first'},
    {
      description: 'the last 15 minutes again, in a script',
      command: '<%= config.bin %> consumer reset ORDERS billing --to @-15m --yes',
    },
  ]
  static override args = consumerArgs
  static override flags = {
    to: required(
      value(
        'position of the next message: first, last, end, 1042, -100, @2026-11-20T10:00Z or @-15m',
        '<position>',
        (text): Position => parsePosition(text),
      ),
    ),
    yes: streamFlags.yes,
  }

  async run(): Promise<ConsumerResetResult> {
    const {args, flags} = await this.parse(ConsumerReset)
    const {stream, consumer} = args
    await using bus = await this.openBus({writes: true})
    const before = await bus.streams.consumers.info(stream, consumer)
    const to = resetAt(flags.to)
    const seq = to && (await firstFrom(bus.streams, stream, to, before.config.filters))
    await confirm(moveText(before, flags.to, seq), {yes: flags.yes, signal: this.stop})
    const after = await bus.streams.consumers.reset(stream, consumer, to)
    if (!this.jsonEnabled()) this.say(movedText(before, after, seq))
    const {ackFloor, deliveredSeq, pending, ackPending, lag} = consumerDocument(before)
    return {...consumerDocument(after), before: {ackFloor, deliveredSeq, pending, ackPending, lag}}
  }
}
