/** JSONata that must be true. If it is not, the failure names the parts of it that made it false, and their values. */
import type {ExprNode, Expression as Parsed} from 'jsonata'
import {BusError} from './errors.ts'
import {enumeration} from './text/enumeration.ts'
import {compileJsonata, type Expression, isTruthy, resultText} from './text/jsonata.ts'

const longestShown = 200
/** The time limit for evaluating the parts of a false expression; parts that were not evaluated by then are left out. */
const longestLookMs = 500

export interface Expectation {
  readonly source: string
  /** Undefined if the expression is true. */
  readonly missOf: (context: object) => Promise<Miss | undefined>
}

/** An expectation that did not hold, as a sentence and as data. */
export interface Miss {
  readonly expression: string
  /** `expected json.total = 42, but json.total is 41` */
  readonly sentence: string
  readonly seen: Readonly<Record<string, unknown>>
}

/** Compiles an expression; `flag` is its origin, such as `--expect`. Fails with `usage` and the position. */
export async function compileExpectation(source: string, flag: string): Promise<Expectation> {
  const holds = await compileJsonata(source, flag)
  return {source, missOf: (context) => missOf(source, holds, context)}
}

async function missOf(source: string, holds: Expression, context: object): Promise<Miss | undefined> {
  try {
    if (isTruthy(await holds(context))) return undefined
    const seen = await whatWasSeen(source, context)
    const values = Object.entries(seen).map(([part, value]) => `${part === source ? 'it' : part} ${shown(value)}`)
    const reason = values.length === 0 ? 'it is not true' : enumeration(values)
    return {expression: source, seen, sentence: `expected ${source}, but ${reason}`}
  } catch (error) {
    if (!(error instanceof BusError)) throw error
    return {
      expression: source,
      seen: {},
      sentence: `expected ${source}, but it cannot be evaluated: ${reasonOf(error)}`,
    }
  }
}

/** The values of the parts of an expression that made it false: `a` in `a > 1 and b`, if the first half is false. */
async function whatWasSeen(source: string, context: object): Promise<Record<string, unknown>> {
  const {default: parse} = await import('jsonata')
  const seen: Record<string, unknown> = {}
  const began = performance.now()
  const look = async (part: string): Promise<unknown> => {
    try {
      return await (await compileJsonata(part, '--expect'))(context)
    } catch {
      // Shown as a part without a value.
      return undefined
    }
  }
  for (const half of operandsOf(source, logical, parse)) {
    if (performance.now() - began > longestLookMs) return seen
    if (isTruthy(await look(half))) continue
    const operands = operandsOf(half, comparisons, parse)
    for (const operand of operands) {
      if (performance.now() - began > longestLookMs) return seen
      if (operands.length === 1 || !isLiteral(parse(operand).ast())) seen[operand] = writable(await look(operand))
    }
  }
  return seen
}

/** Returns the value, or a description of it if it is not JSON: a function would contain its whole environment. */
function writable(value: unknown): unknown {
  try {
    resultText(value, '')
    return value
  } catch {
    return 'a value that is not JSON'
  }
}

/** The operands of the outermost of these operators, as written in the source; the whole source if there is none. */
function operandsOf(source: string, operators: ReadonlySet<string>, parse: (source: string) => Parsed): string[] {
  const {type, value, position = 0} = parse(source).ast()
  if (type !== 'binary' || !operators.has(value)) return [source.trim()]
  const [left, right] = [source.slice(0, position - value.length), source.slice(position)]
  return [...operandsOf(left, operators, parse), ...operandsOf(right, operators, parse)]
}

const logical: ReadonlySet<string> = new Set(['and', 'or'])
const comparisons: ReadonlySet<string> = new Set(['=', '!=', '<', '<=', '>', '>=', 'in'])

function isLiteral({type, expressions}: ExprNode): boolean {
  if (type === 'unary') return expressions?.every(isLiteral) ?? true
  return ['string', 'number', 'value', 'regex'].includes(type)
}

/** `is 41`, `has no value` */
export function shown(value: unknown): string {
  const text = JSON.stringify(value)
  if (text === undefined) return 'has no value'
  return `is ${text.length > longestShown ? `${text.slice(0, longestShown)}…` : text}`
}

function reasonOf(error: BusError): string {
  const {message} = (error.cause ?? error) as {message?: string}
  return message ?? error.message
}
