import {BusCommand} from '../../lib/cli/base/command.ts'
import {confirm} from '../../lib/cli/base/confirm.ts'
import {streamArgs, streamFlags} from '../../lib/cli/flags/stream.ts'
import {counted, formatBytes} from '../../lib/cli/render/units.ts'
import type {StreamInfo} from '../../lib/transport/streams-contract.ts'

/** What `--json` prints. */
export interface StreamRmResult {
  readonly removed: string
  readonly messages: number
  readonly consumers: number
}

export default class StreamRm extends BusCommand<StreamRmResult> {
  static override summary = 'remove a stream with its messages and consumers'
  static override description = 'The command asks for confirmation; without a terminal it needs --yes.'
  static override examples = [{description: 'in a script', command: '<%= config.bin %> stream rm ORDERS --yes'}]
  static override args = streamArgs
  static override flags = {yes: streamFlags.yes}

  async run(): Promise<StreamRmResult> {
    const {args, flags} = await this.parse(StreamRm)
    await using bus = await this.openBus({writes: true})
    const info = await bus.streams.info(args.stream)
    await confirm(`remove stream ${args.stream} with ${holding(info)}`, {yes: flags.yes, signal: this.stop})
    await bus.streams.remove(args.stream)
    if (!this.jsonEnabled()) this.say(`removed stream ${args.stream} with ${holding(info)}`)
    return {removed: args.stream, messages: info.state.messages, consumers: info.state.consumers}
  }
}

/** `1,234 messages (1.2 MiB) and 2 consumers` */
export function holding({state}: StreamInfo): string {
  const messages = `${counted(state.messages, 'message')} (${formatBytes(state.bytes)})`
  return state.consumers === 0 ? messages : `${messages} and ${counted(state.consumers, 'consumer')}`
}
