import {BusCommand} from '../../lib/cli/base/command.ts'
import {argument} from '../../lib/cli/flags/kinds.ts'
import {factSheet} from '../../lib/cli/render/table.ts'
import {ObjectStore} from '../../lib/messaging/objects/object-store.ts'
import {type ObjectDocument, objectDocument, objectFacts} from './objects.ts'
import {type StoreDocument, storeArgs, storeDocument, storeFacts} from './settings.ts'

export default class ObjectInfoCommand extends BusCommand<StoreDocument | ObjectDocument> {
  static override summary = 'show the state and settings of an object bucket, or of an object'
  static override examples = [
    {description: 'a bucket', command: '<%= config.bin %> object info builds'},
    {description: 'an object', command: '<%= config.bin %> object info builds app.tar'},
    {
      description: 'its digest',
      command: '<%= config.bin %> object info builds app.tar --json | jq -r .digest',
    },
  ]
  static override args = {...storeArgs, name: argument({description: 'name of the object'})}

  async run(): Promise<StoreDocument | ObjectDocument> {
    const {args} = await this.parse(ObjectInfoCommand)
    await using bus = await this.openBus()
    const store = new ObjectStore(bus.streams, args.bucket)
    if (args.name !== undefined) {
      const object = await store.get(args.name)
      if (!this.jsonEnabled()) this.print(await factSheet(objectFacts(object), await this.paint(1)))
      return objectDocument(object)
    }
    const info = await store.info()
    if (this.jsonEnabled()) return storeDocument(info)
    const {other, metadata} = info.config
    const more =
      (other ?? metadata) &&
      (await import('../../lib/cli/render/options.ts')).streamOptions({other, ...(metadata && {metadata})})
    this.print(await factSheet({...storeFacts(info), ...more}, await this.paint(1)))
    return storeDocument(info)
  }
}
