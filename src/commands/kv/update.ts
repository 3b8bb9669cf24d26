import {BusCommand} from '../../lib/cli/base/command.ts'
import {count, required} from '../../lib/cli/flags/kinds.ts'
import {lostRace} from './entries.ts'
import {bucketOn} from './settings.ts'
import {type KvWriteResult, readValue, valueArgs, valueFlags} from './write-plan.ts'

export default class KvUpdate extends BusCommand<KvWriteResult> {
  static override summary = 'set a key if it still has a revision'
  static override description =
    'If another client has changed the key in the meantime, nothing changes and the exit code is 9. The error says which revision it has now.'
  static override examples = [
    {
      description: 'if it is still the first change of the bucket',
      command: '<%= config.bin %> kv update config log.level warn --revision 1',
    },
  ]
  static override args = valueArgs
  static override flags = {...valueFlags, revision: required(count('the revision that the key must have'))}

  async run(): Promise<KvWriteResult> {
    const {args, flags} = await this.parse(KvUpdate)
    const value = await readValue(args, flags, this.stop)
    await using bus = await this.openBus({writes: true})
    const {key} = args
    const bucket = bucketOn(bus.streams, args.bucket)
    const revision = await bucket.update(key, value, flags.revision)
    if (revision === undefined) throw await lostRace(bucket, key, flags.revision)
    if (!this.jsonEnabled()) this.say(`updated ${key} in ${bucket.name}, revision ${revision}`)
    return {bucket: bucket.name, key, revision}
  }
}
