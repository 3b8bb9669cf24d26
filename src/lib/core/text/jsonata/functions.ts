/**
 * The functions of JSONata's library within the limits of an evaluation. A function whose work is bounded by its arguments is
 * JSONata's own; the others are implemented here, with the same results.
 */
import {farthestMs, parseTime} from '../../time/timestamp.ts'
import {isLong, parseLongNumbers} from '../long-numbers.ts'
import {compare} from './arithmetic.ts'
import {type EvaluationLimits, LimitError} from './limits.ts'

/** A function of the library, as JSONata keeps it. */
export interface Definition {
  readonly _jsonata_function: true
  readonly implementation: Implementation
  readonly signature?: unknown
}

type Implementation = (this: Focus, ...given: never[]) => unknown

/** A node of the syntax tree of JSONata. */
export interface SyntaxNode {
  type?: string
  value?: unknown
  position?: number
  [name: string]: unknown
}

/** `this` of a library function. */
export interface Focus {
  readonly input: unknown
  readonly environment: Environment
  createSequence(...first: unknown[]): unknown[]
}

export interface Environment {
  lookup(name: string): unknown
  readonly base: {readonly timestamp: Date}
}

export type Library = Readonly<Record<string, Definition>>

/** The argument of a user's function; it may also be a match of a regular expression. */
type Callback = (...given: unknown[]) => unknown

/** The longest picture, and the longest text to which one is applied. */
const longestPicture = 256
const widest = 100
/** A longer text is searched in steps. */
const longestNative = 32

/** The functions by name, in their limited form. */
export function limitedFunctions(
  library: Library,
  names: Iterable<string>,
  limits: EvaluationLimits,
): Map<string, Definition> {
  const own: Readonly<Record<string, Implementation>> = {
    ...textFunctions(limits),
    ...searches(limits),
    ...listFunctions(limits),
    ...pictureFunctions(library, limits),
  }
  const limited = new Map<string, Definition>()
  for (const name of names) {
    const original = library[name]
    if (original !== undefined) limited.set(name, withinLimits(original, own[name], limits))
  }
  return limited
}

function withinLimits(original: Definition, own: Implementation | undefined, limits: EvaluationLimits): Definition {
  const called = own ?? original.implementation
  const implementation = function (this: Focus, ...given: never[]) {
    limits.look()
    const result = called.apply(this, given)
    return result instanceof Promise ? result.then((value) => limits.checkValue(value)) : checkResult(result, limits)
  }
  // A partial application reads the names and the number of parameters from the function.
  Object.defineProperty(implementation, 'length', {value: original.implementation.length})
  Object.defineProperty(implementation, 'toString', {value: () => String(original.implementation)})
  return {...original, implementation}
}

function checkResult(result: unknown, limits: EvaluationLimits): unknown {
  if (typeof result === 'string') limits.checkText(result.length)
  return limits.checkValue(result)
}

function textFunctions(limits: EvaluationLimits): Record<string, Implementation> {
  const limited = (longest: number, native: (text: string) => string) => (text: string | undefined) => {
    if (text === undefined) return undefined
    // The result may be this many times longer.
    limits.checkText(text.length * longest)
    return native(text)
  }
  return {
    string: (value: unknown, prettify: boolean | undefined) => stringOf(value, limits, prettify),
    clone: (value: unknown) =>
      value === undefined ? undefined : parseLongNumbers(String(stringOf(value, limits))).value,
    length: (text: string | undefined) => (text === undefined ? undefined : lengthOf(text)),
    substring: (text: string | undefined, start: number, length: number | undefined) =>
      text === undefined ? undefined : substringOf(text, start, length),
    pad(text: string | undefined, width: number, char: string | undefined) {
      if (text === undefined) return undefined
      const missing = Math.abs(Math.trunc(width)) - lengthOf(text)
      if (!(missing > 0)) return text
      const filler = char || ' '
      const units = filler.length / lengthOf(filler)
      limits.checkText(text.length + missing * units)
      const padding = substringOf(filler.repeat(Math.ceil(missing / lengthOf(filler))), 0, missing)
      return width > 0 ? text + padding : padding + text
    },
    join(texts: readonly string[] | undefined, separator: string | undefined) {
      if (texts === undefined) return undefined
      const between = separator ?? ''
      limits.checkText(texts.reduce((sum, text) => sum + text.length + between.length, 0))
      return texts.join(between)
    },
    uppercase: limited(1, (text) => text.toUpperCase()),
    lowercase: limited(1, (text) => text.toLowerCase()),
    // A replacement takes as long as several characters.
    trim: limited(4, (text) => text.replace(/[ \t\n\r]+/g, ' ').replace(/^ | $/g, '')),
    base64encode: limited(2, (text) => Buffer.from(text, 'binary').toString('base64')),
    base64decode: limited(1, (text) => Buffer.from(text, 'base64').toString('binary')),
  }
}

/** `$string()`. */
export function stringOf(value: unknown, limits: EvaluationLimits, prettify = false): string | undefined {
  if (value === undefined || typeof value === 'string') return value
  if (isFunction(value)) return ''
  if (typeof value === 'number' && !Number.isFinite(value)) throw {code: 'D3001', value}
  if (typeof value !== 'object') return String(replaced('', value))
  const one = Array.isArray(value) && 'outerWrapper' in value ? value[0] : value
  limits.weightOf(one)
  const measure = new JsonMeasure(prettify ? 2 : 0)
  limits.checkText(measure.lengthOf(one))
  // With a replacer it takes ten times as long.
  return JSON.stringify(one, measure.isPlain ? undefined : replaced, prettify ? 2 : 0)
}

function replaced(_key: string, value: unknown): unknown {
  if (isFunction(value)) return ''
  if (typeof value !== 'number' || Number.isNaN(value) || Number.isInteger(value)) return value
  if (!Number.isFinite(value)) throw {code: 'D1001', value}
  return Number(value.toPrecision(15))
}

class JsonMeasure {
  /** None of its values has to be replaced. */
  isPlain = true
  readonly #indent: number

  constructor(indent: number) {
    this.#indent = indent
  }

  /** The length of a value as JSON, or less if characters are escaped. */
  lengthOf(value: unknown, depth = 1): number {
    if (typeof value === 'string') return value.length + 2
    if (typeof value === 'number') this.isPlain &&= Number.isInteger(value)
    if (isFunction(value)) this.isPlain = false
    else if (typeof value === 'object' && value !== null) return this.#lengthOfParts(value, depth)
    return 1
  }

  #lengthOfParts(value: object, depth: number): number {
    const space = 1 + this.#indent * depth
    let length = 2
    if (Array.isArray(value)) for (const part of value) length += this.lengthOf(part, depth + 1) + space
    else {
      for (const [key, part] of Object.entries(value)) length += this.lengthOf(part, depth + 1) + space + key.length + 3
    }
    return length
  }
}

/** The number of characters of a string, some of which are two code units. */
function lengthOf(text: string): number {
  let length = text.length
  for (const _pair of text.matchAll(/[\ud800-\udbff][\udc00-\udfff]/g)) length--
  return length
}

function substringOf(text: string, start: number, length: number | undefined): string {
  if (length !== undefined && length <= 0) return ''
  const whole = lengthOf(text)
  const from = whole + start < 0 ? 0 : start
  const begin = indexIn(whole, from)
  const ends = length === undefined ? whole : indexIn(whole, from >= 0 ? from + length : whole + from + length)
  if (begin >= ends) return ''
  if (whole === text.length) return text.slice(begin, ends)
  const first = unitOf(text, 0, begin)
  return text.slice(first, unitOf(text, first, ends - begin))
}

/** Reads an index like `slice`. */
function indexIn(whole: number, index: number): number {
  const at = Math.trunc(index)
  return Math.min(whole, at < 0 ? Math.max(0, whole + at) : at)
}

/** The index of the code unit at the end of this many characters after `from`. */
function unitOf(text: string, from: number, characters: number): number {
  let at = from
  for (let left = characters; left > 0 && at < text.length; left--) at += (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1
  return at
}

function searches(limits: EvaluationLimits): Record<string, Implementation> {
  const search = (text: string, part: string, from = 0) => indexOf(text, part, from, limits)
  return {
    substringBefore(text: string | undefined, part: string) {
      const at = text === undefined ? -1 : search(text, part)
      return at < 0 ? text : text?.slice(0, at)
    },
    substringAfter(text: string | undefined, part: string) {
      const at = text === undefined ? -1 : search(text, part)
      return at < 0 ? text : text?.slice(at + part.length)
    },
    async contains(text: string | undefined, part: string | Callback | undefined) {
      if (text === undefined || part === undefined) return undefined
      return typeof part === 'string' ? search(text, part) >= 0 : (await firstMatch(part, text)) !== undefined
    },
    async split(text: string | undefined, separator: string | Callback, limit: number | undefined) {
      if (text === undefined) return undefined
      if (limit !== undefined && limit < 0) throw {code: 'D3020', value: limit, index: 3}
      const most = limit ?? Number.POSITIVE_INFINITY
      if (most === 0) return []
      if (separator === '') {
        limits.checkList(Math.min(text.length, most))
        return text.split('', Math.min(text.length, most))
      }
      const parts: string[] = []
      let from = 0
      for await (const {start, end} of matches(text, separator, search)) {
        if (parts.length >= most) return parts
        limits.checkList(parts.length + 1)
        parts.push(text.slice(from, start))
        from = end
      }
      if (parts.length < most) parts.push(text.slice(from))
      return parts
    },
    async replace(
      this: Focus,
      text: string | undefined,
      pattern: string | Callback,
      ...[replacement, limit]: readonly [replacement: string | Callback, limit: number | undefined]
    ) {
      if (text === undefined) return undefined
      if (pattern === '') throw {code: 'D3010', value: pattern, index: 2}
      if (limit !== undefined && limit < 0) throw {code: 'D3011', value: limit, index: 4}
      let result = ''
      let from = 0
      let count = 0
      if (limit === 0) return text
      for await (const found of matches(text, pattern, search)) {
        const given = await replacementOf.call(this, found, pattern, replacement)
        if (typeof given !== 'string') throw {code: 'D3012', value: given}
        limits.checkText(result.length + given.length + found.start - from)
        result += text.slice(from, found.start) + given
        from = found.start + found.match.length
        if (++count === limit) break
      }
      limits.checkText(result.length + text.length - from)
      return result + text.slice(from)
    },
  }
}

async function replacementOf(this: Focus, found: Match, pattern: unknown, replacement: string | Callback) {
  if (typeof replacement !== 'string') return await replacement.apply(this, [found])
  return typeof pattern === 'string' ? replacement : substituted(replacement, found)
}

interface Match {
  readonly match: string
  readonly start: number
  readonly end: number
  readonly groups: readonly (string | undefined)[]
  readonly next?: () => unknown
}

/** The positions of a string or a pattern, one after the other. */
async function* matches(
  text: string,
  pattern: string | Callback,
  search: (text: string, part: string, from: number) => number,
): AsyncGenerator<Match> {
  if (typeof pattern === 'string') {
    for (let at = search(text, pattern, 0); at >= 0; at = search(text, pattern, at + pattern.length)) {
      yield {match: pattern, start: at, end: at + pattern.length, groups: []}
    }
    return
  }
  for (let found = await firstMatch(pattern, text); found !== undefined; found = await firstMatch(found.next))
    yield found
}

async function firstMatch(matcher: unknown, text?: string): Promise<Match | undefined> {
  const found = (await (matcher as Callback)(...(text === undefined ? [] : [text]))) as Match | undefined
  if (!found) return undefined
  const isMatch =
    typeof found.start === 'number' ||
    typeof found.end === 'number' ||
    Array.isArray(found.groups) ||
    isFunction(found.next)
  if (!isMatch) throw {code: 'T1010'}
  return found
}

/** A replacement with `$0` to `$n` and `$$` replaced. */
function substituted(replacement: string, {match, groups}: Match): string {
  const mostDigits = groups.length === 0 ? 1 : Math.floor(Math.log10(groups.length)) + 1
  return replacement.replace(/\$(\$|[0-9]+)?/g, (whole, after: string | undefined) => {
    if (after === undefined) return whole
    if (after === '$') return '$'
    if (after.startsWith('0')) return match + after.slice(1)
    let digits = after.slice(0, mostDigits)
    if (mostDigits > 1 && Number(digits) > groups.length) digits = after.slice(0, mostDigits - 1)
    const shown = String(Number(digits))
    return (groups[Number(digits) - 1] ?? '') + after.slice(shown.length)
  })
}

/** Like `String.indexOf`, whose time is the product of both lengths. */
function indexOf(text: string, part: string, from: number, limits: EvaluationLimits): number {
  limits.checkText(text.length)
  if (part.length <= longestNative) return text.indexOf(part, from)
  const shorter = overlaps(part, limits)
  let same = 0
  for (let at = from; at < text.length; at++) {
    if (at % 1024 === 0) limits.step()
    while (same > 0 && text.charCodeAt(at) !== part.charCodeAt(same)) same = shorter[same - 1] ?? 0
    if (text.charCodeAt(at) === part.charCodeAt(same)) same++
    if (same === part.length) return at - same + 1
  }
  return -1
}

/** For each prefix of a string, the length of its longest proper prefix that is also its suffix (Knuth, Morris, Pratt). */
function overlaps(part: string, limits: EvaluationLimits): Int32Array {
  const lengths = new Int32Array(part.length)
  let same = 0
  for (let at = 1; at < part.length; at++) {
    if (at % 1024 === 0) limits.step()
    while (same > 0 && part.charCodeAt(at) !== part.charCodeAt(same)) same = lengths[same - 1] ?? 0
    if (part.charCodeAt(at) === part.charCodeAt(same)) same++
    lengths[at] = same
  }
  return lengths
}

function listFunctions(limits: EvaluationLimits): Record<string, Implementation> {
  const greatest = (is: (one: number, other: number) => boolean) => (values: readonly number[] | undefined) => {
    let found: number | undefined
    for (const value of values ?? []) if (found === undefined || is(value, found)) found = value
    return found
  }
  return {
    max: greatest((one, other) => one > other),
    min: greatest((one, other) => one < other),
    append(this: Focus, first: unknown, second: unknown) {
      if (first === undefined) return second
      if (second === undefined) return first
      const [one, other] = [Array.isArray(first) ? first : this.createSequence(first), listOf(second)]
      limits.checkList(one.length + other.length)
      return limits.checkSum(one.concat(other), one, other)
    },
    spread(this: Focus, value: unknown) {
      if (!Array.isArray(value)) return spreadOf.call(this, value)
      const all: unknown[] = []
      spreadInto.call(this, value, all, limits)
      return all.length > 0 ? all : this.createSequence()
    },
    zip(...lists: unknown[]) {
      const length = Math.min(...lists.map((list) => (Array.isArray(list) ? list.length : 0)))
      limits.checkList(length * Math.max(1, lists.length))
      return Array.from({length: Number.isFinite(length) ? length : 0}, (_, at) =>
        lists.map((list) => (list as unknown[])[at]),
      )
    },
    sort: (values: readonly unknown[] | undefined, comparator: unknown) => sorted(values, comparator, limits),
    distinct(this: Focus, values: unknown) {
      if (!Array.isArray(values) || values.length <= 1) return values
      const results = 'sequence' in values ? this.createSequence() : []
      results.push(...distinct(values, limits))
      return results
    },
  }
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [value]
}

function spreadOf(this: Focus, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || isFunction(value)) return value
  const members = this.createSequence()
  for (const [key, member] of Object.entries(value)) {
    members.push(Object.assign(Object.create(null), {[key]: member}))
  }
  return members
}

function spreadInto(this: Focus, values: readonly unknown[], all: unknown[], limits: EvaluationLimits): void {
  for (const value of values) {
    limits.checkList(all.length)
    if (Array.isArray(value)) spreadInto.call(this, value, all, limits)
    else for (const member of listOf(spreadOf.call(this, value))) if (member !== undefined) all.push(member)
  }
}

/** JSONata's own version copies the rest of both halves for each merged value. */
async function sorted(
  values: readonly unknown[] | undefined,
  comparator: unknown,
  limits: EvaluationLimits,
): Promise<readonly unknown[] | undefined> {
  if (values === undefined || values.length <= 1) return values
  if (comparator !== undefined) return await mergeSorted(values, comparator as Callback, limits)
  if (values.some(isLong) && values.every((value) => typeof value === 'number' || isLong(value))) {
    return values.toSorted((one, other) => {
      limits.step()
      return compare(one as number, other as number)
    })
  }
  const types = new Set(values.map((value) => typeof value))
  const [type] = types
  if (types.size > 1 || (type !== 'number' && type !== 'string')) throw {code: 'D3070', index: 1}
  return values.toSorted((one, other) => {
    limits.step()
    if (one === other) return 0
    return (one as string) > (other as string) ? 1 : -1
  })
}

/** Stable; the comparator returns whether two values have to be swapped. */
async function mergeSorted(values: readonly unknown[], swap: Callback, limits: EvaluationLimits): Promise<unknown[]> {
  let from = [...values]
  for (let width = 1; width < values.length; width *= 2) {
    const to: unknown[] = []
    for (let start = 0; start < values.length; start += 2 * width) {
      let [left, right] = [start, Math.min(start + width, values.length)]
      const [middle, end] = [right, Math.min(start + 2 * width, values.length)]
      while (left < middle && right < end) {
        limits.step()
        to.push((await swap.apply(undefined, [from[left], from[right]])) ? from[right++] : from[left++])
      }
      while (left < middle) to.push(from[left++])
      while (right < end) to.push(from[right++])
    }
    from = to
  }
  return from
}

/** JSONata's own version takes time that grows with the square of the length. */
function distinct(values: readonly unknown[], limits: EvaluationLimits): Iterable<unknown> {
  const found = new Map<unknown, unknown>()
  let characters = 0
  for (const value of values) {
    limits.step()
    const key = typeof value === 'object' && value !== null ? `\0${JSON.stringify(withSortedMembers(value))}` : value
    if (found.has(key)) continue
    if (typeof key === 'string') characters += key.length
    limits.checkText(characters)
    found.set(key, value)
  }
  return found.values()
}

/** A copy in which the members of all objects are sorted. */
function withSortedMembers(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(withSortedMembers)
  const members = Object.keys(value)
    .sort()
    .map((name) => [name, withSortedMembers((value as Record<string, unknown>)[name])])
  return {members}
}

function pictureFunctions(library: Library, limits: EvaluationLimits): Record<string, Implementation> {
  const call = (name: string, focus: Focus, given: readonly unknown[]) =>
    library[name]?.implementation.apply(focus, given as never[])
  return {
    formatNumber(this: Focus, value: number | undefined, picture: string, options: object | undefined) {
      if (value === undefined) return undefined
      checkPicture(picture)
      for (const [name, symbol] of Object.entries(options ?? {})) {
        if (typeof symbol === 'string' && symbol !== '' && symbol.length <= longestPicture) continue
        throw new LimitError(`${name} of $formatNumber must be a string of 1 to ${longestPicture} characters`)
      }
      return call('formatNumber', this, [value, picture, options])
    },
    formatInteger(this: Focus, value: number | undefined, picture: string) {
      checkPicture(picture)
      const isRoman = /^[iI](;|$)/.test(picture)
      if (isRoman && Math.abs(value ?? 0) > 1_000_000) throw new LimitError('Roman numerals are limited to 1000000')
      return call('formatInteger', this, [value, picture])
    },
    parseInteger(this: Focus, text: string | undefined, picture: string) {
      checkPicture(picture)
      checkParsed(text)
      return call('parseInteger', this, [text, picture])
    },
    toMillis(this: Focus, text: string | undefined, picture: string | undefined) {
      checkParsed(text)
      if (picture !== undefined) checkPicture(picture)
      if (picture !== undefined) checkParts(picture)
      else if (text !== undefined && Number.isNaN(parseTime(text)) && !Number.isNaN(Date.parse(text))) {
        throw new LimitError(`${text} is not a day`)
      }
      const millis = call('toMillis', this, [text, picture])
      if (text === undefined || millis === undefined) return millis
      if (typeof millis !== 'number' || Number.isNaN(millis)) throw new LimitError(`${text} is not a time`)
      if (picture === undefined) return millis
      const {rest, restPicture, offsetMs} = withoutZone(text, picture)
      if (!hasSameParts(rest, call('fromMillis', this, [millis + offsetMs, restPicture])))
        throw new LimitError(`${text} is not a time that this picture reads exactly`)
      return millis
    },
    fromMillis(this: Focus, millis: number | undefined, picture: string | undefined, timezone: string | undefined) {
      if (picture !== undefined) checkWidths(picture)
      checkZone(timezone)
      if (millis !== undefined && Math.abs(millis) > farthestMs) throw new LimitError(`${millis} is not a time`)
      limits.step()
      return call('fromMillis', this, [millis, picture, timezone])
    },
    millis(this: Focus) {
      return this.environment.base.timestamp.getTime()
    },
    now(this: Focus, picture: string | undefined, timezone: string | undefined) {
      if (picture !== undefined) checkWidths(picture)
      checkZone(timezone)
      return call('fromMillis', this, [this.environment.base.timestamp.getTime(), picture, timezone])
    },
  }
}

/** JSONata reads `+01:00` as one minute, and names of zones and minutes before UTC as other offsets. */
function checkZone(timezone: string | undefined): void {
  if (timezone === undefined || /^(\+?\d{4}|-\d\d00)$/.test(timezone)) return
  throw new LimitError(`${JSON.stringify(timezone)} is not an offset such as +0100 or -0800`)
}

/** A string and its picture without their time zone, and its offset. */
function withoutZone(text: string, picture: string): {rest: string; restPicture: string; offsetMs: number} {
  const restPicture = picture.replace(/\[\s*[Zz][^\]]*\]/, '')
  if (restPicture === picture) return {rest: text, restPicture, offsetMs: 0}
  const [zone = '', sign, hours, minutes] = /(?:GMT)?([+-])(\d\d?):?(\d\d)?(?!.*[+-]\d)|(?:Z|GMT)\b/.exec(text) ?? []
  const offset = Number(hours ?? 0) * 60 + Number(minutes ?? 0)
  return {rest: text.replace(zone, ' '), restPicture, offsetMs: (sign === '-' ? -offset : offset) * 60_000}
}

/**
 * Whether a string has the numbers and names of the time that was read from it. JSONata reads 31 February as 3 March, and ignores
 * some parts of a picture.
 */
function hasSameParts(text: string, again: unknown): boolean {
  const [one, other] = [text, String(again)].map((each) => {
    const withShortFractions = each.toLowerCase().replace(/[.,](\d*?)0+(?!\d)/g, '.$1')
    return withShortFractions.match(/\d+|\p{L}+/gu) ?? []
  })
  const same = (word: string) => word.replace(/^0+(?=\d)/, '')
  return one?.map(same).join(' ') === other?.map(same).join(' ') || one?.join('') === other?.join('')
}

function checkPicture(picture: string): void {
  if (picture.length > longestPicture) throw new LimitError(`a picture of more than ${longestPicture} characters`)
}

function checkParsed(text: string | undefined): void {
  if ((text?.length ?? 0) <= longestPicture) return
  throw new LimitError(`a string of more than ${longestPicture} characters is neither a number nor a time`)
}

/** Throws for a picture that produces a long text. */
function checkWidths(picture: string): void {
  checkPicture(picture)
  // JSONata writes 123 milliseconds as 000123 there.
  if (/\[\s*f\s*\d{4}/.test(picture))
    throw new LimitError('more than three digits for a fraction: times have milliseconds')
  for (const [, widths = ''] of picture.matchAll(/,([^,\]]*)\]/g)) {
    for (const width of widths.match(/[0-9]+/g) ?? []) {
      if (Number(width) > widest) throw new LimitError(`a width of more than ${widest} in a picture`)
    }
  }
}

type PartKind = 'digits' | 'fraction' | 'letters' | 'words' | 'zone'

/** The possible characters of a part of a time. */
const characters: Readonly<Record<PartKind, RegExp>> = {
  digits: /^[0-9]$/,
  fraction: /^[0-9]$/,
  letters: /^[a-z]$/i,
  words: /^[a-z, -]$/i,
  zone: /^[0-9:+-]$/,
}

/** JSONata turns a picture into a pattern that it matches with backtracking, so only a few parts may have an ambiguous end. */
function checkParts(picture: string): void {
  const parts = [...picture.replaceAll('[[', '').matchAll(/\[\s*([^\]\s])\s*([^\]]*)\]([^[]*)/g)].map(
    ([, component = '', presentation = '', after = '']) => ({kind: kindOf(component, presentation), after}),
  )
  const open = parts.filter(({kind, after}, at) => {
    const next = parts[at + 1]
    return next !== undefined && isOpen(kind, after, next.kind)
  })
  if (open.length > 2) throw new LimitError('a picture in which the parts of a time have ambiguous ends')
}

function kindOf(component: string, presentation: string): PartKind {
  if ('Zz'.includes(component)) return 'zone'
  if (component === 'f') return 'fraction'
  if (/^[wW]/.test(presentation)) return 'words'
  const isName = presentation === '' ? /[FP]|[CE]/.test(component) : /^[nNaAiI]/.test(presentation)
  return isName ? 'letters' : 'digits'
}

function isOpen(kind: PartKind, between: string, next: PartKind): boolean {
  if ([...between].some((character) => !characters[kind].test(character))) return false
  if (between !== '') return true
  // JSONata matches digits that precede digits with a fixed width.
  if (kind === 'digits') return false
  if (kind === 'fraction' || kind === 'zone') return next === 'digits' || next === 'fraction'
  return next === 'letters' || next === 'words' || (kind === 'words' && next === 'zone')
}

export function isFunction(value: unknown): boolean {
  if (typeof value === 'function') return true
  if (typeof value !== 'object' || value === null) return false
  const {_jsonata_function: isNative, _jsonata_lambda: isLambda} = value as Record<string, unknown>
  return isNative === true || isLambda === true
}
