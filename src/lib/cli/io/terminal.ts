/** The standard files without Node's stream objects, which cost more to create than all the rest of a one-shot command. */
import {fstatSync, type Stats, statSync, writeSync} from 'node:fs'
import {BusError} from '../../core/errors.ts'
import {isFull} from '../../core/file-error.ts'
import {terminalText} from '../render/printable.ts'

/** Whether this descriptor is a terminal. */
export function isTerminal(fd: number): boolean {
  try {
    // node:tty loads all of Node's networking; a pipe, a file or /dev/null can be recognised without it.
    const file = fstatSync(fd)
    return file.isCharacterDevice() && !isNull(file) && process.getBuiltinModule('node:tty').isatty(fd)
  } catch {
    // A closed descriptor is not a terminal.
    return false
  }
}

/** Whether output goes to a file or to /dev/null, and so never appears on a terminal. */
export function hasFile(fd: number): boolean {
  try {
    const file = fstatSync(fd)
    return file.isFile() || isNull(file)
  } catch {
    return true
  }
}

function isNull({rdev}: Stats): boolean {
  return statSync('/dev/null', {throwIfNoEntry: false})?.rdev === rdev
}

/** Whether to use colour: `--no-color`, then NO_COLOR, FORCE_COLOR, else only on a terminal. */
export function wantsColour(fd: number, noColour: boolean, env: NodeJS.ProcessEnv): boolean {
  if (noColour || env['NO_COLOR']) return false
  const forced = env['FORCE_COLOR']
  if (forced !== undefined) return forced !== '0' && forced !== 'false'
  return env['TERM'] !== 'dumb' && isTerminal(fd)
}

/** Writes all data before it returns. False if the reader is gone; fails with `output` if writing fails. */
export function writeAll(fd: number, data: string | Uint8Array): boolean {
  let rest = typeof data === 'string' ? Buffer.from(data) : data
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(fd, rest))
    } catch (error) {
      const {code} = error as NodeJS.ErrnoException
      if (code === 'EPIPE') return false
      if (code !== 'EAGAIN') throw cannotWrite(error as Error)
      // The file is in non-blocking mode, which another process that shares it may have set.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2)
    }
  }
  return true
}

let clearLine: (() => void) | undefined

/** Sets a function to call before each write to stderr, which clears a progress bar before other output. */
export function beforeTell(clear: (() => void) | undefined): void {
  clearLine = clear
}

let isAfterEcho = false

/** To be called after Ctrl-C, which a terminal shows as `^C` where the cursor is: the next message begins a new line. */
export function endEchoedLine(): void {
  isAfterEcho = clearLine === undefined && isTerminal(2)
}

/** Writes to stderr, with control characters escaped. Errors are ignored. */
export function tell(text: string): void {
  tellAsIs(terminalText(text, wantsColour(2, false, process.env)))
}

/** Returns a function that writes the stderr of a program to our own: escaped on a terminal, otherwise unchanged. */
export function programStderr(): (chunk: Uint8Array) => void {
  if (!isTerminal(2)) return tellAsIs
  const decoder = new TextDecoder('utf-8', {ignoreBOM: true})
  return (chunk) => tell(decoder.decode(chunk, {stream: true}))
}

/** Writes to stderr, for example to move the cursor. Errors are ignored. */
export function tellAsIs(text: string | Uint8Array): void {
  try {
    clearLine?.()
    if (isAfterEcho) writeAll(2, '\n')
    isAfterEcho = false
    writeAll(2, text)
  } catch {
    // There is nowhere else to say it.
  }
}

/** The failure of a refused write to stdout, for example because the disk is full. */
export function cannotWrite(cause: Error): BusError {
  const text = isFull(cause) ? 'the disk is full' : cause.message
  return new BusError('output', `cannot write to stdout: ${text}`, {cause})
}
