/**
 * The functions of JSONata's library within the limits of an evaluation. A function whose work is bounded by its arguments is
 * JSONata's own; the others are implemented here, with the same results.
 */
import {isLong, parseLongNumbers} from '../long-numbers.ts'
import {compare} from './arithmetic.ts'
import {type Callback, type Definition, type Focus, type Implementation, isFunction, type Library} from './library.ts'
import type {EvaluationLimits} from './limits.ts'
import {pictureFunctions} from './pictures.ts'
import {searches} from './searches.ts'

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
