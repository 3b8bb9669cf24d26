/** `check`: from the flags to files, buses and runs; --repeat and --watch run again. */

import {watch} from 'node:fs'
import type {Check, CheckFile} from '../../lib/checks/check.ts'
import type {CheckEvent, FileResult, Reporter, Totals} from '../../lib/checks/events.ts'
import {planOf, runFiles} from '../../lib/checks/run.ts'
import {Scrubber} from '../../lib/checks/scrub.ts'
import {parseVariable} from '../../lib/checks/variables.ts'
import {counted} from '../../lib/cli/render/units.ts'
import type {BusFlags} from '../../lib/cli/target/bus.ts'
import {BusError, interruptedError} from '../../lib/core/errors.ts'
import {recordWriter, roundedMs} from '../../lib/core/record.ts'
import {nearest} from '../../lib/core/text/nearest.ts'
import {Buses} from './buses.ts'
import {findFiles, foldersOf, loadFiles} from './files.ts'
import {LazyProtocols} from './protocols.ts'

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

export interface CheckConsole {
  readonly reporters: readonly Reporter[]
  readonly env: NodeJS.ProcessEnv
  /** Writes a line to stderr, unless --quiet is given. */
  readonly say: (line: string) => void
  /** Writes a line to stderr even with --quiet. */
  readonly tell: (line: string) => void
  /** Called with a line for each bus that was opened. */
  readonly onOpen: (lines: readonly string[]) => void
  readonly stop: AbortSignal
  /** How long a bus may keep the checks waiting. */
  readonly timeoutMs: number | undefined
}

type RunEnd = Extract<CheckEvent, {kind: 'end'}>

/** Loads the check files. Fails with `usage` if they have errors or no check is selected. */
export async function planChecks(flags: CheckFlags, tell: (line: string) => void): Promise<readonly CheckFile[]> {
  const vars = varsOf(flags)
  const files = await loadFiles(findFiles(flags.paths), [...vars.keys()], tell)
  const chosen = chooser(flags)
  if (files.some(({checks}) => checks.some(chosen))) return files
  throw nothingChosen(flags, files)
}

/** The checks that would run, one per line: `checks/orders.yaml:4 an order can be read [smoke]`. */
export function dryRunLines(flags: CheckFlags, files: readonly CheckFile[]): string[] {
  return files
    .flatMap((file) => planOf(file, chooser(flags)).checks)
    .map(({file, line, name, part, tags}) => {
      const labels = [...tags, ...(part === 'always' ? ['always'] : [])]
      return `${file}:${line} ${name}${labels.length === 0 ? '' : ` [${labels.join(' ')}]`}`
    })
}

/** Runs the files `--repeat` times. Fails with `connect` before anything runs; `failureOfRuns` has the failures of checks. */
export async function runChecks(
  flags: CheckFlags,
  files: readonly CheckFile[],
  console: CheckConsole,
): Promise<readonly RunEnd[]> {
  const {env, say, tell, stop, reporters, timeoutMs} = console
  const vars = varsOf(flags)
  const scrubber = new Scrubber()
  const chosen = chooser(flags)
  const warn = (line: string) => tell(`warning: ${line}`)
  await using buses = new Buses({flags, env, vars, scrubber, warn, notify: say, timeoutMs, signal: stop})
  await buses.openFor(files.filter(({checks}) => checks.some(chosen)))
  console.onOpen(buses.lines)
  await using protocols = new LazyProtocols((bus) => buses.found(bus))
  const ends: RunEnd[] = []
  for (let round = 1; round <= flags.repeat; round++) {
    const end = await runFiles(files, {
      ...{protocols, scrubber, env, vars, chosen, round, signal: stop},
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

/** The failure of a run, from which the exit code follows: interrupted, bus lost, or not all passed. */
export function failureOfRuns(ends: readonly RunEnd[]): BusError | undefined {
  const results = ends.flatMap(({files}) => files).flatMap(({results}) => results)
  if (ends.some(({stoppedBy}) => stoppedBy === 'interrupt')) return interruptedError()
  const failures = results.flatMap((result) => result.failures)
  const lost = failures.find(({kind}) => kind === 'connect') ?? failures.find(({unanswered}) => unanswered)
  if (lost?.kind !== undefined) return new BusError(lost.kind, lost.sentence, {try: lost.try ?? []})
  const bad = ends.reduce((sum, {totals}) => sum + totals.failed + totals.errors, 0)
  if (bad === 0) return undefined
  const all = ends.reduce((sum, {totals}) => sum + totals.passed + totals.failed + totals.errors, 0)
  return new BusError('expectation', `${bad} of ${counted(all, 'check')} did not pass`)
}

/** What `--json` prints: totals of all rounds, and every check. Messages in it are records. */
export function checksJson(ends: readonly RunEnd[]): object {
  const sum = (key: keyof Totals) => ends.reduce((total, {totals}) => total + totals[key], 0)
  const totals = {passed: sum('passed'), failed: sum('failed'), errors: sum('errors'), skipped: sum('skipped')}
  return {
    ...totals,
    ms: roundedMs(sum('ms')),
    rounds: ends.length,
    files: ends.flatMap(({files}) => files.map(fileJson)),
  }
}

/** Resolves at the next change of a YAML file in the folders of the check files, or when stopped. */
export async function nextChange(words: readonly string[], stop: AbortSignal): Promise<void> {
  const folders = foldersOf(words)
  const watching = new AbortController()
  const signal = AbortSignal.any([stop, watching.signal])
  try {
    await new Promise<void>((resolve) => {
      // Editors write several times: changes in quick succession count as one.
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

/** Selects by tags (any of them; `!slow` excludes) and by a part of the name, ignoring case. */
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
  return new BusError('usage', `no check matches ${asked}`, {
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
    ...{file, name, ...totals, ms: roundedMs(totals.ms)},
    checks: results.map(({failures, messages, ms, file: _file, ...result}) => ({
      ...result,
      ms: roundedMs(ms),
      failures: failures.map(({message, ...failure}) => ({...failure, ...(message && {message: record(message)})})),
      messages: messages.length,
    })),
  }
}
