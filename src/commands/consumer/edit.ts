import {BusCommand} from '../../lib/cli/base/command.ts'
import {changeFlags} from '../../lib/cli/flags/change.ts'
import {consumerArgs} from '../../lib/cli/flags/consumer.ts'
import {changesBetween, changesText, type SettingChange, wouldChange} from '../../lib/cli/render/changes.ts'
import {changedConsumer} from '../../lib/transport/shared/stream-settings.ts'
import {editedConsumer} from './edit-plan.ts'
import {type ConsumerDocument, consumerDocument, consumerSettingFlags} from './settings.ts'

/** What `--json` prints: the consumer, and what was changed. */
export interface ConsumerEditResult extends ConsumerDocument {
  readonly changes: readonly SettingChange[]
}

export default class ConsumerEdit extends BusCommand<ConsumerEditResult> {
  static override summary = 'change the configuration of a consumer'
  static override description =
    'Settings that are not given stay as they are, as does the position. Clients that take from the consumer follow. The ack policy and the deliver policy cannot be changed; consumer reset moves it.'
  static override examples = [
    {
      description: 'show what would change',
      command: '<%= config.bin %> consumer edit ORDERS billing --ack-wait 2m --dry-run',
    },
    {
      description: 'only some subjects, and any number of deliveries',
      command: `<%= config.bin %> consumer edit ORDERS billing --filter 'orders.new' --unset max-deliver`,
    },
  ]
  static override args = consumerArgs
  static override flags = {
    ...consumerSettingFlags,
    unset: changeFlags.unset,
    config: changeFlags.config,
    interactive: changeFlags.interactive,
    'dry-run': changeFlags['dry-run'],
  }

  async run(): Promise<ConsumerEditResult> {
    const {args, flags} = await this.parse(ConsumerEdit)
    const {stream, consumer} = args
    await using bus = await this.openBus({writes: !flags['dry-run']})
    const {consumers} = bus.streams
    const before = await consumers.info(stream, consumer)
    const edits = await editedConsumer(before.config, flags, this.stop)
    const changes = changesBetween(before.config, changedConsumer(before.config, edits))
    const paint = await this.paint(1)
    if (!this.jsonEnabled()) this.print(changesText(changes, paint))
    if (changes.length === 0) this.say(`consumer ${consumer} of ${stream} already has this configuration`)
    if (changes.length > 0 && flags['dry-run']) throw wouldChange(`consumer ${consumer} of ${stream}`, changes)
    if (changes.length === 0) return {...consumerDocument(before), changes}
    const after = await consumers.update(stream, consumer, edits)
    if (!this.jsonEnabled()) this.say(`changed consumer ${consumer} of ${stream}`)
    return {...consumerDocument(after), changes}
  }
}
