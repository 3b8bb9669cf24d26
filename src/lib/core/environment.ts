import type {Message} from './message.ts'
import {headersJson} from './record.ts'

/**
 * The environment variables of a program that handles a message: `BUS_SUBJECT`, `BUS_REPLY`, `BUS_HEADERS` (JSON, as in
 * records) and the first value of each header as `BUS_HEADER_<NAME>`, the name in upper case with `_` for everything except
 * letters and digits.
 */
export function messageEnvironment(message: Message): Record<string, string | undefined> {
  const env: Record<string, string | undefined> = {
    BUS_SUBJECT: message.subject,
    BUS_REPLY: message.reply,
    BUS_HEADERS: headersJson(message.headers),
  }
  for (const [name, value] of message.headers) {
    // The environment cannot contain NUL: the value would be cut off there, and the program would not start.
    env[`BUS_HEADER_${name.toUpperCase().replace(/[^A-Z0-9]/g, '_')}`] ??= value.replaceAll('\0', '')
  }
  return env
}
