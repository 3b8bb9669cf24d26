import {BusCommand} from '../../lib/cli/base/command.ts'
import {toggle, variant} from '../../lib/cli/flags/kinds.ts'
import {pacingFlags} from '../../lib/cli/flags/pacing.ts'
import {printable} from '../../lib/cli/render/printable.ts'
import {checkEnough, summaryLine} from '../../lib/cli/render/summary.ts'
import {localCalendarClock} from '../../lib/core/time/timestamp.ts'
import type {ObjectInfo} from '../../lib/messaging/objects/object-info.ts'
import {ObjectStore} from '../../lib/messaging/objects/object-store.ts'
import {watch} from '../../lib/messaging/pubsub/watch.ts'
import {objectDocument, sizeText} from './objects.ts'
import {storeArgs} from './settings.ts'

export default class ObjectWatch extends BusCommand {
  static override summary = 'show the objects of a bucket, and then changes as they are made'
  static override description =
    'The command ends with --count, --for, --idle, Ctrl-C or a closed pipe. The exit code is 6 if fewer than --count changes were shown within --for or --idle.'
  static override examples = [
    {description: 'everything in a bucket', command: '<%= config.bin %> object watch builds'},
    {
      description: 'the next object, for at most a minute',
      command: '<%= config.bin %> object watch builds --new -n 1 --for 1m',
    },
  ]
  static override args = storeArgs
  static override flags = {
    new: toggle('only changes that are made from now on'),
    count: variant(pacingFlags.count, {description: 'end after this many changes'}),
    for: pacingFlags.for,
    idle: pacingFlags.idle,
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(ObjectWatch)
    await using bus = await this.openBus({stream: true})
    const store = new ObjectStore(bus.streams, args.bucket)
    const subscription = await store.read({from: flags.new ? 'new' : 'last', follow: true})
    this.say(`listening on the objects of ${store.name}`)
    const line = this.jsonEnabled() ? (info: ObjectInfo) => JSON.stringify(objectDocument(info)) : objectLine()
    const warn = (sentence: string) => this.say(`warning: ${sentence}`)
    const watched = await watch(subscription, {
      count: flags.count,
      forMs: flags.for,
      idleMs: flags.idle,
      show: async (batch, limit) => {
        const infos = batch.flatMap((message) => store.entry(message, warn) ?? []).slice(0, limit)
        for (const info of infos) this.output.write(`${line(info)}\n`)
        await this.output.ready()
        return infos.length
      },
      signal: this.stop,
      gone: this.output.closed,
      onEnd: ({kept, ms}) => this.say(summaryLine({changes: kept}, ms)),
    })
    checkEnough(watched, flags)
  }
}

/** `#7 2026-11-20T10:24:31.482+09:00 app.tar 1.5 MiB` */
function objectLine(): (info: ObjectInfo) => string {
  const clock = localCalendarClock()
  return (info) => `#${info.revision} ${clock(info.time)} ${printable(info.name)} ${printable(sizeText(info))}`
}
