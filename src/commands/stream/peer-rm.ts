import {BusCommand} from '../../lib/cli/base/command.ts'
import {confirm} from '../../lib/cli/base/confirm.ts'
import {argument} from '../../lib/cli/flags/kinds.ts'
import {streamArgs, streamFlags} from '../../lib/cli/flags/stream.ts'
import {serversOf} from '../../lib/messaging/stored/leader.ts'

/** What `--json` prints. */
export interface StreamPeerRmResult {
  readonly stream: string
  readonly removed: string
}

export default class StreamPeerRm extends BusCommand<StreamPeerRmResult> {
  static override summary = 'remove the copy of a stream from a server'
  static override description =
    'For a server that is gone for good. Another server of the cluster gets a copy, if there is one without. stream info names the servers. The command asks for confirmation; without a terminal it needs --yes.'
  static override examples = [
    {description: 'the server three is gone for good', command: '<%= config.bin %> stream peer-rm ORDERS three --yes'},
  ]
  static override args = {...streamArgs, server: argument({description: 'name of the server', required: true})}
  static override flags = {yes: streamFlags.yes}

  async run(): Promise<StreamPeerRmResult> {
    const {args, flags} = await this.parse(StreamPeerRm)
    const {stream, server} = args
    await using bus = await this.openBus({writes: true})
    await bus.streams.info(stream)
    const servers = serversOf(bus)
    await confirm(`remove the copy of stream ${stream} from the server ${server}`, {yes: flags.yes, signal: this.stop})
    await servers.removePeer(stream, server)
    if (!this.jsonEnabled()) this.say(`removed the copy of stream ${stream} from ${server}`)
    return {stream, removed: server}
  }
}
