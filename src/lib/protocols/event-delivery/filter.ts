/**
 * Filters of subscriptions: regular expressions, all of which must match somewhere in their text (RE2 syntax, unanchored). They
 * come from the network, so the size of what they compile to is bounded: many repetitions of `\\pL{999}` would take seconds for
 * the first text.
 */
import {BusError} from '../../core/errors.ts'
import {headerOf} from '../../core/message.ts'
import {isObject} from '../../core/text/json-text.ts'
import {compilePattern, RegexError, regexHint} from '../../core/text/regex.ts'
import {type Event, eventHeaders} from './event.ts'

/**
 * Absent members match everything. A member that the event does not have is an empty string: `^red$` excludes such an event,
 * `.*` does not.
 */
export interface EventFilter {
  /** The event's type. */
  readonly events?: string | undefined
  /** The subject. */
  readonly topic?: string | undefined
  readonly message?: {
    readonly tag?: string | undefined
    readonly group?: string | undefined
    readonly author?: string | undefined
  }
  readonly transaction?: {readonly type?: string | undefined}
}

export type Matcher = (event: Event) => boolean

const longest = 512
const mostInstructions = 2000
/** Instructions times characters, for a tenth of a second: a header may have 60,000 characters. */
const mostSteps = 20_000_000

const texts: Readonly<Record<string, (event: Event) => string>> = {
  events: ({type}) => type,
  topic: ({topic}) => topic,
  'message.tag': headerText('tag'),
  'message.group': headerText('group'),
  'message.author': headerText('author'),
  'transaction.type': headerText('transactionType'),
  // Events of a ledger, which do not occur here.
  'blockchainevent.name': () => '',
  'blockchainevent.listener': () => '',
}

/** Deprecated names; the current ones take precedence. */
const older: Readonly<Record<string, string>> = {
  topics: 'topic',
  tag: 'message.tag',
  group: 'message.group',
  author: 'message.author',
}

/** Parses a filter from JSON, including deprecated names. Throws `usage` for an unknown member. */
export function parseEventFilter(json: unknown): EventFilter {
  const given = flatten(json)
  const flat: Record<string, string> = {}
  for (const [name, pattern] of given) {
    const now = older[name] ?? name
    if (!(now in texts)) throw bad(`has no "${name}"`)
    if (now !== name && given.some(([other]) => other === now)) continue
    if (pattern.length > longest) throw bad(`has a "${name}" of more than ${longest} characters`)
    if (pattern !== '') flat[now] = pattern
  }
  return nest(flat)
}

/** A compiled filter, and the number of its instructions: the time of a match grows with it. */
export type CompiledFilter = Matcher & {readonly instructions: number}

/** Fails with `usage` for an invalid RE2 expression. Undefined if the filter accepts every event. */
export async function compileEventFilter(filter: EventFilter): Promise<CompiledFilter | undefined> {
  const patterns = flatten(filter)
  if (patterns.length === 0) return undefined
  const tests: CompiledFilter[] = []
  for (const [name, pattern] of patterns) tests.push(await testOf(name, pattern))
  const instructions = tests.reduce((sum, test) => sum + test.instructions, 0)
  return Object.assign((event: Event) => tests.every((test) => test(event)), {instructions})
}

async function testOf(name: string, pattern: string): Promise<CompiledFilter> {
  const textOf = texts[name]
  if (textOf === undefined) throw bad(`has no "${name}"`)
  // Compiling many filters must not delay others until all are compiled.
  await new Promise((resolve) => setImmediate(resolve))
  try {
    const regex = await compilePattern(pattern, mostInstructions)
    const instructions = regex.programSize()
    const matches = (event: Event) => {
      const text = textOf(event)
      return text.length * instructions <= mostSteps && regex.test(text)
    }
    return Object.assign(matches, {instructions})
  } catch (cause) {
    if (!(cause instanceof RegexError)) throw cause
    throw new BusError('usage', `the filter "${name}" is not an RE2 regular expression: ${cause.message}`, {
      cause,
      try: [regexHint],
    })
  }
}

/** `[['message.tag', '^red$'], …]`. Throws `usage` for an invalid filter. */
function flatten(json: unknown, prefix = ''): (readonly [name: string, pattern: string])[] {
  if (json === undefined || json === null) return []
  if (!isObject(json)) throw bad('is not an object')
  return Object.entries(json).flatMap(([name, value]) => {
    if (value === undefined || value === null) return []
    if (typeof value === 'string') return [[prefix + name, value] as const]
    if (prefix !== '' || typeof value !== 'object') throw bad(`has a "${prefix}${name}" that is not a string`)
    return flatten(value, `${name}.`)
  })
}

function nest(flat: Readonly<Record<string, string>>): EventFilter {
  const nested: Record<string, string | Record<string, string>> = {}
  for (const [name, pattern] of Object.entries(flat)) {
    const [outer = '', inner] = name.split('.')
    if (inner === undefined) nested[outer] = pattern
    else nested[outer] = {...(nested[outer] as Record<string, string> | undefined), [inner]: pattern}
  }
  return nested as EventFilter
}

function headerText(name: keyof typeof eventHeaders): (event: Event) => string {
  return ({message}) => headerOf(message.headers, eventHeaders[name]) ?? ''
}

function bad(what: string): BusError {
  return new BusError('usage', `the filter ${what}`, {
    try: [`it may have ${Object.keys(texts).slice(0, 6).join(', ')}`],
  })
}
