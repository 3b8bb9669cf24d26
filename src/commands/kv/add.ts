import {BusCommand} from '../../lib/cli/base/command.ts'
import {streamFlags} from '../../lib/cli/flags/stream.ts'
import {shellWord} from '../../lib/core/text/shell-word.ts'
import {addBucket, bucketStream, kvPrefix} from '../../lib/messaging/kv/settings.ts'
import {findOrMake} from '../../lib/messaging/stored/find.ts'
import {type BucketDocument, bucketArgs, bucketDocument, bucketFlags, bucketSettingsOf} from './settings.ts'

export default class KvAdd extends BusCommand<BucketDocument> {
  static override summary = 'create a key-value bucket'
  static override description =
    'Other NATS clients can use the bucket, which is the stream KV_BUCKET. If it exists with the same settings, nothing changes; with different ones the command fails. With --if-missing, any existing bucket with this name is accepted.'
  static override examples = [
    {description: 'with the last five values of each key', command: '<%= config.bin %> kv add config --history 5'},
    {
      description: 'values that expire after an hour, in a script',
      command: '<%= config.bin %> kv add sessions --ttl 1h --if-missing',
    },
  ]
  static override args = bucketArgs
  static override flags = {...bucketFlags, 'if-missing': streamFlags['if-missing']}

  async run(): Promise<BucketDocument> {
    const {args, flags} = await this.parse(KvAdd)
    const stream = bucketStream(bucketSettingsOf(args.bucket, flags))
    await using bus = await this.openBus({writes: true})
    const kind = {prefix: kvPrefix, name: 'bucket', hint: `bus kv info ${shellWord(args.bucket)}`}
    const make = () => addBucket(bus.streams, stream, kind)
    const {found, info} = flags['if-missing']
      ? await findOrMake(() => bus.streams.info(stream.name), make)
      : {found: false, info: await make()}
    this.say(found ? `bucket ${args.bucket} already exists` : `bucket ${args.bucket} is ready`)
    return bucketDocument(info)
  }
}
