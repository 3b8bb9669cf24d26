/** From the flags of `context add`, and from answers, to what is saved. */
import {resolve} from 'node:path'
import {busUrl, type Context, type ContextFields, checkName, readTarget} from '../../lib/cli/target/context.ts'
import {lastingPath, lastingText} from '../../lib/cli/target/secret-values.ts'
import {checkLogin, type ServerFlags} from '../../lib/cli/target/server.ts'
import {BusError} from '../../lib/core/errors.ts'
import {filePath, isSynchronous} from '../../lib/transport/open.ts'

export interface AddFlags extends ServerFlags {
  readonly bus?: string | undefined
  readonly description?: string | undefined
  /** Only if it was given. */
  readonly timeoutMs?: number | undefined
}

/** Paths are made whole, so that they mean the same from every folder. Throws `usage`. */
export function fieldsOf(flags: AddFlags): ContextFields {
  for (const name of ['connect-timeout', 'max-reconnects'] as const) {
    if (flags[name] !== undefined)
      throw new BusError('usage', `a context does not keep --${name}`, {try: ['leave it out']})
  }
  const path = (value: string | undefined) => (value === undefined ? undefined : lastingPath(value))
  const fields: {[K in keyof ContextFields]: ContextFields[K] | undefined} = {
    url: flags.bus === undefined ? undefined : lastingUrl(busUrl(flags.bus)),
    description: flags.description,
    timeout: flags.timeoutMs === undefined ? undefined : durationText(flags.timeoutMs),
    user: flags.user,
    password: flags.password,
    token: flags.token,
    creds: path(flags.creds),
    nkey: path(flags.nkey),
    user_jwt: flags.jwt === undefined ? undefined : lastingText(flags.jwt, /^[\w-]+\.[\w-]+\.[\w-]+$/),
    user_seed: flags.seed === undefined ? undefined : lastingText(flags.seed, /^S[A-Z2-7]{20,}$/),
    ca: path(flags['tls-ca']),
    cert: path(flags['tls-cert']),
    key: path(flags['tls-key']),
    tls_first: flags['tls-first'] || undefined,
    insecure: flags.insecure || undefined,
    inbox_prefix: flags['inbox-prefix'],
  }
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as ContextFields
}

/** The context that these make. Throws `usage` for a name or a login that cannot be. */
export function checkContext(name: string, fields: ContextFields): Context {
  const context: Context = {
    ...{name: checkName(name), from: 'busline', path: '', fields, isLoose: false},
    ...readTarget(fields, 'to be'),
  }
  checkLogin(context)
  return context
}

function lastingUrl(url: string): string {
  const path = filePath(url)
  return path === undefined ? url : `sqlite:${resolve(path)}${isSynchronous(url) ? '?synchronous=full' : ''}`
}

function durationText(ms: number): string {
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`
}
