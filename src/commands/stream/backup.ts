import {join} from 'node:path'
import {BusCommand} from '../../lib/cli/base/command.ts'
import {limitHeap} from '../../lib/cli/base/heap-limit.ts'
import {argument, toggle} from '../../lib/cli/flags/kinds.ts'
import {startProgress} from '../../lib/cli/render/progress.ts'
import {counted, formatBytes, formatDuration} from '../../lib/cli/render/units.ts'
import {BusError} from '../../lib/core/errors.ts'
import {shellWord} from '../../lib/core/text/shell-word.ts'
import type {BackupContent} from '../../lib/messaging/backup/backup.ts'
import type {NativeStream} from '../../lib/messaging/backup/native.ts'
import type {Transport} from '../../lib/transport/contract.ts'

/** What `--json` prints. */
export interface StreamBackupResult extends BackupContent {
  readonly file: string
}

/** What `--json` prints with `--native`. */
export interface NativeBackupResult {
  readonly folder: string
  readonly streams: readonly NativeStream[]
}

export default class StreamBackup extends BusCommand<StreamBackupResult | NativeBackupResult> {
  static override summary = 'save streams into a file: configuration, consumers and messages'
  static override description =
    "The file has JSON lines, compressed with zstd: zstdcat FILE | jq reads it, and bus stream restore brings it back, on any bus. It contains the messages that the streams have now, and ends with their number and a hash. After an interruption, the same command continues the file. The state of a consumer is its ack floor: what it had in flight, or acknowledged after the floor, it will deliver again. The file does not depend on the kind of bus; sequences and times are in it, but a bus assigns new ones to restored messages. With --native it is the server's own format, in a folder as nats stream backup writes it, which keeps sequences, times and consumers exactly, and only a server can restore."
  static override examples = [
    {description: 'one stream', command: '<%= config.bin %> stream backup ORDERS orders.zst'},
    {description: 'all of them', command: '<%= config.bin %> stream backup --all bus.zst'},
    {description: 'check a file, without a bus', command: '<%= config.bin %> stream backup --verify orders.zst'},
  ]
  static override args = {
    names: argument({
      description: 'streams, and then the file, or with --native the folder',
      required: true,
      multiple: true,
    }),
  }
  static override flags = {
    all: toggle('all streams of the bus', {exclusive: ['verify']}),
    verify: toggle('only check that the file is complete and undamaged', {exclusive: ['native']}),
    native: toggle("in the server's own format", {helpGroup: 'SERVER ONLY'}),
  }

  async run(): Promise<StreamBackupResult | NativeBackupResult> {
    const {args, flags} = await this.parse(StreamBackup)
    const {streams, file} = namesOf(args.names, flags)
    const {backup, verifyBackup} = await import('../../lib/messaging/backup/backup.ts')
    if (flags.verify) {
      const content = await verifyBackup(file, this.stop)
      if (!this.jsonEnabled()) this.say(`${file} is complete: ${contentText(content)}`)
      return {file, ...content}
    }
    await using bus = await this.openBus({stream: true})
    const names = flags.all ? (await bus.streams.list()).map(({config}) => config.name) : streams
    if (names.length === 0) throw new BusError('notFound', `${bus.url} has no streams`)
    limitHeap()
    if (flags.native) return await this.#native(bus, names, file, flags)
    using bar = flags.quiet ? undefined : startProgress({unit: 'messages'})
    const began = performance.now()
    const content = await backup(bus, names, file, {
      signal: this.stop,
      onResume: (messages) => this.say(`continuing ${file}, which has ${counted(messages, 'message')}`),
      onProgress: (messages) => bar?.update(messages),
    }).catch((error) => {
      if (error instanceof BusError && error.kind === 'interrupted')
        throw new BusError('interrupted', `interrupted: the same command continues ${file}`, {cause: error})
      throw error
    })
    bar?.[Symbol.dispose]()
    if (!this.jsonEnabled())
      this.say(`saved ${contentText(content)} in ${file} · ${formatDuration(performance.now() - began)}`)
    return {file, ...content}
  }

  /** Several streams have a folder each, as `nats account backup` makes them. */
  async #native(
    bus: Transport,
    names: readonly string[],
    folder: string,
    {all, quiet}: {readonly all: boolean; readonly quiet: boolean},
  ): Promise<NativeBackupResult> {
    const {saveNative, snapshotsOf} = await import('../../lib/messaging/backup/native.ts')
    const snapshots = snapshotsOf(bus)
    const streams: NativeStream[] = []
    for (const name of names) {
      const path = all || names.length > 1 ? join(folder, name) : folder
      using bar = quiet ? undefined : startProgress({unit: 'bytes'})
      const saved = await saveNative(snapshots, name, path, {
        signal: this.stop,
        onProgress: (bytes) => bar?.update(bytes),
      })
      bar?.[Symbol.dispose]()
      streams.push(saved)
      const {messages, bytes} = saved
      if (!this.jsonEnabled())
        this.say(`saved ${counted(messages, 'message')} of ${name} in ${path} · ${formatBytes(bytes)}`)
    }
    return {folder, streams}
  }
}

function namesOf(
  names: readonly string[],
  {all, verify}: {readonly all: boolean; readonly verify: boolean},
): {readonly streams: readonly string[]; readonly file: string} {
  const streams = names.slice(0, -1)
  const file = names.at(-1) ?? ''
  const [first] = streams
  if (all || verify) {
    if (first === undefined) return {streams, file}
    throw new BusError('usage', `with ${all ? '--all' : '--verify'} the file is the only argument`)
  }
  if (first === undefined)
    throw new BusError('usage', 'a backup needs one or more streams, and then a file', {
      try: [`bus stream backup ${shellWord(file)} FILE`, `bus stream backup --all ${shellWord(file)}`],
    })
  const twice = streams.find((name, at) => streams.indexOf(name) !== at)
  if (twice !== undefined) throw new BusError('usage', `stream ${twice} is given twice`)
  return {streams, file}
}

/** `1,234 messages and 2 consumers of ORDERS` */
function contentText({streams, messages}: BackupContent): string {
  const consumers = streams.reduce((sum, stream) => sum + stream.consumers, 0)
  const what = streams.length <= 3 ? streams.map(({stream}) => stream).join(', ') : counted(streams.length, 'stream')
  const also = consumers === 0 ? '' : ` and ${counted(consumers, 'consumer')}`
  return `${counted(messages, 'message')}${also} of ${what}`
}
