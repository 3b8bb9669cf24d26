import {statSync} from 'node:fs'
import {basename} from 'node:path'
import {BusCommand} from '../../lib/cli/base/command.ts'
import {bodyFlags} from '../../lib/cli/flags/body.ts'
import {argument, size, text, variant} from '../../lib/cli/flags/kinds.ts'
import {streamFlags} from '../../lib/cli/flags/stream.ts'
import {readChunks} from '../../lib/cli/io/input.ts'
import {startProgress} from '../../lib/cli/render/progress.ts'
import {formatBytes, formatDuration} from '../../lib/cli/render/units.ts'
import {BusError} from '../../lib/core/errors.ts'
import {ObjectStore} from '../../lib/messaging/objects/object-store.ts'
import {type ObjectDocument, objectDocument} from './objects.ts'
import {storeArgs} from './settings.ts'

export default class ObjectPut extends BusCommand<ObjectDocument> {
  static override summary = 'store a file, or stdin, as an object'
  static override description =
    'The object has the name of the file, without its folder, unless --name is given. It takes the place of one with the same name once all of it is stored: until then, and if the command fails, the earlier one stays. It goes through in chunks, so that a file of any size needs little memory.'
  static override examples = [
    {description: 'a file', command: '<%= config.bin %> object put builds app.tar'},
    {
      description: 'the output of a program',
      command: 'tar c src | <%= config.bin %> object put builds - --name src.tar',
    },
  ]
  static override args = {
    ...storeArgs,
    file: argument({description: 'the file; - for stdin', required: true}),
  }
  static override flags = {
    name: text('name of the object (default: the name of the file)', '<text>'),
    header: variant(bodyFlags.header, {description: "header line 'Name: value' of the object; may be repeated"}),
    description: streamFlags.description,
    'chunk-size': size('size of a chunk (default: 128KiB)'),
  }

  async run(): Promise<ObjectDocument> {
    const {args, flags} = await this.parse(ObjectPut)
    const {name = nameOf(args.file), header: headers = [], description, 'chunk-size': chunkSize} = flags
    if (chunkSize === 0) throw new BusError('usage', '--chunk-size is 0')
    const total = sizeOfFile(args.file)
    await using bus = await this.openBus({stream: true, writes: true})
    const store = new ObjectStore(bus.streams, args.bucket)
    using bar = flags.quiet ? undefined : startProgress({unit: 'bytes', total})
    const started = performance.now()
    const info = await store.put({name, headers, description, metadata: {}}, readChunks(args.file, this.stop), {
      chunkSize,
      maxPayload: bus.maxPayload,
      timeoutMs: flags.timeout,
      signal: this.stop,
      onProgress: (bytes) => bar?.update(bytes),
    })
    bar?.[Symbol.dispose]()
    const ms = performance.now() - started
    const rate = `${formatBytes(Math.round((info.size * 1000) / ms))}/s`
    if (!this.jsonEnabled())
      this.say(`stored ${name} in ${store.name} · ${formatBytes(info.size)} · ${formatDuration(ms)} · ${rate}`)
    return objectDocument(info)
  }
}

function nameOf(file: string): string {
  if (file !== '-') return basename(file)
  throw new BusError('usage', 'an object from stdin needs a name', {try: ['--name NAME']})
}

/** Undefined if it is unknown. Reading the file says what is wrong with it. */
function sizeOfFile(file: string): number | undefined {
  const stat = file === '-' ? undefined : statSync(file, {throwIfNoEntry: false})
  return stat?.isFile() ? stat.size : undefined
}
