import {BusCommand} from '../../lib/cli/base/command.ts'
import {confirm} from '../../lib/cli/base/confirm.ts'
import {argument} from '../../lib/cli/flags/kinds.ts'
import {streamFlags} from '../../lib/cli/flags/stream.ts'
import {counted, formatBytes} from '../../lib/cli/render/units.ts'
import {ObjectStore} from '../../lib/messaging/objects/object-store.ts'
import type {Transport} from '../../lib/transport/contract.ts'
import {storeArgs} from './settings.ts'

/** What `--json` prints. */
export type ObjectRmResult =
  | {readonly bucket: string; readonly removed: readonly string[]}
  | {readonly removed: string; readonly bytes: number}

export default class ObjectRm extends BusCommand<ObjectRmResult> {
  static override summary = 'delete objects, or a bucket with all of its objects'
  static override description =
    'Without a name the bucket is removed: the command asks for confirmation, and without a terminal it needs --yes.'
  static override examples = [
    {description: 'an object', command: '<%= config.bin %> object rm builds app.tar'},
    {description: 'the whole bucket, in a script', command: '<%= config.bin %> object rm builds --yes'},
  ]
  static override args = {...storeArgs, name: argument({description: 'names of objects', multiple: true})}
  static override flags = {yes: streamFlags.yes}

  async run(): Promise<ObjectRmResult> {
    const {args, flags} = await this.parse(ObjectRm)
    await using bus = await this.openBus({writes: true})
    const store = new ObjectStore(bus.streams, args.bucket)
    if (args.name === undefined) return await this.#removeBucket(bus, store, flags.yes)
    const removed: string[] = []
    for (const name of args.name) {
      await store.remove(name)
      removed.push(name)
    }
    if (!this.jsonEnabled()) this.say(`deleted ${counted(removed.length, 'object')} of ${store.name}`)
    return {bucket: store.name, removed}
  }

  async #removeBucket(bus: Transport, store: ObjectStore, yes: boolean): Promise<ObjectRmResult> {
    const {config, state} = await store.info()
    const what = `object bucket ${store.name} with ${formatBytes(state.bytes)}`
    await confirm(`remove ${what}`, {yes, signal: this.stop})
    await bus.streams.remove(config.name)
    if (!this.jsonEnabled()) this.say(`removed ${what}`)
    return {removed: store.name, bytes: state.bytes}
  }
}
