import {BusCommand} from '../../lib/cli/base/command.ts'
import {confirm} from '../../lib/cli/base/confirm.ts'
import {streamArgs, streamFlags} from '../../lib/cli/flags/stream.ts'
import {newLeader, serversOf} from '../../lib/messaging/stored/leader.ts'
import {noStepDown} from '../../lib/transport/server-requests.ts'

/** What `--json` prints. */
export interface StreamStepDownResult {
  readonly stream: string
  /** The server that led it, and the one that does now; null if there is none yet. */
  readonly before: string
  readonly leader: string | null
}

export default class StreamStepDown extends BusCommand<StreamStepDownResult> {
  static override summary = 'let another server lead a stream'
  static override description =
    'For a stream with replicas in a cluster; publishers wait until the new leader is elected. The command asks for confirmation; without a terminal it needs --yes.'
  static override examples = [
    {description: 'before its leader is restarted', command: '<%= config.bin %> stream step-down ORDERS --yes'},
  ]
  static override args = streamArgs
  static override flags = {yes: streamFlags.yes}

  async run(): Promise<StreamStepDownResult> {
    const {args, flags} = await this.parse(StreamStepDown)
    const {stream} = args
    await using bus = await this.openBus({writes: true})
    const {leader: before, peers = []} = await bus.streams.info(stream)
    if (before === undefined || peers.length === 0) throw noStepDown(stream)
    await confirm(`take the lead of stream ${stream} from ${before}`, {yes: flags.yes, signal: this.stop})
    await serversOf(bus).stepDown(stream)
    const leader = await newLeader(() => bus.streams.info(stream), before, this.stop)
    if (!this.jsonEnabled()) this.say(`stream ${stream} is led by ${leader ?? 'no server yet'}; before by ${before}`)
    return {stream, before, leader: leader ?? null}
  }
}
