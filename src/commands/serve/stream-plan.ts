/** `serve --stream`: from the flags to the frames of each response stream, and how ended response streams are shown. */

import {accessSync, constants} from 'node:fs'
import type {ChalkInstance} from 'chalk'
import {checkProgram} from '../../lib/cli/base/program.ts'
import type {ExecOptions} from '../../lib/cli/flags/reply-handler.ts'
import {readBody, readChunks} from '../../lib/cli/io/input.ts'
import {printable} from '../../lib/cli/render/printable.ts'
import {answeredView} from '../../lib/cli/render/served-view.ts'
import {unescapeText} from '../../lib/cli/render/template.ts'
import {counted, formatBytes} from '../../lib/cli/render/units.ts'
import type {ViewTarget} from '../../lib/cli/render/view.ts'
import {messageEnvironment} from '../../lib/core/environment.ts'
import {BusError} from '../../lib/core/errors.ts'
import {fileError} from '../../lib/core/file-error.ts'
import {type Ending, failureOf, start} from '../../lib/core/process/exec.ts'
import {shellWord} from '../../lib/core/text/shell-word.ts'
import {steadyPace} from '../../lib/core/time/pace.ts'
import {sleep} from '../../lib/core/time/timer.ts'
import {splitLines, type TextLine} from '../../lib/messaging/pubsub/lines.ts'
import {compileTemplate} from '../../lib/messaging/pubsub/template.ts'
import {type Close, closeCodes, closeJson, closeText} from '../../lib/protocols/response-streams/close-reasons.ts'
import type {Producer, Streamed} from '../../lib/protocols/response-streams/serve.ts'
import type {StreamWriter} from '../../lib/protocols/response-streams/writer.ts'
import type {StreamFlags} from './plan.ts'

type Cut = (chunks: AsyncIterable<Uint8Array>, longest: number) => AsyncIterable<readonly TextLine[]>

/** Frames to write between two waits for the bus. */
const bodiesAtOnce = 256

/** The producer that the flags describe, with everything read and compiled. Fails with `usage`. */
export async function chooseProducer(flags: StreamFlags, exec: ExecOptions, signal: AbortSignal): Promise<Producer> {
  checkFlags(flags)
  const cut = cutterOf(flags)
  if (flags.exec) {
    checkProgram(exec.argv, exec.path)
    return programFrames(exec, cut, flags)
  }
  if (flags.file !== undefined) return fileFrames(flags.file, cut, flags)
  const data = await readBody(flags, signal)
  const pattern = {subject: 'frame', data}
  const count = flags.count ?? (flags.every === undefined ? 1 : Number.POSITIVE_INFINITY)
  return async (_request, writer, gone) => {
    const make = flags.template ? compileTemplate(pattern) : () => pattern
    // A body with a time in it is created when it is due.
    const atOnce = flags.every === undefined ? bodiesAtOnce : 1
    await pump(
      bodies(() => make().data ?? '', count, atOnce),
      writer,
      {everyMs: flags.every, signal: gone},
    )
    return undefined
  }
}

/** Shows a response stream that has ended. */
export type StreamedView = (streamed: Streamed, sink: ViewTarget) => void

/** `[3] 10:24:31.482 logs.app 12 B → 42 frames, 3.1 KiB · 1.2 s`, or with --json the request as a record with the outcome. */
export function streamedView(json: boolean, terminal: boolean, paint: ChalkInstance | undefined): StreamedView {
  return answeredView([json, terminal, paint], {
    text({frames, bytes, close, isLeft}) {
      const sent = `${counted(frames, 'frame')}, ${formatBytes(bytes)}`
      return `${sent}${outcomeOf(close, isLeft, paint)}`
    },
    record({frames, bytes, close, isLeft}) {
      return {frames, bytes, ...(isLeft ? {left: true} : {close: closeJson(close)})}
    },
  })
}

function checkFlags(flags: StreamFlags): void {
  // These flags may be combined without --stream, which oclif cannot express.
  if (flags.exec) checkWithout(flags, 'exec', 'file', 'encoding', 'template', 'every', 'count')
  if (flags.file !== undefined) checkWithout(flags, 'file', 'encoding', 'template', 'count')
  const {subject, body, file} = flags
  if (body !== undefined && (flags.exec || file !== undefined)) {
    const other = flags.exec ? '--exec' : '--file'
    throw new BusError('usage', `the frames are given twice, by the argument and by ${other}`, {
      try: ['leave one of them out'],
    })
  }
  if (body === undefined && file === undefined && !flags.exec) {
    throw new BusError('usage', `no frames are given for "${subject}"`, {
      try: [
        `bus serve ${shellWord(subject)} --stream --exec -- tail -f app.log`,
        '--file app.log',
        "'tick {n}' --template --every 1s",
      ],
    })
  }
  if (file === '-')
    throw new BusError('usage', 'every response stream reads the file from its start, which is impossible with stdin')
  if (file !== undefined) checkReadable(file)
  if (flags.chunk === 0) throw new BusError('usage', '--chunk is 0 bytes, so there would be no frames')
}

/** Throws `usage` if one of `others` is given together with `name`. */
function checkWithout(flags: StreamFlags, name: string, ...others: readonly (keyof StreamFlags)[]): void {
  const other = others.find((one) => flags[one] !== undefined && flags[one] !== false)
  if (other === undefined) return
  throw new BusError('usage', `--${name} and --${other} cannot be used together`, {try: ['leave one of them out']})
}

function checkReadable(path: string): void {
  try {
    accessSync(path, constants.R_OK)
  } catch (error) {
    throw fileError(error, 'read', path)
  }
}

function cutterOf({chunk, delimiter: given = '\\n'}: StreamFlags): Cut {
  if (chunk !== undefined) return (chunks, longest) => pieces(chunks, Math.min(chunk, longest))
  const delimiter = unescapeText(given, '--delimiter')
  if (delimiter === '') throw new BusError('usage', '--delimiter is empty, so there would be no lines')
  return (chunks, longest) => splitLines(chunks, {delimiter, longest})
}

/** The output as it arrives, in pieces of at most this many bytes. */
async function* pieces(chunks: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<readonly TextLine[]> {
  for await (const chunk of chunks) {
    const batch: Uint8Array[] = []
    for (let at = 0; at < chunk.length; at += size) batch.push(chunk.subarray(at, at + size))
    yield batch
  }
}

function programFrames({argv, onStderr}: ExecOptions, cut: Cut, flags: StreamFlags): Producer {
  return async (request, writer, signal) => {
    const env = messageEnvironment(request)
    const timeoutMs = flags['exec-timeout']
    const running = start({argv, env, input: request.payload, timeoutMs, signal, onStderr})
    try {
      await pump(cut(running.stdout, writer.mostData), writer, {everyMs: undefined, signal})
    } catch (error) {
      running.kill()
      throw error
    }
    return closeOf(await running.ended, argv)
  }
}

function closeOf(ending: Ending, argv: readonly string[]): Close | undefined {
  const failure = failureOf(ending, argv)
  if (failure === undefined) return undefined
  const text = ending.kind === 'exited' && ending.reason !== '' ? ending.reason : failure
  return {code: closeCodes.internalError, text}
}

function fileFrames(path: string, cut: Cut, {every}: StreamFlags): Producer {
  return async (_request, writer, signal) => {
    await pump(cut(readChunks(path, signal), writer.mostData), writer, {everyMs: every, signal})
    return undefined
  }
}

function* bodies(make: () => TextLine, count: number, atOnce: number): Generator<readonly TextLine[]> {
  for (let n = 0; n < count; n += atOnce) yield Array.from({length: Math.min(atOnce, count - n)}, make)
}

/** Writes frames: one every `everyMs` if given, otherwise as fast as the bus accepts them. */
async function pump(
  batches: AsyncIterable<readonly TextLine[]> | Iterable<readonly TextLine[]>,
  writer: StreamWriter,
  {everyMs, signal}: {readonly everyMs: number | undefined; readonly signal: AbortSignal},
): Promise<void> {
  const started = performance.now()
  const pace = everyMs === undefined ? undefined : steadyPace(everyMs)
  for await (const batch of batches) {
    for (const line of batch) {
      if (pace !== undefined) {
        const elapsed = performance.now() - started
        const wait = pace({}, elapsed) - elapsed
        if (wait > 0) await sleep(wait, signal)
      }
      if (signal.aborted) return
      writer.write(line)
    }
    await writer.flush()
  }
}

function outcomeOf(close: Close, isLeft: boolean, paint: ChalkInstance | undefined): string {
  if (isLeft) return ', the consumer is gone'
  if (close.code === closeCodes.normal) return ''
  const text = printable(closeText(close).replace('nats stream: ', ''))
  return `, ${paint?.red(text) ?? text}`
}
