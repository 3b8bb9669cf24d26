import {BusCommand} from '../../lib/cli/base/command.ts'
import {bucketOn} from './settings.ts'
import {type KvWriteResult, readValue, valueArgs, valueFlags} from './write-plan.ts'

export default class KvPut extends BusCommand<KvWriteResult> {
  static override summary = 'set a key, whatever its value was'
  static override description =
    'The value is the argument, a file, or stdin if neither is given and stdin is not a terminal. bus kv update sets a key only if nobody else has changed it, bus kv create only if it does not exist.'
  static override examples = [
    {description: 'a text', command: '<%= config.bin %> kv put config log.level debug'},
    {description: 'a file, byte for byte', command: '<%= config.bin %> kv put config tls.ca --file ca.pem'},
    {description: 'the output of a program', command: 'date | <%= config.bin %> kv put config last.deploy'},
  ]
  static override args = valueArgs
  static override flags = valueFlags

  async run(): Promise<KvWriteResult> {
    const {args, flags} = await this.parse(KvPut)
    const value = await readValue(args, flags, this.stop)
    await using bus = await this.openBus({writes: true})
    const {bucket, key} = args
    const revision = await bucketOn(bus.streams, bucket).put(key, value)
    if (!this.jsonEnabled()) this.say(`set ${key} in ${bucket}, revision ${revision}`)
    return {bucket, key, revision}
  }
}
