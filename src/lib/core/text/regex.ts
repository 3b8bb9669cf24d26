/**
 * Regular expressions in RE2 syntax, with re2js: the time of a search is linear in the length of the text. The library is
 * loaded when the first pattern is compiled.
 */
import type {Matcher, RE2JS} from 're2js'

/** A compiled pattern. */
export interface Regex {
  /** Throws a `RegexError` if the text is too long for this pattern. */
  test(text: string): boolean
  programSize(): number
}

/** What to try instead of a refused pattern. */
export const regexHint = 'a pattern in the syntax of RE2, without lookahead, lookbehind and backreferences'

/** Characters of a pattern. */
const longestPattern = 16 * 1024
/** Largest number of instructions that a pattern may compile to. */
const mostInstructions = 20_000
/**
 * Instructions times characters of one search, which then ends within two seconds: one that returns a position takes up to 29
 * ns for each, one that only returns whether there is a match 5 ns.
 */
const mostFound = 60e6
const mostTested = 400e6

/** A pattern that is not accepted, or not for this text; its message is the reason. */
export class RegexError extends Error {}

function checkLength(text: string, longest: number, pattern: string): void {
  if (text.length <= longest) return
  const shown = pattern.length > 100 ? `${pattern.slice(0, 100)}…` : pattern
  throw new RegexError(`a string of ${text.length} characters is too long for /${shown}/`)
}

type Compile = (pattern: string, flags?: number) => RE2JS

/** Compiles a pattern to at most `most` instructions. Fails with a `RegexError`. */
export async function compilePattern(pattern: string, most = mostInstructions): Promise<Regex> {
  const compiled = (await loadCompiler(most))(pattern)
  const longest = mostTested / compiled.programSize()
  return {
    test(text) {
      checkLength(text, longest, pattern)
      return compiled.test(text)
    },
    programSize: () => compiled.programSize(),
  }
}

/** The engine for JSONata: the part of `RegExp` that it calls. */
export async function loadRegexEngine(): Promise<RegexEngine> {
  engine ??= makeEngine()
  return engine
}

/** Creates the engine for a literal. Throws a `RegexError`. */
export type RegexEngine = new (literal: RegExp) => {lastIndex: number; exec(text: string): RegExpExecArray | null}

let engine: Promise<RegexEngine> | undefined

async function loadCompiler(most: number): Promise<Compile> {
  const {RE2JS: library, RE2JSException, RE2JSSyntaxException} = await import('re2js')
  const reasonOf = (error: Error) => {
    if (error instanceof RangeError) return 'it is nested too deeply'
    if (!(error instanceof RE2JSSyntaxException)) return error.message
    return syntaxReason(error.getDescription(), error.getPattern() ?? '')
  }
  return (pattern, flags) => {
    // The time to compile depends on the size of the program, which is known only afterwards, and on the square of the length.
    if (pattern.length > longestPattern || leastInstructions(pattern) > most) throw new RegexError(tooLong)
    try {
      const compiled = library.compile(withCodePoints(pattern), flags)
      if (compiled.programSize() <= most) return compiled
    } catch (cause) {
      // V8 throws a RangeError at the end of the stack.
      if (!(cause instanceof RE2JSException || cause instanceof RangeError)) throw cause
      throw new RegexError(reasonOf(cause), {cause})
    }
    throw new RegexError(tooLong)
  }
}

const tooLong = 'it is too long or has too many repetitions'

/** One for each character, class or escape, multiplied by counted repetitions; never more than it compiles to. */
function leastInstructions(pattern: string): number {
  const outer: number[] = []
  let sum = 0
  let last = 0
  const atoms =
    /\\Q.*?(?:\\E|$)|\\(?:[pPx]\{[^}]*\}|[pP]?.)|\[\^?\]?(?:\\.|\[:\w+:\]|[^\]\\])*\]|\{(\d+)(?:,(\d*))?\}|./gs
  for (const [atom, least, most] of pattern.matchAll(atoms)) {
    if (least !== undefined) {
      const times = Math.max(Number(least), Number(most || 0))
      // Each optional part has a branch around it.
      const more = last * (times - 1) + (times - Number(least))
      sum += more
      last += more
    } else if (atom === '(') {
      outer.push(sum)
      sum = 0
      last = 0
    } else if (atom === ')') {
      last = sum
      sum += outer.pop() ?? 0
    } else if (!/^[*+?|^$]$/.test(atom)) {
      last = 1
      sum++
    }
  }
  return sum
}

function syntaxReason(description: string, fragment: string): string {
  if (/^\(\?[=!]/.test(fragment)) return 'lookahead is not supported'
  if (/^\(\?<[=!]/.test(fragment)) return 'lookbehind is not supported'
  if (/^\\[1-9k]/.test(fragment)) return 'backreferences are not supported'
  return fragment === '' ? description : `${description}: ${fragment}`
}

async function makeEngine(): Promise<RegexEngine> {
  const {RE2JS: library} = await import('re2js')
  const compile = await loadCompiler(mostInstructions)
  const compiled = new WeakMap<RegExp, RE2JS>()

  return class {
    lastIndex = 0
    readonly #regex: RE2JS
    #matcher: Matcher | undefined
    #text: string | undefined

    constructor(literal: RegExp) {
      const {source, ignoreCase, multiline} = literal
      const flags = (ignoreCase ? library.CASE_INSENSITIVE : 0) | (multiline ? library.MULTILINE : 0)
      this.#regex = compiled.get(literal) ?? compile(source, flags)
      compiled.set(literal, this.#regex)
    }

    exec(given: string): RegExpExecArray | null {
      const text = String(given)
      const from = Math.max(0, Math.trunc(this.lastIndex) || 0)
      if (text !== this.#text) {
        checkLength(text, mostFound / this.#regex.programSize(), this.#regex.pattern())
        this.#matcher = this.#regex.matcher(text)
      }
      this.#text = text
      const found = from <= text.length && this.#matcher?.find(from) ? arrayOf(this.#matcher, text) : null
      this.lastIndex = found === null ? 0 : found.index + (found[0]?.length ?? 0)
      return found
    }
  }
}

function arrayOf(matcher: Matcher, text: string): RegExpExecArray {
  const groups = Array.from({length: matcher.groupCount() + 1}, (_, at) => matcher.group(at) ?? undefined)
  return Object.assign(groups, {index: matcher.start(), input: text}) as RegExpExecArray
}

/** `\u0041` in JavaScript is `\x{0041}` in RE2. */
function withCodePoints(pattern: string): string {
  return pattern.replace(/\\(?:u([0-9a-fA-F]{4})|.)/gs, (whole, digits) =>
    digits === undefined ? whole : `\\x{${digits}}`,
  )
}
