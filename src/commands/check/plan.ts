/** `check`: from the flags to files, buses and a run, again and again with --repeat and --watch. */
import {watch} from 'node:fs'
import type {CheckEvent, FileResult, Reporter, Totals} from '../../lib/checks/events.ts'
import type {Check, CheckFile} from '../../lib/checks/file.ts'
import {planOf, runFiles} from '../../lib/checks/run.ts'
import {Scrubber} from '../../lib/checks/scrub.ts'
import {parseVariable} from '../../lib/checks/variables.ts'
import {counted} from '../../lib/cli/render/units.ts'
import type {BusFlags} from '../../lib/cli/target/bus.ts'
import {BusError} from '../../lib/core/errors.ts'
import {recordWriter} from '../../lib/core/record.ts'
import {nearest} from '../../lib/core/text/nearest.ts'
import {interruptedError} from '../../lib/transport/shared/requests.ts'
import {Buses} from './buses.ts'
import {findFiles, foldersOf, loadFiles} from './files.ts'
import {CheckTools} from './tools.ts'

export interface CheckFlags extends BusFlags {
  readonly timeout: number
  readonly paths: readonly string[]
  readonly tag: readonly string[]
  readonly only: readonly string[]
  readonly var: readonly string[]
  readonly jobs: number
  readonly repeat: number
  readonly bail: boolean
}

export interface CheckScreen {
  readonly reporters: readonly Reporter[]
  readonly env: NodeJS.ProcessEnv
  /** One line of talk; nothing with --quiet. */
  readonly say: (line: string) => void
  /** One line that must be said. */
  readonly tell: (line: string) => void
  /** Told which buses are meant. */
  readonly onOpen: (lines: readonly string[]) => void
  readonly stop: AbortSignal
}

type End = Extract<CheckEvent, {kind: 'end'}>

/** Reads the files and says what would be run. Fails with `usage` for what is wrong in them. */
export async function planChecks(flags: CheckFlags, tell: (line: string) => void): Promise<readonly CheckFile[]> {
  const vars = varsOf(flags)
  const files = await loadFiles(findFiles(flags.paths), [...vars.keys()], tell)
  const chosen = chooser(flags)
  if (files.some(({checks}) => checks.some(chosen))) return files
  throw nothingChosen(flags, files)
}

/** The checks that would be run, a line each: `checks/orders.yaml:4 an order can be read [smoke]`. */
export function dryRunLines(flags: CheckFlags, files: readonly CheckFile[]): string[] {
  return files
    .flatMap((file) => planOf(file, chooser(flags)).checks)
    .map(({file, line, name, part, tags}) => {
      const labels = [...tags, ...(part === 'always' ? ['always'] : [])]
      return `${file}:${line} ${name}${labels.length === 0 ? '' : ` [${labels.join(' ')}]`}`
    })
}

/** Runs them `--repeat` times and answers every round. Fails with `connect` before anything runs; see `failureOf` for the rest. */
export async function runChecks(
  flags: CheckFlags,
  files: readonly CheckFile[],
  screen: CheckScreen,
): Promise<readonly End[]> {
  const {env, say, tell, stop, reporters} = screen
  const vars = varsOf(flags)
  const scrubber = new Scrubber()
  const chosen = chooser(flags)
  const warn = (line: string) => tell(`warning: ${line}`)
  await using buses = new Buses({flags, env, vars, scrubber, warn, notify: say, signal: stop})
  await buses.openFor(files.filter(({checks}) => checks.some(chosen)))
  screen.onOpen(buses.lines)
  await using tools = new CheckTools((bus) => buses.found(bus))
  const ends: End[] = []
  for (let round = 1; round <= flags.repeat; round++) {
    const end = await runFiles(files, {
      ...{tools, scrubber, env, vars, chosen, round, signal: stop},
      ...{jobs: flags.jobs, bail: flags.bail, withinMs: flags.timeout},
      busOf: (file) => buses.of(file),
      tell: (event) => {
        for (const reporter of reporters) reporter.tell(event)
      },
    })
    ends.push(end)
    if (end.stoppedBy !== undefined) break
  }
  return ends
}

/** What the exit code says: interrupted, the bus was lost, or not all passed. */
export function failureOf(ends: readonly End[]): BusError | undefined {
  const results = ends.flatMap(({files}) => files).flatMap(({results}) => results)
  if (ends.some(({stoppedBy}) => stoppedBy === 'interrupt')) return interruptedError()
  const lost = results.flatMap(({failures}) => failures).find(({kind}) => kind === 'connect')
  if (lost !== undefined) return new BusError('connect', lost.sentence, {try: lost.try ?? []})
  const bad = ends.reduce((sum, {totals}) => sum + totals.failed + totals.errors, 0)
  if (bad === 0) return undefined
  const all = ends.reduce((sum, {totals}) => sum + totals.passed + totals.failed + totals.errors, 0)
  return new BusError('expectation', `${bad} of ${counted(all, 'check')} did not pass`)
}

/** What `--json` prints: totals of all rounds, and every check with its messages as records. */
export function checksJson(ends: readonly End[]): object {
  const sum = (key: keyof Totals) => ends.reduce((total, {totals}) => total + totals[key], 0)
  const totals = {passed: sum('passed'), failed: sum('failed'), errors: sum('errors'), skipped: sum('skipped')}
  return {...totals, ms: rounded(sum('ms')), rounds: ends.length, files: ends.flatMap(({files}) => files.map(fileJson))}
}

/** Resolves at the next change of a YAML file where these words look for check files, and when it is stopped. */
export async function nextChange(words: readonly string[], stop: AbortSignal): Promise<void> {
  const folders = foldersOf(words)
  const watching = new AbortController()
  const signal = AbortSignal.any([stop, watching.signal])
  try {
    await new Promise<void>((resolve) => {
      // An editor writes several times: what comes close together is one change.
      const changed = () => setTimeout(resolve, 100)
      for (const [folder, recursive] of folders)
        watch(folder, {signal, recursive}, (_, name) => isYaml(name) && changed())
      stop.addEventListener('abort', () => resolve(), {once: true})
    })
  } finally {
    watching.abort()
  }
}

function isYaml(name: string | null): boolean {
  return name === null || /\.ya?ml$/.test(name)
}

function varsOf(flags: CheckFlags): Map<string, unknown> {
  return new Map(flags.var.map(parseVariable))
}

/** By tags (any of them; `!slow` excludes) and by names: all of it, or a part of it whatever its case. */
function chooser({tag, only}: CheckFlags): (check: Check) => boolean {
  const excluded = tag.filter((name) => name.startsWith('!')).map((name) => name.slice(1))
  const wanted = tag.filter((name) => !name.startsWith('!'))
  const names = only.map((name) => name.toLowerCase())
  return ({plan: {name, tags}}) =>
    !excluded.some((one) => tags.includes(one)) &&
    (wanted.length === 0 || wanted.some((one) => tags.includes(one))) &&
    (names.length === 0 || names.some((one) => name.toLowerCase().includes(one)))
}

function nothingChosen({tag, only}: CheckFlags, files: readonly CheckFile[]): BusError {
  const plans = files.flatMap(({checks}) => checks).map(({plan}) => plan)
  const asked = [...only.map((name) => `--only ${name}`), ...tag.map((name) => `--tag ${name}`)].join(' ')
  const name = nearest(
    only[0] ?? '',
    plans.map((plan) => plan.name),
  )
  const near = nearest(
    tag[0] ?? '',
    plans.flatMap((plan) => plan.tags),
  )
  return new BusError('usage', `no check is left by ${asked}`, {
    try: [
      ...(name === undefined ? [] : [`--only '${name}'`]),
      ...(near === undefined ? [] : [`--tag ${near}`]),
      '--dry-run',
    ],
  })
}

function fileJson({file, name, results, ...totals}: FileResult): object {
  const write = recordWriter()
  const record = (message: Parameters<typeof write>[0]): unknown => JSON.parse(write(message))
  return {
    ...{file, name, ...totals, ms: rounded(totals.ms)},
    checks: results.map(({failures, messages, ms, file: _file, ...result}) => ({
      ...result,
      ms: rounded(ms),
      failures: failures.map(({message, ...failure}) => ({...failure, ...(message && {message: record(message)})})),
      messages: messages.length,
    })),
  }
}

function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000
}
