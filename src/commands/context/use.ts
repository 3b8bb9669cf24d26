import {string} from '@oclif/core/args'
import {BusCommand} from '../../lib/cli/base/command.ts'
import {excluding} from '../../lib/cli/base/flag-rules.ts'
import * as flags from '../../lib/cli/flags/flags.ts'
import {BusError} from '../../lib/core/errors.ts'

/** What `--json` prints. */
interface UsedContext {
  /** Null for none. */
  readonly used: string | null
}

export default class ContextUse extends BusCommand<UsedContext> {
  static override summary = 'choose the context that is meant when nothing else is said'
  static override description =
    'Ours alone: what was chosen in the NATS CLI (nats context select) is not looked at, and not changed.'
  static override examples = [
    {description: 'from now on', command: '<%= config.bin %> context use prod'},
    {description: 'no longer', command: '<%= config.bin %> context use --none'},
  ]
  static override args = {name: string({description: 'which one'})}
  static override flags = {none: flags.none()}

  async run(): Promise<UsedContext> {
    const {args, flags} = await this.parse(ContextUse)
    const {name} = args
    excluding({...flags, name}, 'none', 'name')
    if (name === undefined && !flags.none) throw new BusError('usage', 'NAME is missing', {try: ['bus context ls']})
    const {useContext} = await import('./store.ts')
    const {findEntry, readEntry} = await import('../../lib/cli/target/context-files.ts')
    const context = name === undefined ? undefined : readEntry(findEntry(name, process.env))
    useContext(context?.name, process.env)
    this.say(context === undefined ? 'no context is meant now' : `${context.name} is meant from now on`)
    return {used: context?.name ?? null}
  }
}
