import {BusCommand} from '../../lib/cli/base/command.ts'
import {argument} from '../../lib/cli/flags/kinds.ts'
import {tableFlags} from '../../lib/cli/flags/table.ts'
import type {ObjectInfo} from '../../lib/messaging/objects/object-info.ts'
import {ObjectStore} from '../../lib/messaging/objects/object-store.ts'
import {objectPrefix} from '../../lib/messaging/objects/settings.ts'
import type {Transport} from '../../lib/transport/contract.ts'
import {unreachableError} from '../../lib/transport/shared/stream-errors.ts'
import {type ObjectDocument, objectColumns, objectDocument, objectRow} from './objects.ts'
import {type StoreDocument, storeColumns, storeDocument, storeRow} from './settings.ts'

export default class ObjectLs extends BusCommand<StoreDocument[] | ObjectDocument[]> {
  static override summary = 'list the object buckets of a bus, or the objects of a bucket'
  static override examples = [
    {description: 'the buckets', command: '<%= config.bin %> object ls'},
    {description: 'the objects of a bucket', command: '<%= config.bin %> object ls builds'},
    {
      description: 'the names of the objects',
      command: `<%= config.bin %> object ls builds --json | jq -r '.[].name'`,
    },
  ]
  static override args = {bucket: argument({description: 'list the objects of this bucket'})}
  static override flags = tableFlags

  async run(): Promise<StoreDocument[] | ObjectDocument[]> {
    const {args, flags} = await this.parse(ObjectLs)
    await using bus = await this.openBus()
    if (args.bucket === undefined) return await this.#buckets(bus, flags.all)
    const store = new ObjectStore(bus.streams, args.bucket)
    const objects = await objectsOf(store, this.stop, (sentence) => this.say(`warning: ${sentence}`))
    if (objects.length === 0) this.say(`no objects in ${args.bucket}`)
    else if (!this.jsonEnabled()) await this.printTable(objectColumns, objects.map(objectRow), flags.all)
    return objects.map(objectDocument)
  }

  async #buckets(bus: Transport, all: boolean): Promise<StoreDocument[]> {
    const unreachable: string[] = []
    const streams = await bus.streams.list({onUnreachable: (names) => unreachable.push(...names)})
    const buckets = streams.filter(({config}) => config.name.startsWith(objectPrefix))
    const missing = unreachable.filter((name) => name.startsWith(objectPrefix))
    if (buckets.length > 0 && !this.jsonEnabled()) await this.printTable(storeColumns, buckets.map(storeRow), all)
    if (buckets.length === 0 && missing.length === 0) this.say('no object buckets; bus object add creates one')
    const documents = buckets.map(storeDocument)
    if (missing.length === 0) return documents
    if (this.jsonEnabled()) this.logJson(documents)
    throw unreachableError(bus.url, missing)
  }
}

/** The objects that were not deleted, sorted by name. `warn` is called for metadata that cannot be read. */
async function objectsOf(
  store: ObjectStore,
  signal: AbortSignal,
  warn: (sentence: string) => void,
): Promise<ObjectInfo[]> {
  await using reading = await store.read({signal})
  const objects: ObjectInfo[] = []
  for await (const message of reading) {
    const info = store.entry(message, warn)
    if (info?.deleted === false) objects.push(info)
  }
  return objects.sort((a, b) => (a.name < b.name ? -1 : 1))
}
