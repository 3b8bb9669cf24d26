import {string} from '@oclif/core/args'
import type {Reporter} from '../../lib/checks/events.ts'
import {BusCommand} from '../../lib/cli/base/command.ts'
import * as flags from '../../lib/cli/flags/flags.ts'
import {isTerminal, tell} from '../../lib/cli/io/terminal.ts'
import {BusError} from '../../lib/core/errors.ts'
import {
  type CheckFlags,
  type CheckScreen,
  checksJson,
  dryRunLines,
  failureOf,
  nextChange,
  planChecks,
  runChecks,
} from './plan.ts'
import {makeReporters, type ReportScreen} from './reports/reporters.ts'

export default class Check extends BusCommand {
  static override summary = 'run smoke checks from files'
  static override description = [
    'Files are YAML: names, variables and checks. A check asks, publishes, opens a stream or listens while it does these, and says what must hold in JSONata. Folders are searched for .yaml files; without a word it is the folder checks.',
    'Files run side by side, the checks of a file in order; the checks of always run at the end whatever became of the others, also after Ctrl-C. --bus and --context come before what a file says.',
    'Exit codes: 0 all passed; 9 something did not pass; 3 a bus cannot be reached or was lost; 2 a file is wrong, and nothing was run.',
  ].join('\n\n')
  static override examples = [
    {description: 'everything in the folder checks', command: '<%= config.bin %> check'},
    {
      description: 'what is quick, on another bus',
      command: '<%= config.bin %> check checks/ --tag smoke --context staging',
    },
    {
      description: 'one check, until it is right',
      command: `<%= config.bin %> check orders.yaml --only 'an order' --watch`,
    },
    {description: 'with a value', command: '<%= config.bin %> check --var region=eu --jobs 8 --bail'},
    {
      description: 'in CI: a report for its pages, and the messages of what fails',
      command: '<%= config.bin %> check --report junit=checks.xml --report github --record failed/',
    },
    {description: 'for the editor', command: '<%= config.bin %> check --schema > check.schema.json'},
  ]
  static override args = {
    file: string({description: 'files, folders or globs (default: checks)', required: false, multiple: true}),
  }
  static override flags = {
    tag: flags.checkTag(),
    only: flags.only(),
    var: flags.variable(),
    jobs: flags.jobs(),
    bail: flags.bail(),
    repeat: flags.repeat(),
    'dry-run': flags.dryRun({description: 'only say what would be run'}),
    watch: flags.watch(),
    schema: flags.schema(),
    report: flags.report(),
    record: flags.record({
      description: 'keep every message that a check saw which did not pass, as records in this folder',
      helpValue: '<folder>',
    }),
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(Check)
    if (flags.schema) return await this.#schema()
    const {tag = [], only = [], var: vars = [], jobs = 4, repeat = 1, watch} = flags
    const wishes: CheckFlags = {...flags, paths: [args.file ?? []].flat(), tag, only, var: vars, jobs, repeat}
    if (watch && !isTerminal(1)) throw new BusError('usage', '--watch is for a terminal', {try: ['leave --watch out']})
    if (flags['dry-run']) return await this.#dryRun(wishes)
    const reporters = await makeReporters(flags, this.#reports())
    try {
      if (watch) await this.#watch(wishes, reporters)
      else await this.#once(wishes, reporters)
    } finally {
      for (const reporter of reporters) await reporter.close?.()
    }
  }

  async #once(wishes: CheckFlags, reporters: readonly Reporter[]): Promise<void> {
    const files = await planChecks(wishes, (line) => this.#tellFault(line))
    const ends = await runChecks(wishes, files, this.#screen(reporters))
    for (const reporter of reporters) await reporter.settled?.()
    if (this.jsonEnabled()) this.logJson(checksJson(ends))
    await this.output.end()
    const failure = failureOf(ends)
    if (failure !== undefined) throw failure
  }

  /** Until Ctrl-C. What fails is told, and the next change waited for. */
  async #watch(wishes: CheckFlags, reporters: readonly Reporter[]): Promise<void> {
    while (!this.stop.aborted) {
      // From before the run on: what is changed meanwhile counts.
      const change = nextChange(wishes.paths, this.stop)
      await this.#once(wishes, reporters).catch((error) => {
        if (!(error instanceof BusError) || error.kind === 'notFound') throw error
        this.say(error.message)
      })
      if (!this.stop.aborted) this.say('waiting for a change; Ctrl-C ends it')
      await change
    }
  }

  async #dryRun(wishes: CheckFlags): Promise<void> {
    const files = await planChecks(wishes, (line) => this.#tellFault(line))
    const lines = dryRunLines(wishes, files)
    if (this.jsonEnabled()) this.logJson(lines)
    else this.print(`${lines.join('\n')}\n`)
  }

  /** Under --json all of it stands in the error. */
  #tellFault(line: string): void {
    if (!this.jsonEnabled()) tell(`${line}\n`)
  }

  async #schema(): Promise<void> {
    const {jsonSchema} = await import('../../lib/checks/shape.ts')
    this.print(`${JSON.stringify(jsonSchema(), null, 2)}\n`)
  }

  #reports(): ReportScreen {
    return {
      ...{output: this.output, tell, env: process.env, isTerminal},
      paint: (fd) => this.paint(fd),
      columns: (fd) => (fd === 1 ? process.stdout : process.stderr).columns,
    }
  }

  #screen(reporters: readonly Reporter[]): CheckScreen {
    return {
      ...{reporters, env: process.env, stop: this.stop},
      say: (line) => this.say(line),
      tell: (line) => tell(`${line}\n`),
      onOpen: (lines) => {
        if (isTerminal(2) && !this.jsonEnabled()) for (const line of lines) this.say(line)
      },
    }
  }
}
