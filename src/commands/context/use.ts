import {BusCommand} from '../../lib/cli/base/command.ts'
import {argument, toggle} from '../../lib/cli/flags/kinds.ts'
import {BusError} from '../../lib/core/errors.ts'

/** What `--json` prints. */
interface ContextUseResult {
  /** Null for none. */
  readonly used: string | null
}

export default class ContextUse extends BusCommand<ContextUseResult> {
  static override summary = 'select the context to use by default'
  static override description =
    'The context selected in the NATS CLI (nats context select) is neither used nor changed.'
  static override examples = [
    {description: 'use a context from now on', command: '<%= config.bin %> context use prod'},
    {description: 'back to your own bus file', command: '<%= config.bin %> context use --none'},
  ]
  static override args = {name: argument({description: 'name of the context'})}
  static override flags = {none: toggle('select no context: use your own bus file again')}

  async run(): Promise<ContextUseResult> {
    const {args, flags} = await this.parse(ContextUse)
    const {name} = args
    if (name !== undefined && flags.none) throw new BusError('usage', 'NAME and --none cannot be used together')
    if (name === undefined && !flags.none) throw new BusError('usage', 'NAME is missing', {try: ['bus context ls']})
    const {useContext} = await import('./store.ts')
    const {findEntry, readEntry} = await import('../../lib/cli/target/context-files.ts')
    const context = name === undefined ? undefined : readEntry(findEntry(name, process.env))
    useContext(context?.name, process.env)
    this.say(context === undefined ? 'no context selected' : `now using context ${context.name}`)
    return {used: context?.name ?? null}
  }
}
