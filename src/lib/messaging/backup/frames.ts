/**
 * Text in zstd frames of about a mebibyte, each complete in itself: they are compressed beside the main thread, and a file that ends in the
 * middle of one can be continued after the frame before it. Before each is a skippable frame with its compressed length and its CRC-32.
 * `zstd` and every other decoder ignores it, and reads such a file as one text. In files of earlier versions it has only the length.
 */
import {type FileHandle, open} from 'node:fs/promises'
import {promisify} from 'node:util'
import {constants, crc32, zstdCompress, zstdDecompress} from 'node:zlib'
import {BusError} from '../../core/errors.ts'
import {fileError} from '../../core/file-error.ts'

const compress = promisify(zstdCompress)
const decompress = promisify(zstdDecompress)

/** The magic number of the skippable frame, and the lengths that its content may have: length and CRC-32, or only the length. */
const skippable = 0x184d2a50
const [full, short] = [8, 4]
/** Bytes of the skippable frame before its content. */
const headLength = 8
const beginnings = [full, short].map((length) => Buffer.from(Uint32Array.of(skippable, length).buffer))
const zstdMagic = 0xfd2fb528
/** V8's longest string. */
const longestText = 512 * 1024 * 1024
/** Frames that are compressed or decompressed at the same time. */
const depth = 3

/** What zstd writes at a time: a whole frame, because each piece costs a turn of the event loop and a buffer. */
const outputBytes = 1024 * 1024 + 64 * 1024

const params = {[constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_checksumFlag]: 1}

/** Bytes that are compressed, or decompressed, at the same time, unless a single frame has more. */
const mostAhead = 4 * 1024 * 1024

/** Appends frames to a file. */
export class FrameWriter {
  readonly #file: FileHandle
  readonly #path: string
  #at: number
  readonly #open: {readonly length: number; readonly written: Promise<void>}[] = []
  #openBytes = 0
  #last: Promise<void> = Promise.resolve()

  constructor(file: FileHandle, path: string, at: number) {
    this.#file = file
    this.#path = path
    this.#at = at
  }

  /** Resolves when there is room for the next frame. Fails as `fileError` says, or with the failure of an earlier frame. */
  async write(text: Uint8Array): Promise<void> {
    const compressed = compress(text, {params, chunkSize: outputBytes})
    const written = this.#last.then(async () => this.#append(await compressed))
    // It is awaited with a later frame, or at the end.
    written.catch(() => {})
    compressed.catch(() => {})
    this.#last = written
    this.#open.push({length: text.length, written})
    this.#openBytes += text.length
    while (this.#open.length >= depth || this.#openBytes > mostAhead) {
      const first = this.#open.shift()
      if (first === undefined) return
      this.#openBytes -= first.length
      await first.written
    }
  }

  /** Resolves when everything is on the disk. */
  async end(): Promise<void> {
    await this.#last
    await this.#file.datasync().catch((error) => {
      throw fileError(error, 'write', this.#path)
    })
  }

  async #append(frame: Uint8Array): Promise<void> {
    const head = Buffer.alloc(headLength + full)
    for (const [index, value] of [skippable, full, frame.length, crc32(frame)].entries())
      head.writeUInt32LE(value, 4 * index)
    try {
      const {size} = await this.#file.stat()
      if (size !== this.#at)
        throw new BusError('expectation', `something else is writing to ${this.#path}: the backup was stopped`)
      await this.#write([head, frame], this.#at)
    } catch (error) {
      throw fileError(error, 'write', this.#path)
    }
    this.#at += head.length + frame.length
  }

  async #write(pieces: readonly Uint8Array[], from: number): Promise<void> {
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0)
    const {bytesWritten} = await this.#file.writev(pieces, from)
    // When the disk becomes full, only a part is written.
    const bytes = bytesWritten < length ? Buffer.concat(pieces) : Buffer.alloc(0)
    for (let done = bytesWritten; done < length; )
      done += (await this.#file.write(bytes, done, length - done, from + done)).bytesWritten
  }
}

/** A frame: its text, and where the next one begins in the file. */
export interface ZstdFrame {
  readonly text: Buffer
  readonly end: number
  /** Nothing follows this frame. */
  readonly isLast: boolean
}

/** Why there are no more frames: the file was cut off within one, what follows is damaged, or it begins with something else. */
export interface FrameStop {
  readonly stop: 'cut' | 'damaged' | 'foreign'
}

/** Reads the frames of a file in order, and then says why there are no more. Fails as `fileError` says. */
export async function* readFrames(path: string): AsyncGenerator<ZstdFrame | FrameStop> {
  const file = await open(path).catch((error) => {
    throw fileError(error, 'read', path)
  })
  try {
    const {size} = await file.stat()
    const ahead: {readonly begin: number; readonly frame: Promise<ZstdFrame | FrameStop>}[] = []
    let at = 0
    for (let isOver = false; ; ) {
      while (!isOver && ahead.length < depth && at - (ahead[0]?.begin ?? at) < mostAhead) {
        const found = await frameAt(file, at, size)
        isOver = 'stop' in found
        ahead.push({begin: at, frame: 'stop' in found ? Promise.resolve(found) : textOf(found, size)})
        if ('end' in found) at = found.end
      }
      const frame = await ahead.shift()?.frame
      if (frame === undefined) return
      yield frame
      if ('stop' in frame) return
    }
  } catch (error) {
    throw fileError(error, 'read', path)
  } finally {
    await file.close()
  }
}

/** A frame as it is in the file. */
interface Packed {
  readonly bytes: Buffer
  readonly end: number
}

async function textOf({bytes, end}: Packed, size: number): Promise<ZstdFrame | FrameStop> {
  try {
    const text = await decompress(bytes, {maxOutputLength: longestText, chunkSize: outputBytes})
    return {text, end, isLast: end === size}
  } catch {
    return {stop: 'damaged'}
  }
}

async function frameAt(file: FileHandle, at: number, size: number): Promise<Packed | FrameStop> {
  const head = await readAt(file, at, headLength + full)
  const kind = head.length < headLength ? undefined : head.readUInt32LE(4)
  const there = head.subarray(0, headLength)
  if (!beginnings.some((begin) => begin.subarray(0, there.length).equals(there)))
    return {stop: at === 0 ? 'foreign' : 'damaged'}
  if (kind === undefined || head.length < headLength + kind) return {stop: 'cut'}
  const from = at + headLength + kind
  const length = head.readUInt32LE(headLength)
  if (from + length > size) return {stop: (await hasFrame(file, from, size)) ? 'damaged' : 'cut'}
  const bytes = await readAt(file, from, length)
  const isWhole = length >= 4 && bytes.length === length && bytes.readUInt32LE(0) === zstdMagic
  if (!isWhole || (kind === full && crc32(bytes) !== head.readUInt32LE(headLength + short))) return {stop: 'damaged'}
  return {bytes, end: from + length}
}

/** Whether another frame begins in the rest of the file: then the length is wrong, and the file was not cut off. */
async function hasFrame(file: FileHandle, from: number, size: number): Promise<boolean> {
  const rest = await readAt(file, from, Math.min(size - from, 4 * outputBytes))
  return beginnings.some((begin) => rest.includes(begin))
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
