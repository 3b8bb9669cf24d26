import {string} from '@oclif/core/args'
import {BusCommand} from '../../lib/cli/base/command.ts'
import {confirm} from '../../lib/cli/base/confirm.ts'
import * as flags from '../../lib/cli/flags/flags.ts'
import {counted} from '../../lib/cli/render/units.ts'
import {checkPurge, purgeText} from './settings.ts'

/** What `--json` prints. */
export interface StreamPurgeResult {
  readonly stream: string
  /** Messages. */
  readonly purged: number
}

export default class StreamPurge extends BusCommand<StreamPurgeResult> {
  static override summary = 'remove messages from a stream'
  static override description =
    'All of them, or those of some subjects, or the oldest. It asks before; without a terminal it needs --yes.'
  static override examples = [
    {description: 'all but the last thousand', command: '<%= config.bin %> stream purge ORDERS --keep 1000'},
    {
      description: 'one subject, in a script',
      command: '<%= config.bin %> stream purge ORDERS --filter orders.test --yes',
    },
  ]
  static override args = {stream: string({description: 'which stream', required: true})}
  static override flags = {
    filter: flags.filter(),
    before: flags.before(),
    keep: flags.keep(),
    yes: flags.yes(),
  }

  async run(): Promise<StreamPurgeResult> {
    const {args, flags} = await this.parse(StreamPurge)
    checkPurge(flags)
    await using bus = await this.openBus()
    const {state} = await bus.streams.info(args.stream)
    await confirm(purgeText(args.stream, state.messages, flags), {yes: flags.yes, signal: this.stop})
    let purged = 0
    for (const pattern of flags.filter ?? [undefined])
      purged += await bus.streams.purge(args.stream, {pattern, beforeSeq: flags.before, keep: flags.keep})
    if (!this.jsonEnabled()) this.say(`removed ${counted(purged, 'message')} from stream ${args.stream}`)
    return {stream: args.stream, purged}
  }
}
