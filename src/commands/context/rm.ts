import {BusCommand} from '../../lib/cli/base/command.ts'
import {confirm} from '../../lib/cli/base/confirm.ts'
import {argument} from '../../lib/cli/flags/kinds.ts'
import {streamFlags} from '../../lib/cli/flags/stream.ts'
import {BusError} from '../../lib/core/errors.ts'
import {shellWord} from '../../lib/core/text/shell-word.ts'

/** What `--json` prints. */
interface ContextRmResult {
  readonly removed: string
}

export default class ContextRm extends BusCommand<ContextRmResult> {
  static override summary = 'remove a context'
  static override description = 'Contexts of the NATS CLI cannot be removed here.'
  static override examples = [{description: 'without confirmation', command: '<%= config.bin %> context rm old --yes'}]
  static override args = {name: argument({description: 'name of the context', required: true})}
  static override flags = {yes: streamFlags.yes}

  async run(): Promise<ContextRmResult> {
    const {args, flags} = await this.parse(ContextRm)
    const {findEntry} = await import('../../lib/cli/target/context-files.ts')
    const {removeContext} = await import('./store.ts')
    const {name, from} = findEntry(args.name, process.env)
    if (from === 'nats') {
      throw new BusError('usage', `the context ${JSON.stringify(name)} belongs to the NATS CLI`, {
        try: [`nats context rm ${shellWord(name)}`],
      })
    }
    await confirm(`remove the context ${name}`, {yes: flags.yes, signal: this.stop})
    const wasUsed = removeContext(name, process.env)
    this.say(`removed ${name}${wasUsed ? '; no context is selected now' : ''}`)
    return {removed: name}
  }
}
