import {BusError} from './errors.ts'

/** Header lines in order, with names in their original case; a name may occur several times. */
export type Headers = readonly (readonly [name: string, value: string])[]

/** A message to publish. A payload given as text is sent as UTF-8; absent means empty. */
export interface Outgoing {
  readonly subject: string
  readonly data?: Uint8Array | string | undefined
  readonly headers?: Headers | undefined
  readonly reply?: string | undefined
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', {ignoreBOM: true})

/** A message as it arrived. Unused parts cost nothing: bytes and text are converted on demand. */
export class Message {
  readonly subject: string
  /** The payload in the form in which the driver received it. */
  readonly payload: Uint8Array | string
  readonly headers: Headers
  readonly reply: string | undefined
  /** Sequence in the stream, or in the log of the bus file; absent for messages that were not stored. */
  readonly seq: number | undefined
  /** Unix time in milliseconds, with fractions: when it was stored, or if it was not, when it arrived. */
  readonly time: number
  /** How often its consumer has delivered it, this time included; absent for a message that no consumer delivered. */
  declare readonly deliveries?: number | undefined

  /** The payload exists but was not sent, as with an event without data; `payload` is then empty. */
  declare readonly isWithoutPayload?: boolean | undefined

  // biome-ignore lint/complexity/useMaxParams: one is made for each message, and an object of options for each would cost
  constructor(
    subject: string,
    payload: Uint8Array | string,
    headers: Headers = noHeaders,
    reply?: string,
    seq?: number,
    time: number = Date.now(),
  ) {
    this.subject = subject
    this.payload = payload
    this.headers = headers
    this.reply = reply
    this.seq = seq
    this.time = time
  }

  get data(): Uint8Array {
    return typeof this.payload === 'string' ? encoder.encode(this.payload) : this.payload
  }

  /** The payload as UTF-8 text, with U+FFFD for invalid bytes. */
  get text(): string {
    return typeof this.payload === 'string' ? this.payload : decoder.decode(this.payload)
  }

  /** Like `headerOf`. */
  header(name: string): string | undefined {
    return headerOf(this.headers, name)
  }
}

export const noHeaders: Headers = Object.freeze([])

/** The first value of the header with exactly this name, else with this name in another case. */
export function headerOf(headers: Headers, name: string): string | undefined {
  return lineOf(headers, name)?.[1]
}

/**
 * Headers by name, as expressions see them: a name that occurs several times has an array of values. A lookup finds names as
 * `headerOf` does; a list of all names has each as it was written.
 */
export function headersByName(headers: Headers): Readonly<Record<string, string | string[]>> {
  const values: Record<string, string | string[]> = Object.create(null)
  for (const [name, value] of headers) {
    const earlier = values[name]
    if (Array.isArray(earlier)) earlier.push(value)
    else values[name] = earlier === undefined ? value : [earlier, value]
  }
  const find = (name: string | symbol) => {
    const line = typeof name === 'string' ? lineOf(headers, name) : undefined
    return line && values[line[0]]
  }
  return new Proxy(Object.setPrototypeOf(values, Object.prototype), {
    get: (target, name) => find(name) ?? Reflect.get(target, name),
    getOwnPropertyDescriptor(target, name) {
      const value = find(name)
      if (value === undefined) return Reflect.getOwnPropertyDescriptor(target, name)
      return {value, enumerable: true, configurable: true, writable: true}
    },
  })
}

function lineOf(headers: Headers, name: string): Headers[number] | undefined {
  const exact = headers.find(([have]) => have === name)
  if (exact !== undefined) return exact
  const wanted = name.toLowerCase()
  return headers.find(([have]) => have.toLowerCase() === wanted)
}

/** Size of a payload in bytes. */
export function sizeOf(data: Uint8Array | string | undefined): number {
  if (data === undefined) return 0
  return typeof data === 'string' ? Buffer.byteLength(data) : data.length
}

/**
 * Checks one header line by the rules of NATS headers (ADR-4): a name of printable ASCII without `:`, a value without line
 * breaks. Throws `usage`.
 */
export function checkHeader(name: string, value: string): readonly [string, string] {
  if (!/^[\x21-\x39\x3b-\x7e]+$/.test(name)) {
    throw new BusError('usage', `header name ${JSON.stringify(name)} must be printable ASCII without ":" or spaces`)
  }
  if (/[\r\n\0]/.test(value)) {
    throw new BusError('usage', `the value of header ${JSON.stringify(name)} has a line break or NUL`)
  }
  if (!value.isWellFormed()) {
    throw new BusError('usage', `the value of header ${JSON.stringify(name)} has bytes that are not UTF-8`)
  }
  return [name, value]
}

/** Parses `Name: value` from a command line. Throws `usage`. */
export function parseHeader(line: string): readonly [string, string] {
  const colon = line.indexOf(':')
  if (colon <= 0)
    throw new BusError('usage', `header ${JSON.stringify(line)} must be "Name: value"`, {try: ["-H 'Name: value'"]})
  return checkHeader(line.slice(0, colon).trim(), line.slice(colon + 1).trim())
}

/** The code and text of the error headers of a service reply (ADR-32), if it has any. */
export function serviceError(message: Message): {readonly code: number | string; readonly text: string} | undefined {
  if (message.headers.length === 0) return undefined
  const text = message.header('Nats-Service-Error')
  const code = message.header('Nats-Service-Error-Code')
  if (text === undefined && code === undefined) return undefined
  return {code: code !== undefined && /^\d{1,15}$/.test(code) ? Number(code) : (code ?? ''), text: text ?? ''}
}

/** The failure for a service error in reply to a request on `subject`. */
export function serviceFailure(reply: Message, subject: string): BusError | undefined {
  const error = serviceError(reply)
  if (error === undefined) return undefined
  const code = error.code === '' ? '' : ` ${error.code}`
  const text = error.text === '' ? '' : `: ${error.text}`
  return new BusError('remote', `"${subject}" answered with error${code}${text}`, {data: {...error}})
}
