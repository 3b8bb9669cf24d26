/** The functions of JSONata that search a string for another one, or for a pattern. */
import {type Callback, type Focus, type Implementation, isFunction} from './library.ts'
import type {EvaluationLimits} from './limits.ts'

/** A longer string is searched in steps. */
const longestNative = 32

export function searches(limits: EvaluationLimits): Record<string, Implementation> {
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
