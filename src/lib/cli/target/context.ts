/** A context: a bus and the login for it. The files have the format of the NATS CLI, with a few more fields. */
import {BusError} from '../../core/errors.ts'
import {isObject, parseJson} from '../../core/text/json-text.ts'
import {isServer, schemeOf, shownBus} from '../../transport/schemes.ts'
import {withScheme} from '../../transport/server-urls.ts'
import {parseDuration} from '../render/units.ts'
import {isReference} from './secret-values.ts'

/** The fields of a file under their names there; empty fields are absent. */
export interface ContextFields {
  readonly url?: string
  readonly description?: string
  /** As on the command line: `10s`. */
  readonly timeout?: string
  readonly user?: string
  readonly password?: string
  readonly token?: string
  readonly creds?: string
  readonly nkey?: string
  readonly user_jwt?: string
  readonly user_seed?: string
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly tls_first?: boolean
  readonly insecure?: boolean
  readonly inbox_prefix?: string
  readonly jetstream_domain?: string
  readonly jetstream_api_prefix?: string
}

export interface Context {
  readonly name: string
  /** The tool that owns the file. */
  readonly from: 'busline' | 'nats'
  readonly path: string
  readonly url: string
  readonly timeoutMs: number | undefined
  readonly fields: ContextFields
  /** Whether others can read the secrets in a file of busline. */
  readonly isLoose: boolean
  /** Fields of the file that are neither used nor known to have no effect here. */
  readonly unknown: readonly string[]
}

/** In the order in which they are shown. */
export const textFields = [
  ...([
    'url',
    'description',
    'timeout',
    'user',
    'password',
    'token',
    'creds',
    'nkey',
    'user_jwt',
    'user_seed',
  ] as const),
  ...(['ca', 'cert', 'key', 'inbox_prefix', 'jetstream_domain', 'jetstream_api_prefix'] as const),
]
export const switchFields = ['tls_first', 'insecure'] as const

/** Features of the NATS CLI that busline lacks; a context that needs one is refused. */
const unsupported: Readonly<Record<string, string>> = {
  nsc: 'nsc (nsc://)',
  socks_proxy: 'a SOCKS proxy',
  windows_cert_store: 'the certificate store of Windows',
  jetstream_event_prefix: 'a prefix of JetStream events',
}

/** Fields of the NATS CLI without effect here; those for Windows only with `windows_cert_store`. */
const withoutEffect: readonly string[] = [
  ...['name', 'color_scheme', 'windows_cert_match_by', 'windows_cert_match', 'windows_ca_certs_match'],
]

/** Parses the text of a file. Throws `usage` with the name of the file. */
export function parseFields(text: string, path: string): {fields: ContextFields; unknown: string[]} {
  const bad = (what: string) => new BusError('usage', `the context file ${path} ${what}`, {try: ['see the file']})
  const data = parseJson(text)
  if (data === undefined) throw bad('is not JSON')
  if (!isObject(data)) throw bad('is not a JSON object')
  const found = new Map<string, unknown>(Object.entries(data).filter(([, value]) => value !== '' && value !== null))
  for (const name of textFields) {
    if (found.has(name) && typeof found.get(name) !== 'string') throw bad(`has a ${name} that is not a string`)
  }
  for (const name of switchFields) {
    if (found.has(name) && typeof found.get(name) !== 'boolean')
      throw bad(`has a ${name} that is neither true nor false`)
  }
  for (const [name, what] of Object.entries(unsupported)) {
    if (found.has(name)) throw bad(`asks for ${what}, which bus does not support`)
  }
  const known = [...textFields, ...switchFields].filter((name) => found.has(name) && found.get(name) !== false)
  const all: readonly string[] = [...textFields, ...switchFields, ...withoutEffect]
  return {
    fields: Object.fromEntries(known.map((name) => [name, found.get(name)])) as ContextFields,
    unknown: [...found.keys()].filter((name) => !all.includes(name)),
  }
}

/** The fields whose value is a secret itself, not a reference to one. */
export function secretsIn(fields: ContextFields): (keyof ContextFields)[] {
  const texts = (['password', 'token', 'user_jwt', 'user_seed'] as const).filter((name) => {
    const value = fields[name]
    return value !== undefined && !isReference(value)
  })
  return [...texts, ...(['creds', 'nkey'] as const).filter((name) => fields[name]?.startsWith('data:'))]
}

/** The bus and the timeout of a context. Throws `usage` with the name of the file. */
export function readTarget({url, timeout}: ContextFields, path: string): Pick<Context, 'url' | 'timeoutMs'> {
  try {
    return {
      url: busUrl(url ?? 'nats://127.0.0.1:4222'),
      timeoutMs: timeout === undefined ? undefined : parseDuration(timeout),
    }
  } catch (error) {
    if (!(error instanceof BusError)) throw error
    throw new BusError('usage', `the context file ${path}: ${error.message}`, {try: error.try, cause: error})
  }
}

/** A URL as in `--bus`, or `host:port` as in the NATS tools. Throws `usage`. */
export function busUrl(text: string): string {
  const url = text.trim()
  const scheme = schemeOf(url)
  scheme?.check?.(url)
  if (scheme !== undefined && scheme.place !== 'server') return url
  const servers = withScheme(url)
  if (isServer(servers) && !/\s|:\/\/(,|$)/.test(servers)) return servers
  throw new BusError('usage', `${JSON.stringify(shownBus(url))} is not a bus`, {
    try: ['a server: nats://127.0.0.1:4222', 'a file: sqlite:/path/to/bus.db'],
  })
}

/** Throws `usage` for a name that cannot be a file name. */
export function checkContextName(name: string): string {
  const why = /[/\\]|\.\./.test(name)
    ? 'has a slash or ".." in it'
    : /[\p{Cc}]/u.test(name)
      ? 'has control characters in it'
      : undefined
  const problem = name.trim() === '' ? 'is empty' : /^[-.]/.test(name) ? 'begins with "-" or "."' : why
  if (problem === undefined) return name
  throw new BusError('usage', `a context cannot be called ${JSON.stringify(name)}: the name ${problem}`)
}
