/**
 * Files that control what is done, or that contain secrets: contexts, credentials, keys, check files, recordings, reports. In a
 * shared folder, another user may have put something else in their place: a pipe that never ends, a link to another file, a
 * file of their own. None of these is read or written.
 */
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  writeFileSync,
  writeSync,
} from 'node:fs'
import {dirname} from 'node:path'
import {BusError} from './errors.ts'
import {fileError} from './file-error.ts'
import {makeFolder} from './folder.ts'

type Verb = 'read' | 'write'

// It does not wait for the other end of a pipe, and does not exist on Windows.
const {O_NONBLOCK = 0, O_NOFOLLOW = 0} = constants

/**
 * Reads a regular file of this user or root. Fails with `usage` or `denied` for any other, naming it as `name`, and as the
 * system does.
 */
export function readTrusted(path: string, name = path): Buffer {
  const fd = openSync(path, constants.O_RDONLY | O_NONBLOCK)
  try {
    checkTrusted(fstatSync(fd), 'read', name)
    return readFileSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Throws `usage` unless it is a regular file, `denied` if it belongs to another user. Root may use the files of all users. */
export function checkTrusted(stat: Stats, verb: Verb, name: string): void {
  if (!stat.isFile()) throw new BusError('usage', `cannot ${verb} ${name}: it is ${fileKind(stat)}, not a regular file`)
  if (!isForeign(stat)) return
  throw new BusError('denied', `cannot ${verb} ${name}: it belongs to another user (uid ${stat.uid})`, {
    try: [verb === 'read' ? 'make a copy of your own with cp' : 'a folder where only you can write'],
  })
}

/** Whether a file belongs to neither this user nor root. Never true for root, and on Windows. */
function isForeign({uid}: Pick<Stats, 'uid'>): boolean {
  const own = process.geteuid?.() ?? 0
  return own !== 0 && uid !== own && uid !== 0
}

/** In words, with an article. */
export function fileKind(stat: Stats): string {
  if (stat.isDirectory()) return 'a folder'
  if (stat.isFIFO()) return 'a named pipe'
  if (stat.isSymbolicLink()) return 'a symbolic link'
  return stat.isSocket() ? 'a socket' : 'a device'
}

/**
 * Opens a file for writing that only its owner can read: a new one, or an empty one of this user. Never follows a symbolic
 * link. Devices are allowed, pipes are not. Fails as `checkTrusted` and the system do; with EEXIST for a file that is not empty.
 */
export function openEmpty(path: string): number {
  const flags = constants.O_WRONLY | O_NONBLOCK | O_NOFOLLOW
  try {
    return openSync(path, flags | constants.O_CREAT | constants.O_EXCL, 0o600)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  const fd = openWithoutWaiting(path, flags)
  try {
    const stat = fstatSync(fd)
    if (!stat.isCharacterDevice()) checkTrusted(stat, 'write', path)
    if (stat.size === 0) return fd
    throw Object.assign(new Error('file already exists'), {code: 'EEXIST'})
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

/** Replaces a file of this user, and creates its folder. Fails as `fileError` says. */
export function saveFile(path: string, text: string): void {
  try {
    makeFolder(dirname(path))
    replaceFile(path, text)
  } catch (error) {
    throw fileError(error, 'write', path)
  }
}

/** Replaces a file atomically, never through a link. Fails as the system does. */
export function replaceFile(path: string, content: string | Uint8Array, mode = 0o600): void {
  const beside = `${path}.${process.pid}-${Math.random().toString(36).slice(2, 10)}.part`
  try {
    writeFileSync(beside, content, {mode, flag: 'wx', flush: true})
    renameSync(beside, path)
  } catch (error) {
    rmSync(beside, {force: true})
    throw error
  }
}

const patienceMs = 5000

/**
 * Opens anything that is not a regular file, such as /dev/stderr, and returns a function that writes all data and closes it.
 * Fails with `usage` for a pipe without a reader, and as the system does.
 */
export function openInPlace(path: string): (content: string) => void {
  const fd = openWithoutWaiting(path, constants.O_WRONLY | O_NONBLOCK)
  return (content) => writeAll(fd, path, content)
}

function writeAll(fd: number, path: string, content: string): void {
  try {
    const bytes = Buffer.from(content)
    let untilMs = performance.now() + patienceMs
    for (let at = 0; at < bytes.length; ) {
      try {
        at += writeSync(fd, bytes, at)
        untilMs = performance.now() + patienceMs
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
        if (performance.now() > untilMs) throw unread(path, error)
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
      }
    }
  } finally {
    closeSync(fd)
  }
}

function openWithoutWaiting(path: string, flags: number): number {
  try {
    return openSync(path, flags)
  } catch (error) {
    const {code} = error as NodeJS.ErrnoException
    if (code === 'ENXIO') throw unread(path, error)
    if (code !== 'ELOOP') throw error
    throw new BusError('usage', `cannot write ${path}: it is a symbolic link`, {
      try: ['the path that it points to'],
      cause: error,
    })
  }
}

function unread(path: string, cause: unknown): BusError {
  return new BusError('usage', `cannot write ${path}: it is a pipe or a socket that nobody reads`, {cause})
}
