/** Lists as aligned columns without rules: the same on a terminal and in a pipe, except for colour. */
import type {ChalkInstance} from 'chalk'
import {interruptedError} from '../../core/errors.ts'
import {printable} from './printable.ts'

export interface Column {
  readonly head: string
  /** Left by default. */
  readonly align?: 'left' | 'right'
}

/** Colours, and the width of the terminal that the table has to fit. */
export interface TableLook {
  readonly paint?: ChalkInstance | undefined
  readonly width?: number | undefined
  /** Ends the work on a long table with `interrupted`. */
  readonly signal?: AbortSignal | undefined
}

/** Rows shown on a terminal by default. */
export const readableRows = 200
/** cli-table3 takes about a millisecond per row, and more in large tables. */
const mostDrawnRows = readableRows
/** Columns are not cut below this width. */
const leastWidth = 12
/** Rows to lay out before signals are looked at. */
const rowsPerTurn = 5000
const between = '  '

/** Rows below column headings. Ends with a newline. */
export async function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  {paint, width, signal}: TableLook = {},
): Promise<string> {
  const cells = [columns.map(({head}) => head), ...rows.map((row) => row.map(printable))]
  const aligns = columns.map(({align = 'left'}) => align)
  const isLong = rows.length > mostDrawnRows
  const lines = isLong ? await padded(cells, aligns, signal) : await drawn(cells, aligns, width)
  if (lines[0] !== undefined) lines[0] = paint?.dim(lines[0]) ?? lines[0]
  return `${lines.join('\n')}\n`
}

/** One fact per line, after its name; facts without a string are omitted. Ends with a newline. */
export async function factSheet(
  facts: Readonly<Record<string, string | undefined>>,
  paint?: ChalkInstance | undefined,
): Promise<string> {
  const given = Object.entries(facts).filter((fact): fact is [string, string] => fact[1] !== undefined)
  const width = Math.max(...given.map(([name]) => name.length))
  const lines = given.map(([name, text]) => {
    const label = name.padEnd(width)
    return `${paint?.dim(label) ?? label}  ${printable(text)}\n`
  })
  return lines.join('')
}

type Rows = readonly (readonly string[])[]
type Aligns = readonly ('left' | 'right')[]

async function drawn(rows: Rows, aligns: Aligns, width: number | undefined): Promise<string[]> {
  const {default: Table} = await import('cli-table3')
  const widths = widthsOf(rows)
  const table = new Table({
    chars: {...noLines, middle: between},
    style: {head: [], border: [], 'padding-left': 0, 'padding-right': 0},
    colAligns: [...aligns],
    ...(width !== undefined && {colWidths: fitted(widths, aligns, width)}),
  })
  table.push(...rows.map((row) => [...row]))
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
}

async function padded(rows: Rows, aligns: Aligns, signal: AbortSignal | undefined): Promise<string[]> {
  const widths = widthsOf(rows)
  const lines: string[] = []
  for (const [at, row] of rows.entries()) {
    if (at % rowsPerTurn === 0) await turn(signal)
    const cells = row.map((cell, i) => {
      const space = ' '.repeat((widths[i] ?? 0) - displayWidth(cell))
      return aligns[i] === 'right' ? space + cell : cell + space
    })
    lines.push(cells.join(between).trimEnd())
  }
  return lines
}

/** Lets signals arrive. Fails with `interrupted`. */
async function turn(signal: AbortSignal | undefined): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
  if (signal?.aborted) throw interruptedError()
}

function widthsOf(rows: readonly (readonly string[])[]): number[] {
  const widths: number[] = []
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, displayWidth(cell))
  }
  return widths
}

/** Cuts the widest text columns until the table fits, as far as possible. */
function fitted(widths: readonly number[], aligns: readonly ('left' | 'right')[], width: number): number[] {
  const fit = [...widths]
  let over = fit.reduce((sum, each) => sum + each, between.length * (fit.length - 1)) - width
  while (over > 0) {
    const wide = fit.reduce(
      (best, each, i) => (aligns[i] === 'left' && each > (fit[best] ?? 0) ? i : best),
      aligns.indexOf('left'),
    )
    const most = fit[wide] ?? 0
    if (wide < 0 || most <= leastWidth) return fit
    fit[wide] = most - 1
    over--
  }
  return fit
}

const graphemes = new Intl.Segmenter()
const isWide =
  /^[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3ffff}]|^\p{Emoji_Presentation}/u

/** The width of a string on a terminal. */
function displayWidth(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length
  let width = 0
  for (const {segment} of graphemes.segment(text)) width += isWide.test(segment) ? 2 : 1
  return width
}

const noLines = Object.fromEntries(
  ['top', 'bottom', 'left', 'right', 'mid']
    .flatMap((side) => [side, `${side}-mid`, `${side}-left`, `${side}-right`])
    .concat('top-left', 'mid-mid')
    .map((name) => [name, '']),
)
