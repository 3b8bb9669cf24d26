/** Writes the contexts of busline, atomically and readable by their owner only. Those of the NATS CLI are never changed. */
import {existsSync, rmSync} from 'node:fs'
import {join} from 'node:path'
import {usedContext, usedFile} from '../../lib/cli/target/bus.ts'
import {type ContextFields, checkContextName} from '../../lib/cli/target/context.ts'
import {contextFolder} from '../../lib/cli/target/context-files.ts'
import {fileError} from '../../lib/core/file-error.ts'
import {saveFile} from '../../lib/core/trusted-file.ts'

type Env = NodeJS.ProcessEnv

/** Returns the path of the file. Fails with `denied`, or with `usage` for an invalid name. */
export function saveContext(name: string, fields: ContextFields, env: Env): string {
  const path = ownPath(name, env)
  saveFile(path, `${JSON.stringify(fields, null, 2)}\n`)
  return path
}

/** Whether busline has a context with this name. */
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
  else saveFile(usedFile(env), `${name}\n`)
}

function ownPath(name: string, env: Env): string {
  return join(contextFolder('busline', env), `${checkContextName(name)}.json`)
}
