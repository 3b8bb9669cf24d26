/**
 * The input to publish: the argument, a file, stdin or random bytes. stdin is read only if no body is given and stdin is not a
 * terminal, or if the body or the file is `-`.
 */
import {closeSync, constants, createReadStream, fstatSync, open, openSync, readSync, statSync} from 'node:fs'
import type {Readable} from 'node:stream'
import {promisify} from 'node:util'
import {BusError, interruptedError} from '../../core/errors.ts'
import {fileError} from '../../core/file-error.ts'
import {decode, type Encoding, textWherePossible} from '../../core/text/encoding.ts'
import {isTerminal} from './terminal.ts'

export interface BodyOptions {
  readonly body?: string | undefined
  readonly file?: string | undefined
  readonly size?: number | undefined
  readonly encoding?: Encoding | undefined
}

/** More than any bus accepts. Reading stops here, so that an endless input cannot fill the memory. */
const mostBytes = 256 * 1024 * 1024
const chunkBytes = 256 * 1024

/** Throws `usage` if more than one body is given. */
export function checkOneBody({body, file, size}: BodyOptions): void {
  const given = [
    body === undefined ? '' : 'the argument',
    file === undefined ? '' : '--file',
    size === undefined ? '' : '--size',
  ]
  const [first, second] = given.filter(Boolean)
  if (second === undefined) return
  throw new BusError('usage', `the body is given twice, by ${first} and by ${second}`, {try: ['leave one of them out']})
}

/**
 * The body by the rule above, decoded if requested; undefined if none is given, or only its size. Fails as `checkOneBody` and
 * `readChunks` do.
 */
export async function readBody(options: BodyOptions, signal: AbortSignal): Promise<string | Uint8Array | undefined> {
  checkOneBody(options)
  const {body, file, size, encoding} = options
  if (size !== undefined || (body === undefined && file === undefined && isTerminal(0))) return undefined
  const given = body !== undefined && body !== '-' ? body : textWherePossible(await readAll(file ?? '-', signal))
  if (encoding === undefined) return given
  const text = typeof given === 'string' ? given : Buffer.from(given).toString('latin1')
  return decode(text, encoding, 'the body')
}

/** All of a file, or of stdin for `-`. Fails with `usage` beyond 256 MiB, with `interrupted` if the signal aborts. */
export async function readAll(path: string, signal: AbortSignal): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of readChunks(path, signal)) {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes > mostBytes)
      throw new BusError('usage', `${inputName(path)} has more than ${mostBytes} bytes: too much for one message`)
  }
  if (signal.aborted) throw interruptedError()
  return Buffer.concat(chunks)
}

/** A file, or stdin for `-`, in chunks; ends early if the signal aborts. Fails as `fileError` says. */
export async function* readChunks(path: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  if (signal.aborted) return
  try {
    const stat = path === '-' ? fstatSync(0) : statSync(path)
    if (stat.isDirectory()) throw new BusError('usage', `cannot read ${inputName(path)}: it is a folder`)
    if (stat.isFile()) yield* readFile(path, signal)
    else yield* readStream(path === '-' ? process.stdin : await openStream(path, stat.isFIFO(), signal), signal)
  } catch (error) {
    throw fileError(error, 'read', inputName(path))
  }
}

/** The name of an input for messages. */
export function inputName(path: string): string {
  return path === '-' ? 'stdin' : path
}

function* readFile(path: string, signal: AbortSignal): Generator<Uint8Array> {
  const fd = path === '-' ? 0 : openSync(path, 'r')
  try {
    while (!signal.aborted) {
      const chunk = Buffer.allocUnsafeSlow(chunkBytes)
      const length = readSync(fd, chunk)
      if (length === 0) return
      yield chunk.subarray(0, length)
    }
  } finally {
    if (fd !== 0) closeSync(fd)
  }
}

/** The event loop reads a pipe and a thread reads a device: a blocking read here could not be interrupted. */
async function openStream(path: string, isPipe: boolean, signal: AbortSignal): Promise<Readable> {
  if (!isPipe) return createReadStream(path)
  const {Socket} = await import('node:net')
  // Opening a pipe waits for its writer; on Ctrl-C we open it as the writer.
  const stop = () => closeSync(openSync(path, constants.O_WRONLY | constants.O_NONBLOCK))
  signal.addEventListener('abort', stop)
  const fd = await promisify(open)(path, 'r').finally(() => signal.removeEventListener('abort', stop))
  return new Socket({fd, readable: true, writable: false})
}

async function* readStream(stream: Readable, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const stop = () => stream.destroy()
  signal.addEventListener('abort', stop)
  if (signal.aborted) stop()
  try {
    for await (const chunk of stream) yield chunk as Buffer
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
