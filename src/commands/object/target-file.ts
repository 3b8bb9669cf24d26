/** A file that appears under its name once it is complete: until then it has another name, and is removed if it is not kept. */
import {existsSync} from 'node:fs'
import {open, rename, rm} from 'node:fs/promises'
import {BusError} from '../../lib/core/errors.ts'
import {fileError} from '../../lib/core/file-error.ts'

export interface TargetFile extends AsyncDisposable {
  write(bytes: Uint8Array): Promise<void>
  keep(): Promise<void>
}

/** Fails with `usage` if the file exists, unless it may be replaced, or cannot be written. */
export async function openTarget(path: string, replace: boolean): Promise<TargetFile> {
  if (!replace && existsSync(path))
    throw new BusError('usage', `there is a file ${path}: it was not replaced`, {try: ['--force', '--output PATH']})
  const partial = `${path}.${process.pid}.part`
  const translated = (error: unknown) => {
    throw fileError(error, 'write', path)
  }
  const file = await open(partial, 'wx').catch(translated)
  let isKept = false
  return {
    async write(bytes) {
      for (let done = 0; done < bytes.length; ) done += (await file.write(bytes, done).catch(translated)).bytesWritten
    },
    async keep() {
      await file.close().catch(translated)
      await rename(partial, path).catch(translated)
      isKept = true
    },
    async [Symbol.asyncDispose]() {
      if (isKept) return
      await file.close().catch(() => {})
      await rm(partial, {force: true})
    },
  }
}
