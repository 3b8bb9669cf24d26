import {BusCommand} from '../../lib/cli/base/command.ts'
import {confirm} from '../../lib/cli/base/confirm.ts'
import {consumerArgs} from '../../lib/cli/flags/consumer.ts'
import {streamFlags} from '../../lib/cli/flags/stream.ts'

/** What `--json` prints. */
export interface ConsumerRmResult {
  readonly removed: string
  readonly stream: string
}

export default class ConsumerRm extends BusCommand<ConsumerRmResult> {
  static override summary = 'remove a consumer; the messages of its stream stay'
  static override description = 'The command asks for confirmation; without a terminal it needs --yes.'
  static override examples = [
    {description: 'in a script', command: '<%= config.bin %> consumer rm ORDERS billing --yes'},
  ]
  static override args = consumerArgs
  static override flags = {yes: streamFlags.yes}

  async run(): Promise<ConsumerRmResult> {
    const {args, flags} = await this.parse(ConsumerRm)
    const {stream, consumer} = args
    await using bus = await this.openBus({writes: true})
    const {ackFloor} = await bus.streams.consumers.info(stream, consumer)
    const what = `remove consumer ${consumer} of stream ${stream} with its ack floor #${ackFloor}`
    await confirm(what, {yes: flags.yes, signal: this.stop})
    await bus.streams.consumers.remove(stream, consumer)
    if (!this.jsonEnabled()) this.say(`removed consumer ${consumer} of stream ${stream}`)
    return {removed: consumer, stream}
  }
}
