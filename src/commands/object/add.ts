import {BusCommand} from '../../lib/cli/base/command.ts'
import {streamFlags} from '../../lib/cli/flags/stream.ts'
import {shellWord} from '../../lib/core/text/shell-word.ts'
import {addBucket} from '../../lib/messaging/kv/settings.ts'
import {objectPrefix, objectStream} from '../../lib/messaging/objects/settings.ts'
import {findOrMake} from '../../lib/messaging/stored/find.ts'
import {type StoreDocument, storeArgs, storeDocument, storeFlags, storeSettingsOf} from './settings.ts'

export default class ObjectAdd extends BusCommand<StoreDocument> {
  static override summary = 'create a bucket for objects, such as files'
  static override description =
    'Other NATS clients can use the bucket, which is the stream OBJ_BUCKET. If it exists with the same settings, nothing changes; with different ones the command fails. With --if-missing, any existing bucket with this name is accepted.'
  static override examples = [
    {description: 'with a limit', command: '<%= config.bin %> object add builds --max-bytes 10GiB'},
    {
      description: 'objects that expire after a week, in a script',
      command: '<%= config.bin %> object add reports --ttl 7d --if-missing',
    },
  ]
  static override args = storeArgs
  static override flags = {...storeFlags, 'if-missing': streamFlags['if-missing']}

  async run(): Promise<StoreDocument> {
    const {args, flags} = await this.parse(ObjectAdd)
    const stream = objectStream(storeSettingsOf(args.bucket, flags))
    await using bus = await this.openBus({writes: true})
    const kind = {prefix: objectPrefix, name: 'object bucket', hint: `bus object info ${shellWord(args.bucket)}`}
    const make = () => addBucket(bus.streams, stream, kind)
    const {found, info} = flags['if-missing']
      ? await findOrMake(() => bus.streams.info(stream.name), make)
      : {found: false, info: await make()}
    this.say(`object bucket ${args.bucket} ${found ? 'already exists' : 'is ready'}`)
    return storeDocument(info)
  }
}
