/** Saves streams into a file: their configuration, their consumers and their messages. */
import {createHash, type Hash} from 'node:crypto'
import {BusError, interruptedError} from '../../core/errors.ts'
import {recordWriter} from '../../core/record.ts'
import {matches} from '../../core/subject.ts'
import {formatCount} from '../../core/text/count.ts'
import {shellWord} from '../../core/text/shell-word.ts'
import type {Transport} from '../../transport/contract.ts'
import type {StreamInfo} from '../../transport/streams-contract.ts'
import {fewPatterns} from '../replay/target-stream.ts'
import {
  type BackupHead,
  type BackupTotal,
  readBackup,
  type SavedConsumer,
  type StreamEnd,
  type StreamHead,
  type Unfinished,
} from './format.ts'
import {FrameWriter} from './frames.ts'
import {SavedRecords} from './saved-records.ts'
import {lockTarget} from './target.ts'

/** Bytes of a frame. */
const frameLength = 1024 * 1024
/** A few, so that their lines are bytes before the garbage collector sees them a second time. */
const pageSize = 256
/** Bytes that a part of the first frame may have, which contains only the head. A shorter file may be anything. */
const [leastBeginning, mostBeginning] = [8, 64 * 1024]
/** Characters of lines that are collected before they are encoded. */
const pieceLength = 256 * 1024

export interface BackupOptions {
  readonly signal: AbortSignal
  /** Called with the number of messages so far. */
  readonly onProgress?: ((messages: number) => void) | undefined
  /** Called if the file is continued, with the number of messages that it has. */
  readonly onResume?: ((messages: number) => void) | undefined
}

/** A stream of a backup. */
export interface SavedStream {
  readonly stream: string
  readonly messages: number
  readonly consumers: number
  /** Subjects of messages that its configuration does not name. */
  readonly otherSubjects?: readonly string[] | undefined
}

/** What a backup contains. */
export interface BackupContent {
  readonly created: string
  readonly bus: string
  readonly streams: readonly SavedStream[]
  readonly messages: number
  readonly sha256: string
}

/**
 * Saves the messages that the streams have now into a new file, or continues a backup of the same streams that was interrupted. Fails with
 * `usage` for any other file, and with `interrupted` when the signal aborts: the file can then be continued.
 */
export async function backup(
  bus: Transport,
  names: readonly string[],
  path: string,
  options: BackupOptions,
): Promise<BackupContent> {
  await using target = await lockTarget(path)
  const found = target.size > 0 ? await begun(path, names, target.size) : undefined
  // Fails before it creates the file.
  if (found === undefined) for (const name of names) await bus.streams.info(name)
  const length = found?.rest.length ?? 0
  const frames = new FrameWriter(await target.open(length), path, length)
  const text = new BackupText(frames, found?.rest.hash ?? createHash('sha256'))
  return await new BackupRun(bus, text, path, options).all(names, found)
}

/** A stream whose messages are being saved. */
interface Current {
  readonly head: StreamHead
  readonly others: OtherSubjects
  messages: number
  lastSeq: number
}

/** A backup that was interrupted. */
interface Begun {
  readonly head: BackupHead
  readonly done: readonly SavedStream[]
  /** The stream in which it ends. */
  readonly current: Current | undefined
  readonly rest: Unfinished
}

/** The lines of a backup on their way into frames. */
class BackupText {
  readonly #frames: FrameWriter
  readonly #hash: Hash
  #pieces: Buffer[] = []
  #length = 0

  constructor(frames: FrameWriter, hash: Hash) {
    this.#frames = frames
    this.#hash = hash
  }

  /** Adds whole lines. Returns a promise if a frame was written: await it before the next. */
  add(lines: string): Promise<void> | undefined {
    const piece = Buffer.from(lines)
    this.#pieces.push(piece)
    this.#length += piece.length
    return this.#length < frameLength ? undefined : this.flush()
  }

  async flush(): Promise<void> {
    if (this.#length === 0) return
    const [first = Buffer.alloc(0)] = this.#pieces
    const bytes = this.#pieces.length === 1 ? first : Buffer.concat(this.#pieces)
    this.#pieces = []
    this.#length = 0
    this.#hash.update(bytes)
    await this.#frames.write(bytes)
  }

  /** Writes the last line, and returns the hash. */
  async end(total: BackupTotal['total']): Promise<string> {
    await this.flush()
    const sha256 = this.#hash.digest('hex')
    await this.#frames.write(Buffer.from(lineOf({total, sha256} satisfies BackupTotal)))
    await this.#frames.end()
    return sha256
  }

  /** After an interruption. */
  async keep(): Promise<void> {
    await this.flush()
    await this.#frames.end()
  }
}

class BackupRun {
  readonly #bus: Transport
  readonly #text: BackupText
  readonly #path: string
  readonly #options: BackupOptions
  readonly #done: SavedStream[] = []
  #messages = 0

  constructor(bus: Transport, text: BackupText, path: string, options: BackupOptions) {
    this.#bus = bus
    this.#text = text
    this.#path = path
    this.#options = options
  }

  async all(names: readonly string[], found: Begun | undefined): Promise<BackupContent> {
    const head: BackupHead = found?.head ?? {
      backup: 1,
      created: new Date().toISOString(),
      bus: this.#bus.url,
      streams: names,
    }
    try {
      if (found === undefined) await this.#begin(head)
      else this.#continue(found)
      for (const name of names.slice(this.#done.length)) await this.#stream(name, found?.current)
    } catch (error) {
      // Nothing that was read is lost.
      await this.#text.keep()
      throw error
    }
    const sha256 = await this.#text.end({streams: this.#done.length, messages: this.#messages})
    return {created: head.created, bus: head.bus, streams: this.#done, messages: this.#messages, sha256}
  }

  /** Writes the head as a separate frame, so that a file that was cut off early still names its streams. */
  async #begin(head: BackupHead): Promise<void> {
    await this.#text.add(lineOf(head))
    await this.#text.flush()
  }

  #continue({done, current}: Begun): void {
    this.#done.push(...done)
    this.#messages = done.reduce((sum, {messages}) => sum + messages, current?.messages ?? 0)
    this.#options.onResume?.(this.#messages)
  }

  async #stream(name: string, begunStream: Current | undefined): Promise<void> {
    const info = await this.#bus.streams.info(name)
    const same = begunStream?.head.stream === name ? begunStream : undefined
    if (same !== undefined && same.head.id !== info.id)
      throw new BusError('usage', `${this.#path} is a backup of another stream ${name}`, {try: ['another file']})
    const current = same ?? newCurrent(await streamHead(this.#bus, info))
    const {head, others} = current
    if (same === undefined) await this.#text.add(lineOf(head))
    await this.#records(current)
    const subjects = others.list()
    const end: StreamEnd = {end: name, messages: current.messages, ...(subjects.length > 0 && {subjects})}
    await this.#text.add(lineOf(end))
    this.#done.push(savedStream(end, head))
  }

  /** Writes the messages that are not yet written. */
  async #records(current: Current): Promise<void> {
    const {signal, onProgress} = this.#options
    const {stream, state} = current.head
    if (state.messages === 0 || current.lastSeq >= state.lastSeq) return
    const write = recordWriter()
    const range = {from: {seq: current.lastSeq + 1}, to: {seq: state.lastSeq}, signal}
    await using reading = await this.#bus.streams.read(stream, range)
    for (;;) {
      const taken = await reading.take(pageSize)
      if (signal.aborted) throw interruptedError()
      if (taken.length === 0) return
      let lines = ''
      for (const message of taken) {
        current.others.see(message.subject)
        lines += `${write(message)}\n`
        if (lines.length < pieceLength) continue
        await this.#text.add(lines)
        lines = ''
      }
      current.messages += taken.length
      this.#messages += taken.length
      const room = this.#text.add(lines)
      if (room !== undefined) await room
      onProgress?.(this.#messages)
    }
  }
}

function savedStream({end, messages, subjects}: StreamEnd, {consumers}: StreamHead): SavedStream {
  return {stream: end, messages, consumers: consumers.length, ...(subjects && {otherSubjects: subjects})}
}

function newCurrent(head: StreamHead): Current {
  return {head, others: new OtherSubjects(head.config.subjects), messages: 0, lastSeq: 0}
}

/** The subjects of messages that the patterns of a stream do not match: it had others, or copies from other streams. */
class OtherSubjects {
  readonly #patterns: readonly string[]
  readonly #others = new Set<string>()
  #last = ''

  constructor(patterns: readonly string[]) {
    this.#patterns = patterns
  }

  see(subject: string): void {
    if (subject === this.#last) return
    this.#last = subject
    if (!this.#patterns.some((pattern) => matches(pattern, subject))) this.#others.add(subject)
  }

  list(): readonly string[] {
    return fewPatterns([...this.#others])
  }
}

function lineOf(value: object): string {
  return `${JSON.stringify(value)}\n`
}

async function streamHead(bus: Transport, {id, config, state}: StreamInfo): Promise<StreamHead> {
  const {messages, bytes, firstSeq, lastSeq} = state
  const listed = await bus.streams.consumers.list(config.name)
  // Of a consumer that is removed when it is unused, nothing is left to bring back.
  const consumers = listed.filter(({config}) => config.durable).map(savedConsumer)
  return {
    stream: config.name,
    id,
    config,
    state: {messages, bytes, firstSeq, lastSeq},
    consumers,
  }
}

function savedConsumer({config, ackFloor, deliveredSeq, ackPending, pausedUntil}: SavedConsumer): SavedConsumer {
  return {config, ackFloor, deliveredSeq, ackPending, ...(pausedUntil !== undefined && {pausedUntil})}
}

/**
 * Reads a backup that was interrupted; undefined if that happened before its head was written. Fails with `usage` for one that is complete, or
 * is of other streams, and with `expectation` for one that is damaged.
 */
async function begun(path: string, names: readonly string[], size: number): Promise<Begun | undefined> {
  const done: SavedStream[] = []
  let head: BackupHead | undefined
  let current: Current | undefined
  for await (const part of readBackup(path)) {
    if (part.kind === 'unfinished') {
      if (part.rest.isDamaged) throw damaged(path)
      if (head === undefined && size >= leastBeginning && size < mostBeginning) return undefined
      if (head?.streams.join() === names.join()) return {head, done, current, rest: part.rest}
      const streams = head === undefined ? '' : ` of ${head.streams.join(' ')}`
      throw new BusError('usage', `${path} is an unfinished backup${streams}`, {
        try: ['another file', 'the same streams, to continue it'],
      })
    }
    if (part.kind === 'head') head = part.head
    if (part.kind === 'stream') current = newCurrent(part.stream)
    if (part.kind === 'records' && current !== undefined) {
      const records = new SavedRecords(path, part.records)
      for (let saved = records.next(); saved !== undefined; saved = records.next()) {
        current.others.see(saved.subject)
        current.lastSeq = saved.seq
      }
      current.messages += part.records.count
    }
    if (part.kind === 'end' && current !== undefined) {
      done.push(savedStream(part.end, current.head))
      current = undefined
    }
  }
  throw complete(path)
}

function complete(path: string): BusError {
  return new BusError('usage', `${path} already contains a complete backup: it was not replaced`, {
    try: ['another file', `bus stream backup --verify ${shellWord(path)}`],
  })
}

/**
 * Checks that a backup is complete and undamaged. Fails with `usage` for a file that is no backup or is not complete, and with `expectation`
 * if its contents do not have its hash.
 */
export async function verifyBackup(path: string, signal: AbortSignal): Promise<BackupContent> {
  const streams: SavedStream[] = []
  let head: BackupHead | undefined
  let current: StreamHead | undefined
  let messages = 0
  for await (const part of readBackup(path)) {
    if (signal.aborted) throw interruptedError()
    if (part.kind === 'unfinished') throw notWhole(path, part.rest, placeOf(head, current, {messages, streams}))
    if (part.kind === 'head') head = part.head
    if (part.kind === 'stream') {
      current = part.stream
      messages = 0
    }
    if (part.kind === 'records') messages += part.records.count
    if (part.kind === 'end' && current !== undefined) {
      streams.push(savedStream({...part.end, messages}, current))
      current = undefined
    }
    if (part.kind !== 'total') continue
    const {total, sha256} = part.total
    const all = streams.reduce((sum, stream) => sum + stream.messages, 0)
    if (!part.isWhole || all !== total.messages || head === undefined) throw damaged(path, '', {sha256})
    return {created: head.created, bus: head.bus, streams, messages: all, sha256}
  }
  throw new Error('a backup was read without an end')
}

/** ` after 1,234 of 5,000 messages of ORDERS` */
function placeOf(
  head: BackupHead | undefined,
  current: StreamHead | undefined,
  {messages, streams}: {readonly messages: number; readonly streams: readonly SavedStream[]},
): string {
  if (head === undefined) return ' before its first stream'
  if (current !== undefined)
    return ` after ${formatCount(messages)} of about ${formatCount(current.state.messages)} messages of ${current.stream}`
  return ` after ${streams.length} of ${head.streams.length} streams`
}

function notWhole(path: string, {isDamaged}: Unfinished, place: string): BusError {
  if (isDamaged) return damaged(path, place)
  return new BusError('usage', `${path} is not a complete backup: it ends${place}`, {
    try: ['run bus stream backup again with the same streams to continue it', 'another copy of the file'],
  })
}

function damaged(path: string, place = '', data: object = {}): BusError {
  const sentence = `${path} is damaged${place}: its contents do not match its checksums`
  return new BusError('expectation', sentence, {data: {...data}, try: ['another copy of the file']})
}
