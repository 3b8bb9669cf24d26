/**
 * Expectations about replies. An expression sees the first reply as every expression sees a message, and beside it
 * `ms`, `status` (`ok`, or `error` for a service error), `error` (its code and text) and `messages`: all replies.
 */
import type {ExprNode, Expression as Parsed} from 'jsonata'
import {BusError} from '../errors.ts'
import {compileJsonata, contextOf, type Expression, isTruthy} from '../jsonata.ts'
import {type Message, serviceError} from '../message.ts'
import type {Answer} from './request.ts'

const flag = '--expect'
const longestShown = 200

/** Judges the replies to one request: rejects with what is wrong with them. */
export type Judge = (answers: readonly Answer[]) => Promise<void>

interface Expectation {
  readonly source: string
  readonly holds: Expression
}

/** What did not hold, for people and for `data`. */
interface Miss {
  readonly expression: string
  readonly sentence: string
  readonly seen: Readonly<Record<string, unknown>>
}

/**
 * A judge of what came back on `subject`. It fails with `expectation` when an expression does not hold, and with
 * `remote` for a service error, unless an expression asked about that (`status`, `error`). Compiling fails with `usage`.
 */
export async function compileExpectations(sources: readonly string[], subject: string): Promise<Judge> {
  const expectations: Expectation[] = []
  for (const source of sources) expectations.push({source, holds: await compileJsonata(source, flag)})
  return async (answers) => {
    const misses: Miss[] = []
    let asked = false
    const context = resultContext(answers, () => {
      asked = true
    })
    for (const expectation of expectations) {
      const miss = await missOf(expectation, context)
      if (miss !== undefined) misses.push(miss)
    }
    const failure = answers.map(({message}) => serviceFailure(message, subject)).find((error) => error !== undefined)
    if (failure !== undefined && !asked) throw failure
    if (misses.length > 0) throw missed(misses, subject)
  }
}

/** The failure that a service error reply to a request on `subject` stands for. */
export function serviceFailure(reply: Message, subject: string): BusError | undefined {
  const error = serviceError(reply)
  if (error === undefined) return undefined
  const code = error.code === '' ? '' : ` ${error.code}`
  const text = error.text === '' ? '' : `: ${error.text}`
  return new BusError('remote', `"${subject}" answered with error${code}${text}`, {data: {...error}})
}

/** What an expectation sees. `onStatus` is told when it asks whether this is a service error. */
function resultContext(answers: readonly Answer[], onStatus: () => void): object {
  const messages = answers.map((answer) => replyContext(answer, onStatus))
  const first = answers[0]
  return Object.assign(first === undefined ? {} : replyContext(first, onStatus), {messages})
}

function replyContext({message, ms}: Answer, onStatus: () => void): object {
  const error = serviceError(message)
  const code = Number(error?.code)
  const told = <T>(value: T) => ({
    enumerable: true,
    get: () => {
      onStatus()
      return value
    },
  })
  return Object.defineProperties(Object.assign(contextOf(message), {ms: Math.round(ms * 1000) / 1000}), {
    status: told(error === undefined ? 'ok' : 'error'),
    error: told(error && {code: Number.isInteger(code) && error.code !== '' ? code : error.code, text: error.text}),
  })
}

async function missOf({source, holds}: Expectation, context: object): Promise<Miss | undefined> {
  try {
    if (isTruthy(await holds(context))) return undefined
    const seen = await whatWasSeen(source, context)
    const values = Object.entries(seen).map(([part, value]) => `${part === source ? 'it' : part} ${shown(value)}`)
    return {expression: source, seen, sentence: `expected ${source}, but ${values.join(' and ')}`}
  } catch (error) {
    if (!(error instanceof BusError)) throw error
    return {expression: source, seen: {}, sentence: `expected ${source}, but it cannot be told: ${reasonOf(error)}`}
  }
}

function missed(misses: readonly Miss[], subject: string): BusError {
  const sentence = `the reply on "${subject}" is wrong: ${misses.map((miss) => miss.sentence).join('; ')}`
  return new BusError('expectation', sentence, {
    data: {expectations: misses.map(({expression, seen}) => ({expression, seen}))},
  })
}

/** The values of those parts of an expression that made it false: `a` in `a > 1 and b`, when that is the false half. */
async function whatWasSeen(source: string, context: object): Promise<Record<string, unknown>> {
  const {default: parse} = await import('jsonata')
  const seen: Record<string, unknown> = {}
  const look = async (part: string): Promise<unknown> => {
    try {
      return await parse(part).evaluate(context, {})
    } catch {
      return undefined
    }
  }
  for (const half of operandsOf(source, logical, parse)) {
    if (isTruthy(await look(half))) continue
    const operands = operandsOf(half, comparisons, parse)
    for (const operand of operands) {
      if (operands.length === 1 || !isLiteral(parse(operand).ast())) seen[operand] = await look(operand)
    }
  }
  return seen
}

/** The operands of the outermost of these operators, as they stand in the source; all of it when there is none. */
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

function shown(value: unknown): string {
  const text = JSON.stringify(value)
  if (text === undefined) return 'has no value'
  return `is ${text.length > longestShown ? `${text.slice(0, longestShown)}…` : text}`
}

function reasonOf(error: BusError): string {
  const {message} = (error.cause ?? error) as {message?: string}
  return message ?? error.message
}
