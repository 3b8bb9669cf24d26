/**
 * The file to which a backup is written. Only one process writes at a time: it creates `FILE.lock` beside it, with its process id and host name.
 * The lock of a process that was killed is removed.
 */
import {constants, type FileHandle, lstat, open, readFile, rename, rm, writeFile} from 'node:fs/promises'
import {hostname} from 'node:os'
import {BusError} from '../../core/errors.ts'
import {fileError} from '../../core/file-error.ts'
import {sleep} from '../../core/time/timer.ts'
import {checkTrusted} from '../../core/trusted-file.ts'

// Windows has no such flag.
const {O_NOFOLLOW: noFollow = 0} = constants

export class BackupTarget implements AsyncDisposable {
  readonly #path: string
  readonly #lock: string
  #file: FileHandle | undefined
  /** The size of the existing file; 0 if there is none. */
  readonly size: number

  constructor(path: string, lock: string, size: number) {
    this.#path = path
    this.#lock = lock
    this.size = size
  }

  /** Opens the file and truncates it to this length. Fails as `fileError` and `checkTrusted` say. */
  async open(length: number): Promise<FileHandle> {
    try {
      this.#file = await open(this.#path, constants.O_RDWR | constants.O_CREAT | noFollow, 0o600)
      checkTrusted(await this.#file.stat(), 'write', this.#path)
      await this.#file.truncate(length)
      return this.#file
    } catch (error) {
      throw fileError(error, 'write', this.#path)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file?.close()
    await rm(this.#lock, {force: true})
  }
}

/** Fails with `usage` if it is not a regular file, with `denied` while another process is writing it, and as `fileError` says. */
export async function lockTarget(path: string): Promise<BackupTarget> {
  const found = await lstat(path).catch((error) => {
    if (error.code === 'ENOENT') return undefined
    throw fileError(error, 'write', path)
  })
  if (found !== undefined) checkTrusted(found, 'write', path)
  const lock = `${path}.lock`
  await createLock(path, lock)
  return new BackupTarget(path, lock, await sizeNow(path))
}

/** Another process may have written it before this one had the lock. */
async function sizeNow(path: string): Promise<number> {
  return (await lstat(path).catch(() => undefined))?.size ?? 0
}

async function createLock(path: string, lock: string): Promise<void> {
  const own = `${process.pid} ${hostname()}\n`
  for (;;) {
    try {
      return await writeFile(lock, own, {flag: 'wx', mode: 0o600})
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw fileError(error, 'write', path)
    }
    const text = await holderOf(lock)
    const [pid = '', host = ''] = text.trim().split(' ')
    if (text !== '' && (host !== hostname() || isRunning(Number(pid))))
      throw new BusError('denied', `another process is writing ${path}: ${pid} on ${host}`, {
        data: {pid: Number(pid), host},
        try: ['another file', `if that process no longer runs: remove ${lock}`],
      })
    // It is renamed first, so that only one of several processes removes it.
    const gone = `${lock}.${process.pid}`
    await rename(lock, gone).catch(() => {})
    await rm(gone, {force: true})
  }
}

/** The text of a lock. Retries while it is empty: another process may have created it and not written it yet. */
async function holderOf(lock: string): Promise<string> {
  for (let tries = 0; ; tries++) {
    const text = await readFile(lock, 'utf8').catch((error) => {
      if (error.code !== 'ENOENT') throw fileError(error, 'read', lock)
      return ''
    })
    if (text !== '' || tries === 3) return text
    await sleep(50)
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
