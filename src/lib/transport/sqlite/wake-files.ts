/**
 * How a process learns that another one committed: after COMMIT the publisher writes one byte to a small file that the
 * subscribers watch. Sixteen shared bells by the first token of the subject, and one for each client's inbox. The `-wal`
 * file itself is no bell: it changes before the commit can be seen. A bell is a hint; what it misses (a publisher killed
 * between COMMIT and the ring, a file system that tells nothing) the safety poll of the reader finds.
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
/** Watching so many shared bells one by one costs more than watching the folder. */
const mostWatched = 4
const byte = new Uint8Array([0x21])

export class Bells {
  readonly #folder: string
  readonly #fds = new Map<string, number>()
  readonly #watchers = new Map<string, FSWatcher>()
  #own: string | undefined

  constructor(path: string) {
    this.#folder = `${path}.bells`
  }

  /** Makes the folder. Fails when it is a symbolic link, which another user could point anywhere. */
  prepare(): void {
    try {
      mkdirSync(this.#folder, {mode: 0o700})
    } catch {
      if (!lstatSync(this.#folder, {throwIfNoEntry: false})?.isDirectory()) {
        throw new BusError('connect', `${this.#folder} is not a folder`, {try: ['remove it: busline makes its own']})
      }
    }
  }

  /** Rings after a COMMIT; a bell that cannot be rung is left to the safety poll. */
  ring(bell: string): void {
    const fd = this.#fds.get(bell) ?? this.#open(bell)
    if (fd === undefined) return
    try {
      writeSync(fd, byte, 0, 1, 0)
    } catch {
      this.#fds.delete(bell)
      closeSync(fd)
    }
  }

  /** Calls `heard` after each ring of these bells; of all of them when there are many, or none is named. */
  listen(bells: readonly string[] | 'all', heard: () => void): void {
    this.prepare()
    if (this.#watchers.has('')) return
    const watched = new Set([...this.#watchers.keys(), ...(bells === 'all' ? [] : bells)])
    if (bells !== 'all' && watched.size <= mostWatched) {
      for (const bell of bells) this.#watch(bell, heard)
      return
    }
    this.#watch('', heard)
    for (const [bell, watcher] of this.#watchers) {
      if (bell === '') continue
      watcher.close()
      this.#watchers.delete(bell)
    }
  }

  /** Makes this client's inbox bell, to be removed when it leaves. */
  makeInbox(id: number): void {
    this.#own = inboxBell(id)
    this.prepare()
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
      // Somebody tidied up before us.
    }
  }

  #watch(bell: string, heard: () => void): void {
    if (this.#watchers.has(bell)) return
    if (bell !== '') this.#open(bell, constants.O_CREAT)
    try {
      const watcher = watch(join(this.#folder, bell), heard)
      watcher.on('error', () => watcher.close())
      this.#watchers.set(bell, watcher)
    } catch {
      // Out of watches, or a file system without them: the safety poll is what remains.
    }
  }

  /** An inbox bell that is not there belongs to a client that left: it is not made again. */
  #open(bell: string, create = bell.startsWith('in-') ? 0 : constants.O_CREAT): number | undefined {
    const have = this.#fds.get(bell)
    if (have !== undefined) return have
    if (!this.#isOurFolder()) return undefined
    // Whatever else lies there under this name, we neither follow it nor wait for it.
    const flags = constants.O_WRONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | create
    const fd = openQuietly(join(this.#folder, bell), flags) ?? this.#openAgain(bell, flags, create)
    if (fd === undefined) return undefined
    this.#forgetInboxes()
    this.#fds.set(bell, fd)
    return fd
  }

  #openAgain(bell: string, flags: number, create: number): number | undefined {
    if (create === 0) return undefined
    this.prepare()
    return openQuietly(join(this.#folder, bell), flags)
  }

  /** False when it is a symbolic link: what we write would land elsewhere. */
  #isOurFolder(): boolean {
    return lstatSync(this.#folder, {throwIfNoEntry: false})?.isSymbolicLink() !== true
  }

  #forgetInboxes(): void {
    if (this.#fds.size < shared + mostInboxes) return
    for (const [bell, fd] of this.#fds) {
      if (!bell.startsWith('in-') || bell === this.#own) continue
      closeSync(fd)
      this.#fds.delete(bell)
    }
  }
}

/** The bell of a subject, by its first token. */
export function bellOf(subject: string): string {
  let hash = 0
  for (let i = 0; i < subject.length; i++) {
    const code = subject.charCodeAt(i)
    if (code === 0x2e) break
    hash = (Math.imul(hash, 31) + code) | 0
  }
  return String((hash >>> 0) % shared).padStart(2, '0')
}

export function inboxBell(id: number): string {
  return `in-${id.toString(36)}`
}

function openQuietly(path: string, flags: number): number | undefined {
  try {
    return openSync(path, flags, 0o600)
  } catch {
    return undefined
  }
}
