/** `pub --batch`: all messages of the input are stored, or none. Loaded only for this flag. */
import {summaryLine} from '../../lib/cli/render/summary.ts'
import {formatBytes} from '../../lib/cli/render/units.ts'
import {BusError, type FailureKind} from '../../lib/core/errors.ts'
import {type Outgoing, sizeOf} from '../../lib/core/message.ts'
import {roundedMs} from '../../lib/core/record.ts'
import {reworded} from '../../lib/core/rewording.ts'
import type {MessageSource, Numbered} from '../../lib/messaging/pubsub/sources.ts'
import type {Transport} from '../../lib/transport/contract.ts'
import {batchTooLong, mostInBatch} from '../../lib/transport/shared/batch.ts'

interface BatchOptions {
  readonly timeoutMs: number | undefined
  /** Ends the input. */
  readonly stop: AbortSignal
  /** Ends the wait for the acknowledgement. */
  readonly signal: AbortSignal
}

interface BatchResult {
  readonly text: string
  /** Bytes of all payloads. */
  readonly bytes: number
  readonly ms: number
  readonly acknowledged: number
  readonly duplicates: 0
  readonly stream?: string
  readonly seq?: number
}

type Line = Outgoing & Partial<Numbered>

/** After a failure of one of these kinds the batch may be stored. */
const unknownKinds: ReadonlySet<FailureKind> = new Set(['timeout', 'connect', 'interrupted'])

/** Reads all messages, and publishes them together; nothing if there are none. Failures say that nothing is stored, if it is known. */
export async function publishTogether(
  {streams}: Transport,
  source: MessageSource,
  {timeoutMs, stop, signal}: BatchOptions,
): Promise<BatchResult> {
  const started = performance.now()
  const messages: Line[] = []
  try {
    await readAll(source, stop, messages)
  } catch (error) {
    throw notStored(error)
  }
  const bytes = messages.reduce((sum, {data}) => sum + sizeOf(data), 0)
  const done = (acknowledged: number) =>
    ({bytes, ms: roundedMs(performance.now() - started), acknowledged, duplicates: 0}) as const
  if (messages.length === 0) return {text: 'nothing to store: the input is empty', ...done(0)}
  try {
    const {stream, seq, count} = await streams.publishBatch(messages, {timeoutMs, signal})
    const facts = [formatBytes(bytes), `last is #${seq} of ${stream}`]
    const text = summaryLine({'stored together': count}, performance.now() - started, facts)
    return {text, ...done(count), stream, seq}
  } catch (error) {
    throw failed(error, messages)
  }
}

async function readAll(source: MessageSource, stop: AbortSignal, messages: Line[]): Promise<void> {
  for await (const some of source) {
    for (const message of some) {
      if (stop.aborted) break
      if (messages.length === mostInBatch) throw batchTooLong()
      messages.push(message)
    }
  }
  if (stop.aborted) throw new BusError('interrupted', 'interrupted')
}

/** Names the line, and says what is stored. */
function failed(error: unknown, messages: readonly Line[]): unknown {
  if (!(error instanceof BusError)) return error
  const index = error.data?.['index']
  const line = typeof index === 'number' ? messages[index]?.line : undefined
  const data = {acknowledged: 0, stored: [], ...(line !== undefined && {line})}
  const place =
    line !== undefined
      ? `line ${line}: `
      : typeof index === 'number' && messages.length > 1
        ? `message ${index + 1}: `
        : ''
  const placed = reworded(error, `${place}${error.message}`, data)
  if (!unknownKinds.has(error.kind) || error.data?.['written'] === false) return notStored(placed)
  return error.kind === 'interrupted' ? reworded(placed, 'interrupted: all of the batch is stored, or nothing') : placed
}

function notStored(error: unknown): unknown {
  if (!(error instanceof BusError) || error.message.endsWith('nothing is stored')) return error
  return reworded(error, `${error.message}; nothing is stored`)
}
