/** Contexts as they are shown, without their secrets. */
import {usedContext} from '../../lib/cli/target/bus.ts'
import {type Context, type ContextFields, secretsIn, switchFields, textFields} from '../../lib/cli/target/context.ts'
import {type ContextEntry, listEntries, readEntry} from '../../lib/cli/target/context-files.ts'
import {BusError} from '../../lib/core/errors.ts'
import {hasLogin, shownBus} from '../../lib/transport/schemes.ts'
import {withScheme} from '../../lib/transport/server-urls.ts'

/** One line of `context ls --json`. */
export interface ListedContext {
  readonly name: string
  /** The tool that owns its file. */
  readonly from: 'busline' | 'nats'
  /** Selected by `context use`. */
  readonly used: boolean
  readonly url?: string
  readonly description?: string
  /** Such as `user ann` or `credentials`. */
  readonly login?: string
  /** Why it cannot be used. */
  readonly problem?: string
}

/** What `context show --json` prints. */
export interface ShownContext extends ContextFields {
  readonly name: string
  readonly from: 'busline' | 'nats'
  readonly path: string
  readonly used: boolean
}

export function listContexts(env: NodeJS.ProcessEnv): ListedContext[] {
  const used = usedContext(env)
  return listEntries(env).map((entry) => {
    const {name, from} = entry
    return {...{name, from, used: name === used}, ...contentOf(entry)}
  })
}

/** All fields that are set; for secrets only the word `set`. */
export function shownContext({name, from, path, fields, url}: Context, env: NodeJS.ProcessEnv): ShownContext {
  const secrets = secretsIn(fields)
  const known = [...textFields, ...switchFields].filter((field) => fields[field] !== undefined)
  const shown = known.map((field) => [field, secrets.includes(field) ? 'set' : fields[field]])
  const all: ContextFields = {...Object.fromEntries(shown), url: shownBus(url)}
  return {name, from, path, used: usedContext(env) === name, ...all}
}

function contentOf(entry: ContextEntry): Omit<ListedContext, 'name' | 'from' | 'used'> {
  try {
    const {url, fields} = readEntry(entry)
    const {description} = fields
    const login = loginName(fields)
    return {url: shownBus(url), ...(description && {description}), ...(login && {login})}
  } catch (error) {
    if (error instanceof BusError) return {problem: error.message}
    throw error
  }
}

function loginName({user, token, creds, nkey, user_jwt, user_seed, cert, url = ''}: ContextFields): string | undefined {
  if (user !== undefined) return `user ${user}`
  if (creds !== undefined) return 'credentials'
  if (user_jwt !== undefined) return 'JWT'
  if (nkey !== undefined || user_seed !== undefined) return 'nkey'
  if (token !== undefined) return 'token'
  if (hasLogin(withScheme(url))) return 'in the URL'
  return cert === undefined ? undefined : 'certificate'
}
