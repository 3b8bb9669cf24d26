/**
 * Checks as a tree that grows: a file, its checks with their durations, below each what did not hold. Of files that run
 * side by side one is shown as it goes and the others when it is their turn, so nothing is mixed; what runs now stands
 * below on a terminal, and is written over.
 */
import type {ChalkInstance} from 'chalk'
import type {CheckEvent, CheckPlan, CheckResult, FilePlan, Reporter, Totals} from '../../../lib/checks/events.ts'
import {printable} from '../../../lib/cli/render/printable.ts'
import {formatDuration} from '../../../lib/cli/render/units.ts'
import {failuresLines} from './failure.ts'
import {LiveLines} from './live.ts'
import {isBad} from './rounds.ts'

export interface TreeScreen {
  /** Where to write; `ready` sends it off. */
  readonly output: {write(text: string): void; ready(): unknown}
  readonly paint?: ChalkInstance | undefined
  /** What runs now is shown, in lines of so many columns. */
  readonly columns?: number | undefined
}

interface Shown {
  readonly plan: FilePlan
  /** Lines that wait for their turn. */
  readonly waiting: string[]
  current?: {readonly check: CheckPlan; readonly since: number; attempt: number} | undefined
  done: number
  ended: boolean
}

const frameMs = 100
const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
const mostLive = 8
const mostListed = 20

export function treeReporter(screen: TreeScreen): Reporter {
  const tree = new Tree(screen)
  let told = Promise.resolve()
  return {
    tell(event) {
      // In order, though a difference is made by a library that is loaded first.
      told = told.then(() => tree.tell(event))
    },
    settled: () => told,
    async close() {
      await told
      tree.close()
    },
  }
}

class Tree {
  readonly #screen: TreeScreen
  readonly #live: LiveLines
  readonly #files: Shown[] = []
  readonly #bad: CheckResult[] = []
  #timer: NodeJS.Timeout | undefined
  #frame = 0

  constructor(screen: TreeScreen) {
    this.#screen = screen
    this.#live = new LiveLines(screen.output)
  }

  async tell(event: CheckEvent): Promise<void> {
    switch (event.kind) {
      case 'start':
        this.#start()
        return
      case 'fileStart':
        this.#files.push({plan: event.file, waiting: [this.#headOf(event.file)], done: 0, ended: false})
        break
      case 'checkStart': {
        const file = this.#fileOf(event.check)
        if (file) file.current = {check: event.check, since: performance.now(), attempt: 1}
        break
      }
      case 'retry': {
        const current = this.#fileOf(event.check)?.current
        if (current) current.attempt = event.attempt + 1
        break
      }
      case 'checkEnd':
        await this.#checkEnd(event.result)
        break
      case 'fileEnd': {
        const file = this.#files.find(({plan}) => plan.file === event.file.file)
        if (file) file.ended = true
        break
      }
      case 'end':
        this.#end(event.totals)
        return
    }
    this.#draw()
  }

  close(): void {
    clearInterval(this.#timer)
    this.#live.update([], [])
  }

  #start(): void {
    this.#files.length = 0
    this.#bad.length = 0
    if (this.#screen.columns !== undefined) this.#timer = setInterval(() => this.#draw(), frameMs).unref()
  }

  async #checkEnd(result: CheckResult): Promise<void> {
    const file = this.#fileOf(result)
    if (!file) return
    file.current = undefined
    file.done++
    if (isBad(result)) this.#bad.push(result)
    if (result.part === 'checks' || isBad(result)) file.waiting.push(...(await this.#linesOf(result)))
  }

  #end(totals: Totals): void {
    clearInterval(this.#timer)
    const lasting = this.#files.flatMap(({waiting}) => waiting.splice(0))
    this.#live.update([...lasting, '', ...this.#summary(totals)], [])
  }

  /** The first file that is not done is shown as it goes, and all that were done before it. */
  #draw(): void {
    const lasting: string[] = []
    for (const file of this.#files) {
      lasting.push(...file.waiting.splice(0))
      if (!file.ended) break
    }
    this.#live.update(lasting, this.#screen.columns === undefined ? [] : this.#liveLines(this.#screen.columns))
  }

  #liveLines(columns: number): string[] {
    const symbol = frames[this.#frame++ % frames.length] ?? ''
    const running = this.#files.filter(({ended, current}) => !ended && current !== undefined).slice(0, mostLive)
    return running.map(({plan, current, done}) => {
      if (current === undefined) return ''
      const {check, since, attempt} = current
      const ms = performance.now() - since
      const facts = [
        `${done + 1}/${plan.checks.length}`,
        ...(attempt > 1 ? [`attempt ${attempt}`] : []),
        ...(ms > 1000 ? [formatDuration(ms)] : []),
      ]
      const line = `${printable(plan.name)}: ${printable(check.name)} · ${facts.join(' · ')}`
      // Wide characters take two columns, so half of them is safe.
      const fits = /^[\x20-\x7e·]*$/.test(line) ? columns - 5 : Math.floor(columns / 2) - 5
      const shown = line.length > fits ? `${line.slice(0, Math.max(0, fits))}…` : line
      return this.#dim(`${symbol} ${shown}`)
    })
  }

  async #linesOf(result: CheckResult): Promise<string[]> {
    const {paint} = this.#screen
    const {status, name, ms, attempts, reason, failures, line, file} = result
    const facts = [
      ...(status === 'skipped' ? [] : [formatDuration(ms)]),
      ...(attempts > 1 ? [`${attempts} attempts`] : []),
      ...(reason === undefined ? [] : [printable(reason)]),
    ]
    const symbol = {
      passed: paint?.green('✓') ?? '✓',
      failed: paint?.red('✗') ?? '✗',
      error: paint?.red('!') ?? '!',
      skipped: paint?.yellow('○') ?? '○',
    }[status]
    const title = isBad(result) ? (paint?.red(printable(name)) ?? printable(name)) : printable(name)
    const place = isBad(result) ? `  ${printable(file)}:${line}` : ''
    const head = `  ${symbol} ${title}  ${this.#dim(`${facts.join(' · ')}${place}`)}`
    const details = (await failuresLines(failures, paint)).map((text) => `      ${text}`)
    return [head, ...details]
  }

  #headOf({name, file}: FilePlan): string {
    const {paint} = this.#screen
    const title = paint?.bold(printable(name)) ?? printable(name)
    return name === file ? title : `${title}  ${this.#dim(printable(file))}`
  }

  /** What to look at, where it may have scrolled away, and the numbers. */
  #summary({passed, failed, errors, skipped, ms}: Totals): string[] {
    const {paint} = this.#screen
    const listed = this.#files.length > 1 ? this.#bad.slice(0, mostListed) : []
    const lines = listed.map(({name, file, line}) => `  ✗ ${printable(file)}:${line}  ${printable(name)}`)
    const more = listed.length > 0 ? this.#bad.length - listed.length : 0
    const parts = [
      paint?.green(`${passed} passed`) ?? `${passed} passed`,
      ...(failed > 0 ? [paint?.red(`${failed} failed`) ?? `${failed} failed`] : []),
      ...(errors > 0 ? [paint?.red(`${errors} errors`) ?? `${errors} errors`] : []),
      ...(skipped > 0 ? [paint?.yellow(`${skipped} skipped`) ?? `${skipped} skipped`] : []),
    ]
    return [
      ...lines.map((line) => paint?.red(line) ?? line),
      ...(more > 0 ? [`  … and ${more} more`] : []),
      `${parts.join(', ')} ${this.#dim(`· ${formatDuration(ms)}`)}`,
    ]
  }

  #fileOf({file}: CheckPlan): Shown | undefined {
    return this.#files.find(({plan}) => plan.file === file)
  }

  #dim(text: string): string {
    return this.#screen.paint?.dim(text) ?? text
  }
}
