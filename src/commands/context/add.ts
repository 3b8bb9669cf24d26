import {string} from '@oclif/core/args'
import {BusCommand} from '../../lib/cli/base/command.ts'
import {confirm} from '../../lib/cli/base/confirm.ts'
import * as flags from '../../lib/cli/flags/flags.ts'
import {withoutSecrets} from '../../lib/core/secrets.ts'

/** What `--json` prints. */
interface AddedContext {
  readonly name: string
  readonly path: string
  readonly url: string
  readonly used: boolean
}

export default class ContextAdd extends BusCommand<AddedContext> {
  static override summary = 'save a bus and a login under a name'
  static override description = [
    'What is left out is asked for on a terminal. A context keeps the bus, the login and TLS flags, --inbox-prefix, --timeout and a description, in a file that only you can read.',
    'A secret may stand elsewhere: env://NAME is the variable of that name, file://PATH a file. A credentials or seed file is kept as its path.',
  ].join('\n\n')
  static override examples = [
    {description: 'asked for step by step', command: '<%= config.bin %> context add'},
    {
      description: 'a server with a credentials file',
      command: '<%= config.bin %> context add prod --bus nats://nats.example.com --creds ~/prod.creds',
    },
    {
      description: 'a password that stays in the environment',
      command: '<%= config.bin %> context add ci --bus nats://ci:4222 --user ci --password env://CI_PASSWORD',
    },
    {
      description: 'a bus file, from now on the one that is meant',
      command: '<%= config.bin %> context add here --bus ./bus.db --use',
    },
  ]
  static override args = {name: string({description: 'what to call it'})}
  static override flags = {
    description: flags.description(),
    use: flags.use(),
    yes: flags.yes({description: 'replace a context of the same name without asking'}),
  }

  async run(): Promise<AddedContext> {
    const {args, flags, metadata} = await this.parse(ContextAdd)
    const {fieldsOf, checkContext} = await import('./new-context.ts')
    const {askForMissing} = await import('./prompts.ts')
    const {hasOwn, saveContext, useContext} = await import('./store.ts')
    const timeoutMs = metadata.flags['timeout']?.setFromDefault ? undefined : flags.timeout
    const whole = await askForMissing({name: args.name, flags: {...flags, timeoutMs}}, process.env, this.stop)
    const fields = fieldsOf(whole.flags)
    const {name, url} = checkContext(whole.name, fields)
    if (hasOwn(name, process.env)) await confirm(`replace the context ${name}`, {yes: flags.yes, signal: this.stop})
    const path = saveContext(name, fields, process.env)
    if (flags.use) useContext(name, process.env)
    this.say(`saved ${name} in ${path}`)
    this.say(flags.use ? `${name} is meant from now on` : `try: bus context check ${name}`)
    return {name, path, url: withoutSecrets(url), used: flags.use}
  }
}
