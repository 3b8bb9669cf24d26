import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {BusCommand} from '../../lib/cli/base/command.ts'
import {toggle} from '../../lib/cli/flags/kinds.ts'
import {isTerminal, writeAll} from '../../lib/cli/io/terminal.ts'
import type {BusFlags} from '../../lib/cli/target/bus.ts'
import {shownBus} from '../../lib/transport/schemes.ts'
import {play} from './player.ts'

export default class Tour extends BusCommand {
  static override summary = 'guided demo of the main features, with real processes'
  static override description =
    'Each step shows a command line and its actual output. Without --bus it runs on a temporary bus file. Exit code 9 if a step does not do what it says.'
  static override examples = [
    {description: 'on a temporary bus file', command: '<%= config.bin %> tour'},
    {description: 'one step at a time', command: '<%= config.bin %> tour --pause'},
  ]
  static override flags = {pause: toggle('wait for Enter before each step')}

  async run(): Promise<void> {
    const {flags} = await this.parse(Tour)
    const folder = mkdtempSync(join(tmpdir(), 'busline-tour-'))
    const {bus, context} = flags
    const isTemporary = bus === undefined && context === undefined
    const named = context === undefined ? shownBus(bus ?? '') : `that of context ${context}`
    const mayPause = flags.pause && isTerminal(0)
    try {
      writeAll(1, `the bus is ${isTemporary ? 'a temporary file: no server, no configuration' : named}\n`)
      await play({
        binary: process.argv[1] ?? '',
        env: {...(isTemporary ? {BUS_URL: join(folder, 'bus.db')} : chosenBy(flags)), NO_COLOR: '1'},
        print: (text) => void writeAll(1, text),
        next: () => (mayPause ? waitForEnter(this.stop) : Promise.resolve()),
        signal: this.stop,
      })
      writeAll(1, '\nThat\'s it. Now try "bus sub \'>\'" in one terminal and "bus pub hello world" in another.\n')
    } finally {
      rmSync(folder, {recursive: true, force: true})
    }
  }
}

/** The environment variables that give the steps the bus and login of the flags. */
function chosenBy({bus = '', context = '', ...flags}: BusFlags): Record<string, string> {
  const parts = ['user', 'password', 'token', 'creds', 'nkey', 'jwt', 'seed', 'tls-ca', 'tls-cert', 'tls-key'] as const
  const given = parts.flatMap((part) => {
    const value = flags[part]
    return value === undefined ? [] : [[`NATS_${part.replace('tls-', '').toUpperCase()}`, value]]
  })
  return {BUS_URL: bus, BUS_CONTEXT: context, ...Object.fromEntries(given)}
}

/** Resolves at the next line from the terminal, or when the signal aborts. */
function waitForEnter(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const {stdin} = process
    const done = () => {
      stdin.off('data', done)
      signal.removeEventListener('abort', done)
      stdin.pause()
      resolve()
    }
    process.stderr.write('   press Enter ')
    stdin.resume()
    stdin.once('data', done)
    signal.addEventListener('abort', done)
  })
}
