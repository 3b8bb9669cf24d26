/** Secrets, and strings without them. */

const mask = '***'
/** What `console.log` asks an object for. */
const inspected = Symbol.for('nodejs.util.inspect.custom')

/** A password, token, seed or JWT. Converted to text, it is `***`; only `reveal` returns it. */
export class Secret {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  reveal(): string {
    return this.#text
  }

  toString(): string {
    return mask
  }

  toJSON(): string {
    return mask
  }

  [inspected](): string {
    return mask
  }
}

/** The text of a secret that a program may also give as a string. */
export function revealed(secret: Secret | string | undefined): string | undefined {
  return secret instanceof Secret ? secret.reveal() : secret
}

/** Without percent-encoding; the text itself if that is invalid. */
export function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** JSON with all secrets, to compare values. Never to be shown. */
export function revealedJson(value: unknown): string {
  return JSON.stringify(value, function (this: Record<string, unknown>, key, shown: unknown) {
    const original = this[key]
    return original instanceof Secret ? original.reveal() : shown
  })
}

/**
 * The URL of a server or webhook, or a comma-separated list of URLs, with `***` for what may be secret: the password, a single
 * word before `@`, the values of a query, the fragment. Whatever cannot be parsed is replaced from the first `:` to the last `@`,
 * because characters in a password that were not encoded may look like a path, a query, or another URL of the list.
 */
export function maskedUrl(url: string): string {
  const parts = url.split(',')
  if (parts.length > 1 && isList(parts)) return parts.map(maskedOne).join(',')
  return maskedOne(url)
}

/** Whether it is certain where each login of the URL ends, and where each URL of a list. */
export function isUnambiguous(url: string): boolean {
  const parts = url.split(',')
  return parts.length > 1 ? isList(parts) : isClear(parsed(url))
}

interface Parsed {
  /** With `://`. */
  readonly scheme: string
  /** What follows it. */
  readonly rest: string
  readonly login: string | undefined
  readonly host: string
  /** Path, query and fragment. */
  readonly tail: string
}

function parsed(url: string): Parsed {
  const [, scheme = '', rest = ''] = /^(\s*[a-z][a-z0-9+.-]*:\/\/)?(.*)$/is.exec(url) ?? []
  const [authority = ''] = /^[^/?#\\]*/.exec(rest) ?? []
  const at = authority.lastIndexOf('@')
  const login = at < 0 ? undefined : authority.slice(0, at)
  return {scheme, rest, login, host: authority.slice(at + 1), tail: rest.slice(authority.length)}
}

/** Whether it is certain where the login ends. */
function isClear({scheme, host, tail}: Parsed): boolean {
  return URL.canParse(`http://${host.trim() || '-'}`) && !tail.includes('@') && (scheme !== '' || !tail.includes(':'))
}

/** Whether commas separate servers: none of them can be part of a password. */
function isList(parts: readonly string[]): boolean {
  const all = parts.map(parsed)
  const isNext = ({scheme, login}: Parsed, i: number) =>
    scheme !== '' || (login === undefined ? !/[?#]/.test(all[i - 1]?.tail ?? '') : login === all[0]?.login)
  return all.every(isClear) && all.every((part, i) => i === 0 || isNext(part, i))
}

function maskedOne(url: string): string {
  const whole = parsed(url)
  const {scheme, rest, login, host, tail} = whole
  // The URLs of NATS servers have no path.
  const isPath = login === undefined && tail.length > 1 && /^\s*(nats|tls):/i.test(scheme)
  if (isClear(whole) && !isPath)
    return `${scheme}${login === undefined ? '' : `${maskedLogin(login)}@`}${host}${maskedTail(tail)}`
  const at = rest.lastIndexOf('@')
  // A value of a query, or a password.
  const query = rest.indexOf('?')
  if (query >= 0 && rest.slice(query, Math.max(at, query)).includes('=')) return `${scheme}${mask}`
  if (at >= 0) return `${scheme}${maskedLogin(rest.slice(0, at))}${maskedAfter(rest.slice(at))}`
  // No login, or one whose end is missing. `C:\` is a drive.
  const colon = /^[a-z]:[\\/]/i.test(url) ? -1 : rest.indexOf(':')
  return colon < 0 ? `${scheme}${rest}` : `${scheme}${rest.slice(0, colon + 1)}${mask}`
}

/** Keeps the user. Without a password the user is a token, of which an `@` may be part. */
function maskedLogin(login: string): string {
  const colon = login.indexOf(':')
  return colon < 0 || colon === login.length - 1 || login.slice(0, colon).includes('@')
    ? mask
    : `${login.slice(0, colon + 1)}${mask}`
}

function maskedAfter(hostAndTail: string): string {
  const [host = ''] = /^[^/?#\\]*/.exec(hostAndTail) ?? []
  return host + maskedTail(hostAndTail.slice(host.length))
}

/** Services put tokens in paths too, as long words. */
function maskedTail(tail: string): string {
  const [, path = '', query = '', fragment = ''] = /^([^?#]*)(\?[^#]*)?(#.*)?$/s.exec(tail) ?? []
  // The name of a value, or a word that has none.
  const values = query.replace(
    /([?&;])([^=&;]*=|)([^&;]*)/g,
    (_, before, name, value) => before + name + (value && mask),
  )
  return `${path.replace(/[^/\\]{20,}/g, mask)}${values}${fragment && `#${mask}`}`
}

/**
 * The text with logins and query secrets in URLs replaced. It is for sentences of others; a URL that is known as such is shown
 * with `maskedUrl`, which also finds passwords with spaces and quotes.
 */
export function withoutSecrets(text: string): string {
  if (!text.includes('://')) return text
  return withoutLogins(text).replace(
    /([?&][\w-]*(?:pass|passwd|password|token|secret|seed|jwt|key|sig|signature|auth)=)[^\s"'&]*/gi,
    '$1***',
  )
}

const longestScheme = 32

/** In time that is linear in the length: the text may be that of a stranger. */
function withoutLogins(text: string): string {
  let shown = ''
  let done = 0
  for (let at = text.indexOf('://'); at >= 0; at = text.indexOf('://', Math.max(done, at + 3))) {
    const [scheme] = /[a-z][a-z0-9+.-]*$/i.exec(text.slice(Math.max(done, at - longestScheme), at)) ?? []
    if (scheme === undefined) continue
    const url = text.slice(at - scheme.length, urlEnd(text, at))
    shown += text.slice(done, at - scheme.length) + (url.includes('@') ? maskedPart(url) : url)
    done = at - scheme.length + url.length
  }
  return shown + text.slice(done)
}

function urlEnd(text: string, from: number): number {
  const end = /[\s"'<>]/g
  end.lastIndex = from
  return end.exec(text)?.index ?? text.length
}

/** Punctuation at the end belongs to the sentence. */
function maskedPart(url: string): string {
  let end = url.length
  while (':;,.)]}…'.includes(url[end - 1] ?? ' ')) end--
  return maskedUrl(url.slice(0, end)) + url.slice(end)
}
