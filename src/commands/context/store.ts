/** Writes the contexts of busline, atomically and readable by their owner only. Those of the NATS CLI are never changed. */
import {closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync} from 'node:fs'
import {dirname, join} from 'node:path'
import {fileError} from '../../lib/cli/io/input.ts'
import {usedContext, usedFile} from '../../lib/cli/target/bus.ts'
import {type ContextFields, checkName} from '../../lib/cli/target/context.ts'
import {contextFolder} from '../../lib/cli/target/context-files.ts'

type Env = NodeJS.ProcessEnv

/** Returns the path of the file. Fails with `denied`, or with `usage` for an invalid name. */
export function saveContext(name: string, fields: ContextFields, env: Env): string {
  const path = ownPath(name, env)
  replaceFile(path, `${JSON.stringify(fields, null, 2)}\n`)
  return path
}

/** Whether busline has a context of this name. */
export function hasOwn(name: string, env: Env): boolean {
  return existsSync(ownPath(name, env))
}

/** Removes a context. Returns true if it was the selected one; then none is selected. Fails with `denied`. */
export function removeContext(name: string, env: Env): boolean {
  const path = ownPath(name, env)
  try {
    rmSync(path)
  } catch (error) {
    throw fileError(error, 'remove', path)
  }
  if (usedContext(env) !== name) return false
  useContext(undefined, env)
  return true
}

/** Selects the context to use by default; undefined for none. */
export function useContext(name: string | undefined, env: Env): void {
  if (name === undefined) rmSync(usedFile(env), {force: true})
  else replaceFile(usedFile(env), `${name}\n`)
}

function ownPath(name: string, env: Env): string {
  return join(contextFolder('busline', env), `${checkName(name)}.json`)
}

function replaceFile(path: string, text: string): void {
  const temporary = join(dirname(path), `.${process.pid}.tmp`)
  try {
    mkdirSync(dirname(path), {recursive: true, mode: 0o700})
    // A leftover of an earlier process with this id: never write through an existing file or link.
    rmSync(temporary, {force: true})
    const fd = openSync(temporary, 'wx', 0o600)
    try {
      writeFileSync(fd, text)
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, {force: true})
    throw fileError(error, 'write', path)
  }
}
