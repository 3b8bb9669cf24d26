import {BusCommand} from '../../lib/cli/base/command.ts'
import {factSheet} from '../../lib/cli/render/table.ts'
import {type BucketDocument, bucketArgs, bucketDocument, bucketFacts, bucketOn} from './settings.ts'

export default class KvInfo extends BusCommand<BucketDocument> {
  static override summary = 'show the state and settings of a bucket'
  static override examples = [
    {description: 'as text', command: '<%= config.bin %> kv info config'},
    {description: 'as JSON', command: '<%= config.bin %> kv info config --json'},
  ]
  static override args = bucketArgs

  async run(): Promise<BucketDocument> {
    const {args} = await this.parse(KvInfo)
    await using bus = await this.openBus()
    const info = await bucketOn(bus.streams, args.bucket).info()
    if (this.jsonEnabled()) return bucketDocument(info)
    const {other, metadata} = info.config
    const more =
      (other ?? metadata) &&
      (await import('../../lib/cli/render/options.ts')).streamOptions({other, ...(metadata && {metadata})})
    this.print(await factSheet({...bucketFacts(info), ...more}, await this.paint(1)))
    return bucketDocument(info)
  }
}
