/** What finding a bus, logins and contexts all need: this file knows none of the others. */
import {homedir} from 'node:os'
import {join} from 'node:path'
import type {ServerOptions} from '../../transport/contract.ts'

/** A bus that can be opened. */
export interface FoundBus {
  readonly url: string
  readonly why: string
  readonly server: ServerOptions
  /** What people must know before anything is sent. */
  readonly warnings: readonly string[]
  /** What the context has for `--timeout`. */
  readonly timeoutMs?: number | undefined
}

/** Where contexts are kept: ours in `busline`, those of the NATS CLI in `nats`. */
export function configFolder(env: NodeJS.ProcessEnv): string {
  return env['XDG_CONFIG_HOME'] || join(env['HOME'] || homedir(), '.config')
}
