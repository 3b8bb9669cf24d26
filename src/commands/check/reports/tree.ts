/**
 * Checks as a growing tree for a terminal: files, their checks with durations, and failures below. Of files that run in
 * parallel one is shown as it runs and the others in turn, so that their lines are not mixed. The last lines of the
 * terminal show what is running.
 */
import type {ChalkInstance} from 'chalk'
import type {CheckEvent, CheckPlan, CheckResult, FilePlan, Reporter, Totals} from '../../../lib/checks/events.ts'
import {printable} from '../../../lib/cli/render/printable.ts'
import {counted, formatDuration} from '../../../lib/cli/render/units.ts'
import {factsOf, failuresLines} from './failure.ts'
import {isBad, type ReportOutput} from './rounds.ts'

export interface TreeConsole {
  readonly output: ReportOutput
  readonly paint?: ChalkInstance | undefined
  /** The width of the terminal, if running checks are to be shown. */
  readonly columns?: number | undefined
}

interface FileProgress {
  readonly plan: FilePlan
  /** Lines to be shown when it is the turn of this file. */
  readonly waiting: string[]
  current?: {readonly check: CheckPlan; readonly since: number; attempt: number} | undefined
  done: number
  ended: boolean
}

const frameMs = 100
const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
const mostLive = 8
const mostListed = 20

export function treeReporter(console: TreeConsole): Reporter {
  const tree = new Tree(console)
  let shown = Promise.resolve()
  return {
    tell(event) {
      // One after the other, because differences are made asynchronously.
      shown = shown.then(() => tree.tell(event))
    },
    settled: () => shown,
    async close() {
      await shown
      tree.close()
    },
  }
}

class Tree {
  readonly #console: TreeConsole
  readonly #live: LiveLines
  readonly #files: FileProgress[] = []
  readonly #bad: CheckResult[] = []
  #timer: NodeJS.Timeout | undefined
  #frame = 0

  constructor(console: TreeConsole) {
    this.#console = console
    this.#live = new LiveLines(console.output)
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
    if (this.#console.columns !== undefined) this.#timer = setInterval(() => this.#draw(), frameMs).unref()
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

  /** Shows all finished files and the first unfinished one, up to where it is. */
  #draw(): void {
    const lasting: string[] = []
    for (const file of this.#files) {
      lasting.push(...file.waiting.splice(0))
      if (!file.ended) break
    }
    this.#live.update(lasting, this.#console.columns === undefined ? [] : this.#liveLines(this.#console.columns))
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
      // A character may take two columns, so half the width is safe.
      const fits = /^[\x20-\x7e·]*$/.test(line) ? columns - 5 : Math.floor(columns / 2) - 5
      const shown = line.length > fits ? `${line.slice(0, Math.max(0, fits))}…` : line
      return this.#dim(`${symbol} ${shown}`)
    })
  }

  async #linesOf(result: CheckResult): Promise<string[]> {
    const {paint} = this.#console
    const {status, name, failures, line, file} = result
    const facts = factsOf(result)
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
    const {paint} = this.#console
    const title = paint?.bold(printable(name)) ?? printable(name)
    return name === file ? title : `${title}  ${this.#dim(printable(file))}`
  }

  /** Failed checks again, if they may have scrolled away, and the totals. */
  #summary({passed, failed, errors, skipped, ms}: Totals): string[] {
    const {paint} = this.#console
    const listed = this.#files.length > 1 ? this.#bad.slice(0, mostListed) : []
    const lines = listed.map(({name, file, line}) => `  ✗ ${printable(file)}:${line}  ${printable(name)}`)
    const more = listed.length > 0 ? this.#bad.length - listed.length : 0
    const parts = [
      paint?.green(`${passed} passed`) ?? `${passed} passed`,
      ...(failed > 0 ? [paint?.red(`${failed} failed`) ?? `${failed} failed`] : []),
      ...(errors > 0 ? [paint?.red(counted(errors, 'error')) ?? counted(errors, 'error')] : []),
      ...(skipped > 0 ? [paint?.yellow(`${skipped} skipped`) ?? `${skipped} skipped`] : []),
    ]
    return [
      ...lines.map((line) => paint?.red(line) ?? line),
      ...(more > 0 ? [`  … and ${more} more`] : []),
      `${parts.join(', ')} ${this.#dim(`· ${formatDuration(ms)}`)}`,
    ]
  }

  #fileOf({file}: CheckPlan): FileProgress | undefined {
    return this.#files.find(({plan}) => plan.file === file)
  }

  #dim(text: string): string {
    return this.#console.paint?.dim(text) ?? text
  }
}

/** The last lines of a terminal, which are overwritten as things change. */
class LiveLines {
  readonly #output: ReportOutput
  #shown = 0

  constructor(output: ReportOutput) {
    this.#output = output
  }

  /** Writes lines that stay, and below them lines to be overwritten. Each must fit the terminal. */
  update(lasting: readonly string[], live: readonly string[]): void {
    const lines = [...lasting, ...live].map((line) => `${line}\n`).join('')
    if (lines === '' && this.#shown === 0) return
    // Move up to the first live line and clear everything below.
    const up = this.#shown === 0 ? '' : `\x1b[${this.#shown}A\r\x1b[J`
    this.#shown = live.length
    this.#output.write(up + lines)
    this.#output.ready()
  }
}
