/**
 * Turns errors of oclif's parser into one sentence and a hint: the originals span several lines and carry the state of the
 * parser. The patterns match @oclif/core 5; test/lib/cli/base/usage-errors.test.ts covers each of them.
 */
import {stripVTControlCharacters} from 'node:util'
import {BusError} from '../../core/errors.ts'
import {nearest} from '../../core/text/nearest.ts'
import {withoutTyped} from './error-report.ts'

interface Grammar {
  /** As typed: `bus pub`. */
  readonly command: string
  readonly flags: readonly string[]
}

/** The usage failure for an error of the parser; any other error is returned unchanged. */
export function usageError(error: unknown, grammar: Grammar): unknown {
  if (!(error instanceof Error)) return error
  const [, flag, text] = /^Parsing --(\S+) \n\t([\s\S]*)\nSee more help with --help$/.exec(error.message) ?? []
  const help = `${grammar.command} --help`
  if (error instanceof BusError) {
    const sentence = flag === undefined ? error.message : `--${flag}: ${text}`
    return new BusError(error.kind, sentence, {try: [...error.try, help], cause: error.cause})
  }
  if (!('oclif' in error)) return error
  const complaint = flag === undefined ? stripVTControlCharacters(withoutTyped(error.message)) : `--${flag}: ${text}`
  const {sentence, hint} = reword(complaint.trim(), grammar)
  return new BusError('usage', sentence, {try: hint === undefined ? [help] : [hint, help]})
}

interface Wording {
  readonly sentence: string
  readonly hint?: string | undefined
}

type Rule = readonly [pattern: RegExp, (found: RegExpExecArray, grammar: Grammar) => Wording]

const rules: readonly Rule[] = [
  [/^Missing \d+ required args?:\n((?:.|\n)+?)(\n\n|\nSee more|$)/, ([, list = '']) => missing(list)],
  [/^Unexpected arguments?: (.*)/, ([, first]) => ({sentence: `unexpected argument: ${first}`, hint: bodyHint})],
  [/^Nonexistent flags?: ([^,\n]+)/, ([, flag = ''], grammar) => unknownFlag(flag, grammar)],
  [/^Flag (--\S+) expects a value/, ([, flag]) => ({sentence: `${flag} needs a value`})],
  [/^Flag (--\S+) expects one of these values: (.*)/, ([, flag, all]) => ({sentence: `${flag} needs one of ${all}`})],
  [/^Flag (--\S+) can only be specified once/, ([, flag]) => ({sentence: `${flag} was given more than once`})],
  [
    /^Expected (--[^=\s]+)=(.*) to be one of: (.*)/,
    ([, f, value, all]) => ({sentence: `${f}: "${value}" is not one of ${all}`}),
  ],
  [/^Expected (.*) to be one of: (.*)/, ([, value, all]) => ({sentence: `"${value}" is not one of ${all}`})],
  [
    /(--[^=\s]+)=[\s\S]*? cannot also be provided when using (--\S+)/,
    ([, a, b]) => ({sentence: `${b} and ${a} cannot be used together`, hint: 'leave one of them out'}),
  ],
  [
    /(?:All|One) of the following must be provided when using (--\S+): (.*)/,
    ([, flag = '', others = ''], {flags}) => companions(flag, others.split(', '), flags),
  ],
  [/Exactly one of the following must be provided: (.*)/, ([, all]) => ({sentence: `one of ${all} is needed`})],
  [/At least one of the following must be provided: (.*)/, ([, all]) => ({sentence: `one of ${all} is needed`})],
  [/Missing required flag (\S+)/, ([, flag]) => ({sentence: `--${flag} is missing`})],
]

const bodyHint = 'a body with spaces in quotes'

function reword(complaint: string, grammar: Grammar): Wording {
  for (const [pattern, words] of rules) {
    const found = pattern.exec(complaint)
    if (found) return words(found, grammar)
  }
  return {sentence: complaint.replace(/\nSee more help with --help$/, '').replace(/\s*\n\s*/g, ' ')}
}

/** The required companions of a flag that the command has. */
function companions(flag: string, others: readonly string[], known: readonly string[]): Wording {
  const all = others.filter((other) => known.includes(other.slice(2))).join(' or ')
  return {sentence: `${flag} needs ${all}`, hint: `add ${all}, or leave ${flag} out`}
}

function missing(list: string): Wording {
  const names = list.split('\n').map((line) => (line.trim().split(/\s+/)[0] ?? '').toUpperCase())
  return {sentence: `${names.join(' and ')} ${names.length > 1 ? 'are' : 'is'} missing`}
}

function unknownFlag(flag: string, grammar: Grammar): Wording {
  const meant = flag.startsWith('--') ? nearest(flag.slice(2).replace(/=.*/, ''), grammar.flags) : undefined
  const hint = meant === undefined ? `put -- before arguments that start with "-"` : `--${meant}`
  return {sentence: `there is no flag ${flag.replace(/=.*/, '')}`, hint}
}
