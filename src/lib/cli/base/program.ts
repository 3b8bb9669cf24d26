import {accessSync, constants, statSync} from 'node:fs'
import {delimiter, join} from 'node:path'
import {BusError} from '../../core/errors.ts'

/** Checks that the program after `--exec --` can be run, before the first message needs it. Throws `usage`. */
export function checkProgram(argv: readonly string[], path: string): void {
  const [file = ''] = argv
  const places = file.includes('/') ? [file] : path.split(delimiter).map((folder) => join(folder || '.', file))
  if (process.platform === 'win32' || places.some(isProgram)) return
  const where = file.includes('/') ? 'it does not exist' : 'it is not on the PATH'
  throw new BusError('usage', `cannot run ${JSON.stringify(file)}: ${where}, or is not executable`, {
    try: ['the program and its arguments as separate words', "--exec -- sh -c '…', if a shell should run it"],
  })
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    // The caller reports the program.
    return false
  }
}
