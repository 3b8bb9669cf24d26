/**
 * The file into which a backup is written. Only one process writes at a time: it creates `FILE.lock` beside it, with its number and its host.
 * What is left of a process that was killed is removed.
 */
import {constants, type FileHandle, lstat, open, readFile, rename, rm, writeFile} from 'node:fs/promises'
import {hostname} from 'node:os'
import {BusError} from '../../core/errors.ts'
import {fileError} from '../../core/file-error.ts'
import {sleep} from '../../core/time/timer.ts'
import {checkTrusted} from '../../core/trusted-file.ts'

// It does not exist on Windows.
const {O_NOFOLLOW: noFollow = 0} = constants

export class BackupTarget implements AsyncDisposable {
  readonly #path: string
  readonly #lock: string
  #file: FileHandle | undefined
  /** Of what is there; 0 if there is nothing. */
  readonly size: number

  constructor(path: string, lock: string, size: number) {
    this.#path = path
    this.#lock = lock
    this.size = size
  }

  /** Opens it, with this many bytes of what is there. Fails as `fileError` says, and as `checkTrusted`. */
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

/** Fails with `usage` for what is no regular file, with `denied` while another process writes it, and as `fileError` says. */
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

/** Another process may have written it before we had the lock. */
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
      throw new BusError('denied', `another process writes ${path}: ${pid} on ${host}`, {
        data: {pid: Number(pid), host},
        try: ['another file', `if that is not so: remove ${lock}`],
      })
    // By renaming it only one of several processes removes it.
    const gone = `${lock}.${process.pid}`
    await rename(lock, gone).catch(() => {})
    await rm(gone, {force: true})
  }
}

/** The text of a lock. Another process may be about to write it. */
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
