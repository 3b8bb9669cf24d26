/**
 * JSONata over messages. Every flag that takes an expression (--where, --select, --expect, --expr) uses the same context, so an
 * expression can be moved from one to another.
 */
import type {JsonataOptions, Expression as Parsed} from 'jsonata'
import {BusError} from '../errors.ts'
import {type Headers, type Message, sizeOf} from '../message.ts'
import {isoTime} from '../time/timestamp.ts'
import {parseJson} from './json-text.ts'
import {loadRegexEngine, type RegexEngine, RegexError, regexHint} from './regex.ts'

/** Evaluates a compiled expression. Fails with `usage` if it cannot be applied to this context. */
export type Expression = (context: object) => Promise<unknown>

/**
 * Limits for an expression, so that one that does not end fails with a sentence: milliseconds, nested calls, values in one
 * list.
 */
const limits = {
  timeout: 2000,
  stack: 10_000,
  sequence: 1_000_000,
}

/** Parses an expression. Throws as JSONata does, and `RefusedPattern` for a regular expression that is not accepted. */
export async function parseJsonata(source: string): Promise<Parsed> {
  const {default: jsonata} = await import('jsonata')
  const options: JsonataOptions = {...limits}
  const parsed = jsonata(source, options)
  const {literals, isOpen} = regexesOf(parsed.ast())
  if (literals.length > 0 || isOpen) {
    const RegexEngine = await loadRegexEngine()
    for (const literal of literals) refuseUnusable(literal, RegexEngine)
    // JSONata reads the global regular-expression engine when it evaluates.
    options.RegexEngine = RegexEngine as unknown as RegExpConstructor
  }
  parsed.registerFunction('distinct', distinct, '<x:x>')
  return parsed
}

interface Literal {
  readonly value: RegExp
  readonly position: number | undefined
}

class RefusedPattern extends Error {
  readonly position: number | undefined

  constructor({value, position}: Literal, cause: RegexError) {
    super(`${cause.message} in /${value.source}/`, {cause})
    this.position = position
  }
}

function refuseUnusable(literal: Literal, Engine: RegexEngine): void {
  try {
    new Engine(literal.value)
  } catch (error) {
    if (!(error instanceof RegexError)) throw error
    throw new RefusedPattern(literal, error)
  }
}

/** The regular expressions of an expression; the list is incomplete if `$eval` may add others. */
function regexesOf(ast: unknown): {readonly literals: readonly Literal[]; readonly isOpen: boolean} {
  const literals: Literal[] = []
  let isOpen = false
  const seen = new Set<unknown>([ast])
  // A set is iterated in insertion order, so entries added during the iteration come last.
  for (const node of seen) {
    const {type, value, position} = node as {type?: string; value?: unknown; position?: number}
    if (value instanceof RegExp) literals.push({value, position})
    if (type === 'variable' && value === 'eval') isOpen = true
    for (const child of Object.values(node as object)) {
      if (typeof child === 'object' && child !== null) seen.add(child)
    }
  }
  return {literals, isOpen}
}

/** Compiles `source`; `flag` is its origin, such as `--where`. Fails with `usage` and the position (1-based). */
export async function compileJsonata(source: string, flag: string): Promise<Expression> {
  try {
    const compiled = await parseJsonata(source)
    return async (context) => {
      try {
        return await compiled.evaluate(context)
      } catch (error) {
        throw fault(error, source, flag, 'fails on a message')
      }
    }
  } catch (error) {
    throw fault(error, source, flag, error instanceof RefusedPattern ? 'is refused' : 'is not JSONata')
  }
}

/**
 * The context of an expression for a message. Nothing is parsed before it is used; `json` is absent if the payload is not JSON.
 */
export function contextOf(message: Message): MessageContext {
  let parsed: {json: unknown} | undefined
  return {
    subject: message.subject,
    reply: message.reply,
    seq: message.seq,
    get time() {
      return isoTime(message.time)
    },
    get headers() {
      return headersObject(message.headers)
    },
    get bytes() {
      return sizeOf(message.payload)
    },
    get text() {
      return message.text
    },
    get json() {
      parsed ??= {json: parseJson(message.text)}
      return parsed.json
    },
  }
}

export interface MessageContext {
  readonly subject: string
  readonly reply: string | undefined
  readonly seq: number | undefined
  /** ISO 8601. */
  readonly time: string
  /** A name that occurs several times has an array of values. */
  readonly headers: Readonly<Record<string, string | string[]>>
  /** Size of the payload. */
  readonly bytes: number
  readonly text: string
  readonly json: unknown
}

/** Whether a result counts as true, like JSONata's `$boolean()`. */
export function isTruthy(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(isTruthy)
  if (value === null || typeof value !== 'object') return typeof value !== 'function' && Boolean(value)
  return !('_jsonata_lambda' in value) && Object.keys(value).length > 0
}

/** A result as text: a string unchanged, anything else as compact JSON; undefined if there is no value. */
export function resultText(value: unknown, flag: string): string | undefined {
  if (value === undefined || typeof value === 'string') return value
  const isFunction =
    typeof value === 'function' || (value !== null && typeof value === 'object' && '_jsonata_lambda' in value)
  if (isFunction)
    throw new BusError('usage', `${flag} returns a function, not a value`, {try: ['call it: name(argument)']})
  try {
    return JSON.stringify(value)
  } catch (cause) {
    throw new BusError('usage', `${flag} returns a value that cannot be written: ${(cause as Error).message}`, {cause})
  }
}

function headersObject(headers: Headers): Record<string, string | string[]> {
  const values = new Map<string, string | string[]>()
  for (const [name, value] of headers) {
    const earlier = values.get(name)
    if (Array.isArray(earlier)) earlier.push(value)
    else values.set(name, earlier === undefined ? value : [earlier, value])
  }
  return Object.fromEntries(values)
}

/** JSONata throws plain objects with a message and the offset after the token where it stopped. */
function fault(error: unknown, source: string, flag: string, what: string): BusError {
  const {message = String(error), position} = error as {message?: string; position?: number}
  const at = position === undefined ? undefined : Math.max(1, Math.min(position, source.length))
  const where = at === undefined ? '' : ` at position ${at}`
  return new BusError('usage', `${flag} ${JSON.stringify(source)} ${what}: ${message}${where}`, {
    cause: error,
    data: {position: at},
    try: [error instanceof RefusedPattern ? regexHint : `${flag} 'json.total > 100 and headers.Trace'`],
  })
}

/** Like JSONata's own, whose time grows with the square of the list's length. */
function distinct(this: unknown, values: unknown): unknown {
  if (!Array.isArray(values) || values.length <= 1) return values
  const found = new Map<unknown, unknown>()
  for (const value of values) {
    const key = typeof value === 'object' && value !== null ? `\0${JSON.stringify(sorted(value))}` : value
    if (!found.has(key)) found.set(key, value)
  }
  const {createSequence} = this as {createSequence(): unknown[]}
  const results = 'sequence' in values ? createSequence() : []
  for (const value of found.values()) results.push(value)
  return results
}

/** A copy in which the members of all objects are sorted. */
function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(sorted)
  const members = Object.keys(value)
    .sort()
    .map((name) => [name, sorted((value as Record<string, unknown>)[name])])
  return {members}
}
