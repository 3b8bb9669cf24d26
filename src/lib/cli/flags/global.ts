/** The flags of every command. */
import type {OptionFlag} from '@oclif/core/interfaces'
import {connectionFlags} from './connection.ts'
import {duration, text, toggle} from './kinds.ts'

const global = {helpGroup: 'GLOBAL'}

export const globalFlags = {
  bus: text('bus to use: a URL or the path of a bus file', '<url>', {
    ...global,
    char: 'b',
    aliases: ['server'],
    charAliases: ['s'],
  }),
  context: text('saved context to use', '<name>', global),
  'read-only': toggle('only read the bus file', global),
  json: toggle('write results and errors as JSON', global),
  timeout: timeoutFlag(5000),
  quiet: toggle('print only errors and security warnings to stderr', global),
  'no-color': toggle('disable colour', global),
  ...connectionFlags,
}

/** `--timeout` with a default. */
export function timeoutFlag(ms: number): OptionFlag<number> {
  return duration('how long to wait for replies and acknowledgements', {
    ...global,
    char: 't',
    default: ms,
    defaultHelp: async () => `${ms / 1000}s`,
  }) as OptionFlag<number>
}
