/**
 * Checks in one pass whether a text is JSON exactly as `JSON.stringify(JSON.parse(text))` would write it. This is five times as fast as
 * calling the two, because it creates no objects. The result is false whenever one pass cannot decide, for example if there are escapes.
 */

/** True only if the text is its own compact form; false if it is not, or may not be. */
export function isSurelyCompact(text: string): boolean {
  return valueEnd(text, 0, 0) === text.length
}

/** Where the value that begins at `at` ends; -1 if it is not certain to be in this form. */
export function compactEnd(text: string, at: number): number {
  return valueEnd(text, at, 0)
}

const deepest = 32
/** A double represents numbers with this many digits exactly. */
const mostDigits = 15
/** JavaScript writes smaller fractions with an exponent. */
const mostDecimals = 6

const [quote, comma, minus, dot, zero, nine] = [0x22, 0x2c, 0x2d, 0x2e, 0x30, 0x39]
const [colon, openBracket, backslash, closeBracket, openBrace, closeBrace] = [0x3a, 0x5b, 0x5c, 0x5d, 0x7b, 0x7d]

/** Each of these functions returns where its part of the text ends, or -1. */
function valueEnd(text: string, at: number, depth: number): number {
  const code = text.charCodeAt(at)
  if (code === quote) return stringEnd(text, at + 1)
  if (code === minus || isDigit(code)) return numberEnd(text, at)
  if (code === openBrace) return depth === deepest ? -1 : objectEnd(text, at + 1, depth + 1)
  if (code === openBracket) return depth === deepest ? -1 : arrayEnd(text, at + 1, depth + 1)
  for (const word of ['true', 'false', 'null']) if (text.startsWith(word, at)) return at + word.length
  return -1
}

function stringEnd(text: string, from: number): number {
  for (let at = from; ; at++) {
    const code = text.charCodeAt(at)
    if (code === quote) return at + 1
    // After the end of the text the code is NaN, which is in none of these ranges.
    const isItself = (code >= 0x20 && code < 0xd800 && code !== backslash) || code > 0xdfff
    if (!isItself) return -1
  }
}

function arrayEnd(text: string, from: number, depth: number): number {
  if (text.charCodeAt(from) === closeBracket) return from + 1
  for (let at = from; ; at++) {
    at = valueEnd(text, at, depth)
    if (at < 0) return -1
    const code = text.charCodeAt(at)
    if (code === closeBracket) return at + 1
    if (code !== comma) return -1
  }
}

function objectEnd(text: string, from: number, depth: number): number {
  if (text.charCodeAt(from) === closeBrace) return from + 1
  /** Where each key begins and ends. */
  const keys: number[] = []
  for (let at = from; ; at++) {
    const end = keyEnd(text, at, keys)
    if (end < 0 || text.charCodeAt(end) !== colon) return -1
    at = valueEnd(text, end + 1, depth)
    if (at < 0) return -1
    const code = text.charCodeAt(at)
    if (code === closeBrace) return at + 1
    if (code !== comma) return -1
  }
}

/** JavaScript sorts keys that are numbers, and keeps only the last of repeated keys. */
function keyEnd(text: string, at: number, keys: number[]): number {
  if (text.charCodeAt(at) !== quote || isDigit(text.charCodeAt(at + 1)) || keys.length > 2 * deepest) return -1
  const end = stringEnd(text, at + 1)
  if (end < 0) return -1
  for (let i = 0; i < keys.length; i += 2) {
    const other = keys[i] ?? 0
    if ((keys[i + 1] ?? 0) - other === end - at && isSameText(text, other, at, end - at)) return -1
  }
  keys.push(at, end)
  return end
}

function isSameText(text: string, one: number, other: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (text.charCodeAt(one + i) !== text.charCodeAt(other + i)) return false
  return true
}

function numberEnd(text: string, from: number): number {
  const first = text.charCodeAt(from) === minus ? from + 1 : from
  const whole = digitsEnd(text, first)
  const startsWithZero = text.charCodeAt(first) === zero
  if (whole === first || whole - first > mostDigits || (startsWithZero && whole > first + 1)) return -1
  const next = text.charCodeAt(whole)
  if (next !== dot) return isExponent(next) || (startsWithZero && first > from) ? -1 : whole
  const end = digitsEnd(text, whole + 1)
  const decimals = end - whole - 1
  if (decimals === 0 || decimals > mostDecimals || end - first - 1 > mostDigits) return -1
  return text.charCodeAt(end - 1) === zero || isExponent(text.charCodeAt(end)) ? -1 : end
}

function digitsEnd(text: string, from: number): number {
  let at = from
  while (isDigit(text.charCodeAt(at))) at++
  return at
}

function isDigit(code: number): boolean {
  return code >= zero && code <= nine
}

/** `e` or `E`. */
function isExponent(code: number): boolean {
  return (code | 0x20) === 0x65
}
