import {existsSync} from 'node:fs'
import {BusCommand} from '../../lib/cli/base/command.ts'
import {confirm} from '../../lib/cli/base/confirm.ts'
import {onGivenBus} from '../../lib/cli/base/error-report.ts'
import {argument, text, texts, variant} from '../../lib/cli/flags/kinds.ts'
import {streamFlags} from '../../lib/cli/flags/stream.ts'
import {isTerminal, tell} from '../../lib/cli/io/terminal.ts'
import {counted} from '../../lib/cli/render/units.ts'
import {checkSubject} from '../../lib/core/subject.ts'
import {shellWord} from '../../lib/core/text/shell-word.ts'
import {saveFile} from '../../lib/core/trusted-file.ts'
import {askForInit, tryDraft} from './init-plan.ts'
import type {CheckConsole} from './plan.ts'

/** What `--json` prints. */
interface InitResult {
  readonly path: string
  readonly checks: readonly string[]
  /** Drafted checks that do not pass. */
  readonly left: readonly {readonly name: string; readonly reason: string}[]
}

export default class CheckInit extends BusCommand<InitResult> {
  static override summary = 'write a first check file from what is found on the bus'
  static override description = [
    'The command looks for announced services, streams and consumers, drafts a check for each, runs the checks and keeps those that pass. On a terminal it prompts for the file name and the subjects to send requests to.',
    'Requests are sent only to subjects given with --request, because a request may have side effects.',
  ].join('\n\n')
  static override examples = [
    {description: 'with prompts', command: '<%= config.bin %> check init'},
    {
      description: 'with a service that does not announce itself',
      command: '<%= config.bin %> check init checks/orders.yaml --request orders.health -b nats://127.0.0.1:4222',
    },
  ]
  static override args = {file: argument({description: 'file to write (default: checks/bus.yaml)'})}
  static override flags = {
    name: text('name of the file in reports (default: the bus)', '<name>'),
    request: texts('subject to send an empty request to, and to check that it is answered', '<subject>'),
    yes: variant(streamFlags.yes, {description: 'replace the file without asking'}),
  }

  async run(): Promise<InitResult> {
    const {args, flags} = await this.parse(CheckInit)
    const {discoverBus} = await import('../../lib/checks/draft.ts')
    const subjects = (flags.request ?? []).map((subject) => checkSubject(subject))
    const mayAsk = isTerminal(0) && isTerminal(2) && !process.env['CI'] && !flags.json
    const answers = await askForInit({path: args.file, name: flags.name, subjects}, mayAsk, this.stop)
    const {path} = answers
    if (existsSync(path)) await confirm(`replace the file ${path}`, {yes: flags.yes, signal: this.stop})
    const bounds = {timeoutMs: flags.timeout, signal: this.stop}
    const findings = await (async () => {
      await using bus = await this.openBus()
      return await discoverBus(bus, answers.subjects, bounds)
    })()
    const {text, kept, left} = await tryDraft(answers, findings, flags, this.#console())
    saveFile(path, text)
    const reasons = left.map(({name, failures}) => ({name, reason: failures[0]?.sentence ?? 'not run'}))
    for (const sentence of findings.unknown) this.say(`not examined: ${sentence}`)
    for (const {name, reason} of reasons) this.say(`left out "${name}": ${reason}`)
    this.say(`wrote ${counted(kept.length, 'check')} to ${path}`)
    this.say(`try: ${onGivenBus([`bus check ${shellWord(path)}`])}`)
    return {path, checks: kept.map(({name}) => name), left: reasons}
  }

  #console(): Omit<CheckConsole, 'reporters'> {
    return {
      ...{env: process.env, stop: this.stop, timeoutMs: this.timeoutMs},
      say: (line) => this.say(line),
      tell: (line) => tell(`${line}\n`),
      onOpen() {},
    }
  }
}
