import {mkdirSync, statSync} from 'node:fs'
import {dirname} from 'node:path'

/** Creates a folder and those above it, for this user only. False if it exists. Node's own recursion never ends in /proc. */
export function makeFolder(path: string): boolean {
  if (isFolder(path)) return false
  if (dirname(path) !== path) makeFolder(dirname(path))
  try {
    mkdirSync(path, {mode: 0o700})
    return true
  } catch (error) {
    // Another process created it in the meantime.
    if (isFolder(path)) return false
    throw error
  }
}

function isFolder(path: string): boolean {
  return statSync(path, {throwIfNoEntry: false})?.isDirectory() === true
}
