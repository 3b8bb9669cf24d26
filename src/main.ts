/**
 * Dispatches a command line to its command. A known command is loaded and run directly, which takes a third of the time that
 * oclif needs to look it up; help, topics and unknown commands go to oclif.
 */
import {dirname} from 'node:path'
import pkg from '../package.json' with {type: 'json'}
import {commands} from './commands/index.ts'
import {report} from './lib/cli/base/error-report.ts'
import {writeAll} from './lib/cli/io/terminal.ts'

/** Global flags that take a value and may precede the command. */
const valued = new Set([
  ...['-b', '-s', '-t', '--bus', '--server', '--context', '--timeout', '--user', '--password', '--token', '--creds'],
  ...['--nkey', '--jwt', '--seed', '--tls-ca', '--tls-cert', '--tls-key', '--tlsca', '--tlscert', '--tlskey'],
  ...['--connect-timeout', '--max-reconnects', '--inbox-prefix', '--js-domain', '--js-api-prefix'],
])

/** In oclif's format. */
const versionText = `${pkg.name}/${pkg.version} ${process.platform}-${process.arch} node-${process.version}\n`

async function main(argv: readonly string[]): Promise<void> {
  const [first] = argv
  if (first === '--version' || first === '-V') return void writeAll(1, versionText)
  const {id, rest} = findCommand(argv)
  const load = commands.get(id)
  if (!load || wantsHelp(rest)) return showHelp(argv)
  const command = (await load()).default
  command.id = id.replace(' ', ':')
  await command.start(rest, pkg)
}

/** Splits `--json -b URL context add NAME` into the command `context add` and the rest. */
function findCommand(argv: readonly string[]): {id: string; rest: string[]} {
  let at = 0
  while (argv[at]?.startsWith('-')) at += valued.has(argv[at] ?? '') ? 2 : 1
  const [one = '', two = ''] = argv.slice(at)
  const words = commands.has(`${one} ${two}`) ? 2 : 1
  const rest = [...argv.slice(0, at), ...argv.slice(at + words)]
  return {id: words === 2 ? `${one} ${two}` : one, rest}
}

function wantsHelp(argv: readonly string[]): boolean {
  const dashes = argv.indexOf('--')
  return argv.slice(0, dashes < 0 ? undefined : dashes).some((word) => word === '--help' || word === '-h')
}

async function showHelp(argv: readonly string[]): Promise<void> {
  const {help} = await import('./lib/cli/base/help.ts')
  const words = argv[0] === 'help' ? [...argv.slice(1), '--help'] : argv
  await help(words, pkg, dirname(import.meta.dirname))
}

const fail = (error: unknown) => {
  process.exitCode = report(error, process.argv.includes('--json'))
}
let isDone = false
// Node would end the process silently, with exit code 0, if nothing is left that could wake it.
process.once('beforeExit', () => {
  if (!isDone) fail(new Error('the command ended before it was done: nothing was left to wait for'))
})
main(process.argv.slice(2))
  .catch(fail)
  .finally(() => {
    isDone = true
  })
