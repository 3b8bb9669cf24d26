import {BusCommand} from '../../lib/cli/base/command.ts'
import {confirm} from '../../lib/cli/base/confirm.ts'
import {changeFlags} from '../../lib/cli/flags/change.ts'
import {argument} from '../../lib/cli/flags/kinds.ts'
import {streamArgs} from '../../lib/cli/flags/stream.ts'
import {changesBetween, changesText, type SettingChange, wouldChange} from '../../lib/cli/render/changes.ts'
import {lossText} from '../../lib/cli/render/loss.ts'
import {changedStream} from '../../lib/transport/shared/stream-settings.ts'
import {editedChanges} from './edit-plan.ts'
import {streamSettingFlags} from './setting-flags.ts'
import {type StreamDocument, streamDocument} from './settings.ts'

/** What `--json` prints: the stream, and what was changed. */
export interface StreamEditResult extends StreamDocument {
  readonly changes: readonly SettingChange[]
}

export default class StreamEdit extends BusCommand<StreamEditResult> {
  static override summary = 'change the configuration of a stream'
  static override description =
    'Settings that are not given stay as they are. The changes are shown; where messages would be removed, the command asks for confirmation, and without a terminal it needs --yes.'
  static override examples = [
    {description: 'show what would change', command: '<%= config.bin %> stream edit ORDERS --max-age 14d --dry-run'},
    {
      description: 'a further subject, and no limit of messages any more',
      command: `<%= config.bin %> stream edit ORDERS 'orders.>' refunds --unset max-msgs`,
    },
    {description: 'in your editor', command: '<%= config.bin %> stream edit ORDERS -i'},
  ]
  static override args = {
    ...streamArgs,
    subject: argument({description: 'all subjects and patterns to store from now on', multiple: true}),
  }
  static override flags = {...streamSettingFlags, ...changeFlags}

  async run(): Promise<StreamEditResult> {
    const {args, flags} = await this.parse(StreamEdit)
    await using bus = await this.openBus({writes: !flags['dry-run']})
    const before = await bus.streams.info(args.stream)
    const edits = await editedChanges(before.config, args.subject, flags, this.stop)
    const changes = changesBetween(before.config, changedStream(before.config, edits))
    const paint = await this.paint(1)
    if (!this.jsonEnabled()) this.print(changesText(changes, paint))
    if (changes.length === 0) this.say(`stream ${args.stream} already has this configuration`)
    if (changes.length > 0 && flags['dry-run']) throw wouldChange(`stream ${args.stream}`, changes)
    if (changes.length === 0) return {...streamDocument(before), changes}
    const loss = await lossText(bus.streams, before, edits)
    if (loss !== undefined)
      await confirm(`change stream ${args.stream}, which removes ${loss}`, {yes: flags.yes, signal: this.stop})
    const after = await bus.streams.update(args.stream, edits)
    if (!this.jsonEnabled()) this.say(`changed stream ${args.stream}`)
    return {...streamDocument(after), changes}
  }
}
