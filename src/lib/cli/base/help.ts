/** Help, topics and unknown commands, by means of oclif. */
import type {Command} from '@oclif/core/command'
import {Config} from '@oclif/core/config'
import {CommandHelp, Help, type HelpSectionRenderer, normalizeArgv} from '@oclif/core/help'
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

  /** `check` is a topic and a command; it is listed once. */
  protected override get sortedTopics() {
    const {commandIDs} = this.config
    return super.sortedTopics.filter(({name}) => !commandIDs.includes(name))
  }

  protected override async showRootHelp(): Promise<void> {
    await super.showRootHelp()
    this.log('bus COMMAND --help shows its flags and examples; bus tour is a guided demo.')
  }

  protected override log(...texts: string[]): void {
    writeAll(1, `${texts.join(' ')}\n`)
  }
}

/**
 * Shows which other flags each flag needs and excludes, which oclif checks but does not show. Shows examples that can be
 * copied; oclif would break long ones inside quotes, and put a `$` before some.
 */
class HelpWithRelations extends CommandHelp {
  protected override examples(examples: readonly Command.Example[] | undefined | string): string | undefined {
    const all = [examples ?? []].flat()
    const spacing = this.indentSpacing * 2
    const texts = all.map((example) => {
      if (typeof example === 'string') return this.render(example)
      const command = brokenAtSpaces(this.render(example.command), this.opts.maxWidth - spacing)
      return `${this.wrap(this.render(example.description), spacing)}\n\n${this.indent(command)}`
    })
    return texts.length === 0 ? undefined : texts.join('\n\n')
  }

  /** Without the summary, which is the first line of the page. */
  protected override description(): string | undefined {
    const {description} = this.command
    return description === undefined ? undefined : this.wrap(description)
  }

  protected override defaultUsage(): string {
    const several = Object.values(this.command.args ?? {}).filter(({multiple}) => multiple)
    return several.reduce(
      (usage, {name}) => usage.replace(name.toUpperCase(), `${name.toUpperCase()}...`),
      super.defaultUsage(),
    )
  }

  /** The flags for the connection and the login are the same for all commands: only one page describes them. */
  protected override sections() {
    return super
      .sections()
      .map((section) => (section.header === 'FLAGS' ? {...section, generate: this.#flagSections} : section))
  }

  readonly #flagSections: HelpSectionRenderer = ({flags}, header) => {
    const {mainFlags, flagGroups} = this.groupFlags(flags)
    const described = Object.entries({'': mainFlags, ...flagGroups}).map(([group, some]) => ({
      header: `${group} ${header}`.trim(),
      body: isFolded(group) && this.command.id !== pageOfConnections ? undefined : this.flags(some),
    }))
    const folded = Object.entries(flagGroups).flatMap(([group, some]) => (isFolded(group) ? some : []))
    if (this.command.id === pageOfConnections || folded.length === 0) return compact(described)
    const names = folded.map(({name}) => `--${name}`).join(' ')
    const body = this.wrap(`${names}\n\nbus ${pageOfConnections} --help describes them.`)
    return compact([...described, {header: 'CONNECTION AND LOGIN FLAGS', body}])
  }

  protected override flags(flags: Command.Flag.Any[]): [string, string | undefined][] | undefined {
    const isKnown = (name: string) => name in this.command.flags
    return super.flags(flags.map((flag) => ({...flag, description: `${flag.description}${relations(flag, isKnown)}`})))
  }
}

/** The command whose page describes the flags for the connection and the login. */
const pageOfConnections = 'context add'

const isFolded = (group: string) => group === 'CONNECTION' || group === 'LOGIN'

const compact = (
  sections: {readonly header: string; readonly body: [string, string | undefined][] | string | undefined}[],
) => sections.flatMap(({header, body}) => (body === undefined ? [] : {header, body}))

/** Breaks a command line into several lines that a shell joins again. */
export function brokenAtSpaces(command: string, width: number): string {
  const words = command.match(/(?:'[^']*'|"(?:\\.|[^"])*"|\\.|[^\s'"\\])+/g) ?? []
  const lines: string[] = []
  let line = ''
  for (const word of words) {
    if (line === '') line = word
    else if (line.length + word.length + 3 <= width) line += ` ${word}`
    else {
      lines.push(line)
      line = `  ${word}`
    }
  }
  return [...lines, line].join(' \\\n')
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

/** Words of other tools, mostly of the NATS CLI, with the words used here. */
const synonyms = new Map([
  ...['create', 'new', 'save', 'make'].map((word): [string, string] => [word, 'add']),
  ...['delete', 'del', 'remove'].map((word): [string, string] => [word, 'rm']),
  ...['list', 'report'].map((word): [string, string] => [word, 'ls']),
  ...([
    ['publish', 'pub'],
    ['subscribe', 'sub'],
    ['request', 'req'],
    ['reply', 'serve'],
    ['select', 'use'],
    ['status', 'info'],
    ['describe', 'info'],
    ['view', 'get'],
    ['con', 'consumer'],
    ['str', 'stream'],
    ['ctx', 'context'],
  ] as [string, string][]),
])

/** A typing error must not lead to a command that deletes, moves or acknowledges something. */
const isHarmful = /(^| )(rm|purge|reset|replay|next)$/

/** Suggests the command of the same meaning, or the most similar one. Never prompts. */
function unknownCommand(id: string, ids: readonly string[]): BusError {
  const known = ids.map((command) => command.replaceAll(':', ' '))
  const [first = '', second = ''] = id.split(':')
  const isTopic = (word: string) => known.some((command) => command.startsWith(`${word} `))
  // Without a topic, the words after the first may be arguments; oclif joins all words if it knows none of them.
  const typed = isTopic(first) ? `${first} ${second}` : first
  const same = [first, second].map((word) => synonyms.get(word) ?? word)
  const names = [same.join(' '), same[0] ?? ''].filter((name) => known.includes(name) || isTopic(name))
  const harmless = known.filter((command) => !isHarmful.test(command))
  const [topic = '', word] = isTopic(first) ? [`${first} `, second] : ['', first]
  const among = harmless.filter((command) => command.startsWith(topic)).map((command) => command.slice(topic.length))
  const close = nearest(word, among)
  const meant = names.find((name) => name !== topic.trim()) ?? (close === undefined ? topic.trim() : `${topic}${close}`)
  return new BusError('usage', `there is no command ${JSON.stringify(typed)}`, {
    try: [known.includes(meant) ? `bus ${meant}` : ['bus', meant, '--help'].filter((part) => part !== '').join(' ')],
  })
}
