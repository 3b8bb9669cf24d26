import {BusCommand} from '../../lib/cli/base/command.ts'
import {confirm} from '../../lib/cli/base/confirm.ts'
import {consumerArgs} from '../../lib/cli/flags/consumer.ts'
import {streamFlags} from '../../lib/cli/flags/stream.ts'
import {newLeader, serversOf} from '../../lib/messaging/stored/leader.ts'
import {noStepDown} from '../../lib/transport/server-requests.ts'

/** What `--json` prints. */
export interface ConsumerStepDownResult {
  readonly stream: string
  readonly consumer: string
  /** The server that led it, and the one that does now; null if there is none yet. */
  readonly before: string
  readonly leader: string | null
}

export default class ConsumerStepDown extends BusCommand<ConsumerStepDownResult> {
  static override summary = 'let another server lead a consumer'
  static override description =
    'For a consumer with replicas in a cluster. The command asks for confirmation; without a terminal it needs --yes.'
  static override examples = [
    {
      description: 'before its leader is restarted',
      command: '<%= config.bin %> consumer step-down ORDERS billing --yes',
    },
  ]
  static override args = consumerArgs
  static override flags = {yes: streamFlags.yes}

  async run(): Promise<ConsumerStepDownResult> {
    const {args, flags} = await this.parse(ConsumerStepDown)
    const {stream, consumer} = args
    await using bus = await this.openBus({writes: true})
    const {leader: before, peers = []} = await bus.streams.consumers.info(stream, consumer)
    if (before === undefined || peers.length === 0) throw noStepDown(stream, consumer)
    const what = `consumer ${consumer} of ${stream}`
    await confirm(`take the lead of ${what} from ${before}`, {yes: flags.yes, signal: this.stop})
    await serversOf(bus).stepDown(stream, consumer)
    const leader = await newLeader(() => bus.streams.consumers.info(stream, consumer), before, this.stop)
    if (!this.jsonEnabled()) this.say(`${what} is led by ${leader ?? 'no server yet'}; before by ${before}`)
    return {stream, consumer, before, leader: leader ?? null}
  }
}
