/**
 * Wakes other processes after a commit: the publisher writes one byte to a small file that the subscribers watch. There are
 * sixteen shared files, chosen by the first token of the subject, and one for each client's inbox. The `-wal` file itself is
 * not suitable: it changes before the commit is visible. A wake-up is a hint; the poll of the change watcher finds commits
 * whose wake-up was missed (a publisher killed between COMMIT and the write, a file system that reports nothing).
 */
import {
  closeSync,
  constants,
  type FSWatcher,
  lstatSync,
  mkdirSync,
  openSync,
  unlinkSync,
  watch,
  writeSync,
} from 'node:fs'
import {join} from 'node:path'
import {BusError} from '../../core/errors.ts'

const shared = 16
const mostInboxes = 64
/** Watching more shared files than this one by one costs more than watching the folder. */
const mostWatched = 4
const byte = new Uint8Array([0x21])

export class WakeFiles {
  readonly #folder: string
  readonly #isReadOnly: boolean
  readonly #fds = new Map<string, number>()
  readonly #watchers = new Map<string, FSWatcher>()
  #own: string | undefined

  /** For the bus file at `path`. With `isReadOnly` nothing is created, and polling finds the commits. */
  constructor(path: string, isReadOnly = false) {
    this.#folder = `${path}.bells`
    this.#isReadOnly = isReadOnly
  }

  /** Wakes the watchers of this file after a COMMIT; if it cannot be written, their poll finds the commit. */
  touch(name: string): void {
    const fd = this.#fds.get(name) ?? this.#open(name)
    if (fd === undefined) return
    try {
      writeSync(fd, byte, 0, 1, 0)
    } catch {
      this.#fds.delete(name)
      closeSync(fd)
    }
  }

  /** Calls `touched` after each touch of these files, or of any file if there are many or none is named. */
  watch(names: readonly string[] | 'all', touched: () => void): void {
    if (this.#isReadOnly) return
    this.#makeFolder()
    if (this.#watchers.has('')) return
    const watched = new Set([...this.#watchers.keys(), ...(names === 'all' ? [] : names)])
    if (names !== 'all' && watched.size <= mostWatched) {
      for (const name of names) this.#watch(name, touched)
      return
    }
    this.#watch('', touched)
    for (const [name, watcher] of this.#watchers) {
      if (name === '') continue
      watcher.close()
      this.#watchers.delete(name)
    }
  }

  /** Touches a file that this process watches, if there is one. */
  touchWatched(): void {
    const [name] = this.#watchers.keys()
    if (name !== undefined) this.touch(name === '' ? wakeFileOf('') : name)
  }

  /** Creates the file of this client's inbox, which is removed when it closes. */
  makeInbox(id: number): void {
    this.#own = inboxWakeFile(id)
    this.#makeFolder()
    this.#open(this.#own, constants.O_CREAT)
  }

  close(): void {
    for (const watcher of this.#watchers.values()) watcher.close()
    for (const fd of this.#fds.values()) closeSync(fd)
    this.#watchers.clear()
    this.#fds.clear()
    if (this.#own === undefined) return
    try {
      unlinkSync(join(this.#folder, this.#own))
    } catch {
      // Another process removed it first.
    }
  }

  /** Fails if it is a symbolic link, which another user could point anywhere. */
  #makeFolder(): void {
    try {
      mkdirSync(this.#folder, {mode: 0o700})
    } catch {
      if (!lstatSync(this.#folder, {throwIfNoEntry: false})?.isDirectory()) {
        throw new BusError('connect', `${this.#folder} is not a folder`, {try: ['remove it: busline creates its own']})
      }
    }
  }

  #watch(name: string, touched: () => void): void {
    if (this.#watchers.has(name)) return
    if (name !== '') this.#open(name, constants.O_CREAT)
    try {
      const watcher = watch(join(this.#folder, name), touched)
      watcher.on('error', () => watcher.close())
      this.#watchers.set(name, watcher)
    } catch {
      // Out of watches, or a file system without them: the poll remains.
    }
  }

  /** A missing inbox file belongs to a client that has left: it is not created again. */
  #open(name: string, create = name.startsWith('in-') ? 0 : constants.O_CREAT): number | undefined {
    const have = this.#fds.get(name)
    if (have !== undefined) return have
    // If the folder is a symbolic link, our writes would go elsewhere.
    if (lstatSync(this.#folder, {throwIfNoEntry: false})?.isSymbolicLink() === true) return undefined
    // Whatever has this name there, we neither follow it nor wait for it.
    const flags = constants.O_WRONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | create
    const fd = openQuietly(join(this.#folder, name), flags) ?? this.#openAgain(name, flags, create)
    if (fd === undefined) return undefined
    if (this.#fds.size >= shared + mostInboxes) this.#closeInboxes()
    this.#fds.set(name, fd)
    return fd
  }

  #openAgain(name: string, flags: number, create: number): number | undefined {
    if (create === 0) return undefined
    this.#makeFolder()
    return openQuietly(join(this.#folder, name), flags)
  }

  #closeInboxes(): void {
    for (const [name, fd] of this.#fds) {
      if (!name.startsWith('in-') || name === this.#own) continue
      closeSync(fd)
      this.#fds.delete(name)
    }
  }
}

/** The shared wake file of a subject, by its first token. */
export function wakeFileOf(subject: string): string {
  let hash = 0
  for (let i = 0; i < subject.length; i++) {
    const code = subject.charCodeAt(i)
    if (code === 0x2e) break
    hash = (Math.imul(hash, 31) + code) | 0
  }
  return String((hash >>> 0) % shared).padStart(2, '0')
}

/** The wake file of a client's inbox. */
export function inboxWakeFile(id: number): string {
  return `in-${id.toString(36)}`
}

function openQuietly(path: string, flags: number): number | undefined {
  try {
    return openSync(path, flags, 0o600)
  } catch {
    return undefined
  }
}
