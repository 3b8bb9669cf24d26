/**
 * The options of webhooks, with the names that Hyperledger FireFly gives them. A secret may be written as a reference,
 * `env://NAME` or `file://PATH`, which is resolved where the request is made, so that it is not stored with a subscription.
 */
import {isAbsolute} from 'node:path'
import {BusError} from '../../core/errors.ts'
import {isSecretReference} from '../../core/secret-reference.ts'
import {maskedUrl} from '../../core/secrets.ts'
import {isObject} from '../../core/text/json-text.ts'
import {durationMs} from '../../core/time/duration.ts'

/** How a webhook is called. Strings that may be secret may be references. */
export interface WebhookOptions {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  /** Parameters added to the query of the URL. */
  readonly query: Readonly<Record<string, string>>
  /** Members of the payload, a JSON object, from which parts of the request are made. */
  readonly input: {
    readonly body?: string
    readonly headers?: string
    readonly query?: string
    readonly path?: string
  }
  /** A response that is not JSON refuses the message. */
  readonly json: boolean
  readonly auth: {readonly username?: string; readonly password?: string; readonly token?: string}
  /** Absolute paths of PEM files, or references to their text. */
  readonly tls: {readonly ca?: string; readonly cert?: string; readonly key?: string}
  readonly http: HttpOptions
  /** Attempts after the first one, before the message counts as refused. */
  readonly retry: {readonly count: number; readonly initialDelayMs: number; readonly maxDelayMs: number}
}

/** Limits of the connections to a webhook. */
export interface HttpOptions {
  readonly proxyURL?: string
  readonly requestTimeoutMs?: number
  /** Until the connection can be used, including the TLS handshake. */
  readonly connectionTimeoutMs?: number
  /** How long an idle connection is kept. */
  readonly idleTimeoutMs?: number
  readonly maxIdleConns?: number
}

type Json = Readonly<Record<string, unknown>>

const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS']
const names = ['method', 'headers', 'query', 'input', 'json', 'auth', 'tls', 'httpOptions', 'retry'] as const

/**
 * Parses the options of a webhook. Returns those that it does not know, too. Throws `usage` for a value that is not allowed, and
 * for an unknown member of an option.
 */
export function parseWebhookOptions(json: Json): {readonly options: WebhookOptions; readonly others: Json} {
  const given = (name: (typeof names)[number]) => json[name] ?? undefined
  const method = text('method', given('method'))?.toUpperCase() ?? 'POST'
  if (!methods.includes(method)) throw invalid('method', `one of ${methods.join(', ')}`)
  if (given('json') !== undefined && typeof given('json') !== 'boolean') throw invalid('json', 'true or false')
  const headers = textsOf('headers', given('headers'))
  for (const [name, value] of Object.entries(headers)) checkRequestHeader(`headers.${name}`, name, value)
  const auth = texts('auth', given('auth'), ['username', 'password', 'token'])
  if (auth.token !== undefined && (auth.username ?? auth.password) !== undefined)
    throw invalid('auth', 'either a token or a username and a password')
  const tls = texts('tls', given('tls'), ['ca', 'cert', 'key'])
  for (const [name, value] of Object.entries(tls))
    if (!isSecretReference(value) && !isAbsolute(value)) throw invalid(`tls.${name}`, 'an absolute path or env://NAME')
  if ((tls.cert === undefined) !== (tls.key === undefined)) throw invalid('tls', 'both "cert" and "key", or neither')
  return {
    options: {
      method,
      headers,
      query: textsOf('query', given('query')),
      input: texts('input', given('input'), ['body', 'headers', 'query', 'path']),
      json: given('json') === true,
      auth,
      tls,
      http: httpOptions(given('httpOptions')),
      retry: retryOptions(given('retry')),
    },
    others: Object.fromEntries(Object.entries(json).filter(([name]) => !names.some((known) => known === name))),
  }
}

function httpOptions(json: unknown): HttpOptions {
  const known = ['proxyURL', 'requestTimeout', 'connectionTimeout', 'idleTimeout', 'maxIdleConns']
  const {proxyURL, maxIdleConns, ...times} = members('httpOptions', json, known)
  const proxy = text('httpOptions.proxyURL', proxyURL)
  if (proxy !== undefined && !isSecretReference(proxy) && !isHttpUrl(proxy))
    throw invalid('httpOptions.proxyURL', 'an HTTP URL')
  const maxIdle = whole('httpOptions.maxIdleConns', maxIdleConns)
  const time = (name: string) => duration(`httpOptions.${name}`, times[name])
  return withoutUndefined({
    proxyURL: proxy,
    requestTimeoutMs: time('requestTimeout'),
    connectionTimeoutMs: time('connectionTimeout'),
    idleTimeoutMs: time('idleTimeout'),
    maxIdleConns: maxIdle,
  })
}

function retryOptions(json: unknown): WebhookOptions['retry'] {
  const {enabled = false, count, ...times} = members('retry', json, ['enabled', 'count', 'initialDelay', 'maxDelay'])
  if (typeof enabled !== 'boolean') throw invalid('retry.enabled', 'true or false')
  const attempts = whole('retry.count', count) ?? 5
  return {
    count: enabled ? attempts : 0,
    initialDelayMs: duration('retry.initialDelay', times['initialDelay']) ?? 250,
    maxDelayMs: duration('retry.maxDelay', times['maxDelay']) ?? 30_000,
  }
}

/** Headers that describe the connection or the length of the body. */
const framing = /^(?:connection|content-length|expect|keep-alive|proxy-[\w-]+|te|trailer|transfer-encoding|upgrade)$/i

/** Throws `usage` for a header that cannot be sent. */
export function checkRequestHeader(option: string, name: string, value: string): void {
  if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name)) throw new BusError('usage', `${JSON.stringify(name)} is not a header name`)
  if (framing.test(name)) throw new BusError('usage', `the header ${name} is set by the HTTP client`)
  if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value))
    throw new BusError('usage', `the value of ${option} has characters that a header cannot have`)
}

export function isHttpUrl(text: string): boolean {
  const url = URL.parse(text)
  return url !== null && /^https?:$/.test(url.protocol) && url.hostname !== ''
}

/** The options of a webhook as JSON without their secrets, for listings. References are shown. */
export function shownWebhook(json: Json): Json {
  const shown: Record<string, unknown> = {...json}
  const {url, headers, query, auth, httpOptions: http} = json
  if (typeof url === 'string') shown['url'] = shownUrl(url)
  if (isObject(headers)) shown['headers'] = masked(headers)
  if (isObject(query)) shown['query'] = masked(query)
  if (isObject(auth)) shown['auth'] = {...masked(auth), ...('username' in auth && {username: auth['username']})}
  if (isObject(http) && typeof http['proxyURL'] === 'string')
    shown['httpOptions'] = {...http, proxyURL: shownUrl(http['proxyURL'])}
  return shown
}

function shownUrl(text: string): string {
  return isSecretReference(text) ? text : maskedUrl(text)
}

function masked(values: Json): Json {
  const harmless = /^(?:accept|content-type|user-agent)$/i
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      harmless.test(name) || isSecretReference(String(value)) ? value : '***',
    ]),
  )
}

function members(option: string, json: unknown, known: readonly string[]): Json {
  if (json === undefined || json === null) return {}
  if (!isObject(json)) throw invalid(option, 'an object')
  const unknown = Object.keys(json).find((name) => !known.includes(name))
  if (unknown !== undefined)
    throw new BusError('usage', `webhooks have no option "${option}.${unknown}"`, {
      try: known.map((name) => `${option}.${name}`),
    })
  return json
}

function texts<Name extends string>(option: string, json: unknown, known: readonly Name[]): {[N in Name]?: string} {
  members(option, json, known)
  return textsOf(option, json) as {[N in Name]?: string}
}

function textsOf(option: string, json: unknown): Record<string, string> {
  if (json === undefined || json === null) return {}
  if (!isObject(json)) throw invalid(option, 'an object')
  return Object.fromEntries(Object.entries(json).map(([name, value]) => [name, text(`${option}.${name}`, value) ?? '']))
}

function text(option: string, value: unknown): string | undefined {
  if (value === undefined || typeof value === 'string') return value
  throw invalid(option, 'a string')
}

function whole(option: string, value: unknown): number | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw invalid(option, 'a whole number')
}

function duration(option: string, value: unknown): number | undefined {
  if (value === undefined) return undefined
  const ms = typeof value === 'number' ? value : durationMs(String(value))
  if (ms !== undefined && ms > 0 && ms < 2 ** 31) return ms
  throw invalid(option, 'a duration such as "30s"')
}

function invalid(option: string, expected: string): BusError {
  return new BusError('usage', `the option "${option}" must be ${expected}`)
}

function withoutUndefined<T extends object>(values: T): {[K in keyof T]: Exclude<T[K], undefined>} {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>
  }
}
