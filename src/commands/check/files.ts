/** Finds check files and loads them. */
import {globSync, readdirSync, statSync} from 'node:fs'
import {dirname, join} from 'node:path'
import type {CheckFile} from '../../lib/checks/check.ts'
import {loadFile} from '../../lib/checks/load.ts'
import {type FileFault, longestYaml} from '../../lib/checks/yaml.ts'
import {BusError} from '../../lib/core/errors.ts'
import {fileError} from '../../lib/core/file-error.ts'
import {readTrusted} from '../../lib/core/trusted-file.ts'

const defaultFolder = 'checks'

/**
 * The check files that the arguments name: files, folders with YAML files, globs; by default the folder `checks`.
 * Without duplicates, in order. Fails with `notFound` for an argument that names no file.
 */
export function findFiles(words: readonly string[]): string[] {
  if (words.length === 0 && !exists(defaultFolder)) {
    throw new BusError('usage', `no check files given, and there is no folder "${defaultFolder}"`, {
      try: ['bus check FILE', 'bus check init'],
    })
  }
  const paths = (words.length === 0 ? [defaultFolder] : words).flatMap(pathsOf)
  return [...new Set(paths)]
}

/** The folders that contain these files, and whether their subfolders do too. */
export function foldersOf(words: readonly string[]): Map<string, boolean> {
  const folders = new Map<string, boolean>()
  for (const word of words.length === 0 ? [defaultFolder] : words) {
    const [fixed = ''] = word.split(/[*?[{]/)
    const isFolder = statSync(word, {throwIfNoEntry: false})?.isDirectory() ?? false
    const folder = isFolder ? word : dirname(fixed === word ? word : `${fixed}x`)
    if (exists(folder)) folders.set(folder, folders.get(folder) || isFolder || fixed !== word)
  }
  return folders
}

/** Loads all files. If any has errors, reports all of them and fails with `usage`. */
export async function loadFiles(
  paths: readonly string[],
  given: readonly string[],
  tell: (line: string) => void,
): Promise<CheckFile[]> {
  const files: CheckFile[] = []
  const wrong: BusError[] = []
  for (const path of paths) {
    try {
      files.push(await loadFile(path, textOf(path), given))
    } catch (error) {
      if (!(error instanceof BusError)) throw error
      wrong.push(error)
    }
  }
  const [first] = wrong
  if (first === undefined) return files
  const lines = wrong.flatMap(linesOf)
  if (lines.length > 1) for (const line of lines) tell(line)
  if (wrong.length === 1) throw first
  throw new BusError('usage', `${wrong.length} of ${paths.length} files have errors, so nothing was run`, {
    try: first.try,
    data: {files: wrong.map(({message, data}) => data ?? {sentence: message})},
  })
}

function pathsOf(word: string): string[] {
  if (exists(word)) return statSync(word).isDirectory() ? yamlIn(word) : [word]
  const found = /[*?[{]/.test(word) ? globSync(word).sort() : []
  if (found.length > 0) return found
  throw new BusError('notFound', `no file, folder or glob matches "${word}"`, {try: ['bus check init']})
}

function yamlIn(folder: string): string[] {
  const found = readdirSync(folder, {recursive: true, encoding: 'utf8'})
  const files = found.filter((path) => /\.ya?ml$/.test(path) && !/(^|[/\\])(\.|node_modules[/\\])/.test(path))
  if (files.length > 0) return files.sort().map((path) => join(folder, path))
  throw new BusError('notFound', `the folder "${folder}" has no .yaml files`, {try: ['bus check init']})
}

function exists(path: string): boolean {
  return statSync(path, {throwIfNoEntry: false}) !== undefined
}

function textOf(path: string): string {
  const size = statSync(path, {throwIfNoEntry: false})?.size ?? 0
  if (size > longestYaml) {
    throw new BusError('usage', `the file "${path}" is ${size} bytes long; a check file may be at most ${longestYaml}`)
  }
  try {
    return readTrusted(path).toString()
  } catch (error) {
    throw fileError(error, 'read', path)
  }
}

/** `checks/a.yaml:3:5: unknown key "expct"` for each fault. */
function linesOf({message, data}: BusError): string[] {
  const {file, faults} = (data ?? {}) as {file?: string; faults?: readonly FileFault[]}
  if (file === undefined || faults === undefined) return [message]
  return faults.map(({line, column, sentence}) => `${file}:${line}:${column}: ${sentence}`)
}
