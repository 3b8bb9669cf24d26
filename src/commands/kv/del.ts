import {BusCommand} from '../../lib/cli/base/command.ts'
import {counted} from '../../lib/cli/render/units.ts'
import {keysArgs} from './entries.ts'
import {checkRemoval, type KvRemovalResult, removalFlags, removeKeys} from './removal-plan.ts'
import {bucketOn} from './settings.ts'

export default class KvDel extends BusCommand<KvRemovalResult> {
  static override summary = 'delete keys; their history stays'
  static override description =
    'A marker takes the place of the value, and watchers see it. Earlier values stay as long as the history of the bucket allows; bus kv purge removes them too. With a pattern the command asks for confirmation; without a terminal it needs --yes.'
  static override examples = [
    {description: 'one key', command: '<%= config.bin %> kv del config log.level'},
    {
      description: 'unless someone has changed it',
      command: '<%= config.bin %> kv del config log.level --revision 1',
    },
    {description: 'many keys, in a script', command: `<%= config.bin %> kv del config 'log.>' --yes`},
  ]
  static override args = keysArgs
  static override flags = removalFlags

  async run(): Promise<KvRemovalResult> {
    const {args, flags} = await this.parse(KvDel)
    const keys = checkRemoval(args.key, flags.revision)
    await using bus = await this.openBus({writes: true})
    const bucket = bucketOn(bus.streams, args.bucket)
    const {revision, yes} = flags
    const removed = await removeKeys(bucket, {keys, operation: 'DEL', revision, yes, signal: this.stop})
    if (!this.jsonEnabled()) this.say(`deleted ${counted(removed.length, 'key')} of ${bucket.name}`)
    return {bucket: bucket.name, removed}
  }
}
