/** Folders of reports, records and drafts. */
import {mkdirSync, statSync} from 'node:fs'
import {dirname} from 'node:path'

/** Creates a folder and those above it, for this user only. False if it exists. Node's own recursion never ends in /proc. */
export function makeFolder(path: string): boolean {
  if (statSync(path, {throwIfNoEntry: false})?.isDirectory()) return false
  if (dirname(path) !== path) makeFolder(dirname(path))
  mkdirSync(path, {mode: 0o700})
  return true
}
