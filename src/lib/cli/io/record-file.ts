/** `--record FILE`: the shown messages, as records in a file. */
import {closeSync, writeSync} from 'node:fs'
import {BusError} from '../../core/errors.ts'
import {fileError} from '../../core/file-error.ts'
import type {Message} from '../../core/message.ts'
import {recordWriter} from '../../core/record.ts'
import {openEmpty} from '../../core/trusted-file.ts'

/** Records are written in pieces of this length: a batch may have many megabytes. */
const pieceLength = 1024 * 1024

export interface RecordFile extends Disposable {
  /** The messages are written when it returns. Fails with `denied`, or with `output` on a full disk. */
  record(messages: readonly Message[]): void
  /** Likewise, for records that were written elsewhere: whole lines. */
  recordText(lines: string): void
}

/**
 * Opens a new recording. Fails with `usage` for a file that is not empty, for a pipe and for a symbolic link, and with `denied` for
 * a file of another user.
 */
export function openRecordFile(path: string): RecordFile {
  const fd = guarded(path, () => openEmpty(path))
  const write = recordWriter()
  const put = (text: string) => {
    const bytes = Buffer.from(text)
    for (let at = 0; at < bytes.length; ) at += guarded(path, () => writeSync(fd, bytes, at))
  }
  return {
    record(messages) {
      let text = ''
      for (const message of messages) {
        text += `${write(message)}\n`
        if (text.length < pieceLength) continue
        put(text)
        text = ''
      }
      if (text !== '') put(text)
    },
    recordText: put,
    [Symbol.dispose]: () => closeSync(fd),
  }
}

function guarded<T>(path: string, write: () => T): T {
  try {
    return write()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw fileError(error, 'write', path)
    throw new BusError('usage', `${path} already contains a recording`, {
      try: ['another name'],
      cause: error,
    })
  }
}
