/**
 * Parses the flags and arguments of a command line as oclif describes them. oclif's own parser takes longer to load and to run
 * than most commands; test/lib/cli/base/arguments.test.ts compares the two.
 */
import type {ArgInput, FlagInput} from '@oclif/core/interfaces'
import {BusError} from '../../core/errors.ts'
import {enumeration} from '../../core/text/enumeration.ts'
import {nearest} from '../../core/text/nearest.ts'

export interface Grammar {
  /** As typed: `bus pub`. */
  readonly command: string
  readonly flags: FlagInput
  readonly args: ArgInput
}

export interface Arguments {
  readonly flags: Readonly<Record<string, unknown>>
  readonly args: Readonly<Record<string, unknown>>
  /** The flags that were not given and have their default. */
  readonly defaulted: ReadonlySet<string>
}

type Flag = FlagInput[string]
type Given = ReadonlyMap<string, readonly string[]>

/** Fails with `usage`, and the errors of the flags' own parsers. */
export async function parseArguments(words: readonly string[], grammar: Grammar): Promise<Arguments> {
  const fail = (sentence: string, ...hints: string[]) => {
    throw new BusError('usage', sentence, {try: [...hints, `${grammar.command} --help`]})
  }
  const {given, rest} = separate(words, grammar, fail)
  const flags: Record<string, unknown> = {}
  const defaulted = new Set<string>()
  for (const [name, flag] of Object.entries(grammar.flags)) {
    const texts = given.get(name)
    if (texts !== undefined) flags[name] = await parsedValue(flag, name, texts, grammar)
    else if (flag.default !== undefined) {
      flags[name] = flag.default
      defaulted.add(name)
    }
  }
  const args = assign(rest, grammar.args, fail)
  checkRelations(grammar.flags, given, fail)
  return {flags, args, defaulted}
}

type Fail = (sentence: string, ...hints: string[]) => never

/** Separates flags, with the texts of their values, from the other words. */
function separate(words: readonly string[], {flags}: Grammar, fail: Fail): {given: Given; rest: string[]} {
  const names = namesOf(flags)
  const given = new Map<string, string[]>()
  const rest: string[] = []
  const queue = [...words]
  for (let word = queue.shift(); word !== undefined; word = queue.shift()) {
    if (word === '--') return {given, rest: [...rest, ...queue]}
    const [typed, joined] = split(word, names)
    const name = names.get(typed)
    const flag = name === undefined ? undefined : flags[name]
    if (name === undefined || flag === undefined) {
      if (/^-[^\d]/.test(word)) unknownFlag(word, Object.keys(flags), fail)
      rest.push(word)
      continue
    }
    const texts = given.get(name) ?? []
    given.set(name, texts)
    if (flag.type === 'boolean') {
      if (joined !== undefined && (typed.startsWith('--') || word[2] === '=')) fail(`--${name} takes no value`)
      if (joined !== undefined) queue.unshift(`-${joined}`)
      texts.push(typed.startsWith('--no-') && name !== typed.slice(2) ? 'false' : 'true')
      continue
    }
    if (!flag.multiple && texts.length > 0) fail(`--${name} was given more than once`)
    const text = joined ?? queue.shift()
    if (text === undefined || (joined === undefined && names.has(split(text, names)[0]))) fail(needsValue(name, flag))
    else texts.push(text)
  }
  return {given, rest}
}

/** What may be typed, such as `--bus`, `-b` and `--no-with-data`, with the name of the flag. */
function namesOf(flags: FlagInput): ReadonlyMap<string, string> {
  const names = new Map<string, string>()
  for (const [name, flag] of Object.entries(flags)) {
    for (const long of [name, ...(flag.aliases ?? [])]) {
      names.set(`--${long}`, name)
      if (flag.type === 'boolean' && flag.allowNo) names.set(`--no-${long}`, name)
    }
    for (const letter of [flag.char, ...(flag.charAliases ?? [])])
      if (letter !== undefined) names.set(`-${letter}`, name)
  }
  return names
}

/** `--bus=x`, `-bx` and `-b=x` into the flag and what is joined to it. */
function split(word: string, names: ReadonlyMap<string, string>): [typed: string, joined?: string] {
  if (names.has(word)) return [word]
  if (word.startsWith('--')) {
    const equals = word.indexOf('=')
    return equals < 0 ? [word] : [word.slice(0, equals), word.slice(equals + 1)]
  }
  return word.length > 2 ? [word.slice(0, 2), word.slice(word[2] === '=' ? 3 : 2)] : [word]
}

function unknownFlag(word: string, known: readonly string[], fail: Fail): never {
  const typed = word.replace(/=.*/s, '')
  const meant = typed.startsWith('--') ? nearest(typed.slice(2), known) : undefined
  const hint = meant === undefined ? 'put -- before arguments that start with "-"' : `--${meant}`
  return fail(`there is no flag ${typed}`, hint)
}

function needsValue(name: string, flag: Flag): string {
  const {options} = flag as {readonly options?: readonly string[]}
  return options === undefined ? `--${name} needs a value` : `--${name} needs one of ${options.join(', ')}`
}

async function parsedValue(flag: Flag, name: string, texts: readonly string[], {command}: Grammar): Promise<unknown> {
  if (flag.type === 'boolean') return texts.at(-1) === 'true'
  const {options} = flag
  const parse = flag.parse as (text: string) => Promise<unknown>
  const values: unknown[] = []
  for (const text of texts) {
    if (options !== undefined && !options.includes(text)) {
      const sentence = `--${name}: "${text}" is not one of ${options.join(', ')}`
      throw new BusError('usage', sentence, {try: [`${command} --help`]})
    }
    try {
      values.push(await parse(text))
    } catch (error) {
      if (!(error instanceof BusError)) throw error
      const hints = [...error.try, `${command} --help`]
      throw new BusError(error.kind, `--${name}: ${error.message}`, {try: hints, cause: error.cause})
    }
  }
  return flag.multiple ? values : values[0]
}

/** The words that are not flags, by the names of the arguments; the last one may take several. */
function assign(words: readonly string[], args: ArgInput, fail: Fail): Record<string, unknown> {
  const values: Record<string, unknown> = {}
  const rest = [...words]
  const missing: string[] = []
  for (const [name, {multiple, required}] of Object.entries(args)) {
    const value = multiple ? (rest.length > 0 ? rest.splice(0) : undefined) : rest.shift()
    if (value !== undefined) values[name] = value
    else if (required) missing.push(name.toUpperCase())
  }
  const hints = Object.keys(args).length > 0 ? ['a body with spaces in quotes'] : []
  if (rest.length > 0) fail(`unexpected argument: ${rest.join(', ')}`, ...hints)
  if (missing.length > 0) fail(`${enumeration(missing)} ${missing.length > 1 ? 'are' : 'is'} missing`)
  return values
}

/** Flags that exclude or need each other. A default counts as absent. */
function checkRelations(flags: FlagInput, given: Given, fail: Fail): void {
  const dashed = (names: readonly unknown[]) => names.filter((name) => String(name) in flags).map((name) => `--${name}`)
  for (const [name, {exclusive = [], required}] of Object.entries(flags)) {
    if (required && !given.has(name)) fail(`--${name} is missing`)
    const other = given.has(name) ? exclusive.find((one) => given.has(String(one))) : undefined
    if (other !== undefined) fail(`--${name} and --${other} cannot be used together`, 'leave one of them out')
  }
  for (const [name, {dependsOn = [], relationships = []}] of Object.entries(flags)) {
    if (!given.has(name)) continue
    const needed = [...dependsOn.map((one) => [one]), ...relationships.map(({flags: some}) => some)]
    for (const some of needed) {
      if (some.some((one) => given.has(String(one)))) continue
      const all = dashed(some).join(' or ')
      fail(`--${name} needs ${all}`, `add ${all}, or leave --${name} out`)
    }
  }
}
