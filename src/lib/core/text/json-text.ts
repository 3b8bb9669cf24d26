/**
 * JSON as text. `JSON.parse` loses what JavaScript cannot represent (12345678901234567890, 1e400, 1.10, -0, repeated keys), so
 * output is made from the source text.
 */

/** Whether a value is a JSON object: neither null nor an array. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The object that a JSON text contains; undefined for any other text. */
export function objectIn(text: string): Record<string, unknown> | undefined {
  const value = parseJson(text)
  return isObject(value) ? value : undefined
}

/** The value of a JSON text; undefined for a string that is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Removes white space and keeps every token unchanged. `text` must be valid JSON. */
export function compactJson(text: string): string {
  if (!/[ \t\r\n]/.test(text)) return text
  return splitStrings(text)
    .map((part, index) => (index % 2 === 1 ? part : part.replace(/[ \t\r\n]+/g, '')))
    .join('')
}

/** Formats JSON over several lines, two spaces per level, with every token unchanged. `text` must be valid JSON. */
export function prettyJson(text: string): string {
  let depth = 0
  let laidOut = ''
  const line = () => `\n${'  '.repeat(Math.min(depth, deepestIndent))}`
  for (const [index, part] of splitStrings(text).entries()) {
    const tokens = index % 2 === 1 ? [part] : (part.match(/[[{]\s*[\]}]|[[\]{},:]|[^\s[\]{},:]+/g) ?? [])
    for (const token of tokens) {
      if (token === ']' || token === '}') {
        depth--
        laidOut += line()
      }
      laidOut += index % 2 === 1 ? token : token.replace(/\s+/, '')
      if (token === '[' || token === '{') depth++
      if (token === '[' || token === '{' || token === ',') laidOut += line()
      if (token === ':') laidOut += ' '
    }
  }
  return laidOut
}

/** Like `JSON.parse`, but a number that would change keeps its source form under `JSON.stringify`. */
export function parseExact(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown, context?: {source?: string}) => {
    const source = context?.source
    return typeof value === 'number' && source !== undefined && String(value) !== source ? exact.rawJSON(source) : value
  })
}

/** Whether the text may be JSON, by its first and last character: avoids most failing parses. */
export function looksLikeJson(text: string): boolean {
  const trimmed = text.trim()
  const first = trimmed[0] ?? ''
  const last = trimmed.at(-1) ?? ''
  return first === '-' || isDigit(first) ? isDigit(last) : lastOf[first] === last
}

const isDigit = (character: string) => character >= '0' && character <= '9'

/** The last character of a JSON text by its first one; that of a number is a digit. */
const lastOf: Record<string, string> = {'{': '}', '[': ']', '"': '"', t: 'e', f: 'e', n: 'l'}

const deepestIndent = 40

/** Supported since V8 11.4, but missing in TypeScript's library. */
const exact = JSON as typeof JSON & {rawJSON(text: string): unknown}

/** The text outside and inside of string literals in turn, beginning outside. */
function splitStrings(text: string): string[] {
  const parts: string[] = []
  let from = 0
  for (let open = text.indexOf('"'); open >= 0; open = text.indexOf('"', from)) {
    let close = text.indexOf('"', open + 1)
    while (isEscaped(text, close)) close = text.indexOf('"', close + 1)
    parts.push(text.slice(from, open), text.slice(open, close + 1))
    from = close + 1
  }
  parts.push(text.slice(from))
  return parts
}

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0
  while (text[at - 1 - backslashes] === '\\') backslashes++
  return backslashes % 2 === 1
}
