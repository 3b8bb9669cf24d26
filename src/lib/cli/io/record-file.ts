/** `--record FILE`: what was shown, as records, in a file of its own. */
import {closeSync, openSync, statSync, writeSync} from 'node:fs'
import {BusError} from '../../core/errors.ts'
import type {Message} from '../../core/message.ts'
import {recordWriter} from '../../core/record.ts'
import {fileError} from './input.ts'

export interface Tape extends Disposable {
  /** Written when it returns. Fails with `denied`, as on a full disk. */
  record(messages: readonly Message[]): void
}

/**
 * Opens a new tape. A file with something in it is refused with `usage`: neither a mixed tape nor a lost one is what
 * anybody wants.
 */
export function openTape(path: string): Tape {
  const size = statSync(path, {throwIfNoEntry: false})?.size ?? 0
  if (size > 0) {
    throw new BusError('usage', `${path} already contains a recording`, {try: ['another name', `rm ${path}`]})
  }
  const fd = guarded(path, () => openSync(path, 'w', 0o600))
  const write = recordWriter()
  return {
    record(messages) {
      let text = ''
      for (const message of messages) text += `${write(message)}\n`
      const bytes = Buffer.from(text)
      for (let at = 0; at < bytes.length; ) at += guarded(path, () => writeSync(fd, bytes, at))
    },
    [Symbol.dispose]: () => closeSync(fd),
  }
}

function guarded<T>(path: string, write: () => T): T {
  try {
    return write()
  } catch (error) {
    throw fileError(error, 'write', path)
  }
}
