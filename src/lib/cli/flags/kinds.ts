/**
 * The kinds of flags: each function creates one flag for oclif. Descriptions are lower-case fragments. `more` sets further
 * properties: `char`, `default`, and the relations `exclusive`, `dependsOn` and `relationships`, which help shows (see
 * help.ts).
 */
import type {string} from '@oclif/core/args'
import type {BooleanFlag, OptionFlag} from '@oclif/core/interfaces'
import {BusError} from '../../core/errors.ts'
import {parseAge, parseDuration, parsePercent, parseRate, parseSize} from '../render/units.ts'

type More = Partial<Omit<OptionFlag<unknown>, 'type' | 'parse' | 'input'>> & {readonly allowNo?: boolean}

/** The values that flags have after parsing, each of which may be absent. */
export type FlagValues<Flags> = {
  readonly [Name in keyof Flags]?: Flags[Name] extends {parse(...args: never): Promise<unknown>}
    ? ValueOf<Flags[Name]> | undefined
    : never
}
type ValueOf<Flag> =
  Flag extends BooleanFlag<boolean>
    ? boolean
    : Flag extends OptionFlag<infer Value>
      ? Unchangeable<Exclude<Value, undefined>>
      : never
type Unchangeable<Value> = Value extends readonly (infer One)[] ? readonly One[] : Value

/** A word that is not a flag. oclif's own function for it loads more than a command needs. */
export const argument = ((more: object) => ({parse: asGiven, ...more})) as unknown as typeof string

export function toggle(description: string, more: More = {}): BooleanFlag<boolean> {
  return {
    type: 'boolean',
    name: '',
    allowNo: false,
    parse: async (given) => given,
    description,
    ...more,
  } as BooleanFlag<boolean>
}

/** A flag whose value is read by `parse`, which throws `usage` for an invalid one. */
export function value<Value>(
  description: string,
  helpValue: string,
  parse: (text: string) => Value,
  more: More = {},
): OptionFlag<Value | undefined> {
  const kept = {type: 'option', name: '', input: [], multiple: false, description, helpValue}
  return {...kept, parse: async (text: string) => parse(text), ...more} as unknown as OptionFlag<Value | undefined>
}

/** A flag that may be given more than once. */
export function values<Value>(
  description: string,
  helpValue: string,
  parse: (text: string) => Value,
  more: More = {},
): OptionFlag<Value[] | undefined> {
  const repeated = {...more, multiple: true, multipleNonGreedy: true}
  return value(`${description}; may be repeated`, helpValue, parse, repeated) as unknown as OptionFlag<
    Value[] | undefined
  >
}

export const text = (description: string, helpValue: string, more?: More) =>
  value(description, helpValue, asGiven, more)
export const texts = (description: string, helpValue: string, more?: More) =>
  values(description, helpValue, asGiven, more)
export const count = (description: string, more?: More) => value(description, '<n>', parseCount, more)
export const countOrZero = (description: string, more?: More) => value(description, '<n>', parseCountOrZero, more)
export const size = (description: string, more?: More) => value(description, '<size>', parseSize, more)
/** A duration in milliseconds that a timer waits for. */
export const duration = (description: string, more?: More) => value(description, '<duration>', parseDuration, more)
/** A duration in milliseconds without an upper limit. */
export const age = (description: string, more?: More) => value(description, '<duration>', parseAge, more)
export const percent = (description: string, more?: More) => value(description, '<percent>', parsePercent, more)
export const rate = (description: string, more?: More) => value(description, '<n/s>', parseRate, more)

/** A flag that must be given. */
export function required<Value>(flag: OptionFlag<Value | undefined>): OptionFlag<Value> {
  return {...flag, required: true} as OptionFlag<Value>
}

/** One of several words. */
export function choice<Word extends string>(
  description: string,
  options: readonly Word[],
  more: More = {},
): OptionFlag<Word | undefined> {
  const {helpValue: _, ...flag} = value(description, '', (word) => word as Word, {...more, options})
  return flag as OptionFlag<Word | undefined>
}

function asGiven(input: string): string {
  return input
}

/** A whole number of at least 1. Throws `usage`. */
function parseCount(input: string): number {
  const number = Number(input)
  if (/^\d+$/.test(input) && number >= 1 && Number.isSafeInteger(number)) return number
  throw new BusError('usage', `${JSON.stringify(input)} is not a whole number of at least 1`)
}

function parseCountOrZero(input: string): number {
  return input === '0' ? 0 : parseCount(input)
}

/** A flag with a different description or different relations on one command. */
export function variant<Flag>(flag: Flag, more: More): Flag {
  return {...flag, ...more}
}
