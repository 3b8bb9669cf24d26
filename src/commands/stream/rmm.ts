import {BusCommand} from '../../lib/cli/base/command.ts'
import {confirm} from '../../lib/cli/base/confirm.ts'
import {argument} from '../../lib/cli/flags/kinds.ts'
import {streamArgs, streamFlags} from '../../lib/cli/flags/stream.ts'
import {formatMoment} from '../../lib/cli/render/units.ts'
import {BusError} from '../../lib/core/errors.ts'

/** What `--json` prints. */
export interface StreamRmmResult {
  readonly stream: string
  readonly erased: number
  readonly subject: string
}

export default class StreamRmm extends BusCommand<StreamRmmResult> {
  static override summary = 'erase one message of a stream'
  static override description =
    'The server overwrites the message; a bus file does the same, but the log beside it may contain it until the next checkpoint. The command asks for confirmation; without a terminal it needs --yes.'
  static override examples = [{description: 'in a script', command: '<%= config.bin %> stream rmm ORDERS 1 --yes'}]
  static override args = {
    ...streamArgs,
    seq: argument({description: 'sequence of the message', required: true}),
  }
  static override flags = {yes: streamFlags.yes}

  async run(): Promise<StreamRmmResult> {
    const {args, flags} = await this.parse(StreamRmm)
    const seq = Number(args.seq)
    if (!/^\d+$/.test(args.seq) || seq < 1) {
      throw new BusError('usage', `${JSON.stringify(args.seq)} is not a sequence`, {try: ['bus stream get STREAM SEQ']})
    }
    await using bus = await this.openBus({writes: true})
    const {subject, time} = await bus.streams.get(args.stream, seq)
    const what = `#${seq} of stream ${args.stream} ("${subject}", ${formatMoment(time)})`
    await confirm(`erase ${what}`, {yes: flags.yes, signal: this.stop})
    await bus.streams.erase(args.stream, seq)
    if (!this.jsonEnabled()) this.say(`erased #${seq} of stream ${args.stream}`)
    return {stream: args.stream, erased: seq, subject}
  }
}
