/** Makes untrusted text safe to show: nothing in a message may move the cursor or change the screen. */

/** One line: control characters and direction marks become `\n`, `\x1b`, `\u202e`. */
export function printable(text: string): string {
  return text.replace(unsafe, escapeOf)
}

/** Several lines: like `printable`, but line breaks and tabs are kept. */
export function printableLines(text: string): string {
  return text.replace(unsafe, (character, at: number) => {
    if (character === '\n' || character === '\t') return character
    return character === '\r' && text[at + 1] === '\n' ? '' : escapeOf(character)
  })
}

/** A line of JSON; the result is equivalent JSON. */
export function printableJson(line: string): string {
  return line.replace(unsafe, (character) => `\\u${hex(character, 4)}`)
}

/**
 * Text for a terminal: only line breaks, tabs and plain colours are kept. Other control characters become escapes such as
 * `\u001b`, which are valid in JSON too. So text that was not escaped before has no effect.
 */
export function terminalText(text: string, isColoured: boolean): string {
  return text.replace(forTerminal, (found, at: number) => {
    if (found === '\n' || found === '\t' || (found.length > 1 && isColoured)) return found
    if (found === '\r' && text[at + 1] === '\n') return ''
    return found.replace(unsafe, (character) => `\\u${hex(character, 4)}`)
  })
}

/** Control characters of both sets, line and paragraph separators, and characters that change the text direction. */
const unsafe = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu

/** Also matches bold, dim, italic, underlined and the sixteen colours, each as a whole, but not hidden or blinking text. */
const forTerminal = new RegExp(`\\u001b\\[(?:[0-4]|2[2-4]|3[0-79]|9[0-7])m|${unsafe.source}`, 'gu')

const short: Readonly<Record<string, string>> = {'\n': '\\n', '\r': '\\r', '\t': '\\t', '\0': '\\0'}

function escapeOf(character: string): string {
  return short[character] ?? (character < '\u0100' ? `\\x${hex(character, 2)}` : `\\u${hex(character, 4)}`)
}

function hex(character: string, digits: number): string {
  return character.charCodeAt(0).toString(16).padStart(digits, '0')
}
