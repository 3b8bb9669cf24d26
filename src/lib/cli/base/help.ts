/** Help, topics and unknown commands, by means of oclif. */
import type {Command} from '@oclif/core/command'
import {Config} from '@oclif/core/config'
import {CommandHelp, Help, normalizeArgv} from '@oclif/core/help'
import type {Logger, PJSON} from '@oclif/core/interfaces'
import {setLogger} from '@oclif/core/logger'
import {settings} from '@oclif/core/settings'
import {BusError} from '../../core/errors.ts'
import {nearest} from '../../core/text/nearest.ts'
import {isTerminal, writeAll} from '../io/terminal.ts'

type Package = typeof import('../../../../package.json', { with: {type: 'json'}})

/** Avoids loading oclif's debug output and the package behind it. */
const silent: Logger = {
  namespace: 'bus',
  child: () => silent,
  debug() {},
  error() {},
  info() {},
  trace() {},
  warn() {},
}

/** Avoids Node's stream for stdout, which takes longer to create than most texts take to write. */
class PlainHelp extends Help {
  protected override CommandHelpClass = HelpWithRelations

  protected override log(...texts: string[]): void {
    writeAll(1, `${texts.join(' ')}\n`)
  }
}

/** Shows which other flags each flag needs and excludes, which oclif checks but does not show. */
class HelpWithRelations extends CommandHelp {
  protected override flags(flags: Command.Flag.Any[]): [string, string | undefined][] | undefined {
    const isKnown = (name: string) => name in this.command.flags
    return super.flags(flags.map((flag) => ({...flag, description: `${flag.description}${relations(flag, isKnown)}`})))
  }
}

/** ` (needs --raw or --select; not with --json)` */
function relations(flag: Command.Flag.Any, isKnown: (name: string) => boolean): string {
  const {dependsOn = [], exclusive = [], relationships = []} = flag
  const named = (flags: readonly (string | {readonly name: string})[]) =>
    flags.flatMap((other) => (typeof other === 'string' && isKnown(other) ? `--${other}` : []))
  const needed = [...dependsOn.map((one) => [one]), ...relationships.map(({flags}) => flags)].map(named)
  const parts = needed.map((flags) => `needs ${flags.join(' or ')}`)
  const excluded = named(exclusive)
  if (excluded.length > 0) parts.push(`not with ${excluded.join(', ')}`)
  return parts.length === 0 ? '' : ` (${parts.join('; ')})`
}

/**
 * Shows the help that a command line asks for, or that of its topic. `root` is the folder of package.json. Throws `usage` for
 * an unknown command.
 */
export async function help(argv: readonly string[], {oclif, ...rest}: Package, root: string): Promise<void> {
  // With NODE_ENV=test or development oclif would look for a TypeScript runtime.
  settings.enableAutoTranspile = false
  if (!isTerminal(1)) settings.columns = 80
  const options = {root, pjson: {...rest, oclif} as unknown as PJSON, logger: silent}
  setLogger(options)
  const config = await Config.load(options)
  addGlobalFlags(config)
  const [id = ''] = normalizeArgv(config, [...argv])
  const isAsked = argv.length === 0 || argv.some((word) => oclif.additionalHelpFlags.includes(word))
  const isKnown = config.findTopic(id) ?? (isAsked && (/^(-|$)/.test(id) || config.findCommand(id)))
  if (!isKnown) throw unknownCommand(id, config.commandIDs)
  await new PlainHelp(config, oclif.helpOptions).showHelp(isAsked ? [...argv] : [id])
}

/** The manifest stores the flags of all commands once. */
function addGlobalFlags({commands, plugins}: Config): void {
  const flags = [...plugins.values()].map((plugin) => (plugin as unknown as {manifest: Manifest}).manifest.globalFlags)
  for (const command of commands) command.flags = Object.assign({}, ...flags, command.flags)
}

interface Manifest {
  readonly globalFlags: Command.Cached['flags']
}

/** Suggests the nearest command. Never prompts. */
function unknownCommand(id: string, ids: readonly string[]): BusError {
  const known = ids.map((command) => command.replaceAll(':', ' '))
  const [first = '', second = ''] = id.split(':')
  const isTopic = known.some((command) => command.startsWith(`${first} `))
  // Without a topic, the words after the first may be arguments; oclif joins all words if it knows none of them.
  const typed = isTopic ? `${first} ${second}` : first
  const meant = nearest(`${first} ${second}`, known) ?? nearest(first, known)
  return new BusError('usage', `there is no command ${JSON.stringify(typed)}`, {
    try: [meant === undefined ? 'bus --help' : `bus ${meant}`],
  })
}
