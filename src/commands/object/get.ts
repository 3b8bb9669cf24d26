import {BusCommand} from '../../lib/cli/base/command.ts'
import {text, toggle} from '../../lib/cli/flags/kinds.ts'
import {isTerminal} from '../../lib/cli/io/terminal.ts'
import {startProgress} from '../../lib/cli/render/progress.ts'
import {formatBytes, formatDuration} from '../../lib/cli/render/units.ts'
import {BusError} from '../../lib/core/errors.ts'
import {shellWord} from '../../lib/core/text/shell-word.ts'
import {ObjectStore} from '../../lib/messaging/objects/object-store.ts'
import {type ObjectDocument, objectArgs, objectDocument} from './objects.ts'
import {openTarget} from './target-file.ts'

export default class ObjectGet extends BusCommand<ObjectDocument | undefined> {
  static override summary = 'write the content of an object'
  static override description =
    'To stdout, or with --output into a file, which appears under its name once all of it is there. The digest is checked at the end: if the content is damaged, the exit code is 8, and no file is left; stdout then has a part of it. A link is followed.'
  static override examples = [
    {description: 'into a file', command: '<%= config.bin %> object get builds app.tar --output app.tar'},
    {description: 'into a program', command: '<%= config.bin %> object get builds src.tar | tar t'},
  ]
  static override args = objectArgs
  static override flags = {
    output: text('write into this file', '<path>', {char: 'o'}),
    force: toggle('replace the file if it exists', {dependsOn: ['output']}),
  }

  async run(): Promise<ObjectDocument | undefined> {
    const {args, flags} = await this.parse(ObjectGet)
    const {output: path} = flags
    if (path === undefined && (isTerminal(1) || this.jsonEnabled()))
      throw new BusError('usage', `the content of ${args.name} goes to a file or a pipe`, {
        try: [
          `--output ${shellWord(args.name.replace(/^.*[/\\]/s, ''))}`,
          `bus object info ${shellWord(args.bucket)} ${shellWord(args.name)}`,
        ],
      })
    await using bus = await this.openBus()
    const asked = new ObjectStore(bus.streams, args.bucket)
    const {store, info} = await asked.follow(await asked.get(args.name))
    const started = performance.now()
    using bar = flags.quiet ? undefined : startProgress({unit: 'bytes', total: info.size, shows: path === undefined})
    let bytes = 0
    await using target = path === undefined ? undefined : await openTarget(path, flags.force)
    for await (const chunk of store.content(info, this.stop)) {
      if (target !== undefined) await target.write(chunk)
      else {
        this.output.write(chunk)
        await this.output.ready()
      }
      bytes += chunk.length
      bar?.update(bytes)
    }
    if (target === undefined) return undefined
    await target.keep()
    bar?.[Symbol.dispose]()
    const took = formatDuration(performance.now() - started)
    if (!this.jsonEnabled()) this.say(`wrote ${info.name} to ${path} · ${formatBytes(bytes)} · ${took}`)
    return objectDocument(info)
  }
}
