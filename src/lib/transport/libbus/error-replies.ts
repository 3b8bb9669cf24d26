/**
 * libbus has no marker for a failed handler: its reply is text like any other. SQLite up to v0.36.0 wrote `{"error":…}` with a
 * string quoted by Go's %q, which is not always JSON; NATS, and SQLite since v1.0.0, write `error: …`. Both are read; the first
 * is written, always as JSON.
 */
import {type Headers, headerOf} from '../../core/message.ts'

const name = 'Nats-Service-Error'
const shapes = /^(?:error: (?<plain>.*)|\{"error":"(?<quoted>(?:[^"\\]|\\.)*)"\}\s*)$/s
const escapes: Readonly<Record<string, string>> = {a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v'}
/** Longer replies are data, because the text of an error goes into a header. */
const longest = 64 * 1024

/** The service error headers for a reply; undefined if it is data. */
export function errorHeaders(payload: Uint8Array | string): Headers | undefined {
  if (payload.length < 7 || payload.length > longest) return undefined
  const text = typeof payload === 'string' ? payload : Buffer.from(payload).toString()
  const {plain, quoted} = shapes.exec(text)?.groups ?? {}
  const said = plain ?? (quoted === undefined ? undefined : unquoted(quoted))
  return said === undefined ? undefined : [[name, said.replace(/[\r\n\0]+/g, ' ')]]
}

/** The reply for the service error in these headers; undefined if there is none. */
export function errorReply(headers: Headers): string | undefined {
  const text = headerOf(headers, name)
  const code = headerOf(headers, `${name}-Code`)
  if (text === undefined && code === undefined) return undefined
  return JSON.stringify({error: text || code || ''})
}

/** Decodes both Go's %q and JSON. */
function unquoted(text: string): string {
  const escaped = /\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|(.))/gs
  return text.replace(escaped, (_, ...[byte, unit, point, other = '']: (string | undefined)[]) => {
    if (byte !== undefined) return ascii(Number.parseInt(byte, 16))
    if (unit !== undefined) return String.fromCharCode(Number.parseInt(unit, 16))
    if (point !== undefined) return character(Number.parseInt(point, 16))
    return escapes[other] ?? other
  })
}

/** Go also writes the bytes of invalid UTF-8 in this form. */
function ascii(byte: number): string {
  return byte < 0x80 ? String.fromCharCode(byte) : '\ufffd'
}

function character(point: number): string {
  return point <= 0x10ffff ? String.fromCodePoint(point) : '\ufffd'
}
