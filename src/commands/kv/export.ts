import {BusCommand} from '../../lib/cli/base/command.ts'
import {toggle} from '../../lib/cli/flags/kinds.ts'
import {counted} from '../../lib/cli/render/units.ts'
import {interruptedError} from '../../lib/core/errors.ts'
import {entryWriter} from '../../lib/messaging/kv/entry-json.ts'
import {checkKeyPattern} from '../../lib/messaging/kv/names.ts'
import {patternArgs} from './entries.ts'
import {bucketOn} from './settings.ts'

export default class KvExport extends BusCommand {
  static override summary = 'write a bucket as lines of JSON'
  static override description =
    'A line for each key that has a value; with --history a line for each change that is stored. bus kv import reads them, also on another bus.'
  static override examples = [
    {description: 'into a file', command: '<%= config.bin %> kv export config > config.ndjson'},
    {
      description: 'some keys, to look at',
      command: `<%= config.bin %> kv export config 'log.>' | jq -r '.key + "=" + .text'`,
    },
  ]
  static override args = patternArgs
  static override flags = {history: toggle('all changes that are stored, with deletions')}

  async run(): Promise<void> {
    const {args, flags} = await this.parse(KvExport)
    const patterns = args.pattern?.map(checkKeyPattern)
    await using bus = await this.openBus()
    const bucket = bucketOn(bus.streams, args.bucket)
    const write = entryWriter(bucket.name)
    const from = flags.history ? 'all' : 'last'
    await using reading = await bucket.read({patterns, from, signal: this.stop})
    let written = 0
    for (;;) {
      const messages = await reading.take(256)
      if (messages.length === 0) break
      const entries = messages.map((message) => bucket.entry(message))
      for (const entry of flags.history ? entries : entries.filter(({operation}) => operation === 'put')) {
        this.output.write(`${write(entry)}\n`)
        written++
      }
      await this.output.ready()
    }
    if (this.stop.aborted) throw interruptedError()
    this.say(`${counted(written, flags.history ? 'change' : 'key')} of ${bucket.name}`)
  }
}
