/**
 * How to reach a server and log in: from the flags, the NATS_* variables and the context. The first of these that has a login
 * provides it. A login that belongs to another server is not sent without a warning.
 */
import {BusError} from '../../core/errors.ts'
import {Secret} from '../../core/secrets.ts'
import type {Login, ServerOptions, TlsOptions} from '../../transport/contract.ts'
import {hasLogin, isServer, shownBus} from '../../transport/schemes.ts'
import type {Context} from './context.ts'
import {material, pathOf, readSecretText, textOrFile} from './secret-values.ts'
import type {FoundBus} from './urls.ts'

export interface ServerFlags {
  readonly user?: string | undefined
  readonly password?: string | undefined
  readonly token?: string | undefined
  readonly creds?: string | undefined
  readonly nkey?: string | undefined
  readonly jwt?: string | undefined
  readonly seed?: string | undefined
  readonly 'tls-ca'?: string | undefined
  readonly 'tls-cert'?: string | undefined
  readonly 'tls-key'?: string | undefined
  readonly 'tls-first'?: boolean | undefined
  readonly insecure?: boolean | undefined
  readonly 'connect-timeout'?: number | undefined
  readonly 'max-reconnects'?: number | undefined
  readonly 'inbox-prefix'?: string | undefined
  readonly 'js-domain'?: string | undefined
  readonly 'js-api-prefix'?: string | undefined
}

type Env = NodeJS.ProcessEnv
type Part = 'user' | 'password' | 'token' | 'creds' | 'nkey' | 'jwt' | 'seed' | 'ca' | 'cert' | 'key'

/** One of the places that can provide a login. */
interface Source {
  /** In words: `the context "prod"`. */
  readonly name: string
  readonly kind: 'flags' | 'environment' | 'context'
  readonly values: Readonly<Partial<Record<Part, string | undefined>>>
  /** The name of one of its values. */
  readonly place: (part: Part) => string
}

/** A value and its origin. */
interface Given {
  readonly value: string
  readonly source: Source
}

interface Choice {
  /** Undefined if the context has it. */
  readonly url: string | undefined
  readonly context: Context | undefined
  readonly why: string
}

/** Fails with `usage` for an invalid login, and for a login given for a bus that is not a server. */
export function reach(choice: Choice, flags: ServerFlags, env: Env): Pick<FoundBus, 'url' | 'server' | 'warnings'> {
  const {context} = choice
  const url = choice.url ?? context?.url ?? ''
  if (!isServer(url)) {
    checkUnused(url, flags)
    return {url, server: {}, warnings: contextWarnings(context)}
  }
  const all = [fromFlags(flags), fromEnvironment(env), ...(context === undefined ? [] : [fromContext(context)])]
  const isFromUrlsPlace = placeOfUrl(choice)
  const sources = hasLogin(url) ? besideUrl(all, isFromUrlsPlace) : all
  const parts = chooseLogin(sources)
  const strangers = new Set([...parts.values()].map(({source}) => source).filter((source) => !isFromUrlsPlace(source)))
  const insecure = flags.insecure || context?.fields.insecure
  const inboxPrefix = flags['inbox-prefix'] ?? env['NATS_INBOX_PREFIX'] ?? context?.fields.inbox_prefix
  return {
    url,
    server: {
      login: loginOf(parts, env),
      tls: {...tlsFiles(all, env), first: flags['tls-first'] || context?.fields.tls_first, insecure},
      ...(flags['connect-timeout'] !== undefined && {connectTimeoutMs: flags['connect-timeout']}),
      ...(flags['max-reconnects'] !== undefined && {maxReconnects: flags['max-reconnects']}),
      ...(inboxPrefix && {inboxPrefix}),
      ...jetStreamOf(flags, env, context),
    } satisfies ServerOptions,
    warnings: [
      ...[...strangers].map((source) => `the login from ${source.name} is sent to ${shownBus(url)} (${choice.why})`),
      ...(insecure ? [`any certificate of ${shownBus(url)} is accepted: the server may be an impostor`] : []),
      ...contextWarnings(context),
    ],
  }
}

/** The domain or the prefix from the first place that has one; an empty one means that of the server. */
function jetStreamOf(flags: ServerFlags, env: Env, context: Context | undefined): Pick<ServerOptions, 'jetStream'> {
  const {jetstream_domain: ofContext, jetstream_api_prefix: prefixOfContext} = context?.fields ?? {}
  const places = [
    {domain: flags['js-domain'], apiPrefix: flags['js-api-prefix']},
    {domain: env['NATS_JS_DOMAIN'], apiPrefix: env['NATS_JS_API_PREFIX']},
    {domain: ofContext, apiPrefix: prefixOfContext},
  ]
  const found = places.find(({domain, apiPrefix}) => domain !== undefined || apiPrefix !== undefined)
  if (found?.apiPrefix) return {jetStream: {apiPrefix: found.apiPrefix}}
  return found?.domain ? {jetStream: {domain: found.domain}} : {}
}

/**
 * The sources that are used if the URL has a login: the command line, and the keys that were given together with the URL, which
 * are sent to the server as well.
 */
function besideUrl(all: readonly Source[], isFromUrlsPlace: (source: Source) => boolean): Source[] {
  return all
    .filter((source) => source.kind === 'flags' || isFromUrlsPlace(source))
    .map((source) => {
      if (source.kind === 'flags') return source
      const {creds, nkey, jwt, seed} = source.values
      return {...source, values: {creds, nkey, jwt, seed}}
    })
}

/** Throws `usage` for a context with an invalid login, or with a login for a bus that is not a server. */
export function checkLogin(context: Context): void {
  const {place} = fromContext(context)
  const [part] = chooseLogin([fromContext(context)]).keys()
  if (part === undefined || isServer(context.url)) return
  throw new BusError('usage', `${place(part)} is for servers, but ${shownBus(context.url)} is not a server`, {
    try: ['leave it out'],
  })
}

function fromFlags(flags: ServerFlags): Source {
  const {user, password, token, creds, nkey, jwt, seed} = flags
  const values = {user, password, token, creds, nkey, jwt, seed}
  const tls = {ca: flags['tls-ca'], cert: flags['tls-cert'], key: flags['tls-key']}
  const place = (part: Part) => (part in tls ? `--tls-${part}` : `--${part}`)
  return {name: 'the command line', kind: 'flags', values: {...values, ...tls}, place}
}

function fromEnvironment(env: Env): Source {
  const parts = ['user', 'password', 'token', 'creds', 'nkey', 'jwt', 'seed', 'ca', 'cert', 'key'] as const
  const values = Object.fromEntries(parts.map((part) => [part, env[`NATS_${part.toUpperCase()}`] || undefined]))
  return {name: 'the environment', kind: 'environment', values, place: (part) => `NATS_${part.toUpperCase()}`}
}

/** Names that differ in a context. */
const contextNames: Partial<Record<Part, string>> = {jwt: 'user_jwt', seed: 'user_seed'}

function fromContext({name, fields}: Context): Source {
  const {user, password = user === undefined ? undefined : '', token, creds, nkey, user_jwt, user_seed} = fields
  const {ca, cert, key} = fields
  const values = {user, password, token, creds, nkey, jwt: user_jwt, seed: user_seed, ca, cert, key}
  const place = (part: Part) => `${contextNames[part] ?? part} of the context "${name}"`
  return {name: `the context "${name}"`, kind: 'context', values, place}
}

/** The login methods, each with the values that complete it. */
const ways: readonly (readonly Part[])[] = [['user', 'password'], ['creds'], ['nkey', 'jwt', 'seed']]

/** The login of the first source that has one; a missing password or seed may come from a later source. */
function chooseLogin(sources: readonly Source[]): Map<Part, Given> {
  const parts = new Map<Part, Given>()
  const at = sources.findIndex(({values}) =>
    ['token', ...ways.flat()].some((part) => values[part as Part] !== undefined),
  )
  const [source, ...later] = at < 0 ? [] : sources.slice(at)
  if (source === undefined) return parts
  const given = ways.filter((way) => way.some((part) => source.values[part] !== undefined))
  const [one, other] = given.map((way) => way.find((part) => source.values[part] !== undefined) as Part)
  if (one !== undefined && other !== undefined) {
    throw new BusError('usage', `${source.place(one)} and ${source.place(other)} are different logins`, {
      try: ['leave one of them out'],
    })
  }
  for (const part of ['token', ...(given[0] ?? [])] as const) take(part as Part, source)
  for (const next of later) {
    if (parts.has('user') !== parts.has('password')) for (const part of ways[0] ?? []) take(part, next)
    if (parts.has('jwt') && !parts.has('seed') && !parts.has('nkey')) {
      take('seed', next)
      if (!parts.has('seed')) take('nkey', next)
    }
  }
  return parts

  function take(part: Part, from: Source): void {
    const value = from.values[part]
    if (value !== undefined && !parts.has(part)) parts.set(part, {value, source: from})
  }
}

function loginOf(parts: ReadonlyMap<Part, Given>, env: Env): Login {
  const text = (part: Part) => {
    const given = parts.get(part)
    return given && readSecretText(given.value, given.source.place(part), env)
  }
  const file = (part: 'creds' | 'nkey') => {
    const given = parts.get(part)
    return given && material(given.value, given.source.place(part), env)
  }
  const longText = (part: 'jwt' | 'seed') => {
    const given = parts.get(part)
    return given && textOrFile(given.value, part, given.source.place(part), env)
  }
  const secret = (value: string | undefined) => (value === undefined ? undefined : new Secret(value))
  const [user, password, token] = [text('user'), secret(text('password')), secret(text('token'))]
  const [creds, nkey] = [file('creds'), file('nkey')]
  return {
    // As in a URL and in the NATS CLI.
    ...(user !== undefined && password === undefined ? {token: new Secret(user)} : {user, password, token}),
    ...(creds && ('path' in creds ? {credsFile: creds.path} : {creds: new Secret(creds.text)})),
    ...(nkey && ('path' in nkey ? {nkeyFile: nkey.path} : {seed: new Secret(nkey.text)})),
    ...(parts.has('jwt') && {jwt: secret(longText('jwt'))}),
    ...(parts.has('seed') && {seed: secret(longText('seed'))}),
  }
}

/** Certificate and key come from one source. */
function tlsFiles(sources: readonly Source[], env: Env): TlsOptions {
  const path = (source: Source | undefined, part: Part) => {
    const value = source?.values[part]
    return source && value !== undefined ? pathOf(value, source.place(part), env) : undefined
  }
  const own = sources.find(({values}) => values.cert !== undefined || values.key !== undefined)
  return {
    caFile: path(
      sources.find(({values}) => values.ca !== undefined),
      'ca',
    ),
    certFile: path(own, 'cert'),
    keyFile: path(own, 'key'),
  }
}

/** A login that was given together with the URL belongs to it. */
function placeOfUrl({url, context, why}: Choice): (source: Source) => boolean {
  return ({kind}) => {
    if (kind === 'flags') return true
    if (kind === 'context') return url === undefined || url === context?.url
    return why === 'BUS_URL' || why === 'NATS_URL'
  }
}

function contextWarnings(context: Context | undefined): string[] {
  if (context === undefined) return []
  const {name, path, isLoose, unknown} = context
  const what = unknown.length === 1 ? 'a field' : 'fields'
  return [
    ...(isLoose ? [`other users can read the secrets of the context "${name}": chmod 600 ${path}`] : []),
    ...(unknown.length > 0 ? [`the context "${name}" has ${what} that bus does not know: ${unknown.join(', ')}`] : []),
  ]
}

function checkUnused(url: string, flags: ServerFlags): void {
  const {values, place} = fromFlags(flags)
  const part = (Object.keys(values) as Part[]).find((name) => values[name] !== undefined)
  const others = (['tls-first', 'insecure', 'js-domain', 'js-api-prefix'] as const).find((name) => flags[name])
  const flag = part ? place(part) : others && `--${others}`
  if (flag === undefined) return
  throw new BusError('usage', `${flag} is for servers, but ${shownBus(url)} is not a server`, {
    try: [`leave ${flag} out`, '--bus nats://127.0.0.1:4222'],
  })
}
