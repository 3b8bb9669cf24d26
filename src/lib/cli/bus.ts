/** Which bus is meant, and why. The first that is given wins; the order stands in the README. */
import {mkdirSync} from 'node:fs'
import {homedir} from 'node:os'
import {dirname, join} from 'node:path'
import {BusError} from '../errors.ts'

export interface ChosenBus {
  readonly url: string
  /** Where the choice came from, as people would say it. */
  readonly why: string
}

interface Wishes {
  readonly bus?: string | undefined
  readonly context?: string | undefined
}

/** Chooses by `--bus`, `--context`, BUS_URL, BUS_CONTEXT, NATS_URL, else the per-user file. Fails with `notFound` for a context. */
export function chooseBus(wishes: Wishes, env: NodeJS.ProcessEnv): ChosenBus {
  if (wishes.bus) return {url: wishes.bus, why: '--bus'}
  if (wishes.context !== undefined) throw noContext(wishes.context, '--context')
  if (env['BUS_URL']) return {url: env['BUS_URL'], why: 'BUS_URL'}
  if (env['BUS_CONTEXT']) throw noContext(env['BUS_CONTEXT'], 'BUS_CONTEXT')
  if (env['NATS_URL']) return {url: withScheme(env['NATS_URL']), why: 'NATS_URL'}
  return {url: `sqlite:${perUserFile(env)}`, why: perUser}
}

/** Makes the folder of the per-user file, for its owner only. Any other bus is left to its driver. */
export function prepareBus(bus: ChosenBus): void {
  if (bus.why !== perUser) return
  const folder = dirname(bus.url.slice('sqlite:'.length))
  try {
    mkdirSync(folder, {recursive: true, mode: 0o700})
  } catch (cause) {
    const reason = (cause as Error).message
    throw new BusError('denied', `cannot make the folder of your bus file, ${folder}: ${reason}`, {
      cause,
      try: ['--bus sqlite:./bus.db', 'XDG_STATE_HOME set to a folder of yours'],
    })
  }
}

/** The NATS tools take `host:port` and comma lists of it in NATS_URL. */
function withScheme(servers: string): string {
  return servers.replace(/(^|,)(?![a-z]+:\/\/)/g, '$1nats://')
}

const perUser = 'your own bus file'

function perUserFile(env: NodeJS.ProcessEnv): string {
  const state = env['XDG_STATE_HOME'] || join(env['HOME'] || homedir(), '.local', 'state')
  return join(state, 'busline', 'bus.db')
}

function noContext(name: string, from: string): BusError {
  return new BusError('notFound', `no context ${JSON.stringify(name)} (asked for by ${from})`, {
    try: ['--bus nats://127.0.0.1:4222', '--bus sqlite:./bus.db'],
  })
}
