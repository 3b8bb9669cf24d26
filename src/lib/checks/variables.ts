/**
 * Variables: `{name}` in the strings of a file, and `vars.name` in its JSONata. A string that consists of one placeholder
 * becomes the value itself, so that numbers stay numbers in JSON.
 */
import {BusError} from '../core/errors.ts'
import {isLong, parseLongNumbers} from '../core/text/long-numbers.ts'
import {type Placeholder, splitPlaceholders} from '../core/text/placeholders.ts'
import {unixSeconds} from '../core/time/timestamp.ts'

/** Environment variables with such a name are treated as secrets. */
const secretName = /pass|token|secret|seed|cred|key|jwt|auth/i

export class Variables {
  readonly #values = new Map<string, unknown>()
  readonly #later: ReadonlySet<string>
  readonly #env: NodeJS.ProcessEnv
  readonly #onSecret: (text: string) => void

  /** `onSecret` is called with each secret read from the environment; `later` are names that a check will set. */
  constructor(env: NodeJS.ProcessEnv, onSecret: (text: string) => void, later: ReadonlySet<string> = new Set()) {
    this.#later = later
    this.#env = env
    this.#onSecret = onSecret
  }

  set(name: string, value: unknown): void {
    this.#values.set(name, value)
  }

  /** A copy with one more variable. */
  with(name: string, value: unknown): Variables {
    const more = new Variables(this.#env, this.#onSecret, this.#later)
    for (const [known, old] of this.#values) more.set(known, old)
    more.set(name, value)
    return more
  }

  /** For JSONata. */
  get all(): Readonly<Record<string, unknown>> {
    return Object.fromEntries(this.#values)
  }

  /** Fills in the placeholders of a string. Throws `usage` for a name without a value. */
  text(text: string): string {
    const filled = this.#fill(text)
    return typeof filled === 'string' ? filled : JSON.stringify(filled)
  }

  /** Fills in the placeholders of all strings in a value. Throws as `text` does. */
  json<T>(value: T): T {
    return this.#walk(value) as T
  }

  #walk(value: unknown): unknown {
    if (typeof value === 'string') return this.#fill(value)
    if (Array.isArray(value)) return value.map((item) => this.#walk(item))
    if (value === null || typeof value !== 'object' || isLong(value)) return value
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, this.#walk(item)]))
  }

  #fill(text: string): unknown {
    const parts = splitPlaceholders(text, JSON.stringify(text))
    const [only, ...others] = parts
    if (only !== undefined && others.length === 0) return typeof only === 'string' ? only : this.#value(only.name)
    return parts.map((part) => (typeof part === 'string' ? part : plain(this.#value(part.name)))).join('')
  }

  #value(name: string): unknown {
    if (name.startsWith('env.')) return this.#environment(name.slice('env.'.length))
    const [first = '', ...members] = name.split('.')
    if (this.#later.has(first) && !this.#values.has(first)) throw missing(name, ': no check has captured it yet')
    if (!this.#values.has(first)) return builtIn(name)
    let value = this.#values.get(first)
    for (const member of members) value = (value as Record<string, unknown> | null | undefined)?.[member]
    if (value === undefined) throw missing(name)
    return value
  }

  #environment(name: string): string {
    const value = this.#env[name]
    if (value === undefined) {
      throw new BusError('usage', `{env.${name}} has no value: the variable ${name} is not set`, {
        try: [`export ${name}=…`],
      })
    }
    if (secretName.test(name)) this.#onSecret(value)
    return value
  }
}

/** Parses `--var NAME=VALUE`. The value is JSON if it is exactly that, else text. Throws `usage`. */
export function parseVariable(input: string): readonly [string, unknown] {
  const [, name, text = ''] = /^([a-z][\w-]*)=(.*)$/is.exec(input) ?? []
  if (name === undefined) {
    throw new BusError('usage', `${JSON.stringify(input)} is not NAME=VALUE`, {try: ['--var region=eu', '--var id=42']})
  }
  try {
    const {value} = parseLongNumbers(text)
    if (JSON.stringify(value) === text) return [name, value]
  } catch {
    // Not JSON, so it is text.
  }
  return [name, text]
}

/** The first placeholder of a string whose name is not known, if there is one. */
export function unknownName(text: string, known: ReadonlySet<string>): Placeholder | undefined {
  const parts = splitPlaceholders(text, JSON.stringify(text))
  return parts.filter((part) => typeof part !== 'string').find(({name}) => !isKnown(name, known))
}

function isKnown(name: string, known: ReadonlySet<string>): boolean {
  return known.has(name.split('.')[0] ?? '') || name.startsWith('env.') || builtInName.test(name)
}

const builtInName = /^(id|time|unix|random:(-?\d+)-(-?\d+))$/

function builtIn(name: string): unknown {
  const [, kind = '', low, high] = builtInName.exec(name) ?? []
  if (kind === 'id') return crypto.randomUUID()
  if (kind === 'time') return new Date().toISOString()
  if (kind === 'unix') return Number(unixSeconds(Date.now()))
  if (kind === '') throw missing(name)
  if (![Number(low), Number(high), Number(high) - Number(low)].every(Number.isSafeInteger))
    throw new BusError('usage', `{${name}} has numbers beyond 2^53`)
  return Number(low) + Math.floor(Math.random() * (Number(high) - Number(low) + 1))
}

function missing(name: string, why = ''): BusError {
  return new BusError('usage', `{${name}} has no value${why}`, {
    try: ['capture it in an earlier check', `--var ${name}=…`, '"{{" for a literal brace'],
  })
}

function plain(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
