import {BusCommand} from '../../lib/cli/base/command.ts'
import {confirm} from '../../lib/cli/base/confirm.ts'
import {argument, toggle, variant} from '../../lib/cli/flags/kinds.ts'
import {streamFlags} from '../../lib/cli/flags/stream.ts'
import {shellWord} from '../../lib/core/text/shell-word.ts'
import {shownBus} from '../../lib/transport/schemes.ts'

/** What `--json` prints. */
interface ContextAddResult {
  readonly name: string
  readonly path: string
  readonly url: string
  readonly used: boolean
}

export default class ContextAdd extends BusCommand<ContextAddResult> {
  static override summary = 'save a bus and a login under a name'
  static override description = [
    'On a terminal it prompts for what is missing. A context stores the bus, the login and TLS flags, --inbox-prefix, --js-domain, --js-api-prefix, --timeout and a description, in a file that only you can read.',
    'A secret can be a reference: env://NAME to an environment variable, file://PATH to a file. A credentials or seed file is saved as its path.',
  ].join('\n\n')
  static override examples = [
    {description: 'with prompts', command: '<%= config.bin %> context add'},
    {
      description: 'a server with a credentials file',
      command: '<%= config.bin %> context add prod --bus nats://nats.example.com --creds ~/prod.creds',
    },
    {
      description: 'a password from the environment',
      command: '<%= config.bin %> context add ci --bus nats://ci:4222 --user ci --password env://CI_PASSWORD',
    },
    {
      description: 'a bus file, used by default from now on',
      command: '<%= config.bin %> context add here --bus ./bus.db --use',
    },
  ]
  static override args = {name: argument({description: 'name of the new context'})}
  static override flags = {
    description: streamFlags.description,
    use: toggle('use this context by default from now on'),
    yes: variant(streamFlags.yes, {description: 'replace a context with the same name without asking'}),
  }

  async run(): Promise<ContextAddResult> {
    const {args, flags, defaulted} = await this.parse(ContextAdd)
    const {askForMissing, checkContext, fieldsOf} = await import('./add-plan.ts')
    const {isHidden} = await import('../../lib/cli/target/context-files.ts')
    const {hasOwn, saveContext, useContext} = await import('./store.ts')
    const timeoutMs = defaulted.has('timeout') ? undefined : flags.timeout
    const complete = await askForMissing({name: args.name, flags: {...flags, timeoutMs}}, process.env, this.stop)
    const fields = fieldsOf(complete.flags)
    const {name, url} = checkContext(complete.name, fields)
    if (hasOwn(name, process.env)) await confirm(`replace the context ${name}`, {yes: flags.yes, signal: this.stop})
    const path = saveContext(name, fields, process.env)
    if (flags.use) useContext(name, process.env)
    this.say(`saved ${name} in ${path}`)
    if (isHidden(name, process.env))
      this.say(`the context ${name} of the NATS CLI is now hidden: --context ${name} means this one`)
    this.say(flags.use ? `now using context ${name}` : `try: bus context check ${shellWord(name)}`)
    return {name, path, url: shownBus(url), used: flags.use}
  }
}
