/**
 * Text in zstd frames of about a mebibyte, each complete in itself: they are compressed beside the main thread, and a file that ends in the
 * middle of one can be continued after the frame before it. Before each is a skippable frame with its compressed length, as pzstd
 * writes it, so that `zstd` and every other decoder reads such a file as one text.
 */
import {type FileHandle, open} from 'node:fs/promises'
import {promisify} from 'node:util'
import {constants, zstdCompress, zstdDecompress} from 'node:zlib'
import {BusError} from '../../core/errors.ts'
import {fileError} from '../../core/file-error.ts'

const compress = promisify(zstdCompress)
const decompress = promisify(zstdDecompress)

/** Of the skippable frame, and its length. */
const skippable = 0x184d2a50
const headLength = 12
const zstdMagic = 0xfd2fb528
/** V8's longest string. */
const longestText = 512 * 1024 * 1024
/** Frames that are compressed or decompressed at the same time. */
const depth = 3

/** What zstd writes at a time: a whole frame, because each piece costs a turn of the event loop and a buffer. */
const outputBytes = 1024 * 1024 + 64 * 1024

const params = {[constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_checksumFlag]: 1}

/** Appends frames to a file. */
export class FrameWriter {
  readonly #file: FileHandle
  readonly #path: string
  #at: number
  #open: Promise<void>[] = []
  #last: Promise<void> = Promise.resolve()

  constructor(file: FileHandle, path: string, at: number) {
    this.#file = file
    this.#path = path
    this.#at = at
  }

  /** The length of the file so far, once everything is written. */
  get length(): number {
    return this.#at
  }

  /** Resolves when there is room for the next frame. Fails as `fileError` says, or with the failure of an earlier frame. */
  async write(text: Uint8Array): Promise<void> {
    const compressed = compress(text, {params, chunkSize: outputBytes})
    const before = this.#last
    const written = before.then(async () => this.#append(await compressed))
    // It is awaited with a later frame, or at the end.
    written.catch(() => {})
    compressed.catch(() => {})
    this.#last = written
    this.#open.push(written)
    if (this.#open.length >= depth) await this.#open.shift()
  }

  /** Resolves when everything is on the disk. */
  async end(): Promise<void> {
    await this.#last
    await this.#file.datasync().catch((error) => {
      throw fileError(error, 'write', this.#path)
    })
  }

  async #append(frame: Uint8Array): Promise<void> {
    const head = Buffer.alloc(headLength)
    for (const [index, value] of [skippable, 4, frame.length].entries()) head.writeUInt32LE(value, 4 * index)
    const bytes = Buffer.concat([head, frame])
    try {
      for (let done = 0; done < bytes.length; ) {
        const {bytesWritten} = await this.#file.write(bytes, done, bytes.length - done, this.#at + done)
        done += bytesWritten
      }
    } catch (error) {
      throw fileError(error, 'write', this.#path)
    }
    this.#at += bytes.length
  }
}

/** A frame: its text, and where the next one begins in the file. */
export interface ZstdFrame {
  readonly text: Buffer
  readonly end: number
}

/**
 * Reads the frames of a file in order. Ends before a frame that is not complete, or is damaged: `end` of the last one is then less than the
 * length of the file. Fails as `fileError` says.
 */
export async function* readFrames(path: string): AsyncGenerator<ZstdFrame> {
  const file = await open(path).catch((error) => {
    throw fileError(error, 'read', path)
  })
  try {
    const {size} = await file.stat()
    const ahead: Promise<ZstdFrame | undefined>[] = []
    let at = 0
    for (;;) {
      while (ahead.length < depth && at < size) {
        const found = await frameAt(file, at, size)
        if (found === undefined) break
        at += headLength + found.length
        const end = at
        const text = decompress(found, {maxOutputLength: longestText, chunkSize: outputBytes})
        ahead.push(text.then((text) => ({text, end})).catch(() => undefined))
      }
      const frame = await ahead.shift()
      if (frame === undefined) return
      yield frame
    }
  } catch (error) {
    throw fileError(error, 'read', path)
  } finally {
    await file.close()
  }
}

async function frameAt(file: FileHandle, at: number, size: number): Promise<Buffer | undefined> {
  const head = await readAt(file, at, headLength)
  const [magic, four, length] = [0, 4, 8].map((index) => (head.length < headLength ? 0 : head.readUInt32LE(index)))
  if (magic !== skippable || four !== 4 || length === undefined || length < 4 || at + headLength + length > size)
    return undefined
  const frame = await readAt(file, at + headLength, length)
  return frame.length === length && frame.readUInt32LE(0) === zstdMagic ? frame : undefined
}

async function readAt(file: FileHandle, at: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length)
  let done = 0
  while (done < length) {
    const {bytesRead} = await file.read(bytes, done, length - done, at + done)
    if (bytesRead === 0) break
    done += bytesRead
  }
  return bytes.subarray(0, done)
}

/** Whether this is a file, with something in it. Fails with `usage` for a folder, and as `fileError` says. */
export async function hasContent(path: string): Promise<boolean> {
  const {stat} = await import('node:fs/promises')
  const found = await stat(path).catch((error) => {
    if (error.code === 'ENOENT') return undefined
    throw fileError(error, 'read', path)
  })
  if (found !== undefined && !found.isFile()) throw new BusError('usage', `${path} is not a regular file`)
  return (found?.size ?? 0) > 0
}
