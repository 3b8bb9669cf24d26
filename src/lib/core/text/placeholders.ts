/**
 * `{name}` in text, for --template and --format. A brace that is not followed by a letter is literal, so that JSON needs no
 * escaping: `{"id":{n}}`. Elsewhere `{{` and `}}` are literal braces.
 */
import {BusError} from '../errors.ts'

export interface Placeholder {
  /** The text between the braces. */
  readonly name: string
  /** The position of its brace (1-based). */
  readonly position: number
}

/**
 * Splits a string into literal text and placeholders. Throws `usage` for one that is not closed; `what` names the text, such as
 * `--format`.
 */
export function splitPlaceholders(text: string, what: string): (string | Placeholder)[] {
  const parts: (string | Placeholder)[] = []
  let literal = ''
  let doubled = 0
  for (let at = 0; at < text.length; ) {
    const two = text.slice(at, at + 2)
    if (two === '{{' || (two === '}}' && doubled > 0)) {
      doubled += two === '{{' ? 1 : -1
      literal += two[0]
      at += 2
    } else if (/^\{[a-z]$/i.test(two)) {
      const end = text.indexOf('}', at)
      if (end < 0) throw fault(`${what} has ${JSON.stringify(text.slice(at, at + 20))}, which is not closed`, at)
      if (literal !== '') parts.push(literal)
      literal = ''
      parts.push({name: text.slice(at + 1, end), position: at + 1})
      at = end + 1
    } else {
      literal += text[at++]
    }
  }
  return literal === '' ? parts : [...parts, literal]
}

/** The failure for an unknown placeholder; `known` lists the known ones. */
export function unknownPlaceholder(what: string, {name, position}: Placeholder, known: string): BusError {
  return fault(`${what} has the unknown ${JSON.stringify(`{${name}}`)}`, position - 1, [known])
}

function fault(sentence: string, at: number, hints: readonly string[] = []): BusError {
  return new BusError('usage', `${sentence}, at position ${at + 1}`, {
    data: {position: at + 1},
    try: [...hints, '"{{" for a literal brace'],
  })
}
