import {BusCommand} from '../../lib/cli/base/command.ts'
import {limitHeap} from '../../lib/cli/base/heap-limit.ts'
import {toggle, variant} from '../../lib/cli/flags/kinds.ts'
import {pacingFlags} from '../../lib/cli/flags/pacing.ts'
import {isTerminal} from '../../lib/cli/io/terminal.ts'
import {checkEnough, summaryLine} from '../../lib/cli/render/summary.ts'
import {checkKeyPattern} from '../../lib/messaging/kv/names.ts'
import {watch} from '../../lib/messaging/pubsub/watch.ts'
import {chooseEntryView, entryViewFlags, patternArgs} from './entries.ts'
import {bucketOn} from './settings.ts'

export default class KvWatch extends BusCommand {
  static override summary = 'show the values of keys, and then changes as they are made'
  static override description =
    'The command ends with --count, --for, --idle, Ctrl-C or a closed pipe. The exit code is 6 if fewer than --count changes were shown within --for or --idle.'
  static override examples = [
    {description: 'everything in a bucket', command: '<%= config.bin %> kv watch config'},
    {
      description: 'the next change of some keys, for at most a minute',
      command: `<%= config.bin %> kv watch config 'log.>' --new -n 1 --for 1m`,
    },
    {description: 'one line of JSON for each change', command: '<%= config.bin %> kv watch config --json'},
  ]
  static override args = patternArgs
  static override flags = {
    new: toggle('only changes that are made from now on', {exclusive: ['history']}),
    history: toggle('begin with all changes that are stored, not only the last one of each key'),
    'ignore-deletes': toggle('leave out deletions'),
    count: variant(pacingFlags.count, {description: 'end after this many changes'}),
    for: pacingFlags.for,
    idle: pacingFlags.idle,
    ...entryViewFlags,
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(KvWatch)
    const patterns = args.pattern?.map(checkKeyPattern)
    const show = await chooseEntryView(args.bucket, flags, {terminal: isTerminal(1), paint: await this.paint(1)})
    await using bus = await this.openBus({stream: true})
    const bucket = bucketOn(bus.streams, args.bucket)
    const from = flags.new ? 'new' : flags.history ? 'all' : 'last'
    const subscription = await bucket.read({patterns, from, follow: true})
    this.say(`listening on ${patterns?.join(' ') ?? 'all keys'} of ${bucket.name}`)
    limitHeap()
    const watched = await watch(subscription, {
      count: flags.count,
      forMs: flags.for,
      idleMs: flags.idle,
      show: async (batch, limit) => {
        const entries = batch.map((message) => bucket.entry(message))
        const kept = flags['ignore-deletes'] ? entries.filter(({operation}) => operation === 'put') : entries
        const shown = await show(kept.slice(0, limit), this.output)
        await this.output.ready()
        return shown
      },
      signal: this.stop,
      gone: this.output.closed,
      onEnd: ({kept, ms}) => this.say(summaryLine({changes: kept}, ms)),
    })
    checkEnough(watched, flags)
  }
}
