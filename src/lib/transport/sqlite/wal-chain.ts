/**
 * Checks whether the write-ahead log beside a bus file belongs to it. SQLite applies any `-wal` with the right name: one of
 * another file, or of an earlier or later copy of this one, is written over the file at the next checkpoint. So every commit
 * writes a random `link`, and the `previous` one, to the file's third page: the log belongs to the file if the file's link
 * occurs in the log, or is the previous one of the first commit there. Layouts: https://sqlite.org/fileformat2.html#walformat
 */
import {closeSync, openSync, readSync, statSync} from 'node:fs'
import {BusError} from '../../core/errors.ts'
import {applicationId, type Db} from './db.ts'
import {chainVersion} from './schema.ts'

const chainPage = 3
/** The link before the first commit. */
const noLink = '\0'.repeat(8)

const linkBytes = 8
const linksAtOnce = 128

/** Number of own links to remember: a checkpoint during a commit leaves one of the latest in the file. */
const mostOwn = 16

/** Extends the chain in each transaction that changes something. */
export class WalChain {
  readonly #changes
  readonly #extend
  readonly #random
  /** Links that are not used yet: asking SQLite for each costs more than the rest of `extend`. */
  #fresh: Buffer = Buffer.alloc(0)
  #known = 0
  /** The latest links of this connection, oldest first. */
  readonly #own: string[] = []

  constructor(db: Db) {
    this.#changes = db.prepare<[], number>('SELECT total_changes()').pluck()
    if (Number(db.pragmaValue('user_version')) < chainVersion) return
    this.#extend = db.prepare<[Buffer]>('UPDATE chain SET link = ?, previous = link')
    this.#random = db.prepare<[], Uint8Array>(`SELECT randomblob(${linkBytes * linksAtOnce})`).pluck()
  }

  /** To be called before each commit. */
  extend(): void {
    const changes = this.#changes.get() as number
    if (this.#extend === undefined || changes === this.#known) return
    if (this.#fresh.length === 0) this.#fresh = Buffer.from(this.#random?.get() ?? [])
    const link = this.#fresh.subarray(0, linkBytes)
    this.#fresh = this.#fresh.subarray(linkBytes)
    this.#extend.run(link)
    this.#own.push(link.toString('latin1'))
    if (this.#own.length > mostOwn) this.#own.shift()
    this.#known = changes + 1
  }

  /** Whether the link is one of the latest links of this connection. */
  isOwn(link: string): boolean {
    return this.#own.includes(link)
  }
}

/** After a long log was read, the next check is this many times its duration later. */
const restTimes = 10

/**
 * Detects that a file in use was written over in place. Normally only checkpoints write to it, and each leaves a link in it
 * that is also in the log.
 */
export class WrittenOver {
  readonly #path: string
  readonly #chain: WalChain | undefined
  readonly #pageSize: number
  #time: number | undefined
  #hasLink = false
  #restUntil = 0

  /** `chain` is the chain of the connection, if it writes. */
  constructor(path: string, db: Db, chain: WalChain | undefined) {
    this.#path = path
    this.#chain = chain
    this.#pageSize = Number(db.pragmaValue('page_size'))
    this.#time = statSync(path, {throwIfNoEntry: false})?.mtimeMs
  }

  /** Whether the file was written over; `time` is the time of its last modification. The last check is never left out. */
  isSo(time: number | undefined, {isLast = false} = {}): boolean {
    if (time === undefined || time === this.#time) return false
    const began = performance.now()
    if (began < this.#restUntil && !isLast) return false
    let isOurs = false
    let ownership: Ownership
    try {
      const link = linkOf(this.#path, this.#pageSize)
      isOurs = link !== undefined && this.#chain?.isOwn(link) === true
      ownership = isOurs ? 'own' : linkInUse(this.#path)
    } catch {
      // For example, no descriptor is free: whether it was written over is not known.
      return false
    }
    if (ownership === 'foreign' || (ownership === 'none' && this.#hasLink)) return true
    this.#hasLink ||= ownership === 'own'
    this.#time = time
    if (!isOurs) this.#restUntil = began + restTimes * (performance.now() - began)
    return false
  }
}

const tries = 5
const triesInUse = 20
const pauseMs = 10

/** Throws `connect` if the log beside the file at `path` does not belong to it. To be called before SQLite opens the file. */
export function checkLog(path: string): void {
  if (ownershipOf(path, tries) !== 'foreign') return
  throw new BusError(
    'connect',
    `the bus file ${path} has a -wal beside it that belongs to another file; both are left untouched`,
    {
      try: [
        'restore the -wal that was there before, if there was one',
        `if no program uses it, rename it: mv '${path}-wal' '${path}-wal.lost'`,
      ],
    },
  )
}

/** Whether the link of the open file at `path` belongs to its log; `foreign` if the file was written over. */
function linkInUse(path: string): Ownership {
  const ownership = ownershipOf(path, triesInUse)
  return ownership === 'none' && isOtherFile(path) ? 'foreign' : ownership
}

/** Whether the file is not even a database. */
function isOtherFile(path: string): boolean {
  const head = Buffer.alloc(16)
  return readSync(descriptorOf(path), head, 0, 16, 0) > 0 && head.toString('latin1') !== 'SQLite format 3\0'
}

/** `unknown` if the log is empty, `none` if the file has no link. */
type Ownership = 'own' | 'foreign' | 'unknown' | 'none'

/** While others write, the file and its log may be read at two different moments. */
function ownershipOf(path: string, most: number): Ownership {
  for (let i = 0; ; i++) {
    const ownership = look(path)
    if (ownership !== 'foreign' || i === most) return ownership
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pauseMs)
  }
}

function look(path: string): Ownership {
  const fd = openLog(`${path}-wal`)
  if (fd === undefined) return 'unknown'
  try {
    const log = new LogFile(fd)
    if (!log.isOne()) return 'unknown'
    const link = linkOf(path, log.pageSize)
    if (link === undefined) return 'none'
    return log.follows(link) || !log.hasCommit() ? 'own' : 'foreign'
  } finally {
    closeSync(fd)
  }
}

/** Undefined if it is missing or empty. */
function openLog(path: string): number | undefined {
  try {
    return (statSync(path, {throwIfNoEntry: false})?.size ?? 0) === 0 ? undefined : openSync(path, 'r')
  } catch (error) {
    // The last process to close the file has removed it.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

/** By device and inode. */
const descriptors = new Map<string, number>()

/**
 * A descriptor for reading the file at `path`. Never closed: that would drop the POSIX locks of everything that this process has
 * open of the file.
 */
export function descriptorOf(path: string): number {
  const {dev, ino} = statSync(path)
  const key = `${dev}:${ino}`
  const fd = descriptors.get(key) ?? openSync(path, 'r')
  descriptors.set(key, fd)
  return fd
}

/** The link of a bus file without its log; undefined if it is not a bus file, or not yet. */
function linkOf(path: string, pageSize: number): string | undefined {
  const fd = descriptorOf(path)
  const pages = Buffer.alloc(chainPage * pageSize)
  readSync(fd, pages, 0, pages.length, 0)
  if (!isOfBusFile(pages)) return undefined
  return linksOn(pages.subarray(-pageSize))?.link ?? noLink
}

function isOfBusFile(firstPage: Buffer): boolean {
  return firstPage.readUInt32BE(68) === applicationId
}

/** A leaf page of a table with one cell, whose content is at the end of the page. */
function linksOn(page: Buffer): {link: string; previous: string} | undefined {
  if (page[0] !== 0x0d || page.readUInt16BE(3) !== 1) return undefined
  return {
    link: page.toString('latin1', page.length - 16, page.length - 8),
    previous: page.toString('latin1', page.length - 8),
  }
}

/** The lowest bit is the byte order of the checksums. */
const magic = 0x377f0682
const headBytes = 32
const frameHeadBytes = 24
const framesAtOnce = 4
const mostAtOnce = 256

interface Frame {
  readonly head: Buffer
  readonly page: Buffer
}

class LogFile {
  readonly pageSize: number
  readonly #fd: number
  readonly #head = Buffer.alloc(headBytes)

  constructor(fd: number) {
    this.#fd = fd
    readSync(fd, this.#head, 0, headBytes, 0)
    this.pageSize = this.#head.readUInt32BE(8)
  }

  /** Whether SQLite would continue to read. It restarts a log that it considers invalid. */
  isOne(): boolean {
    const isPower = (this.pageSize & (this.pageSize - 1)) === 0
    return (
      this.#head.readUInt32BE(0) >>> 1 === magic >>> 1 && isPower && this.pageSize >= 512 && this.pageSize <= 65_536
    )
  }

  /**
   * Whether a commit of it has this link, or the first commit has it as the previous one. A log without links was written by
   * another program: into this file, unless its first page shows otherwise. If several processes create a file at once, its log
   * begins with a first page that is not yet one of a bus file.
   */
  follows(link: string): boolean {
    let isLinked = false
    let isOther = false
    for (const {head, page} of this.#frames()) {
      const number = head.readUInt32BE(0)
      if (number === 1 && !isOfBusFile(page)) isOther = true
      const links = number === chainPage ? linksOn(page) : undefined
      if (links === undefined) continue
      if (links.link === link || (!isLinked && !isOther && links.previous === link)) return true
      isLinked = true
    }
    return !isLinked && !isOther
  }

  /** Whether SQLite would apply anything from it, which it would not if a power loss has torn it. */
  hasCommit(): boolean {
    const isLittleEndian = this.#head.readUInt32BE(0) % 2 === 0
    const sum = new Checksum(isLittleEndian)
    sum.add(this.#head.subarray(0, 24))
    if (!sum.is(this.#head.subarray(24))) return false
    for (const {head, page} of this.#frames()) {
      sum.add(head.subarray(0, 8))
      sum.add(page)
      if (!sum.is(head.subarray(16))) return false
      if (head.readUInt32BE(4) !== 0) return true
    }
    return false
  }

  /** The frames of the current round: those that a longer round left after them have other salts. */
  *#frames(): Generator<Frame> {
    const frameBytes = frameHeadBytes + this.pageSize
    let at = headBytes
    for (let frames = framesAtOnce; ; frames = mostAtOnce) {
      const block = Buffer.allocUnsafe(frames * frameBytes)
      const read = readSync(this.#fd, block, 0, block.length, at)
      for (let from = 0; from + frameBytes <= read; from += frameBytes) {
        const head = block.subarray(from, from + frameHeadBytes)
        if (head.compare(this.#head, 16, 24, 8, 16) !== 0) return
        yield {head, page: block.subarray(from + frameHeadBytes, from + frameBytes)}
      }
      if (read < block.length) return
      at += read
    }
  }
}

/** The checksum of the log: two sums of 32 bits over pairs of words, where each frame continues the sums of the previous one. */
class Checksum {
  readonly #isLittleEndian: boolean
  #first = 0
  #second = 0

  constructor(isLittleEndian: boolean) {
    this.#isLittleEndian = isLittleEndian
  }

  add(bytes: Buffer): void {
    const word = (at: number) => (this.#isLittleEndian ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at))
    for (let at = 0; at < bytes.length; at += 8) {
      this.#first = (this.#first + word(at) + this.#second) >>> 0
      this.#second = (this.#second + word(at + 4) + this.#first) >>> 0
    }
  }

  is(bytes: Buffer): boolean {
    return bytes.readUInt32BE(0) === this.#first && bytes.readUInt32BE(4) === this.#second
  }
}
