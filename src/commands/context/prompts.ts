/** What `context add` asks a person for. */

import {isTerminal} from '../../lib/cli/io/terminal.ts'
import {busUrl, checkName} from '../../lib/cli/target/context.ts'
import {BusError} from '../../lib/core/errors.ts'
import {isServer} from '../../lib/transport/open.ts'
import {interruptedError} from '../../lib/transport/shared/requests.ts'
import type {AddFlags} from './new-context.ts'

interface Wish {
  readonly name: string | undefined
  readonly flags: AddFlags
}

export interface Answers {
  readonly name: string
  readonly flags: AddFlags
}

const logins = [
  {name: 'none, or in the URL', value: 'none'},
  {name: 'user and password', value: 'user'},
  {name: 'token', value: 'token'},
  {name: 'credentials file', value: 'creds'},
  {name: 'file with an nkey seed', value: 'nkey'},
] as const

const loginFlags = ['user', 'password', 'token', 'creds', 'nkey', 'jwt', 'seed'] as const

/** Asks on a terminal for what is missing. Fails with `usage` where nobody can be asked, with `interrupted` for Ctrl-C. */
export async function askForMissing(
  {name, flags}: Wish,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<Answers> {
  const lacksPassword = flags.user !== undefined && flags.password === undefined
  const isWhole = name !== undefined && flags.bus !== undefined
  const mayAsk = isTerminal(0) && isTerminal(2) && !env['CI']
  if (isWhole && !(lacksPassword && mayAsk)) return {name, flags}
  if (!mayAsk) {
    throw new BusError('usage', name === undefined ? 'the name of the context is missing' : 'its bus is missing', {
      try: [`bus context add ${name ?? 'NAME'} --bus nats://127.0.0.1:4222`],
    })
  }
  try {
    const ask = await prompts(signal)
    if (isWhole) return {name, flags: {...flags, password: await ask.secret('password')}}
    const asked = name ?? (await ask.text('name', {check: checkName}))
    const bus = flags.bus ?? (await ask.text('bus', {suggestion: 'nats://127.0.0.1:4222', check: busUrl}))
    const description = flags.description ?? (await ask.text('description'))
    const asksLogin = isServer(busUrl(bus)) && loginFlags.every((flag) => flags[flag] === undefined)
    const login = lacksPassword ? {password: await ask.secret('password')} : asksLogin ? await askLogin(ask) : {}
    return {name: asked, flags: {...flags, ...login, bus, description: description || undefined}}
  } catch (error) {
    if (error instanceof Error && /^(Exit|Abort)PromptError$/.test(error.name)) throw interruptedError()
    throw error
  }
}

type Prompts = Awaited<ReturnType<typeof prompts>>

async function askLogin(ask: Prompts): Promise<AddFlags> {
  const way = await ask.login()
  if (way === 'user') return {user: await ask.text('user', {isNeeded: true}), password: await ask.secret('password')}
  if (way === 'token') return {token: await ask.secret('token')}
  if (way === 'creds' || way === 'nkey') return {[way]: await ask.text('file', {isNeeded: true})}
  return {}
}

interface TextWishes {
  readonly suggestion?: string
  /** Throws the sentence why an answer will not do. */
  readonly check?: (answer: string) => unknown
  readonly isNeeded?: boolean
}

async function prompts(signal: AbortSignal) {
  const [{default: input}, {default: password}, {default: select}] = await Promise.all([
    import('@inquirer/input'),
    import('@inquirer/password'),
    import('@inquirer/select'),
  ])
  const on = {output: process.stderr, signal}
  return {
    text: (message: string, {suggestion, check, isNeeded}: TextWishes = {}) =>
      input(
        {
          ...{message: `${message}:`, validate: (answer) => complaint(answer, check)},
          ...(suggestion !== undefined && {default: suggestion}),
          ...(isNeeded && {required: true}),
        },
        on,
      ),
    secret: (message: string) => password({message: `${message}:`, mask: true}, on),
    login: () => select({message: 'login:', choices: logins}, on),
  }
}

function complaint(answer: string, check: TextWishes['check']): true | string {
  try {
    check?.(answer)
    return true
  } catch (error) {
    if (error instanceof BusError) return error.message
    throw error
  }
}
