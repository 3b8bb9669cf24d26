import {BusCommand} from '../../lib/cli/base/command.ts'
import {count} from '../../lib/cli/flags/kinds.ts'
import {isTerminal} from '../../lib/cli/io/terminal.ts'
import {viewKindOf} from '../../lib/cli/render/view.ts'
import {BusError} from '../../lib/core/errors.ts'
import {hasWildcard} from '../../lib/core/subject.ts'
import {shellWord} from '../../lib/core/text/shell-word.ts'
import type {Bucket} from '../../lib/messaging/kv/bucket.ts'
import type {KvEntry} from '../../lib/messaging/kv/entry.ts'
import {checkKeyPattern} from '../../lib/messaging/kv/names.ts'
import {chooseEntryView, entryViewFlags, keysArgs, noKeys, noValue} from './entries.ts'
import {bucketOn} from './settings.ts'

export default class KvGet extends BusCommand {
  static override summary = 'show the values of keys'
  static override description = [
    'A pipe gets the value byte for byte; with several keys or a pattern, a newline follows each value. A terminal shows revision, time, key and value.',
    'A key that does not exist, or was deleted, is exit code 5. In a cluster any replica may answer, as with other clients, and it may be a moment behind.',
  ].join('\n\n')
  static override examples = [
    {description: 'one value', command: '<%= config.bin %> kv get config log.level'},
    {description: 'what it was before', command: '<%= config.bin %> kv get config log.level --revision 1'},
    {
      description: 'all values of a kind, one line of JSON for each',
      command: `<%= config.bin %> kv get config 'log.>' --json`,
    },
  ]
  static override args = keysArgs
  static override flags = {
    revision: count('the value as of this revision'),
    ...entryViewFlags,
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(KvGet)
    const keys = args.key.map(checkKeyPattern)
    const [key = ''] = keys
    const isSingle = keys.length === 1 && !hasWildcard(key)
    if (!isSingle && flags.revision !== undefined)
      throw new BusError('usage', 'a revision belongs to one key', {
        try: [`bus kv history ${shellWord(args.bucket)} KEY`],
      })
    const isPlain = viewKindOf(flags) === undefined && !isTerminal(1)
    const show = await chooseEntryView(args.bucket, isPlain ? {...flags, raw: true} : flags, {
      terminal: isTerminal(1),
      paint: await this.paint(1),
      single: isSingle,
    })
    await using bus = await this.openBus()
    const bucket = bucketOn(bus.streams, args.bucket)
    if (isSingle) {
      await show([await single(bucket, key, flags.revision)], this.output)
      return
    }
    const missing = new Set(keys)
    await using reading = await bucket.read({patterns: keys, signal: this.stop})
    let found = 0
    for (;;) {
      const messages = await reading.take(256)
      if (messages.length === 0) break
      const entries = messages.map((message) => bucket.entry(message)).filter(({operation}) => operation === 'put')
      for (const {key} of entries) missing.delete(key)
      found += entries.length
      await show(entries, this.output)
      await this.output.ready()
    }
    const none = found === 0 ? keys : [...missing].filter((each) => !hasWildcard(each))
    if (none.length > 0 && !this.stop.aborted) throw noKeys(args.bucket, none)
  }
}

async function single(bucket: Bucket, key: string, revision: number | undefined): Promise<KvEntry> {
  if (revision === undefined) {
    const entry = await bucket.last(key, {direct: true})
    if (entry?.operation === 'put') return entry
    throw noValue(bucket.name, key, entry)
  }
  const entry = await bucket.at(key, revision)
  if (entry?.operation === 'put') return entry
  if (entry !== undefined) throw noValue(bucket.name, key, entry)
  throw new BusError('notFound', `the bucket ${bucket.name} has no revision ${revision} of the key ${key}`, {
    data: {bucket: bucket.name, key, revision},
    try: [`bus kv history ${shellWord(bucket.name)} ${shellWord(key)}`],
  })
}
