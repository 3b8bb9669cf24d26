/**
 * The text of a backup: lines of JSON. The first describes the backup. Then for each stream a line with its configuration and its consumers,
 * its messages as records (`core/record.ts`), and a line with their number. The last line has the totals, and the SHA-256 of all lines
 * before it; a file without it is not complete.
 */
import {createHash, type Hash} from 'node:crypto'
import {BusError} from '../../core/errors.ts'
import type {ConsumerInfo, StreamInfo} from '../../transport/streams-contract.ts'
import {readFrames} from './frames.ts'

export interface BackupHead {
  /** The version of the format. */
  readonly backup: 1
  /** ISO 8601. */
  readonly created: string
  /** The bus, as shown to people. */
  readonly bus: string
  readonly streams: readonly string[]
}

/** A stream, as it was at the beginning of its backup. */
export interface StreamHead {
  readonly stream: string
  readonly id: string
  readonly config: StreamInfo['config']
  readonly state: Pick<StreamInfo['state'], 'messages' | 'bytes' | 'firstSeq' | 'lastSeq'>
  readonly consumers: readonly SavedConsumer[]
}

export type SavedConsumer = Pick<ConsumerInfo, 'config' | 'ackFloor' | 'deliveredSeq' | 'ackPending' | 'pausedUntil'>

export interface StreamEnd {
  readonly end: string
  readonly messages: number
  /** Subjects, or patterns, of messages that the configuration does not name, as those of a mirror. */
  readonly subjects?: readonly string[] | undefined
}

export interface BackupTotal {
  readonly total: {readonly streams: number; readonly messages: number}
  readonly sha256: string
}

/** How a line begins that is not a record. */
const heads = {head: '{"backup":', stream: '{"stream":', end: '{"end":', total: '{"total":'}

/** A part of a backup, as it is read. */
export type BackupPart =
  | {readonly kind: 'head'; readonly head: BackupHead}
  | {readonly kind: 'stream'; readonly stream: StreamHead}
  | {readonly kind: 'records'; readonly records: RecordLines}
  | {readonly kind: 'end'; readonly end: StreamEnd}
  | {readonly kind: 'total'; readonly total: BackupTotal; readonly isWhole: boolean}
  | {readonly kind: 'unfinished'; readonly rest: Unfinished}

/** Whole lines, which are all records, and the number of the first of them. */
export interface RecordLines {
  readonly text: Buffer
  readonly count: number
  readonly line: number
}

/** What was read of a backup that is not complete: where the next frame belongs, and the hash of what is before it. */
export interface Unfinished {
  readonly length: number
  readonly hash: Hash
  /** The file was not cut off: what follows is not a valid frame. */
  readonly isDamaged: boolean
}

/**
 * Reads a backup, frame by frame. The last part is its `total`, or `unfinished`. Fails with `usage` for a file that is no backup.
 */
export async function* readBackup(path: string): AsyncGenerator<BackupPart> {
  const hash = createHash('sha256')
  let length = 0
  let line = 1
  for await (const frame of readFrames(path)) {
    if ('stop' in frame) {
      if (length === 0 && frame.stop === 'foreign') throw noBackup(path)
      yield {kind: 'unfinished', rest: {length, hash, isDamaged: frame.stop !== 'cut'}}
      return
    }
    const {text} = frame
    if (length === 0) mustBeHead(path, text)
    const {spans, count} = spansOf(text)
    const last = spans.at(-1)
    if (last !== undefined && startsWith(text, last.from, heads.total)) {
      hash.update(text.subarray(0, last.from))
      yield* parts(path, text, spans.slice(0, -1), line)
      const total = parsed<BackupTotal>(path, lineIn(text, last))
      yield {kind: 'total', total, isWhole: frame.isLast && total.sha256 === hash.copy().digest('hex')}
      return
    }
    hash.update(text)
    length = frame.end
    yield* parts(path, text, spans, line)
    line += count
  }
}

/** Lines of a text: one that is not a record, or several records. */
interface Span {
  readonly isRecords: boolean
  readonly from: number
  readonly to: number
  readonly count: number
}

const newline = 0x0a
/** The third and fourth byte of `{"subject":`. No other line has them there. */
const [s, u] = [0x73, 0x75]

function spansOf(text: Buffer): {readonly spans: readonly Span[]; readonly count: number} {
  const spans: Span[] = []
  let count = 0
  let records = 0
  let begin = 0
  const endRecords = (to: number) => {
    if (records > 0) spans.push({isRecords: true, from: begin, to, count: records})
    records = 0
  }
  for (let at = 0; at < text.length; ) {
    const found = text.indexOf(newline, at)
    const next = found < 0 ? text.length : found + 1
    count++
    if (text[at + 2] === s && text[at + 3] === u) {
      if (records === 0) begin = at
      records++
    } else {
      endRecords(at)
      spans.push({isRecords: false, from: at, to: next, count: 1})
    }
    at = next
  }
  endRecords(text.length)
  return {spans, count}
}

function* parts(path: string, text: Buffer, spans: readonly Span[], first: number): Generator<BackupPart> {
  let number = first
  for (const span of spans) {
    const {isRecords, from, to, count} = span
    if (isRecords) yield {kind: 'records', records: {text: text.subarray(from, to), count, line: number}}
    else {
      const line = lineIn(text, span)
      if (line.startsWith(heads.head)) yield {kind: 'head', head: parsed(path, line)}
      else if (line.startsWith(heads.stream)) yield {kind: 'stream', stream: parsed(path, line)}
      else if (line.startsWith(heads.end)) yield {kind: 'end', end: parsed(path, line)}
      else throw new BusError('usage', `${path}, line ${number}: no backup has such a line`)
    }
    number += count
  }
}

function lineIn(text: Buffer, {from, to}: Span): string {
  return text.toString('utf8', from, to).trimEnd()
}

function startsWith(text: Buffer, at: number, head: string): boolean {
  return text.toString('latin1', at, at + head.length) === head
}

function mustBeHead(path: string, text: Buffer): void {
  if (!startsWith(text, 0, heads.head)) throw noBackup(path)
  const end = text.indexOf(newline)
  const {backup} = parsed<BackupHead>(path, text.toString('utf8', 0, end < 0 ? text.length : end))
  if (backup !== 1)
    throw new BusError('usage', `${path} is a backup of format ${backup}, which this version does not read`, {
      try: ['a newer version of busline'],
    })
}

function parsed<T>(path: string, line: string): T {
  try {
    return JSON.parse(line)
  } catch (cause) {
    throw new BusError('usage', `${path} is damaged: ${(cause as Error).message}`, {cause})
  }
}

function noBackup(path: string): BusError {
  return new BusError('usage', `${path} is not a backup of bus stream backup`, {
    try: ['for a recording: bus pub --records', 'for a folder of nats stream backup: bus stream restore --native'],
  })
}
