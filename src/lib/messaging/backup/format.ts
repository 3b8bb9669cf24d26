/**
 * The text of a backup: lines of JSON. The first describes the backup. Then for each stream a line with its configuration and its consumers,
 * its messages as records (`core/record.ts`), and a line with their number. The last line has the totals, and the SHA-256 of all lines
 * before it; a file without it is not complete.
 */
import {createHash, type Hash} from 'node:crypto'
import {BusError} from '../../core/errors.ts'
import {parseRecord, type Recorded} from '../../core/record.ts'
import type {ConsumerInfo, StreamInfo} from '../../transport/streams-contract.ts'
import {readFrames, type ZstdFrame} from './frames.ts'

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

/** A message of a backup. */
export interface SavedMessage extends Recorded {
  readonly seq: number
}

/** How a line begins that is not a record. */
const heads = {head: '{"backup":', stream: '{"stream":', end: '{"end":', total: '{"total":'}

/** A part of a backup, as it is read. */
export type BackupPart =
  | {readonly kind: 'head'; readonly head: BackupHead}
  | {readonly kind: 'stream'; readonly stream: StreamHead}
  | {readonly kind: 'records'; readonly lines: readonly string[]; readonly line: number}
  | {readonly kind: 'end'; readonly end: StreamEnd}
  | {readonly kind: 'total'; readonly total: BackupTotal; readonly isWhole: boolean}
  | {readonly kind: 'unfinished'; readonly rest: Unfinished}

/** What was read of a backup that is not complete: where the next frame belongs, and the hash of what is before it. */
export interface Unfinished {
  readonly length: number
  readonly hash: Hash
}

/**
 * Reads a backup, frame by frame. The last part is its `total`, or `unfinished`. Fails with `usage` for a file that is no backup.
 */
export async function* readBackup(path: string): AsyncGenerator<BackupPart> {
  const hash = createHash('sha256')
  let length = 0
  let line = 1
  for await (const frame of readFrames(path)) {
    const lines = linesOf(frame)
    if (length === 0) mustBeHead(path, lines[0] ?? '')
    const last = lines.at(-1) ?? ''
    if (last.startsWith(heads.total)) {
      hash.update(frame.text.subarray(0, frame.text.length - Buffer.byteLength(last) - 1))
      yield* parts(path, lines.slice(0, -1), line)
      const total = parsed<BackupTotal>(path, last)
      yield {kind: 'total', total, isWhole: total.sha256 === hash.copy().digest('hex')}
      return
    }
    hash.update(frame.text)
    length = frame.end
    yield* parts(path, lines, line)
    line += lines.length
  }
  if (length === 0) throw noBackup(path)
  yield {kind: 'unfinished', rest: {length, hash}}
}

function linesOf({text}: ZstdFrame): string[] {
  const lines = text.toString().split('\n')
  lines.pop()
  return lines
}

function* parts(path: string, lines: readonly string[], first: number): Generator<BackupPart> {
  let from = 0
  for (const [index, line] of lines.entries()) {
    // Nearly all of them.
    if (line.startsWith('{"subject":')) continue
    if (index > from) yield {kind: 'records', lines: lines.slice(from, index), line: first + from}
    from = index + 1
    if (line.startsWith(heads.head)) yield {kind: 'head', head: parsed(path, line)}
    else if (line.startsWith(heads.stream)) yield {kind: 'stream', stream: parsed(path, line)}
    else if (line.startsWith(heads.end)) yield {kind: 'end', end: parsed(path, line)}
    else throw new BusError('usage', `${path}, line ${first + index}: no backup has such a line`)
  }
  if (from < lines.length) yield {kind: 'records', lines: from === 0 ? lines : lines.slice(from), line: first + from}
}

function mustBeHead(path: string, line: string): void {
  if (!line.startsWith(heads.head)) throw noBackup(path)
  const {backup} = parsed<BackupHead>(path, line)
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

/** How the record of a message with a compact JSON payload begins, and where its payload is. */
const plain = /^\{"subject":"([^"\\]*)","seq":(\d+),"time":"[^"]*","json":/

/**
 * Parses a record. The usual ones are not parsed as JSON: the payload is the rest of the line, unless it may be followed by the exact text.
 * Throws `usage`.
 */
export function parseSaved(line: string): SavedMessage {
  const [head, subject = '', seq] = plain.exec(line) ?? []
  if (head !== undefined && !line.includes(',"text":"', head.length))
    return {subject, seq: Number(seq), data: line.slice(head.length, -1), timeMs: undefined}
  return {...parseRecord(line), seq: seqIn(line)}
}

function seqIn(line: string): number {
  const [, seq] = /^\{"subject":"(?:[^"\\]|\\.)*","seq":(\d+)/.exec(line) ?? []
  if (seq === undefined) throw new BusError('usage', 'has no "seq"')
  return Number(seq)
}
