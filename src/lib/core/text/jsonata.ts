/**
 * JSONata over messages. Every flag that takes an expression (--where, --select, --expect, --expr) uses the same context, so an
 * expression can be moved from one to another.
 */
import {BusError} from '../errors.ts'
import {headersByName, type Message, sizeOf} from '../message.ts'
import {isoTime} from '../time/timestamp.ts'
import {hasLongNumbers, parseLongNumbers} from './long-numbers.ts'

/** Evaluates a compiled expression. Fails with `usage` if it cannot be applied to this context. */
export type Expression = (context: object) => Promise<unknown>

/** Compiles `source`; `flag` is its origin, such as `--where`. Fails with `usage` and the position (1-based). */
export async function compileJsonata(source: string, flag: string): Promise<Expression> {
  const {compileLimited} = await import('./jsonata/limited.ts')
  return await compileLimited(source, flag)
}

/**
 * The context of an expression for a message. Nothing is parsed before it is used; `json` is absent if the payload is not JSON.
 */
export function contextOf(message: Message): MessageContext {
  let parsed: {readonly value: unknown; readonly hasLong: boolean} | undefined
  const context = {
    subject: message.subject,
    reply: message.reply,
    seq: message.seq,
    deliveries: message.deliveries,
    get time() {
      return isoTime(message.time)
    },
    get headers() {
      return headersByName(message.headers)
    },
    get bytes() {
      return sizeOf(message.payload)
    },
    get text() {
      return message.text
    },
    get json() {
      parsed ??= jsonOf(message.text)
      return parsed.value
    },
  }
  // Copies do not get this property, because values may be added to them.
  return Object.defineProperty(context, hasLongNumbers, {get: () => parsed?.hasLong === true})
}

function jsonOf(text: string): {readonly value: unknown; readonly hasLong: boolean} {
  try {
    return parseLongNumbers(text)
  } catch {
    return {value: undefined, hasLong: false}
  }
}

export interface MessageContext {
  readonly subject: string
  readonly reply: string | undefined
  readonly seq: number | undefined
  /** For a message from a consumer. */
  readonly deliveries: number | undefined
  /** ISO 8601. */
  readonly time: string
  /** See `headersByName`. */
  readonly headers: Readonly<Record<string, string | string[]>>
  /** Size of the payload. */
  readonly bytes: number
  readonly text: string
  readonly json: unknown
}

/** Whether a result counts as true, like JSONata's `$boolean()`. */
export function isTruthy(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(isTruthy)
  if (value === null || typeof value !== 'object') return typeof value !== 'function' && Boolean(value)
  return !('_jsonata_lambda' in value) && Object.keys(value).length > 0
}

/** A result as text: a string unchanged, anything else as compact JSON; undefined if there is no value. */
export function resultText(value: unknown, flag: string): string | undefined {
  if (value === undefined || typeof value === 'string') return value
  const isFunction =
    typeof value === 'function' || (value !== null && typeof value === 'object' && '_jsonata_lambda' in value)
  if (isFunction)
    throw new BusError('usage', `${flag} returns a function, not a value`, {try: ['call it: name(argument)']})
  try {
    return JSON.stringify(value)
  } catch (cause) {
    throw new BusError('usage', `${flag} returns a value that cannot be written: ${(cause as Error).message}`, {cause})
  }
}
