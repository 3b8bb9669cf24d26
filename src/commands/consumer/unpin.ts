import {BusCommand} from '../../lib/cli/base/command.ts'
import {consumerArgs} from '../../lib/cli/flags/consumer.ts'
import {argument} from '../../lib/cli/flags/kinds.ts'

/** What `--json` prints. */
export interface ConsumerUnpinResult {
  readonly stream: string
  readonly consumer: string
  readonly unpinned: string
}

export default class ConsumerUnpin extends BusCommand<ConsumerUnpinResult> {
  static override summary = 'let another client of a priority group get the messages'
  static override description =
    'The server pins the client of the next request instead. A bus file has no priority groups.'
  static override args = {
    ...consumerArgs,
    group: argument({description: 'name of the priority group', required: true}),
  }

  async run(): Promise<ConsumerUnpinResult> {
    const {args} = await this.parse(ConsumerUnpin)
    const {stream, consumer, group} = args
    await using bus = await this.openBus({writes: true})
    await bus.streams.consumers.unpin(stream, consumer, group)
    if (!this.jsonEnabled()) this.say(`no client is pinned in the group ${group} of consumer ${consumer} any more`)
    return {stream, consumer, unpinned: group}
  }
}
