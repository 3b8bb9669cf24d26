import {BusCommand} from '../../lib/cli/base/command.ts'
import {age} from '../../lib/cli/flags/kinds.ts'
import {counted} from '../../lib/cli/render/units.ts'
import {keysArgs} from './entries.ts'
import {checkRemoval, type KvRemovalResult, removalFlags, removeKeys} from './removal-plan.ts'
import {bucketOn} from './settings.ts'

export default class KvPurge extends BusCommand<KvRemovalResult> {
  static override summary = 'delete keys with their history'
  static override description =
    'A marker stays, which watchers see; with --ttl it is removed after that time. With a pattern the command asks for confirmation; without a terminal it needs --yes.'
  static override examples = [
    {description: 'one key', command: '<%= config.bin %> kv purge config log.level'},
    {description: 'many keys, in a script', command: `<%= config.bin %> kv purge config 'log.>' --yes`},
  ]
  static override args = keysArgs
  static override flags = {
    ...removalFlags,
    ttl: age('the marker expires after this time; the bucket has to allow it (at least 1s)'),
  }

  async run(): Promise<KvRemovalResult> {
    const {args, flags} = await this.parse(KvPurge)
    const keys = checkRemoval(args.key, flags.revision)
    await using bus = await this.openBus({writes: true})
    const bucket = bucketOn(bus.streams, args.bucket)
    const {revision, ttl: ttlMs, yes} = flags
    const removed = await removeKeys(bucket, {keys, operation: 'PURGE', revision, ttlMs, yes, signal: this.stop})
    if (!this.jsonEnabled()) this.say(`purged ${counted(removed.length, 'key')} of ${bucket.name}`)
    return {bucket: bucket.name, removed}
  }
}
