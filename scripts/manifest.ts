/** oclif.manifest.json: the source of help, so that no command has to be loaded for it. */
import {Plugin} from '@oclif/core'
import type {Command} from '@oclif/core/command'
import type {PJSON} from '@oclif/core/interfaces'

type Flags = Command.Cached['flags']
type Commands = Readonly<Record<string, Command.Cached>>

export interface Manifest {
  readonly version: string
  /** The flags that every command has, in their most common form. */
  readonly globalFlags: Flags
  /** By id, such as `stream:add`; each with the flags that are specific to it. */
  readonly commands: Commands
}

interface Sources {
  readonly root: string
  readonly pjson: PJSON
  /** Ids, such as `stream add`, and their classes. */
  readonly classes: readonly (readonly [id: string, command: object])[]
}

export async function manifestOf({root, pjson, classes}: Sources): Promise<Manifest> {
  const plugin = new Plugin({
    root,
    pjson,
    isRoot: true,
    ignoreManifest: true,
    errorOnManifestCreate: true,
    type: 'core',
  })
  // `oclif.commands` in package.json names a table of loaders; oclif needs the classes, which it recognizes by `run`.
  const byId = Object.fromEntries(
    classes.map(([id, command]) => [id.replaceAll(' ', ':'), Object.assign(command, {run() {}})]),
  )
  Object.assign(plugin, {loadCommandsFromTarget: async () => byId})
  await plugin.load()
  const {commands, version}: {commands: Commands; version: string} = JSON.parse(JSON.stringify(plugin.manifest))
  const globalFlags = flagsOfAll(Object.values(commands))
  const sorted = Object.entries(commands).sort(([a], [b]) => (a < b ? -1 : 1))
  const own = sorted.map(([id, command]) => [id, withOwnFlags(command, globalFlags)] as const)
  return {version, globalFlags, commands: Object.fromEntries(own)}
}

function withOwnFlags(command: Command.Cached, globalFlags: Flags): Command.Cached {
  const own = Object.entries(command.flags).filter(([name, flag]) => !isSame(flag, globalFlags[name]))
  // The defaults that help shows are in the manifest, so no command has to be loaded for them.
  return {...command, hasDynamicHelp: false, flags: Object.fromEntries(own)}
}

function flagsOfAll(commands: readonly Command.Cached[]): Flags {
  const names = Object.keys(commands[0]?.flags ?? {}).filter((name) => commands.every(({flags}) => name in flags))
  const entries = names.map((name) => [name, mostCommon(commands.flatMap(({flags}) => flags[name] ?? []))] as const)
  return Object.fromEntries(entries)
}

function mostCommon<T>(values: readonly T[]): T {
  const counts = new Map<string, number>()
  for (const text of values.map((value) => JSON.stringify(value))) counts.set(text, (counts.get(text) ?? 0) + 1)
  return JSON.parse([...counts].sort(([, a], [, b]) => b - a)[0]?.[0] ?? 'null')
}

const isSame = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b)

/** A line for each flag, so that a lost or changed flag is visible in a diff. */
export function manifestText({globalFlags, commands, ...rest}: Manifest): string {
  const command = ({flags, ...about}: Command.Cached) =>
    `${JSON.stringify(about).slice(0, -1)},"flags":${lines(flags, '  ', JSON.stringify)}}`
  const head = JSON.stringify(rest).slice(0, -1)
  const all = lines(globalFlags, ' ', JSON.stringify)
  return `${head},\n"globalFlags":${all},\n"commands":${lines(commands, '', command)}}\n`
}

function lines<T>(object: Readonly<Record<string, T>>, indent: string, text: (value: T) => string): string {
  const rows = Object.entries(object).map(([key, value]) => `${indent}${JSON.stringify(key)}:${text(value)}`)
  return rows.length === 0 ? '{}' : `{\n${rows.join(',\n')}\n${indent}}`
}
