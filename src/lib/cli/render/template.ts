/** `--format`: renders a message with a template such as `{time} {subject} {headers.Trace} {json.user.id} {bytes}\n`. */

import {BusError} from '../../core/errors.ts'
import {headerOf, type Message, sizeOf} from '../../core/message.ts'
import {headersJson, roundedMs} from '../../core/record.ts'
import {toBase64, utf8Text} from '../../core/text/encoding.ts'
import {compactJson, looksLikeJson, parseExact, parseJson} from '../../core/text/json-text.ts'
import {type Placeholder, splitPlaceholders, unknownPlaceholder} from '../../core/text/placeholders.ts'
import {isoClock, unixSeconds} from '../../core/time/timestamp.ts'
import {printable} from './printable.ts'

/** Fills in the template for a message, the `n`th that is shown, which came `ms` after its request. */
export type Format = (message: Message, n: number, ms?: number) => string

export interface FormatOptions {
  /** Text of the message is escaped for a terminal. */
  readonly safe?: boolean | undefined
  /** The messages are replies, so `{ms}` is known. */
  readonly timed?: boolean | undefined
}

/**
 * Compiles a template. Throws `usage` for an unknown field or escape, with its position (1-based). A field that a message does
 * not have is empty.
 */
export function compileFormat(template: string, {safe, timed = false}: FormatOptions = {}): Format {
  checkEscapes(template)
  const parts = splitPlaceholders(template, '--format').map((part): string | Format => {
    if (typeof part === 'string') return withEscapes(part)
    const field = fieldOf(part, timed)
    return safe ? (message, n, ms) => printable(field(message, n, ms)) : field
  })
  return (message, n, ms) => {
    let line = ''
    for (const part of parts) line += typeof part === 'string' ? part : part(message, n, ms)
    return line
  }
}

/** What follows each message of a format: the delimiter, or a newline unless the format ends with an escape such as `\n`. */
export function endOfFormat(template: string, delimiter: string | undefined): string {
  if (delimiter !== undefined) return unescapeText(delimiter, '--delimiter')
  return /\p{Cc}$/u.test(withEscapes(template)) ? '' : '\n'
}

/** Replaces `\n \r \t \0 \e \\ \xHH`, as in `--delimiter '\0'`. Throws `usage` for any other. */
export function unescapeText(text: string, flag: string): string {
  checkEscapes(text, flag)
  return withEscapes(text)
}

const known =
  '{time} {unix} {subject} {reply} {seq} {deliveries} {n} {bytes} {text} {base64} {json} {json.user.id} {headers} {headers.Name}'

function fieldOf(placeholder: Placeholder, timed: boolean): Format {
  const {name} = placeholder
  const [head = '', path] = split(name)
  if (path !== undefined && head === 'headers') return ({headers}) => headerOf(headers, path) ?? ''
  if (path !== undefined && head === 'json') return jsonPath(path)
  if (timed && name === 'ms') return (_message, _n, ms) => (ms === undefined ? '' : String(roundedMs(ms)))
  const make = path === undefined ? fields.get(head) : undefined
  if (make === undefined) throw unknownPlaceholder('--format', placeholder, timed ? `{ms} ${known}` : known)
  return make()
}

const fields = new Map<string, () => Format>([
  [
    'time',
    () => {
      const iso = isoClock()
      return ({time}) => iso(time) ?? ''
    },
  ],
  [
    'unix',
    () =>
      ({time}) =>
        unixSeconds(time),
  ],
  [
    'subject',
    () =>
      ({subject}) =>
        subject,
  ],
  [
    'reply',
    () =>
      ({reply}) =>
        reply ?? '',
  ],
  [
    'seq',
    () =>
      ({seq}) =>
        seq === undefined ? '' : String(seq),
  ],
  [
    'deliveries',
    () =>
      ({deliveries}) =>
        String(deliveries ?? ''),
  ],
  ['n', () => (_message, n) => String(n)],
  [
    'bytes',
    () =>
      ({payload}) =>
        String(sizeOf(payload)),
  ],
  ['text', () => (message) => message.text],
  [
    'base64',
    () =>
      ({payload}) =>
        toBase64(payload),
  ],
  [
    'json',
    () =>
      ({payload}) =>
        jsonText(payload),
  ],
  [
    'headers',
    () =>
      ({headers}) =>
        headersJson(headers),
  ],
])

function jsonText(payload: string | Uint8Array): string {
  const text = utf8Text(payload) ?? ''
  return parseJson(text) === undefined ? '' : compactJson(text)
}

function jsonPath(path: string): Format {
  const steps = path
    .replace(/\[(\d+)\]/g, '.$1')
    .replace(/^\./, '')
    .split('.')
  return ({payload}) => {
    const text = utf8Text(payload) ?? ''
    let value = looksLikeJson(text) ? parse(text) : undefined
    for (const step of steps) {
      if (value === null || typeof value !== 'object' || !Object.hasOwn(value, step)) return ''
      value = (value as Record<string, unknown>)[step]
    }
    return typeof value === 'string' ? value : JSON.stringify(value)
  }
}

function parse(text: string): unknown {
  try {
    return parseExact(text)
  } catch {
    // Not JSON, so it has no members.
    return undefined
  }
}

/** `headers.A.b` is the header `A.b`; `json.a.b` is a path. */
function split(name: string): [head: string, path?: string] {
  const at = name.search(/[.[]/)
  return at < 0 ? [name] : [name.slice(0, at), name.slice(name[at] === '.' ? at + 1 : at)]
}

const escapes: Readonly<Record<string, string>> = {n: '\n', r: '\r', t: '\t', '0': '\0', e: '\x1b', '\\': '\\'}

function withEscapes(text: string): string {
  return text.replace(/\\(x[0-7][0-9a-f]|.)/gis, (_all, name: string) => {
    return name.length === 3 ? String.fromCharCode(Number.parseInt(name.slice(1), 16)) : (escapes[name] ?? name)
  })
}

function checkEscapes(text: string, flag = '--format'): void {
  for (const {0: found, index} of text.matchAll(/\\(?:x[0-7][0-9a-f]|.|$)/gis)) {
    if (found.length === 4 || (found.length === 2 && escapes[found.slice(1)] !== undefined)) continue
    const sentence = `${flag} has the unknown escape ${found}, at position ${index + 1}`
    throw new BusError('usage', sentence, {
      data: {position: index + 1},
      try: ['\\n \\t \\r \\0 \\e \\x1f, and \\\\ for \\'],
    })
  }
}
