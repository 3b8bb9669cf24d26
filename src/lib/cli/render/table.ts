/** Lists as aligned columns without rules: the same on a terminal and in a pipe, except for colour. */
import type {ChalkInstance} from 'chalk'
import {printable} from './printable.ts'

export interface Column {
  readonly head: string
  /** Left by default. */
  readonly align?: 'left' | 'right'
}

/** Rows below column headings. Ends with a newline. */
export async function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  paint?: ChalkInstance | undefined,
): Promise<string> {
  const [heads = '', ...lines] = await aligned(
    [columns.map(({head}) => head), ...rows],
    columns.map(({align = 'left'}) => align),
  )
  return [paint?.dim(heads) ?? heads, ...lines, ''].join('\n')
}

/** One fact per line, after its name; facts without a text are omitted. Ends with a newline. */
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

async function aligned(
  rows: readonly (readonly string[])[],
  colAligns: readonly ('left' | 'right')[],
): Promise<string[]> {
  const {default: Table} = await import('cli-table3')
  const drawn = new Table({
    chars: {...noLines, middle: '  '},
    style: {head: [], border: [], 'padding-left': 0, 'padding-right': 0},
    colAligns: [...colAligns],
  })
  drawn.push(...rows.map((row) => row.map(printable)))
  return drawn
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
}

const noLines = Object.fromEntries(
  ['top', 'bottom', 'left', 'right', 'mid']
    .flatMap((side) => [side, `${side}-mid`, `${side}-left`, `${side}-right`])
    .concat('top-left', 'mid-mid')
    .map((name) => [name, '']),
)
