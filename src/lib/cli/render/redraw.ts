/** `--watch`: the same view again and again, in place on a terminal. */
import type {ChalkInstance} from 'chalk'
import {sleep} from '../../core/time/timer.ts'
import type {Output} from '../io/output.ts'
import {isTerminal} from '../io/terminal.ts'
import {printableJson} from './printable.ts'
import {type Column, table} from './table.ts'

/** Rows that are read again and again. */
interface WatchedTable<Row> {
  readonly columns: readonly Column[]
  read(): Promise<readonly Row[]>
  /** The lines of the table for a row. */
  cells(row: Row): readonly (readonly string[])[]
}

interface WatchOptions {
  /** Milliseconds; default 1,000. */
  readonly every?: number | undefined
  /** Milliseconds after which it ends. */
  readonly for?: number | undefined
  readonly signal: AbortSignal
  readonly output: Output
  /** One line of JSON for each reading. */
  readonly json: boolean
  readonly paint: ChalkInstance | undefined
}

/** Shows the table until the time is over or the signal aborts. */
export async function watchTable<Row>(
  {columns, read, cells}: WatchedTable<Row>,
  {every: everyMs = 1000, for: forMs, signal, output, json, paint}: WatchOptions,
): Promise<void> {
  const isShown = isTerminal(1) && !json
  const draw = async () => {
    const rows = await read()
    if (json) return `${printableJson(JSON.stringify(rows))}\n`
    const width = isShown ? process.stdout.columns || undefined : undefined
    return table(columns, rows.flatMap(cells), {paint, width, signal})
  }
  const rows = isShown ? process.stdout.rows || undefined : undefined
  await redraw(draw, {everyMs, forMs, signal, rows, between: json ? '' : '\n', output})
}

interface RedrawOptions {
  readonly everyMs: number
  /** End after this long. */
  readonly forMs?: number | undefined
  readonly signal: AbortSignal
  /** Rows of the terminal; undefined in a pipe. */
  readonly rows: number | undefined
  /** In a pipe: the text between two views. */
  readonly between: string
  readonly output: Output
}

/** Draws until the time is over or the signal aborts; `draw` returns lines that end with a newline. */
async function redraw(draw: () => Promise<string>, options: RedrawOptions): Promise<void> {
  const {everyMs, forMs = Number.POSITIVE_INFINITY, signal, rows, between, output} = options
  const ends = performance.now() + forMs
  for (let drawn = 0; ; ) {
    const began = performance.now()
    const text = await draw().catch((error: unknown) => {
      if (!signal.aborted) throw error
    })
    if (text === undefined || signal.aborted) return
    const shown = rows === undefined ? text : cut(text, rows)
    if (drawn > 0) output.writeAsIs(rows === undefined ? between : `\x1b[${drawn}A\x1b[0J`)
    output.write(shown)
    await output.written()
    drawn = shown.split('\n').length - 1
    const next = Math.min(began + everyMs, ends)
    await sleep(Math.max(0, next - performance.now()), signal)
    if (signal.aborted || next === ends || performance.now() >= ends) return
  }
}

/** The first lines that fit, and how many are missing. */
function cut(text: string, rows: number): string {
  const lines = text.split('\n')
  const most = Math.max(2, rows - 1)
  if (lines.length - 1 <= most) return text
  return `${lines.slice(0, most - 1).join('\n')}\n… ${lines.length - most} more\n`
}
