import {BusCommand} from '../../lib/cli/base/command.ts'
import {confirm} from '../../lib/cli/base/confirm.ts'
import {streamArgs, streamFlags} from '../../lib/cli/flags/stream.ts'
import {holding} from './rm.ts'
import {type StreamDocument, streamDocument} from './settings.ts'

export default class StreamSeal extends BusCommand<StreamDocument> {
  static override summary = 'refuse every further change of a stream, for good'
  static override description =
    'A sealed stream accepts no messages and removes none. Only stream rm ends it. The command asks for confirmation; without a terminal it needs --yes.'
  static override examples = [{description: 'in a script', command: '<%= config.bin %> stream seal ORDERS --yes'}]
  static override args = streamArgs
  static override flags = {yes: streamFlags.yes}

  async run(): Promise<StreamDocument> {
    const {args, flags} = await this.parse(StreamSeal)
    await using bus = await this.openBus({writes: true})
    const info = await bus.streams.info(args.stream)
    const what = `stream ${args.stream} with ${holding(info)}`
    await confirm(`seal ${what}, which cannot be undone`, {yes: flags.yes, signal: this.stop})
    const sealed = await bus.streams.update(args.stream, {sealed: true})
    if (!this.jsonEnabled()) this.say(`sealed stream ${args.stream}`)
    return streamDocument(sealed)
  }
}
