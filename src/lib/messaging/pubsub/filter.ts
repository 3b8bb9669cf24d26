/** Filters messages by subject, by payload, by expression and at random. Cheap tests come first. */

import {BusError} from '../../core/errors.ts'
import type {Message} from '../../core/message.ts'
import {checkPattern, SubjectTrie} from '../../core/subject.ts'
import {compileJsonata, contextOf, isTruthy} from '../../core/text/jsonata.ts'
import {compilePattern, type Regex, RegexError, regexHint} from '../../core/text/regex.ts'

export interface FilterOptions {
  /** Patterns of subjects to exclude. */
  readonly ignore?: readonly string[] | undefined
  /** A regular expression that the payload must match. */
  readonly match?: string | undefined
  /** A JSONata expression that must be true. */
  readonly where?: string | undefined
  /** The share of messages to keep, from 0 to 1. */
  readonly sample?: number | undefined
  /** Called the first time that `where` or `match` fails on a message; such messages are not kept. */
  readonly onFailure?: ((sentence: string) => void) | undefined
  readonly random?: (() => number) | undefined
}

/** The messages of a batch to keep, in order. */
export type Filter = (batch: readonly Message[]) => readonly Message[] | Promise<readonly Message[]>

/** Compiles the filters; undefined if all messages are kept. Fails with `usage` and the position of the fault. */
export async function compileFilter(options: FilterOptions): Promise<Filter | undefined> {
  const {sample, match, ignore = [], where, random = Math.random} = options
  const tests: ((message: Message) => boolean)[] = []
  if (ignore.length > 0) tests.push(notIgnored(ignore))
  if (sample !== undefined) tests.push(() => random() < sample)
  if (match !== undefined) {
    tests.push(matching(await compileRegex(match, '--match'), options.onFailure))
  }
  const quick = tests.length === 0 ? undefined : keeping(tests)
  return where === undefined ? quick : whereTrue(where, quick, options.onFailure)
}

/** A message that is too long for the pattern is not kept. */
function matching(regex: Regex, onFailure: FilterOptions['onFailure']): (message: Message) => boolean {
  let isTold = false
  return ({text}) => {
    try {
      return regex.test(text)
    } catch (error) {
      if (!(error instanceof RegexError)) throw error
      if (!isTold) onFailure?.(`--match: ${error.message}`)
      isTold = true
      return false
    }
  }
}

/** Compiles a regular expression; `flag` is its origin. Fails with `usage` and the position (1-based). */
export async function compileRegex(source: string, flag: string): Promise<Regex> {
  try {
    return await compilePattern(source)
  } catch (error) {
    if (!(error instanceof RegexError)) throw error
    throw refusal(source, flag, error)
  }
}

/** The reason in JavaScript's words with the position, if JavaScript rejects the pattern too. */
function refusal(source: string, flag: string, cause: RegexError): BusError {
  const fault = regexFault(source)
  if (fault === undefined) {
    return new BusError('usage', `${flag} /${source}/ is not an RE2 regular expression: ${cause.message}`, {
      cause,
      try: [regexHint],
    })
  }
  const at = source.length > longestSearched ? undefined : placeOf(fault, source)
  const where = at === undefined ? '' : ` at position ${at}`
  return new BusError('usage', `${flag} /${source}/ is not a regular expression: ${fault}${where}`, {
    cause,
    ...(at !== undefined && {data: {position: at}}),
    try: ['put "\\\\" before a character to match it literally'],
  })
}

/** Finding the position of a fault takes time that grows with the square of the length. */
const longestSearched = 2000

/** V8 does not report the position: it is where the shortest prefix with the same fault ends. */
function placeOf(fault: string, source: string): number {
  let at = source.length
  while (at > 1 && regexFault(source.slice(0, at - 1)) === fault) at--
  return at
}

function regexFault(source: string): string | undefined {
  try {
    new RegExp(source)
    return undefined
  } catch (error) {
    return (error as Error).message.replace(/^.*\/: /s, '')
  }
}

function keeping(tests: readonly ((message: Message) => boolean)[]): (batch: readonly Message[]) => readonly Message[] {
  return (batch) => batch.filter((message) => tests.every((test) => test(message)))
}

function notIgnored(patterns: readonly string[]): (message: Message) => boolean {
  const trie = new SubjectTrie<true>()
  for (const pattern of patterns) trie.add(checkPattern(pattern), true)
  let subject = ''
  let keep = true
  return (message) => {
    if (message.subject !== subject) {
      subject = message.subject
      keep = trie.match(subject).length === 0
    }
    return keep
  }
}

async function whereTrue(
  source: string,
  quick: ((batch: readonly Message[]) => readonly Message[]) | undefined,
  onFailure: FilterOptions['onFailure'],
): Promise<Filter> {
  const evaluate = await compileJsonata(source, '--where')
  let failed = false
  const isTrue = async (message: Message) => {
    try {
      return isTruthy(await evaluate(contextOf(message)))
    } catch (error) {
      if (!failed) onFailure?.(`${(error as Error).message} (on ${message.subject}; such messages are skipped)`)
      failed = true
      return false
    }
  }
  return async (batch) => {
    const kept: Message[] = []
    for (const message of quick?.(batch) ?? batch) if (await isTrue(message)) kept.push(message)
    return kept
  }
}
