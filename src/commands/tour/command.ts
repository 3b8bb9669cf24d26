import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {BusCommand} from '../../lib/cli/base/command.ts'
import {waitForKey} from '../../lib/cli/base/wait-for-key.ts'
import * as flags from '../../lib/cli/flags/flags.ts'
import {isTerminal, writeAll} from '../../lib/cli/io/terminal.ts'
import type {BusFlags} from '../../lib/cli/target/bus.ts'
import {withoutSecrets} from '../../lib/core/secrets.ts'
import {play} from './player.ts'

export default class Tour extends BusCommand {
  static override summary = 'play the main job in a few steps, with real processes'
  static override description =
    'Each step shows its command line and then what it really printed. Without --bus it plays on a temporary bus file. Exit code 9 when a step does not do what it promises.'
  static override examples = [
    {description: 'on a bus file that is gone afterwards', command: '<%= config.bin %> tour'},
    {description: 'step by step', command: '<%= config.bin %> tour --pause'},
  ]
  static override flags = {pause: flags.pause()}

  async run(): Promise<void> {
    const {flags} = await this.parse(Tour)
    const folder = mkdtempSync(join(tmpdir(), 'busline-tour-'))
    const {bus, context} = flags
    const isTemporary = bus === undefined && context === undefined
    const named = context === undefined ? withoutSecrets(bus ?? '') : `that of the context ${context}`
    const mayPause = flags.pause && isTerminal(0)
    try {
      writeAll(1, `the bus is ${isTemporary ? 'a temporary file: no server, no configuration' : named}\n`)
      await play({
        binary: process.argv[1] ?? '',
        env: {...(isTemporary ? {BUS_URL: join(folder, 'bus.db')} : chosenBy(flags)), NO_COLOR: '1'},
        print: (text) => void writeAll(1, text),
        next: () => (mayPause ? waitForKey(this.stop) : Promise.resolve()),
        signal: this.stop,
      })
      writeAll(1, '\nthat was it: now try "bus sub \'>\'" in one terminal and "bus pub hello world" in another\n')
    } finally {
      rmSync(folder, {recursive: true, force: true})
    }
  }
}

/** The variables by which the steps find the bus and the login that the flags name. */
function chosenBy({bus = '', context = '', ...flags}: BusFlags): Record<string, string> {
  const parts = ['user', 'password', 'token', 'creds', 'nkey', 'jwt', 'seed', 'tls-ca', 'tls-cert', 'tls-key'] as const
  const given = parts.flatMap((part) => {
    const value = flags[part]
    return value === undefined ? [] : [[`NATS_${part.replace('tls-', '').toUpperCase()}`, value]]
  })
  return {BUS_URL: bus, BUS_CONTEXT: context, ...Object.fromEntries(given)}
}
