/** Messages made from a pattern, for `pub`: unchanged, with placeholders filled in, or with random bytes. */
import {BusError} from '../../core/errors.ts'
import type {Headers, Outgoing} from '../../core/message.ts'
import {type Placeholder, splitPlaceholders, unknownPlaceholder} from '../../core/text/placeholders.ts'
import {isoClock, unixSeconds} from '../../core/time/timestamp.ts'

export type Maker = () => Outgoing

/**
 * Fills in `{n} {id} {time} {unix} {random:LOW-HIGH}`. Within one message all of them except `random` have a single value.
 * Throws `usage`.
 */
export function compileTemplate(pattern: Outgoing): Maker {
  const {subject, data, headers = [], reply} = pattern
  if (data !== undefined && typeof data !== 'string') throw new BusError('usage', '--template needs a body of text')
  const fillSubject = compile(subject, 'the subject')
  const fillBody = data === undefined ? undefined : compile(data, 'the body')
  const fillHeaders = headers.map(
    ([name, value]) => [name, compile(value, `the header ${JSON.stringify(name)}`)] as const,
  )
  const iso = isoClock()
  let n = 0
  return () => {
    const values = new Values(++n, iso)
    return {
      subject: fillSubject(values),
      data: fillBody?.(values),
      headers: fillHeaders.map(([name, fill]) => [name, fill(values)] as const) satisfies Headers,
      reply,
    }
  }
}

/** The same message with a different random payload of printable characters each time. */
export function randomPayloads(pattern: Maker, size: number): Maker {
  const pool = randomText(size + poolSlack)
  return () => {
    const from = Math.floor(Math.random() * poolSlack)
    return {...pattern(), data: pool.slice(from, from + size)}
  }
}

const poolSlack = 4096
const known = '{n} {id} {time} {unix} {random:1-100}'

type Fill = (values: Values) => string

class Values {
  readonly n: number
  readonly #timeMs = Date.now()
  readonly #iso: (timeMs: number) => string | undefined
  #id: string | undefined

  constructor(n: number, iso: (timeMs: number) => string | undefined) {
    this.n = n
    this.#iso = iso
  }

  get id(): string {
    this.#id ??= crypto.randomUUID()
    return this.#id
  }

  get time(): string {
    return this.#iso(this.#timeMs) ?? ''
  }

  get unix(): string {
    return unixSeconds(this.#timeMs)
  }
}

function compile(text: string, what: string): Fill {
  const parts = splitPlaceholders(text, what).map((part) => (typeof part === 'string' ? part : fillOf(part, what)))
  return (values) => {
    let filled = ''
    for (const part of parts) filled += typeof part === 'string' ? part : part(values)
    return filled
  }
}

function fillOf(placeholder: Placeholder, what: string): Fill {
  const {name} = placeholder
  if (name === 'n' || name === 'id' || name === 'time' || name === 'unix') return (values) => String(values[name])
  const range = /^random:(-?\d+)-(-?\d+)$/.exec(name)
  if (range === null) throw unknownPlaceholder(what, placeholder, known)
  const [low, high] = [Number(range[1]), Number(range[2])]
  const isExact = [low, high, high - low].every(Number.isSafeInteger)
  if (low <= high && isExact) return () => String(low + Math.floor(Math.random() * (high - low + 1)))
  const problem = isExact ? 'whose range ends before it starts' : 'whose numbers are beyond 2^53'
  throw new BusError('usage', `${what} has {${name}}, ${problem}, at position ${placeholder.position}`)
}

function randomText(length: number): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const bytes = Buffer.allocUnsafe(length)
  for (let at = 0; at < length; at++) bytes[at] = letters.charCodeAt(Math.random() * 64)
  return bytes.toString('latin1')
}
