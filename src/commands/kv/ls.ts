import {BusCommand} from '../../lib/cli/base/command.ts'
import {argument} from '../../lib/cli/flags/kinds.ts'
import {tableFlags} from '../../lib/cli/flags/table.ts'
import {formatAgo, formatBytes} from '../../lib/cli/render/units.ts'
import {isoTime} from '../../lib/core/time/timestamp.ts'
import type {Bucket} from '../../lib/messaging/kv/bucket.ts'
import type {KvEntry} from '../../lib/messaging/kv/entry.ts'
import {checkKeyPattern} from '../../lib/messaging/kv/names.ts'
import {kvPrefix} from '../../lib/messaging/kv/settings.ts'
import type {Transport} from '../../lib/transport/contract.ts'
import {unreachableError} from '../../lib/transport/shared/stream-errors.ts'
import {type BucketDocument, bucketColumns, bucketDocument, bucketOn, bucketRow} from './settings.ts'

/** A key in JSON output. */
export interface KeyDocument {
  readonly key: string
  readonly revision: number
  readonly time: string
  readonly bytes: number
}

export default class KvLs extends BusCommand<BucketDocument[] | KeyDocument[]> {
  static override summary = 'list the buckets of a bus, or the keys of a bucket'
  static override description =
    'Keys are sorted by name; those that were deleted are left out. On a server, values are not read.'
  static override examples = [
    {description: 'the buckets', command: '<%= config.bin %> kv ls'},
    {description: 'the keys of a bucket', command: '<%= config.bin %> kv ls config'},
    {
      description: 'the names of some keys',
      command: `<%= config.bin %> kv ls config 'log.>' --json | jq -r '.[].key'`,
    },
  ]
  static override args = {
    bucket: argument({description: 'list the keys of this bucket'}),
    pattern: argument({description: 'only keys that match one of these', multiple: true}),
  }
  static override flags = tableFlags

  async run(): Promise<BucketDocument[] | KeyDocument[]> {
    const {args, flags} = await this.parse(KvLs)
    const patterns = args.pattern?.map(checkKeyPattern)
    await using bus = await this.openBus()
    if (args.bucket === undefined) return await this.#buckets(bus, flags.all)
    const entries = await keysOf(bucketOn(bus.streams, args.bucket), patterns, this.stop)
    if (entries.length === 0) this.say(`no keys${patterns ? ` match ${patterns.join(' ')}` : ''} in ${args.bucket}`)
    else if (!this.jsonEnabled()) {
      const rows = entries.map(({key, revision, bytes, message}) => [
        key,
        `#${revision}`,
        formatBytes(bytes),
        formatAgo(message.time),
      ])
      const columns = [{head: 'key'}, right('revision'), right('size'), {head: 'changed'}]
      await this.printTable(columns, rows, flags.all)
    }
    return entries.map(({key, revision, bytes, message}) => ({key, revision, time: isoTime(message.time), bytes}))
  }

  async #buckets(bus: Transport, all: boolean): Promise<BucketDocument[]> {
    const unreachable: string[] = []
    const streams = await bus.streams.list({onUnreachable: (names) => unreachable.push(...names)})
    const buckets = streams.filter(({config}) => config.name.startsWith(kvPrefix))
    const missing = unreachable.filter((name) => name.startsWith(kvPrefix))
    if (buckets.length > 0 && !this.jsonEnabled()) await this.printTable(bucketColumns, buckets.map(bucketRow), all)
    if (buckets.length === 0 && missing.length === 0) this.say('no buckets; bus kv add creates one')
    const documents = buckets.map(bucketDocument)
    if (missing.length === 0) return documents
    if (this.jsonEnabled()) this.logJson(documents)
    throw unreachableError(bus.url, missing)
  }
}

const right = (head: string) => ({head, align: 'right' as const})

/** The last changes of the keys that have a value, sorted by key. */
async function keysOf(bucket: Bucket, patterns: string[] | undefined, signal: AbortSignal): Promise<KvEntry[]> {
  await using reading = await bucket.read({patterns, withoutValues: true, signal})
  const entries: KvEntry[] = []
  for await (const message of reading) {
    const entry = bucket.entry(message)
    if (entry.operation === 'put') entries.push(entry)
  }
  return entries.sort((a, b) => (a.key < b.key ? -1 : 1))
}
