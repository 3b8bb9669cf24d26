/** `stream open`: from flags to a request, to the view of its frames, and to the result. */

import type {ChalkInstance} from 'chalk'
import {bodyFlags} from '../../lib/cli/flags/body.ts'
import {choice, count, type FlagValues, variant} from '../../lib/cli/flags/kinds.ts'
import {pacingFlags} from '../../lib/cli/flags/pacing.ts'
import {record, viewFlags} from '../../lib/cli/flags/view.ts'
import {readBody} from '../../lib/cli/io/input.ts'
import type {Output} from '../../lib/cli/io/output.ts'
import type {RecordFile} from '../../lib/cli/io/record-file.ts'
import {printable, printableJson} from '../../lib/cli/render/printable.ts'
import {summaryLine} from '../../lib/cli/render/summary.ts'
import {formatCount, formatDuration} from '../../lib/cli/render/units.ts'
import {chooseView, type Screen, type ViewTarget, viewKindOf} from '../../lib/cli/render/view.ts'
import {BusError} from '../../lib/core/errors.ts'
import type {Message} from '../../lib/core/message.ts'
import {recordWriter} from '../../lib/core/record.ts'
import {reworded} from '../../lib/core/rewording.ts'
import {checkSubject} from '../../lib/core/subject.ts'
import {closeJson, closeName} from '../../lib/protocols/response-streams/close-reasons.ts'
import type {Followed, FollowOptions} from '../../lib/protocols/response-streams/follow.ts'
import type {ResponseStream} from '../../lib/protocols/response-streams/response-stream.ts'

export const streamOpenFlags = {
  file: bodyFlags.file,
  encoding: bodyFlags.encoding,
  count: variant(pacingFlags.count, {description: 'end after this many frames'}),
  for: pacingFlags.for,
  idle: variant(pacingFlags.idle, {description: 'fail if no frame arrives for this long'}),
  open: count('response streams to open at the same time (default: 1)'),
  dialect: choice(
    'version of the protocol: first sends the body alone, later sends JSON and uses heartbeats (default: first)',
    ['first', 'later'],
  ),
  buffer: count('fail if more than this many frames are buffered (default: up to 64 MiB)'),
  ...viewFlags,
  record: record,
}

export type OpenFlags = FlagValues<typeof streamOpenFlags> & {
  readonly subject: string
  readonly body?: string | undefined
  readonly json?: boolean | undefined
}

/** Shows frames and the end of each response stream. */
export interface FrameView {
  show(frames: readonly Message[], stream: ResponseStream, first: number, sink: ViewTarget): number | Promise<number>
  end(stream: ResponseStream, sink: ViewTarget): void
}

export interface OpenPlan {
  readonly view: FrameView
  readonly options: Omit<FollowOptions, 'show'>
}

/** Checks the flags and reads the body before a bus is opened. Fails with `usage`. */
export async function planOpen(flags: OpenFlags, screen: Screen, signal: AbortSignal): Promise<OpenPlan> {
  const {subject, count, open = 1, dialect, buffer} = flags
  checkSubject(subject)
  const view = await chooseFrameView(flags, open > 1, screen)
  const body = await readBody(flags, signal)
  const bounds = {count, forMs: flags.for, idleMs: flags.idle, signal}
  const whenFull = buffer === undefined ? 'hold' : 'overrun'
  return {view, options: {subject, body, open, dialect, buffer, whenFull, ...bounds}}
}

/** Writes frames to stdout, and to the record file if there is one. */
export function showFrames(view: FrameView, output: Output, recording: RecordFile | undefined): FollowOptions['show'] {
  return async (frames, stream, first) => {
    recording?.record(frames)
    const shown = await view.show(frames, stream, first, output)
    await output.ready()
    return shown
  }
}

/** `opened response stream KK7F9jas on logs.app` */
export function openedLine(streams: readonly ResponseStream[]): string {
  const [first] = streams
  if (first === undefined || streams.length > 1)
    return `opened ${formatCount(streams.length)} response streams on ${first?.subject}`
  return `opened response stream ${first.token} on ${first.subject}`
}

/** `3 frames · close 1000 (normal) · 1.2 s · 2.5/s` */
export function openSummary({frames, closes, endedBy, ms}: Followed, streams: number): string {
  const facts: string[] = streams === 1 ? [] : [`${formatCount(streams)} response streams`]
  const shown = closes.map(({code, isOwn}) => {
    const name = closeName(code)
    return `close ${code}${name === undefined ? '' : ` (${name})`}${isOwn ? ' by this client' : ''}`
  })
  for (const close of new Set(shown)) {
    const many = shown.filter((one) => one === close).length
    facts.push(`${streams === 1 ? '' : `${formatCount(many)} × `}${close}`)
  }
  if (closes.length < streams && endedBy !== 'close')
    facts.push(`left ${streams === 1 ? 'it' : streams - closes.length} open`)
  return summaryLine({frames}, ms, facts)
}

/** Fails as the first failed response stream, or with `timeout` if a time limit came before the end or `--count`. */
export function checkFollowed({failures, shown, endedBy, ended}: Followed, flags: OpenFlags): void {
  const {count, open = 1, idle = 0, for: forMs = 0, subject} = flags
  const [first] = failures
  if (first !== undefined) throw open === 1 ? first : ofMany(first, failures.length, open)
  if (endedBy === 'idle' && count === undefined) {
    const some = open === 1 ? 'was' : `were, ${open - ended} of ${open},`
    const sentence = `the response stream of "${subject}" ${some} not closed, but nothing arrived for ${formatDuration(idle)}`
    throw new BusError('timeout', sentence, {try: ['a longer --idle', 'check whether its service is still running']})
  }
  if (count === undefined || shown >= count || endedBy === 'stop') return
  const bounds = {idle: `and then nothing for ${formatDuration(idle)}`, for: `within ${formatDuration(forMs)}`}
  const bound = endedBy === 'idle' || endedBy === 'for' ? bounds[endedBy] : 'before the end of the response stream'
  throw new BusError('timeout', `got ${shown} of ${count} frames ${bound}`, {data: {frames: shown, wanted: count}})
}

function ofMany(error: unknown, failed: number, open: number): unknown {
  if (!(error instanceof BusError)) return error
  const sentence = `${formatCount(failed)} of ${formatCount(open)} response streams failed, the first: ${error.message}`
  return reworded(error, sentence, {failed, responseStreams: open})
}

async function chooseFrameView(flags: OpenFlags, isMany: boolean, screen: Screen): Promise<FrameView> {
  const view = await chooseView(flags, {...screen, single: flags.count === 1})
  const kind = viewKindOf(flags)
  if (kind === 'json') return frameRecords(flags, screen.terminal)
  const isForPeople = kind === undefined || kind === 'headers'
  if (!isMany || !isForPeople) return {show: (frames, _stream, _first, sink) => view.show(frames, sink), end() {}}
  return {
    async show(frames, {token}, _first, sink) {
      for (const frame of frames) {
        sink.write(`${dim(token, screen.paint)} `)
        await view.show([frame], sink)
      }
      return frames.length
    },
    end() {},
  }
}

/** Records with `responseStream` and `frame`, and a last line per response stream with its close, null if it was left open. */
function frameRecords(flags: OpenFlags, safe: boolean): FrameView {
  const write = recordWriter({headersOnly: flags['headers-only']})
  const line = (text: string) => `${safe ? printableJson(text) : text}\n`
  return {
    show(frames, {token}, first, sink) {
      let number = first
      for (const frame of frames) {
        const record = flags['subjects-only'] ? `{"subject":${JSON.stringify(frame.subject)}}` : write(frame)
        sink.write(line(`${record.slice(0, -1)},"responseStream":"${token}","frame":${number++}}`))
      }
      return frames.length
    },
    end({token, frames, closed, isComplete}, sink) {
      const close = closed === undefined ? null : closeJson(closed)
      sink.write(line(JSON.stringify({responseStream: token, frames, close, ...(!isComplete && {complete: false})})))
    },
  }
}

function dim(text: string, paint: ChalkInstance | undefined): string {
  return paint?.dim(printable(text)) ?? printable(text)
}
