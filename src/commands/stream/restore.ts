import {BusCommand} from '../../lib/cli/base/command.ts'
import {limitHeap} from '../../lib/cli/base/heap-limit.ts'
import {bodyFlags} from '../../lib/cli/flags/body.ts'
import {argument, text, toggle, variant} from '../../lib/cli/flags/kinds.ts'
import {startProgress} from '../../lib/cli/render/progress.ts'
import {counted, formatCount, formatDuration} from '../../lib/cli/render/units.ts'
import type {NativeStream} from '../../lib/messaging/backup/native.ts'
import type {RestoredStream} from '../../lib/messaging/backup/restore.ts'
import type {Transport} from '../../lib/transport/contract.ts'

/** What `--json` prints. */
export interface StreamRestoreResult {
  readonly file: string
  readonly streams: readonly RestoredStream[]
}

/** What `--json` prints with `--native`. */
export interface NativeRestoreResult {
  readonly folder: string
  readonly streams: readonly NativeStream[]
}

const portable = {exclusive: ['native']}

export default class StreamRestore extends BusCommand<StreamRestoreResult | NativeRestoreResult> {
  static override summary = 'bring back the streams of a file of stream backup'
  static override description =
    'The hash of the file is checked before anything is done. Each stream is created as it was, its messages are published in their order, and each consumer starts after its ack floor. Sequences and times are new ones. As with replay --into, headers that a store would act on (Nats-TTL, Nats-Rollup, Nats-Msg-Id, …) are kept as data under Bus- names; subscribers to the subjects get the messages too. If the stream has messages, they must be the first ones of the backup: then only the rest is stored, so that the same command continues after an interruption, and stores nothing twice. A stream with other messages is refused. With --native a folder of stream backup --native or nats stream backup is restored, with its sequences, times and consumers, if no stream has its name.'
  static override examples = [
    {description: 'as it was', command: '<%= config.bin %> stream restore orders.zst'},
    {
      description: 'beside the original, to compare them',
      command: '<%= config.bin %> stream restore orders.zst --as OLD --prefix old.',
    },
  ]
  static override args = {file: argument({description: 'the file, or with --native the folder', required: true})}
  static override flags = {
    as: text('another name for the stream, if the file has only one', '<name>', portable),
    prefix: text('put this before each subject: old. makes old.orders.new of orders.new', '<text>', portable),
    append: toggle('add the messages to a stream that has others', portable),
    'skip-unsupported': toggle('leave out settings that only a NATS server has', portable),
    'obey-headers': variant(bodyFlags['obey-headers'], portable),
    native: toggle("from the server's own format", {helpGroup: 'SERVER ONLY'}),
  }

  async run(): Promise<StreamRestoreResult | NativeRestoreResult> {
    const {args, flags} = await this.parse(StreamRestore)
    const {restore} = await import('../../lib/messaging/backup/restore.ts')
    await using bus = await this.openBus({stream: true, writes: true})
    limitHeap()
    if (flags.native) return await this.#native(bus, args.file, flags.quiet)
    let bar: ReturnType<typeof startProgress> | undefined
    const began = performance.now()
    try {
      const streams = await restore(bus, args.file, {
        as: flags.as,
        prefix: flags.prefix,
        append: flags.append,
        skipUnsupported: flags['skip-unsupported'],
        obeyHeaders: flags['obey-headers'],
        signal: this.stop,
        say: (line) => this.say(line),
        onStart: (total) => {
          bar = flags.quiet ? undefined : startProgress({unit: 'messages', total})
        },
        onProgress: (messages) => bar?.update(messages),
      })
      bar?.[Symbol.dispose]()
      if (!this.jsonEnabled()) for (const stream of streams) this.say(restoredText(stream))
      const messages = streams.reduce((sum, stream) => sum + stream.messages, 0)
      const ms = performance.now() - began
      if (streams.length > 1 && !this.jsonEnabled())
        this.say(`restored ${counted(messages, 'message')} of ${streams.length} streams · ${formatDuration(ms)}`)
      return {file: args.file, streams}
    } finally {
      bar?.[Symbol.dispose]()
    }
  }

  async #native(bus: Transport, folder: string, quiet: boolean): Promise<NativeRestoreResult> {
    const {nativeFolders, restoreNative, snapshotsOf} = await import('../../lib/messaging/backup/native.ts')
    const snapshots = snapshotsOf(bus)
    const streams: NativeStream[] = []
    for (const path of await nativeFolders(folder)) {
      using bar = quiet ? undefined : startProgress({unit: 'bytes'})
      const restored = await restoreNative(snapshots, path, {
        signal: this.stop,
        onProgress: (bytes) => bar?.update(bytes),
      })
      bar?.[Symbol.dispose]()
      streams.push(restored)
      const {stream, messages, consumers} = restored
      const also = consumers === 0 ? '' : ` and ${counted(consumers, 'consumer')}`
      if (!this.jsonEnabled()) this.say(`restored ${stream}: ${counted(messages, 'message')}${also}`)
    }
    return {folder, streams}
  }
}

/** `restored ORDERS: 1,234 messages · 12 were there already · consumers billing, audit` */
function restoredText({stream, messages, alreadyThere, consumers}: RestoredStream): string {
  return [
    `restored ${stream}: ${counted(messages, 'message')}`,
    ...(alreadyThere > 0 ? [`${formatCount(alreadyThere)} already there`] : []),
    ...(consumers.length > 0 ? [`consumers ${consumers.join(', ')}`] : []),
  ].join(' · ')
}
