import {BusCommand} from '../../lib/cli/base/command.ts'
import {lastAcksMs} from '../../lib/cli/base/signals.ts'
import {argument, toggle} from '../../lib/cli/flags/kinds.ts'
import {inputName, readChunks} from '../../lib/cli/io/input.ts'
import {startProgress} from '../../lib/cli/render/progress.ts'
import {counted} from '../../lib/cli/render/units.ts'
import {BusError} from '../../lib/core/errors.ts'
import {laterSignal} from '../../lib/core/time/timer.ts'
import type {Bucket} from '../../lib/messaging/kv/bucket.ts'
import {AcknowledgedSink} from '../../lib/messaging/pubsub/acknowledged.ts'
import {publishAll} from '../../lib/messaging/pubsub/publish.ts'
import type {Transport} from '../../lib/transport/contract.ts'
import {changesIn, compareWith, type Differences, messagesOf} from './import-plan.ts'
import {bucketArgs, bucketOn} from './settings.ts'

/** What `--json` prints. */
export type KvImportResult = {readonly bucket: string} & ({readonly imported: number} | Differences)

export default class KvImport extends BusCommand<KvImportResult> {
  static override summary = 'set the keys of a bucket from lines of JSON'
  static override description =
    'Reads what bus kv export and bus kv get --json write, in order. Other keys of the bucket stay as they are. If a line cannot be used, the error names it and says which lines are stored. With --dry-run nothing is written, and the exit code is 9 if something would change.'
  static override examples = [
    {description: 'from a file', command: '<%= config.bin %> kv import config config.ndjson'},
    {
      description: 'what would change',
      command: '<%= config.bin %> kv import config config.ndjson --dry-run',
    },
    {
      description: 'one key, from stdin',
      command: `echo '{"key":"log.level","text":"info"}' | <%= config.bin %> kv import config`,
    },
  ]
  static override args = {
    ...bucketArgs,
    file: argument({description: 'file with the lines; - or nothing for stdin'}),
  }
  static override flags = {
    'dry-run': toggle('only say what would change'),
  }

  async run(): Promise<KvImportResult> {
    const {args, flags} = await this.parse(KvImport)
    const {file = '-'} = args
    await using bus = await this.openBus({writes: !flags['dry-run']})
    const bucket = bucketOn(bus.streams, args.bucket)
    await bucket.info()
    const changes = changesIn(readChunks(file, this.stop), inputName(file), bus.maxPayload)
    if (!flags['dry-run']) return {bucket: bucket.name, imported: await this.#import(bus, bucket, changes, flags)}
    const found = await compareWith(bucket, changes)
    if (!this.jsonEnabled()) for (const line of differenceLines(found)) this.log(line)
    const {added, changed, removed} = found
    const count = added.length + changed.length + removed.length
    if (count === 0) {
      this.say(`nothing would change in ${bucket.name}`)
      return {bucket: bucket.name, ...found}
    }
    throw new BusError('expectation', `${counted(count, 'key')} of ${bucket.name} would change`, {
      data: {bucket: bucket.name, ...found},
    })
  }

  async #import(
    bus: Transport,
    bucket: Bucket,
    changes: ReturnType<typeof changesIn>,
    {timeout: timeoutMs, quiet}: {readonly timeout: number; readonly quiet: boolean},
  ): Promise<number> {
    const signal = laterSignal(this.stop, lastAcksMs)
    const sink = new AcknowledgedSink((options) => bus.streams.publisher({...options, timeoutMs, signal}), undefined)
    await using _publisher = sink.publisher
    using bar = quiet ? undefined : startProgress({unit: 'keys'})
    const done = await publishAll(sink, messagesOf(bucket, changes), {
      signal: this.stop,
      onProgress: ({published}) => bar?.update(published),
    })
    const {published} = done
    if (!done.complete)
      throw new BusError('interrupted', `interrupted after ${counted(published, 'change')}`, {data: {published}})
    if (!this.jsonEnabled()) this.say(`imported ${counted(published, 'change')} into ${bucket.name}`)
    return published
  }
}

function differenceLines({added, changed, removed}: Differences): string[] {
  return [
    ...added.map((key) => `+ ${key}`),
    ...changed.map((key) => `~ ${key}`),
    ...removed.map((key) => `- ${key}`),
  ].sort((a, b) => (a.slice(2) < b.slice(2) ? -1 : 1))
}
