/** Which bus to use, and why. The first one that is set is used; the README lists the order. */
import {dirname, join} from 'node:path'
import {BusError} from '../../core/errors.ts'
import {makeFolder} from '../../core/folder.ts'
import {readTrusted} from '../../core/trusted-file.ts'
import {fileIn, isServer} from '../../transport/schemes.ts'
import {withScheme} from '../../transport/server-urls.ts'
import type {ServerFlags} from './server.ts'
import {configFolder, type FoundBus, stateFolder} from './urls.ts'

export interface ChosenBus {
  /** Absent if the context has it. */
  readonly url?: string | undefined
  /** The name of a context. */
  readonly context?: string | undefined
  /** The origin of the choice, in words. */
  readonly why: string
}

export interface BusFlags extends ServerFlags {
  readonly bus?: string | undefined
  readonly context?: string | undefined
}

type Env = NodeJS.ProcessEnv

/**
 * Chooses by `--bus`, `--context`, BUS_URL, BUS_CONTEXT, NATS_URL, NATS_CONTEXT, `bus context use`, else the per-user file.
 * `--bus` and `--context` together combine this URL with the login of the context.
 */
export function chooseBus({bus, context}: BusFlags, env: Env): ChosenBus {
  if (bus) return {url: bus, why: '--bus', context}
  if (context !== undefined) return {context, why: `context ${context}`}
  if (env['BUS_URL']) return {url: env['BUS_URL'], why: 'BUS_URL'}
  if (env['BUS_CONTEXT']) return {context: env['BUS_CONTEXT'], why: `context ${env['BUS_CONTEXT']}, from BUS_CONTEXT`}
  if (env['NATS_URL']) return {url: withScheme(env['NATS_URL']), why: 'NATS_URL'}
  if (env['NATS_CONTEXT'])
    return {context: env['NATS_CONTEXT'], why: `context ${env['NATS_CONTEXT']}, from NATS_CONTEXT`}
  const used = usedContext(env)
  if (used !== undefined) return {context: used, why: `context ${used}, selected with bus context use`}
  return {url: `sqlite:${perUserFile(env)}`, why: perUser}
}

/**
 * Chooses a bus and collects what is needed to reach it. Fails with `notFound` or `usage` for a context, with `usage` for a
 * login.
 */
export async function findBus(flags: BusFlags, env: Env): Promise<FoundBus> {
  const {url, context: name, why} = chooseBus(flags, env)
  if (url !== undefined && name === undefined && !needsServerOptions(url, flags, env)) {
    return {url, why, server: {}, warnings: []}
  }
  const {reach} = await import('./server.ts')
  const context = name === undefined ? undefined : (await import('./context-files.ts')).findContext(name, env)
  const found = reach({url, context, why}, flags, env)
  return {...found, why, timeoutMs: context?.timeoutMs}
}

/** Creates the folder of the per-user file, for its owner only. Any other bus is left to its driver. */
export function prepareBus({url, why}: Pick<FoundBus, 'url' | 'why'>): void {
  if (why !== perUser) return
  const folder = dirname(fileIn(url)?.path ?? '')
  try {
    makeFolder(folder)
  } catch (cause) {
    const reason = (cause as Error).message
    throw new BusError('denied', `cannot create the folder of your bus file, ${folder}: ${reason}`, {
      cause,
      try: ['--bus sqlite:./bus.db', 'set XDG_STATE_HOME to a folder that you can write to'],
    })
  }
}

/** The file with the name of the context selected by `bus context use`. */
export function usedFile(env: Env): string {
  return join(configFolder(env), 'busline', 'context.txt')
}

/** The name of the context selected by `bus context use`. */
export function usedContext(env: Env): string | undefined {
  try {
    return readTrusted(usedFile(env)).toString().trim() || undefined
  } catch (cause) {
    const {code, message} = cause as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    // Otherwise another bus would be used silently.
    throw new BusError('usage', `cannot read which context is selected: ${message}`, {
      cause,
      try: ['bus context use NAME', '--bus URL'],
    })
  }
}

const perUser = 'your own bus file'

function perUserFile(env: Env): string {
  return join(stateFolder(env), 'bus.db')
}

const serverFlags: readonly (keyof ServerFlags)[] = [
  ...(['user', 'password', 'token', 'creds', 'nkey', 'jwt', 'seed'] as const),
  ...(['tls-ca', 'tls-cert', 'tls-key', 'tls-first', 'insecure'] as const),
  ...(['connect-timeout', 'max-reconnects', 'inbox-prefix', 'js-domain', 'js-api-prefix'] as const),
]

/** Whether more than the URL is needed: most commands can avoid loading the rest. */
function needsServerOptions(url: string, flags: ServerFlags, env: Env): boolean {
  if (serverFlags.some((name) => flags[name] !== undefined && flags[name] !== false)) return true
  return isServer(url) && Object.keys(env).some((name) => name.startsWith('NATS_'))
}
