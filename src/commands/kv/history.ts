import {BusCommand} from '../../lib/cli/base/command.ts'
import {isTerminal} from '../../lib/cli/io/terminal.ts'
import {checkKeyPattern} from '../../lib/messaging/kv/names.ts'
import {chooseEntryView, entryViewFlags, keysArgs, noKeys} from './entries.ts'
import {bucketOn} from './settings.ts'

export default class KvHistory extends BusCommand {
  static override summary = 'show the changes of keys that are stored'
  static override description =
    'In the order in which they were made, with deletions. How many are kept for each key is a setting of the bucket: --history of bus kv add.'
  static override examples = [
    {description: 'one key', command: '<%= config.bin %> kv history config log.level'},
    {description: 'of all keys, as JSON', command: `<%= config.bin %> kv history config '>' --json`},
  ]
  static override args = keysArgs
  static override flags = entryViewFlags

  async run(): Promise<void> {
    const {args, flags} = await this.parse(KvHistory)
    const patterns = args.key.map(checkKeyPattern)
    const show = await chooseEntryView(args.bucket, flags, {terminal: isTerminal(1), paint: await this.paint(1)})
    await using bus = await this.openBus()
    const bucket = bucketOn(bus.streams, args.bucket)
    await using reading = await bucket.read({patterns, from: 'all', signal: this.stop})
    let found = 0
    for (;;) {
      const messages = await reading.take(256)
      if (messages.length === 0) break
      found += messages.length
      await show(
        messages.map((message) => bucket.entry(message)),
        this.output,
      )
      await this.output.ready()
    }
    if (found === 0 && !this.stop.aborted) throw noKeys(args.bucket, patterns)
  }
}
