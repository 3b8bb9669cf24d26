/**
 * Checks the owners of a database's files. In a folder where other users can write, one of them may have put a log beside the
 * database, in order to read what is written there, or a pipe, on which SQLite would wait forever. So each must be a regular
 * file of this user, of root, of the owner of the database, or of the group that the database is shared with.
 */
import {lstatSync, readFileSync, realpathSync, type Stats, statSync} from 'node:fs'
import {dirname} from 'node:path'
import {BusError} from '../../core/errors.ts'
import {fileKind} from '../../core/trusted-file.ts'

const groupWrites = 0o020
const othersWrite = 0o002

/**
 * Fails with `connect` or `denied` before anything is opened. `full` need not exist; `path` is its name in the error. A file
 * that is only read may belong to another user, unless it is in a folder where anyone can write.
 */
export function checkDatabaseFiles(full: string, path: string, isReading = false): void {
  const link = statOf(full)
  const main = link?.isSymbolicLink() ? statSync(full, {throwIfNoEntry: false}) : link
  if (link === undefined || main === undefined) {
    // A dangling link is reported by the caller.
    checkParts(full, path, undefined)
    return
  }
  const real = link.isSymbolicLink() ? realpathSync.native(full) : full
  if (!main.isFile() && !main.isDirectory()) throw irregular(path, main)
  if (process.geteuid === undefined) return
  if (link !== main && ![process.geteuid(), 0, main.uid].includes(link.uid)) throw foreign(path, link)
  if (isForeignDatabase(real, main, isReading)) throw foreign(path, main)
  checkParts(real, path, main)
}

function checkParts(real: string, path: string, main: Stats | undefined): void {
  for (const suffix of ['-wal', '-shm', '-journal', '.bells']) {
    const stat = statOf(real + suffix)
    if (stat === undefined) continue
    // Wake files contain no data, and are not used if their folder is not a folder.
    if (suffix === '.bells' && !stat.isDirectory()) continue
    if (suffix !== '.bells' && !stat.isFile()) throw irregular(path + suffix, stat)
    if (isForeignPart(stat, main)) throw foreign(path + suffix, stat)
  }
}

/** If anyone can write there, sharing with a group has no meaning, and root too uses only its own files. */
function isForeignDatabase(real: string, main: Stats, isReading: boolean): boolean {
  const own = process.geteuid?.() ?? 0
  if (main.uid === own || main.uid === 0) return false
  if ((statSync(dirname(real)).mode & othersWrite) !== 0) return true
  return own !== 0 && !isReading && !isShared(main)
}

function isForeignPart(stat: Stats, main: Stats | undefined): boolean {
  if (process.geteuid === undefined || [process.geteuid(), 0, main?.uid].includes(stat.uid)) return false
  return main === undefined || !isShared(main) || stat.gid !== main.gid
}

/** Shared with a group that this user belongs to; root belongs to all. */
function isShared({mode, gid}: Stats): boolean {
  if ((mode & groupWrites) === 0) return false
  return process.geteuid?.() === 0 || process.getegid?.() === gid || (process.getgroups?.() ?? []).includes(gid)
}

function statOf(path: string): Stats | undefined {
  return lstatSync(path, {throwIfNoEntry: false})
}

function irregular(path: string, stat: Stats): BusError {
  return new BusError('connect', `${path} is ${fileKind(stat)}, not a regular file`, {
    try: ['another path: --bus ./bus.db'],
  })
}

function foreign(path: string, {uid}: Stats): BusError {
  return new BusError('denied', `${path} belongs to another user (uid ${uid})`, {
    try: [
      'a bus file in a folder where only you can write',
      'to share one: a group that may write, and a folder of that group',
    ],
  })
}

/**
 * SQLite puts the log of a file beside the name by which it was opened: two names, other than through a symbolic link, mean two
 * logs of one file, each of which would destroy the content of the other.
 */
export function checkOneName(path: string, real: string): void {
  if (statSync(real).nlink > 1) {
    throw new BusError('connect', `${path} has a second name (a hard link), and a bus file must have only one`, {
      try: ['a symbolic link instead: ln -s', `a copy of its own: sqlite3 '${path}' "VACUUM INTO 'copy.db'"`],
    })
  }
  if (isMountPoint(real)) {
    throw new BusError('connect', `${path} is mounted as a single file, without the log beside it`, {
      try: ['mount the folder that contains it'],
    })
  }
}

function isMountPoint(real: string): boolean {
  if (process.platform !== 'linux') return false
  try {
    const escaped = real.replace(/[\s\\]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`)
    return readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${escaped} `)
  } catch {
    return false
  }
}
