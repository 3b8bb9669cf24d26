/** Types shared by the code for buses, logins and contexts; this file imports none of it. */
import {homedir} from 'node:os'
import {join} from 'node:path'
import type {ServerOptions} from '../../transport/contract.ts'

/** A bus that can be opened. */
export interface FoundBus {
  readonly url: string
  readonly why: string
  readonly server: ServerOptions
  /** Warnings to print before anything is sent. */
  readonly warnings: readonly string[]
  /** The `--timeout` of the context. */
  readonly timeoutMs?: number | undefined
}

/** The folder for the state of busline: the bus file of the user, and tokens of gateways. */
export function stateFolder(env: NodeJS.ProcessEnv): string {
  return join(env['XDG_STATE_HOME'] || join(env['HOME'] || homedir(), '.local', 'state'), 'busline')
}

/** The folder of contexts: `busline` for ours, `nats` for those of the NATS CLI. */
export function configFolder(env: NodeJS.ProcessEnv): string {
  return env['XDG_CONFIG_HOME'] || join(env['HOME'] || homedir(), '.config')
}
