/** Contexts by name: those of busline first, then those of the NATS CLI, which are read but never changed. */
import {readdirSync, statSync} from 'node:fs'
import {basename, join} from 'node:path'
import {BusError} from '../../core/errors.ts'
import {fileError} from '../../core/file-error.ts'
import {nearest} from '../../core/text/nearest.ts'
import {readTrusted} from '../../core/trusted-file.ts'
import {hasLogin} from '../../transport/schemes.ts'
import {withScheme} from '../../transport/server-urls.ts'
import {type Context, checkContextName, parseFields, readTarget, secretsIn} from './context.ts'
import {configFolder} from './urls.ts'

type Env = NodeJS.ProcessEnv
type Owner = Context['from']

export interface ContextEntry {
  readonly name: string
  readonly from: Owner
  readonly path: string
}

/** The folder of the contexts. */
export function contextFolder(from: Owner, env: Env): string {
  return from === 'busline'
    ? join(configFolder(env), 'busline', 'contexts')
    : join(configFolder(env), 'nats', 'context')
}

/** All available contexts, by name; one of busline hides one of the NATS CLI with the same name. */
export function listEntries(env: Env): ContextEntry[] {
  const found = new Map<string, ContextEntry>()
  for (const from of ['nats', 'busline'] as const) {
    for (const entry of entriesOf(from, env)) found.set(entry.name, entry)
  }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** Whether the NATS CLI has a context with this name, which one of busline hides. */
export function isHidden(name: string, env: Env): boolean {
  return entriesOf('nats', env).some((entry) => entry.name === name)
}

/** The entry of a context. Fails with `notFound`, and suggests the nearest name. */
export function findEntry(name: string, env: Env): ContextEntry {
  checkContextName(name)
  const entries = listEntries(env)
  const entry = entries.find((each) => each.name === name)
  if (entry !== undefined) return entry
  const meant = nearest(
    name,
    entries.map((each) => each.name),
  )
  throw new BusError('notFound', `there is no context ${JSON.stringify(name)}`, {
    try: [...(meant === undefined ? [] : [`--context ${meant}`]), 'bus context ls'],
  })
}

/** A context by name, or by the path of its `.json` file, as in the NATS CLI. Fails with `notFound` or `usage`. */
export function findContext(name: string, env: Env): Context {
  const isPath = /[/\\].*\.json$/i.test(name)
  return readEntry(isPath ? {name: basename(name, '.json'), from: 'nats', path: name} : findEntry(name, env))
}

/** Fails with `usage` for an invalid file. */
export function readEntry(entry: ContextEntry): Context {
  const {fields, unknown} = parseFields(readFile(entry.path), entry.path)
  const holdsSecrets = secretsIn(fields).length > 0 || hasLogin(withScheme(fields.url ?? ''))
  const isLoose = entry.from === 'busline' && holdsSecrets && isOpenToOthers(entry.path)
  return {...entry, ...readTarget(fields, entry.path), fields, isLoose, unknown}
}

function entriesOf(from: Owner, env: Env): ContextEntry[] {
  const folder = contextFolder(from, env)
  const files = readFolder(folder).filter((file) => file.endsWith('.json') && !file.startsWith('.'))
  const entries = files.map((file) => ({name: file.slice(0, -'.json'.length), from, path: join(folder, file)}))
  // The NATS CLI leaves empty files behind.
  return entries.filter(({path}) => (statSync(path, {throwIfNoEntry: false})?.size ?? 0) > 0)
}

function readFolder(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return []
    throw fileError(error, 'read', folder)
  }
}

function readFile(path: string): string {
  try {
    return readTrusted(path, `the context file ${path}`).toString()
  } catch (error) {
    throw fileError(error, 'read', `the context file ${path}`)
  }
}

function isOpenToOthers(path: string): boolean {
  return process.platform !== 'win32' && (statSync(path).mode & 0o077) !== 0
}
