import {BusCommand} from '../../lib/cli/base/command.ts'
import {confirm} from '../../lib/cli/base/confirm.ts'
import {filterFlags} from '../../lib/cli/flags/filter.ts'
import type {FlagValues} from '../../lib/cli/flags/kinds.ts'
import {count} from '../../lib/cli/flags/kinds.ts'
import {streamArgs, streamFlags} from '../../lib/cli/flags/stream.ts'
import {counted} from '../../lib/cli/render/units.ts'
import {enumeration} from '../../lib/core/text/enumeration.ts'
import {checkPurgeable} from '../../lib/transport/shared/stream-errors.ts'

/** What `--json` prints. */
export interface StreamPurgeResult {
  readonly stream: string
  /** Number of messages. */
  readonly purged: number
}

export default class StreamPurge extends BusCommand<StreamPurgeResult> {
  static override summary = 'remove messages from a stream'
  static override description =
    'Removes all messages, those of some subjects, or the oldest. The command asks for confirmation; without a terminal it needs --yes.'
  static override examples = [
    {description: 'all but the last thousand messages', command: '<%= config.bin %> stream purge ORDERS --keep 1000'},
    {
      description: 'the messages of one subject, in a script',
      command: '<%= config.bin %> stream purge ORDERS --filter orders.test --yes',
    },
  ]
  static override args = streamArgs
  static override flags = {
    filter: filterFlags.filter,
    before: count('only messages before this sequence', {exclusive: ['keep']}),
    keep: count('keep this many of the newest messages'),
    yes: streamFlags.yes,
  }

  async run(): Promise<StreamPurgeResult> {
    const {args, flags} = await this.parse(StreamPurge)
    await using bus = await this.openBus({writes: true})
    const {state, config} = await bus.streams.info(args.stream)
    checkPurgeable(bus.url, config)
    await confirm(purgeText(args.stream, state.messages, flags), {yes: flags.yes, signal: this.stop})
    let purged = 0
    for (const pattern of flags.filter ?? [undefined])
      purged += await bus.streams.purge(args.stream, {pattern, beforeSeq: flags.before, keep: flags.keep})
    if (!this.jsonEnabled()) this.say(`removed ${counted(purged, 'message')} from stream ${args.stream}`)
    return {stream: args.stream, purged}
  }
}

/** `remove all but the last 10 messages of orders.test from stream ORDERS, which has 1,234 messages` */
export function purgeText(
  stream: string,
  messages: number,
  {filter, before, keep}: FlagValues<typeof StreamPurge.flags>,
): string {
  const which =
    keep === undefined
      ? before === undefined
        ? 'all messages'
        : `all messages before #${before}`
      : `all but the last ${counted(keep, 'message')}`
  const of = filter?.length ? ` of ${enumeration(filter)}` : ''
  return `remove ${which}${of} from stream ${stream}, which has ${counted(messages, 'message')}`
}
