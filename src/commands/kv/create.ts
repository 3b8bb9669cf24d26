import {BusCommand} from '../../lib/cli/base/command.ts'
import {age} from '../../lib/cli/flags/kinds.ts'
import {lostRace} from './entries.ts'
import {bucketOn} from './settings.ts'
import {type KvWriteResult, readValue, valueArgs, valueFlags} from './write-plan.ts'

export default class KvCreate extends BusCommand<KvWriteResult> {
  static override summary = 'set a key that does not exist yet'
  static override description =
    'A key that was deleted does not exist. If it exists the exit code is 9 and nothing changes, so of several clients that run this at once exactly one succeeds.'
  static override examples = [
    {description: 'unless it exists', command: '<%= config.bin %> kv create config log.level info'},
    {description: 'a lock', command: '<%= config.bin %> kv create locks deploy "$HOSTNAME"'},
  ]
  static override args = valueArgs
  static override flags = {
    ...valueFlags,
    ttl: age('the key expires after this time; the bucket has to allow it (at least 1s)'),
  }

  async run(): Promise<KvWriteResult> {
    const {args, flags} = await this.parse(KvCreate)
    const value = await readValue(args, flags, this.stop)
    await using bus = await this.openBus({writes: true})
    const {key} = args
    const bucket = bucketOn(bus.streams, args.bucket)
    const revision = await bucket.update(key, value, 0, {ttlMs: flags.ttl})
    if (revision === undefined) throw await lostRace(bucket, key, 0)
    if (!this.jsonEnabled()) this.say(`created ${key} in ${bucket.name}, revision ${revision}`)
    return {bucket: bucket.name, key, revision}
  }
}
