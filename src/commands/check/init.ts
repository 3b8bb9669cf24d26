import {string} from '@oclif/core/args'
import {BusCommand} from '../../lib/cli/base/command.ts'
import {confirm} from '../../lib/cli/base/confirm.ts'
import * as flags from '../../lib/cli/flags/flags.ts'
import {isTerminal, tell} from '../../lib/cli/io/terminal.ts'
import {counted} from '../../lib/cli/render/units.ts'
import type {BusFlags} from '../../lib/cli/target/bus.ts'
import {askForInit, exists, tryDraft, writeDraft} from './init-plan.ts'
import type {CheckScreen} from './plan.ts'

/** What `--json` prints. */
interface Written {
  readonly path: string
  readonly checks: readonly string[]
  /** Drafted, and left out since they do not pass. */
  readonly left: readonly {readonly name: string; readonly reason: string}[]
}

export default class CheckInit extends BusCommand<Written> {
  static override summary = 'write a first check file, of what is found on the bus'
  static override description = [
    'Looks at which services announce themselves and which streams and consumers there are, drafts a check for each, runs them, and keeps those that pass. On a terminal it asks what to call the file and whom to send a request.',
    'A request is only sent to the subjects that are named with --request: what it does is for you to know.',
  ].join('\n\n')
  static override examples = [
    {description: 'asked step by step', command: '<%= config.bin %> check init'},
    {
      description: 'with a service that has no announcement',
      command: '<%= config.bin %> check init checks/orders.yaml --request orders.health -b nats://127.0.0.1:4222',
    },
  ]
  static override args = {file: string({description: 'where to write it (default: checks/bus.yaml)'})}
  static override flags = {
    name: flags.name({description: 'what the file is called in reports (default: the bus)'}),
    request: flags.requestTo(),
    yes: flags.yes({description: 'replace the file without asking'}),
  }

  async run(): Promise<Written> {
    const {args, flags} = await this.parse(CheckInit)
    const {checkSubject} = await import('../../lib/core/subject.ts')
    const {look} = await import('../../lib/checks/service-info.ts')
    const subjects = (flags.request ?? []).map((subject) => checkSubject(subject))
    const mayAsk = isTerminal(0) && isTerminal(2) && !process.env['CI'] && !flags.json
    const answers = await askForInit({path: args.file, name: flags.name, subjects}, mayAsk, this.stop)
    const {path} = answers
    if (exists(path)) await confirm(`replace the file ${path}`, {yes: flags.yes, signal: this.stop})
    const bounds = {timeoutMs: flags.timeout, signal: this.stop}
    const findings = await (async () => {
      await using bus = await this.openBus()
      return await look(bus, answers.subjects, bounds)
    })()
    const {text, kept, left} = await tryDraft(answers, findings, flags, this.#screen())
    writeDraft(path, text)
    const reasons = left.map(({name, failures}) => ({name, reason: failures[0]?.sentence ?? 'not run'}))
    for (const {name, reason} of reasons) this.say(`left out "${name}": ${reason}`)
    this.say(`wrote ${counted(kept.length, 'check')} to ${path}`)
    this.say(`try: bus check ${path}${sameBus(flags)}`)
    return {path, checks: kept.map(({name}) => name), left: reasons}
  }

  #screen(): Omit<CheckScreen, 'reporters'> {
    return {
      ...{env: process.env, stop: this.stop},
      say: (line) => this.say(line),
      tell: (line) => tell(`${line}\n`),
      onOpen() {},
    }
  }
}

/** What the file does not say; a login is not said again. */
function sameBus({bus, context}: BusFlags): string {
  if (bus !== undefined && !bus.includes('@')) return ` -b ${bus}`
  return context === undefined ? '' : ` --context ${context}`
}
