import type {Reporter} from '../../lib/checks/events.ts'
import {BusCommand} from '../../lib/cli/base/command.ts'
import {consumerFlags} from '../../lib/cli/flags/consumer.ts'
import {argument, count, texts, toggle, variant} from '../../lib/cli/flags/kinds.ts'
import {record} from '../../lib/cli/flags/view.ts'
import {isTerminal, tell, tellAsIs} from '../../lib/cli/io/terminal.ts'
import {BusError} from '../../lib/core/errors.ts'
import {
  type CheckConsole,
  type CheckFlags,
  checksJson,
  dryRunLines,
  failureOfRuns,
  nextChange,
  planChecks,
  runChecks,
} from './plan.ts'
import {makeReporters, type ReportConsole} from './reports/reporters.ts'

export default class Check extends BusCommand {
  static override summary = 'run smoke checks from files'
  static override description = [
    'Check files are YAML with variables and checks. A check sends a request, publishes, opens a response stream or waits for messages, and states in JSONata what must hold. Folders are searched for .yaml files; the default is the folder checks.',
    'Files run in parallel; the checks in a file run in order. The checks under "always" run at the end whatever the other results are, even after Ctrl-C. --bus and --context override the bus named in a file.',
    'Exit codes: 0 all passed; 9 some did not pass; 3 a bus cannot be reached or was lost; 6 a bus did not respond; 2 a file has errors, and nothing was run.',
  ].join('\n\n')
  static override examples = [
    {description: 'everything in the folder checks', command: '<%= config.bin %> check'},
    {
      description: 'checks with a tag, on another bus',
      command: '<%= config.bin %> check checks/ --tag smoke --context staging',
    },
    {
      description: 'one check, again at each change',
      command: `<%= config.bin %> check orders.yaml --only 'an order' --watch`,
    },
    {description: 'with a variable', command: '<%= config.bin %> check --var region=eu --jobs 8 --bail'},
    {
      description: 'in CI: reports, and the messages seen by failed checks',
      command: '<%= config.bin %> check --report junit=checks.xml --report github --record failed/',
    },
    {description: 'for completion in an editor', command: '<%= config.bin %> check --schema > check.schema.json'},
  ]
  static override args = {
    file: argument({description: 'files, folders or globs (default: checks)', required: false, multiple: true}),
  }
  static override flags = {
    tag: texts('run only checks with this tag, or, if written !slow, without it', '<tag>'),
    only: texts('run only checks whose name contains this', '<name>'),
    var: texts('set the variable {name} of the files', '<name=value>'),
    jobs: count('files to run at the same time (default: 4)'),
    bail: toggle('stop after the first check that does not pass'),
    repeat: count('run everything this many times'),
    'dry-run': variant(consumerFlags['dry-run'], {description: 'list the checks that would run'}),
    watch: toggle('run again when a file changes'),
    schema: toggle('print the JSON Schema of check files, for completion in editors'),
    report: texts(
      'also write a report: junit, tap, json, github or prometheus, to stdout or to a file',
      '<kind[=file]>',
    ),
    record: variant(record, {
      description: 'save the messages seen by failed checks in this folder, as records',
      helpValue: '<folder>',
    }),
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(Check)
    if (flags.schema) return await this.#schema()
    const {tag = [], only = [], var: vars = [], jobs = 4, repeat = 1, watch} = flags
    const options: CheckFlags = {...flags, paths: [args.file ?? []].flat(), tag, only, var: vars, jobs, repeat}
    if (watch && !isTerminal(1)) throw new BusError('usage', '--watch needs a terminal', {try: ['leave --watch out']})
    if (flags['dry-run']) return await this.#dryRun(options)
    const reporters = await makeReporters(flags, this.#reports())
    try {
      if (watch) await this.#watch(options, reporters)
      else await this.#once(options, reporters)
    } finally {
      for (const reporter of reporters) await reporter.close?.()
    }
  }

  async #once(options: CheckFlags, reporters: readonly Reporter[]): Promise<void> {
    const files = await planChecks(options, (line) => this.#tellFault(line))
    const ends = await runChecks(options, files, this.#console(reporters))
    for (const reporter of reporters) await reporter.settled?.()
    if (this.jsonEnabled()) this.logJson(checksJson(ends))
    await this.output.end()
    const failure = failureOfRuns(ends)
    if (failure !== undefined) throw failure
  }

  /** Runs at each change until Ctrl-C, and reports failures. */
  async #watch(options: CheckFlags, reporters: readonly Reporter[]): Promise<void> {
    while (!this.stop.aborted) {
      // Watch from before the run, so that changes during it count.
      const change = nextChange(options.paths, this.stop)
      await this.#once(options, reporters).catch((error) => {
        if (!(error instanceof BusError) || error.kind === 'notFound') throw error
        this.say(error.message)
      })
      if (!this.stop.aborted) this.say('waiting for a change; press Ctrl-C to stop')
      await change
    }
  }

  async #dryRun(options: CheckFlags): Promise<void> {
    const files = await planChecks(options, (line) => this.#tellFault(line))
    const lines = dryRunLines(options, files)
    if (this.jsonEnabled()) this.logJson(lines)
    else this.print(`${lines.join('\n')}\n`)
  }

  /** With --json the error lists all faults. */
  #tellFault(line: string): void {
    if (!this.jsonEnabled()) tell(`${line}\n`)
  }

  async #schema(): Promise<void> {
    const {jsonSchema} = await import('../../lib/checks/shape.ts')
    this.print(`${JSON.stringify(jsonSchema(), null, 2)}\n`)
  }

  #reports(): ReportConsole {
    return {
      ...{output: this.output, tell, env: process.env, isTerminal},
      draw: (fd, text) => (fd === 1 ? this.output.writeAsIs(text) : tellAsIs(text)),
      paint: (fd) => this.paint(fd),
      columns: (fd) => (fd === 1 ? process.stdout : process.stderr).columns,
    }
  }

  #console(reporters: readonly Reporter[]): CheckConsole {
    return {
      ...{reporters, env: process.env, stop: this.stop, timeoutMs: this.timeoutMs},
      say: (line) => this.say(line),
      tell: (line) => tell(`${line}\n`),
      onOpen: (lines) => {
        if (isTerminal(2) && !this.jsonEnabled()) for (const line of lines) this.say(line)
      },
    }
  }
}
