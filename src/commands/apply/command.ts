import {BusCommand} from '../../lib/cli/base/command.ts'
import {confirm} from '../../lib/cli/base/confirm.ts'
import {changeFlags} from '../../lib/cli/flags/change.ts'
import {argument, toggle} from '../../lib/cli/flags/kinds.ts'
import {changesBetween, changesText, type SettingChange} from '../../lib/cli/render/changes.ts'
import {lossText} from '../../lib/cli/render/loss.ts'
import {counted} from '../../lib/cli/render/units.ts'
import {BusError} from '../../lib/core/errors.ts'
import type {PlanStep} from '../../lib/messaging/description/plan.ts'
import type {Transport} from '../../lib/transport/contract.ts'

/** What `--json` prints; also the `data` of the failure of a dry run. */
export interface ApplyResult {
  readonly changes: readonly {
    readonly what: string
    readonly action: PlanStep['action']
    readonly settings: readonly SettingChange[]
  }[]
}

export default class Apply extends BusCommand<ApplyResult> {
  static override summary = 'make streams, consumers, buckets and event subscriptions as files describe them'
  static override description =
    'A file is YAML or JSON, with streams, consumers (by stream), kv (buckets) and events (subscriptions of bus events, by stream); bus export writes one. The members of each are those of config in stream info --json and consumer info --json, those of kv info --json, and transport, filter and options of events info --json; times in milliseconds may also be written as 2m or 14d, and what is not given has its default. The changes are shown first. Where messages would be removed, the command asks for confirmation, and without a terminal it needs --yes. What is not described stays as it is, unless --prune is given.'
  static override examples = [
    {description: 'show what would change', command: '<%= config.bin %> apply bus.yaml --dry-run'},
    {
      description: 'on a bus file, for a test',
      command: '<%= config.bin %> apply bus.yaml --bus test.db --skip-unsupported',
    },
    {description: 'for completion in an editor', command: '<%= config.bin %> apply --schema > bus.schema.json'},
  ]
  static override args = {files: argument({description: 'files; - for stdin', multiple: true})}
  static override flags = {
    'dry-run': changeFlags['dry-run'],
    prune: toggle('remove what is not described, of the kinds that the files have'),
    'skip-unsupported': toggle('leave out settings that only a NATS server has'),
    schema: toggle('print the JSON Schema of the files, for completion in editors'),
    yes: changeFlags.yes,
  }

  async run(): Promise<ApplyResult> {
    const {args, flags} = await this.parse(Apply)
    const {descriptionSchema, parseDescription} = await import('../../lib/messaging/description/shape.ts')
    if (flags.schema) {
      this.print(`${JSON.stringify(descriptionSchema(), null, 2)}\n`)
      return undefined as never
    }
    const {files} = args
    if (files === undefined) throw new BusError('usage', 'FILES is missing', {try: ['bus export > bus.yaml']})
    const {readConfig} = await import('../../lib/cli/io/config-file.ts')
    const read = async (path: string) => ({path, value: await readConfig(path, this.stop)})
    const description = parseDescription(await Promise.all(files.map(read)))
    const {planChanges} = await import('../../lib/messaging/description/plan.ts')
    await using bus = await this.openBus({writes: !flags['dry-run']})
    const {eventsBucket} = await import('../../lib/protocols/event-delivery/registry.ts')
    const {planSubscriptions} = await import('../../lib/protocols/event-delivery/described.ts')
    const {events, streams: described = {}} = description
    const {prune} = flags
    const steps = [
      ...(await planChanges(bus, description, {
        ...{prune, skipUnsupported: flags['skip-unsupported'], ownBuckets: [eventsBucket]},
        say: (line) => this.say(line),
      })),
      ...(events === undefined
        ? []
        : await planSubscriptions(bus.streams, events, {prune, made: Object.keys(described)})),
    ]
    const changes = steps.map(({what, action, before, after}) => ({
      what,
      action,
      settings: changesBetween(before, after),
    }))
    await this.#show(changes)
    if (steps.length === 0) this.say('everything is as described')
    if (steps.length === 0) return {changes}
    if (flags['dry-run'])
      throw new BusError('expectation', `${counted(steps.length, 'change')} would be made`, {data: {changes}})
    const losses = await lossesOf(bus, steps)
    if (losses.length > 0)
      await confirm(`make these changes, which remove ${losses.join(', ')}`, {yes: flags.yes, signal: this.stop})
    for (const {run} of steps) await run()
    if (!this.jsonEnabled()) this.say(`made ${counted(steps.length, 'change')}`)
    return {changes}
  }

  async #show(changes: ApplyResult['changes']): Promise<void> {
    if (this.jsonEnabled()) return
    const paint = await this.paint(1)
    const signs = {create: '+', change: ' ', remove: '-'}
    for (const {what, action, settings} of changes) {
      const title = `${signs[action]} ${what}`
      this.print(`${(action === 'create' ? paint?.green(title) : action === 'remove' && paint?.red(title)) || title}\n`)
      if (action !== 'remove') this.print(action === 'create' ? createdText(settings) : changesText(settings, paint))
    }
  }
}

function createdText(settings: readonly SettingChange[]): string {
  return settings.map(({setting, to}) => `+   ${setting} ${to}\n`).join('')
}

/** What goes: `stream OLD with 12 messages`. */
async function lossesOf(bus: Transport, steps: readonly PlanStep[]): Promise<readonly string[]> {
  const losses: string[] = []
  for (const {what, action, stream} of steps) {
    if (action === 'remove' && stream === undefined) losses.push(what)
    if (stream === undefined) continue
    const {info, changes} = stream
    const loss = changes && (await lossText(bus.streams, info, changes))
    if (action === 'remove') losses.push(`${what} with ${counted(info.state.messages, 'message')}`)
    else if (loss !== undefined) losses.push(`${loss} of ${what}`)
  }
  return losses
}
