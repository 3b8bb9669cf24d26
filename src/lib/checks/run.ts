/** Runs check files in parallel, the checks of a file in order, and then its clean-up. */
import {dirname} from 'node:path'
import {BusError} from '../core/errors.ts'
import type {Transport} from '../transport/contract.ts'
import {type Check, type CheckFile, msOf} from './check.ts'
import type {CheckEvent, CheckResult, FilePlan, FileResult, Totals} from './events.ts'
import type {CheckProtocols} from './protocols.ts'
import {type FileContext, runCheck} from './run-check.ts'
import type {Scrubber} from './scrub.ts'
import {Variables} from './variables.ts'

export interface RunOptions {
  /** The open bus of a file; several files may share one. */
  readonly busOf: (file: CheckFile) => Transport
  readonly protocols: CheckProtocols
  readonly tell: (event: CheckEvent) => void
  /** Removes secrets from every event. */
  readonly scrubber: Scrubber
  readonly env: NodeJS.ProcessEnv
  /** Set by `--var`: they override those of a file. */
  readonly vars: ReadonlyMap<string, unknown>
  /** How long answers may take by default, in milliseconds. */
  readonly withinMs: number
  /** Number of files to run in parallel. */
  readonly jobs: number
  /** Start no further check after one that did not pass. */
  readonly bail: boolean
  readonly round: number
  /** Selects the checks to run. `always` runs if any check of its file does. */
  readonly chosen: (check: Check) => boolean
  /** Ctrl-C: running checks end, `always` runs, nothing else starts. */
  readonly signal: AbortSignal
}

/** Runs all files once. */
export async function runFiles(
  files: readonly CheckFile[],
  options: RunOptions,
): Promise<Extract<CheckEvent, {kind: 'end'}>> {
  const run = new Run(files, options)
  return await run.all()
}

/** What would run. */
export function planOf({path, name, checks, always}: CheckFile, chosen: RunOptions['chosen']): FilePlan {
  const plans = checks.filter(chosen)
  return {file: path, name, checks: (plans.length === 0 ? [] : [...plans, ...always]).map(({plan}) => plan)}
}

class Run {
  readonly #files: readonly CheckFile[]
  readonly #options: RunOptions
  readonly #results: FileResult[] = []
  #bailed = false

  constructor(files: readonly CheckFile[], options: RunOptions) {
    this.#files = files.filter(({checks}) => checks.some(options.chosen))
    this.#options = options
  }

  async all(): Promise<Extract<CheckEvent, {kind: 'end'}>> {
    const started = performance.now()
    const {jobs, round, chosen, signal} = this.#options
    this.#tell({kind: 'start', files: this.#files.map((file) => planOf(file, chosen)), round, jobs})
    const waiting = [...this.#files]
    const work = async () => {
      for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) await this.#file(file)
    }
    await allOrFirst(Array.from({length: Math.min(jobs, waiting.length)}, work))
    const order = new Map(this.#files.map(({path}, at) => [path, at]))
    const files = this.#results.sort((a, b) => (order.get(a.file) ?? 0) - (order.get(b.file) ?? 0))
    const totals = {...sum(files), ms: performance.now() - started}
    const stoppedBy = signal.aborted ? 'interrupt' : this.#bailed ? 'bail' : undefined
    const end = {kind: 'end', totals, files, round, stoppedBy} as const
    this.#tell(end)
    return end
  }

  async #file(file: CheckFile): Promise<void> {
    const started = performance.now()
    const {busOf, chosen, scrubber, signal} = this.#options
    const plan = planOf(file, chosen)
    const bus = busOf(file)
    this.#tell({kind: 'fileStart', file: plan, bus: scrubber.text(bus.url)})
    const context = this.#contextOf(file, bus)
    const results: CheckResult[] = []
    try {
      const problem = this.#setVariables(file, context.variables)
      for (const check of file.checks.filter(chosen)) results.push(await this.#check(check, context, problem))
    } finally {
      // Also after Ctrl-C; a second one ends the process immediately.
      const uninterrupted = {...context, signal: new AbortController().signal}
      const ran = results.some(({status}) => status !== 'skipped') || signal.aborted
      if (ran) for (const check of file.always) results.push(await this.#check(check, uninterrupted, undefined, false))
    }
    const result = {file: file.path, name: file.name, results, ...totalsOf(results), ms: performance.now() - started}
    this.#results.push(result)
    this.#tell({kind: 'fileEnd', file: result})
  }

  async #check(
    check: Check,
    context: FileContext,
    problem: BusError | undefined,
    mayBail = true,
  ): Promise<CheckResult> {
    const {scrubber, bail} = this.#options
    this.#tell({kind: 'checkStart', check: scrubber.value(check.plan)})
    const result = scrubber.result(await this.#resultOf(check, context, problem, mayBail))
    this.#tell({kind: 'checkEnd', result})
    if (bail && (result.status === 'failed' || result.status === 'error')) this.#bailed = true
    return result
  }

  async #resultOf(
    check: Check,
    context: FileContext,
    problem: BusError | undefined,
    mayBail: boolean,
  ): Promise<CheckResult> {
    const nothing = {...check.plan, ms: 0, attempts: 0, messages: []}
    if (mayBail && this.#bailed) return {...nothing, status: 'skipped', failures: [], reason: 'stopped by --bail'}
    if (problem === undefined) return runCheck(check, context)
    const failure = {sentence: problem.message, line: check.plan.line, kind: problem.kind, try: problem.try}
    return {...nothing, status: 'error', failures: [failure]}
  }

  #contextOf(file: CheckFile, bus: Transport): FileContext {
    const {protocols, env, scrubber, signal, withinMs} = this.#options
    const {within} = file.shape
    return {
      ...{bus, protocols, env, signal, folder: dirname(file.path)},
      variables: new Variables(env, (secret) => scrubber.add(secret), capturedBy([...file.checks, ...file.always])),
      withinMs: within === undefined ? withinMs : msOf(within),
      onRetry: ({plan}, attempt, failures) =>
        this.#tell({
          ...{kind: 'retry', check: scrubber.value(plan), attempt},
          failures: failures.map((failure) => scrubber.failure(failure)),
        }),
    }
  }

  /** Sets variables in order, so that each may use those before it. An error in one is an error of every check. */
  #setVariables({shape}: CheckFile, variables: Variables): BusError | undefined {
    for (const [name, value] of this.#options.vars) variables.set(name, value)
    try {
      for (const [name, value] of Object.entries(shape.vars ?? {})) {
        if (!this.#options.vars.has(name)) variables.set(name, variables.json(value))
      }
      return undefined
    } catch (error) {
      if (error instanceof BusError) return error
      throw error
    }
  }

  #tell(event: CheckEvent): void {
    this.#options.tell(event)
  }
}

/** Waits for all before it fails as the first that failed, so that no clean-up is cut short. */
async function allOrFirst(work: readonly Promise<void>[]): Promise<void> {
  const settled = await Promise.allSettled(work)
  for (const one of settled) if (one.status === 'rejected') throw one.reason
}

function capturedBy(checks: readonly Check[]): Set<string> {
  return new Set(checks.flatMap(({captures, steps}) => [...captures.map(({name}) => name), ...capturedBy(steps)]))
}

function totalsOf(results: readonly CheckResult[]): Omit<Totals, 'ms'> {
  const counted = results.filter(({part, status}) => part === 'checks' || status === 'failed' || status === 'error')
  const of = (wanted: CheckResult['status']) => counted.filter(({status}) => status === wanted).length
  return {passed: of('passed'), failed: of('failed'), skipped: of('skipped'), errors: of('error')}
}

function sum(files: readonly FileResult[]): Omit<Totals, 'ms'> {
  const total = {passed: 0, failed: 0, skipped: 0, errors: 0}
  for (const file of files)
    for (const key of ['passed', 'failed', 'skipped', 'errors'] as const) total[key] += file[key]
  return total
}
