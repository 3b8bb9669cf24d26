/**
 * Hands a command line to its command. A known command is loaded and run by itself, which takes a third of the time
 * that oclif needs to look around first; help, topics and what is unknown go to oclif.
 */
import pkg from '../package.json' with {type: 'json'}
import type {CommandModule} from './lib/cli/command.ts'
import {leanConfig, userAgent} from './lib/cli/config.ts'
import {report} from './lib/cli/report.ts'
import {writeAll} from './lib/cli/terminal.ts'

/** Each file of src/commands; a test holds both together. An id of two words is a command within a topic. */
const commands = new Map<string, () => Promise<CommandModule>>([
  ['bench open', () => import('./commands/bench/open.ts')],
  ['bench pub', () => import('./commands/bench/pub.ts')],
  ['bench replay', () => import('./commands/bench/replay.ts')],
  ['bench req', () => import('./commands/bench/req.ts')],
  ['bench rpc', () => import('./commands/bench/rpc.ts')],
  ['bench serve', () => import('./commands/bench/serve.ts')],
  ['bench sub', () => import('./commands/bench/sub.ts')],
  ['bench worker', () => import('./commands/bench/worker.ts')],
  ['check', () => import('./commands/check.ts')],
  ['check init', () => import('./commands/check/init.ts')],
  ['consumer add', () => import('./commands/consumer/add.ts')],
  ['consumer info', () => import('./commands/consumer/info.ts')],
  ['consumer ls', () => import('./commands/consumer/ls.ts')],
  ['consumer next', () => import('./commands/consumer/next.ts')],
  ['consumer reset', () => import('./commands/consumer/reset.ts')],
  ['consumer rm', () => import('./commands/consumer/rm.ts')],
  ['context add', () => import('./commands/context/add.ts')],
  ['context check', () => import('./commands/context/check.ts')],
  ['context ls', () => import('./commands/context/ls.ts')],
  ['context rm', () => import('./commands/context/rm.ts')],
  ['context show', () => import('./commands/context/show.ts')],
  ['context use', () => import('./commands/context/use.ts')],
  ['consumer replay', () => import('./commands/consumer/replay.ts')],
  ['doctor', () => import('./commands/doctor.ts')],
  ['events add', () => import('./commands/events/add.ts')],
  ['events info', () => import('./commands/events/info.ts')],
  ['events listen', () => import('./commands/events/listen.ts')],
  ['events ls', () => import('./commands/events/ls.ts')],
  ['events rm', () => import('./commands/events/rm.ts')],
  ['events serve', () => import('./commands/events/serve.ts')],
  ['pub', () => import('./commands/pub.ts')],
  ['req', () => import('./commands/req.ts')],
  ['rpc call', () => import('./commands/rpc/call.ts')],
  ['rpc ls', () => import('./commands/rpc/ls.ts')],
  ['rpc serve', () => import('./commands/rpc/serve.ts')],
  ['serve', () => import('./commands/serve.ts')],
  ['stream add', () => import('./commands/stream/add.ts')],
  ['stream get', () => import('./commands/stream/get.ts')],
  ['stream info', () => import('./commands/stream/info.ts')],
  ['stream ls', () => import('./commands/stream/ls.ts')],
  ['stream open', () => import('./commands/stream/open.ts')],
  ['stream purge', () => import('./commands/stream/purge.ts')],
  ['stream rm', () => import('./commands/stream/rm.ts')],
  ['stream subjects', () => import('./commands/stream/subjects.ts')],
  ['sub', () => import('./commands/sub.ts')],
  ['tour', () => import('./commands/tour.ts')],
])

/** Global flags that take a value and may stand before the command. */
const valued = new Set([
  ...['-b', '-s', '-t', '--bus', '--server', '--context', '--timeout', '--user', '--password', '--token', '--creds'],
  ...['--nkey', '--jwt', '--seed', '--tls-ca', '--tls-cert', '--tls-key', '--tlsca', '--tlscert', '--tlskey'],
  ...['--connect-timeout', '--max-reconnects', '--inbox-prefix'],
])

async function main(argv: readonly string[]): Promise<void> {
  const [first] = argv
  if (first === '--version' || first === '-V') return void writeAll(1, `${userAgent(pkg)}\n`)
  const {id, rest} = findCommand(argv)
  const load = commands.get(id)
  if (!load || wantsHelp(rest)) return showHelp(argv)
  const command = (await load()).default
  command.id = id.replace(' ', ':')
  await command.start(rest, leanConfig(pkg))
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
  const {help} = await import('./lib/cli/help.ts')
  const words = argv[0] === 'help' ? [...argv.slice(1), '--help'] : argv
  await help(words, pkg, import.meta.dirname)
}

const fail = (error: unknown) => {
  process.exitCode = report(error, process.argv.includes('--json'))
}
let isDone = false
// Node ends a process in silence, with exit code 0, when nothing is left that could wake it.
process.once('beforeExit', () => {
  if (!isDone) fail(new Error('the command ended before it was done: nothing was left to wait for'))
})
main(process.argv.slice(2))
  .catch(fail)
  .finally(() => {
    isDone = true
  })
