import {BusCommand} from '../../lib/cli/base/command.ts'
import {argument} from '../../lib/cli/flags/kinds.ts'
import {factSheet} from '../../lib/cli/render/table.ts'
import {chooseBus} from '../../lib/cli/target/bus.ts'
import {BusError} from '../../lib/core/errors.ts'
import type {ShownContext} from './description.ts'

export default class ContextShow extends BusCommand<ShownContext> {
  static override summary = 'show a context, without its secrets'
  static override examples = [{description: 'the selected one', command: '<%= config.bin %> context show'}]
  static override args = {name: argument({description: 'name of the context (default: the selected one)'})}

  async run(): Promise<ShownContext> {
    const {args, flags} = await this.parse(ContextShow)
    const {findContext} = await import('../../lib/cli/target/context-files.ts')
    const {shownContext} = await import('./description.ts')
    const name = args.name ?? chooseBus(flags, process.env).context
    if (name === undefined) {
      throw new BusError('notFound', 'no context is selected', {try: ['bus context ls', 'bus context use NAME']})
    }
    const shown = shownContext(findContext(name, process.env), process.env)
    const {from, used, path, ...fields} = shown
    const facts = Object.entries(fields).map(([field, value]) => [field.replace('_', ' '), String(value)])
    const owner = from === 'nats' ? {from: 'the NATS CLI'} : {}
    if (!this.jsonEnabled()) {
      const sheet = {
        ...Object.fromEntries(facts),
        ...owner,
        file: path,
        ...(used && {selected: 'yes, with bus context use'}),
      }
      this.print(await factSheet(sheet, await this.paint(1)))
    }
    return shown
  }
}
