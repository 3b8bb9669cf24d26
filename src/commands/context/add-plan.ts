/** `context add`: from flags and prompts to the fields that are saved. */

import {resolve} from 'node:path'
import {prompting, validation} from '../../lib/cli/base/prompt.ts'
import {isTerminal} from '../../lib/cli/io/terminal.ts'
import {busUrl, type Context, type ContextFields, checkContextName, readTarget} from '../../lib/cli/target/context.ts'
import {lastingPath, lastingText} from '../../lib/cli/target/secret-values.ts'
import {checkLogin, type ServerFlags} from '../../lib/cli/target/server.ts'
import {BusError} from '../../lib/core/errors.ts'
import {shellWord} from '../../lib/core/text/shell-word.ts'
import {fileIn, isServer} from '../../lib/transport/schemes.ts'

export interface ContextFlags extends ServerFlags {
  readonly bus?: string | undefined
  readonly description?: string | undefined
  /** Only if it was given. */
  readonly timeoutMs?: number | undefined
}

/** Turns flags into fields. Relative paths become absolute. Throws `usage`. */
export function fieldsOf(flags: ContextFlags): ContextFields {
  for (const name of ['connect-timeout', 'max-reconnects'] as const) {
    if (flags[name] !== undefined)
      throw new BusError('usage', `a context cannot contain --${name}`, {try: ['leave it out']})
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
    user_jwt: flags.jwt === undefined ? undefined : lastingText(flags.jwt, 'jwt'),
    user_seed: flags.seed === undefined ? undefined : lastingText(flags.seed, 'seed'),
    ca: path(flags['tls-ca']),
    cert: path(flags['tls-cert']),
    key: path(flags['tls-key']),
    tls_first: flags['tls-first'] || undefined,
    insecure: flags.insecure || undefined,
    inbox_prefix: flags['inbox-prefix'],
    jetstream_domain: flags['js-domain'] || undefined,
    jetstream_api_prefix: flags['js-api-prefix'] || undefined,
  }
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as ContextFields
}

/** Builds the context. Throws `usage` for an invalid name or login. */
export function checkContext(name: string, fields: ContextFields): Context {
  const context: Context = {
    ...{name: checkContextName(name), from: 'busline', path: '', fields, isLoose: false, unknown: []},
    ...readTarget(fields, 'to be'),
  }
  checkLogin(context)
  return context
}

function lastingUrl(url: string): string {
  const file = fileIn(url)
  return file === undefined ? url : `${file.scheme}${resolve(file.path)}${file.options}`
}

function durationText(ms: number): string {
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`
}

const logins = [
  {name: 'none, or in the URL', value: 'none'},
  {name: 'user and password', value: 'user'},
  {name: 'token', value: 'token'},
  {name: 'credentials file', value: 'creds'},
  {name: 'file with an nkey seed', value: 'nkey'},
] as const

const loginFlags = ['user', 'password', 'token', 'creds', 'nkey', 'jwt', 'seed'] as const

/** Prompts for what is missing. Fails with `usage` without a terminal, with `interrupted` on Ctrl-C. */
export async function askForMissing(
  {name, flags}: {readonly name: string | undefined; readonly flags: ContextFlags},
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<{readonly name: string; readonly flags: ContextFlags}> {
  const lacksPassword = flags.user !== undefined && flags.password === undefined
  const isComplete = name !== undefined && flags.bus !== undefined
  const mayAsk = isTerminal(0) && isTerminal(2) && !env['CI']
  if (isComplete && !(lacksPassword && mayAsk)) return {name, flags}
  if (!mayAsk) {
    throw new BusError('usage', name === undefined ? 'the name of the context is missing' : '--bus is missing', {
      try: [`bus context add ${shellWord(name ?? 'NAME')} --bus nats://127.0.0.1:4222`],
    })
  }
  return await prompting(async () => {
    const ask = await prompts(signal)
    if (isComplete) return {name, flags: {...flags, password: await ask.secret('Password')}}
    const given = name ?? (await ask.text('Name', {check: checkContextName}))
    const bus = flags.bus ?? (await ask.text('Bus', {suggestion: 'nats://127.0.0.1:4222', check: busUrl}))
    const description = flags.description ?? (await ask.text('Description'))
    const asksLogin = isServer(busUrl(bus)) && loginFlags.every((flag) => flags[flag] === undefined)
    const login = lacksPassword ? {password: await ask.secret('Password')} : asksLogin ? await askLogin(ask) : {}
    return {name: given, flags: {...flags, ...login, bus, description: description || undefined}}
  })
}

type Prompts = Awaited<ReturnType<typeof prompts>>

async function askLogin(ask: Prompts): Promise<ContextFlags> {
  const way = await ask.login()
  if (way === 'user') return {user: await ask.text('User', {required: true}), password: await ask.secret('Password')}
  if (way === 'token') return {token: await ask.secret('Token')}
  if (way === 'creds' || way === 'nkey') return {[way]: await ask.text('File', {required: true})}
  return {}
}

interface TextPromptOptions {
  readonly suggestion?: string
  /** Throws `usage` for an invalid answer. */
  readonly check?: (answer: string) => unknown
  readonly required?: boolean
}

async function prompts(signal: AbortSignal) {
  const [{default: input}, {default: password}, {default: select}] = await Promise.all([
    import('@inquirer/input'),
    import('@inquirer/password'),
    import('@inquirer/select'),
  ])
  const on = {output: process.stderr, signal}
  return {
    text: (message: string, {suggestion, check = () => {}, required = false}: TextPromptOptions = {}) => {
      const validate = validation(check)
      return input({message: `${message}:`, validate, required, ...(suggestion && {default: suggestion})}, on)
    },
    secret: (message: string) => password({message: `${message}:`, mask: true}, on),
    login: () => select({message: 'Login:', choices: logins}, on),
  }
}
