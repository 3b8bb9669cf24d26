/** What the change of a stream removes. */
import {enumeration} from '../../core/text/enumeration.ts'
import {durationText} from '../../core/time/duration.ts'
import type {StreamChanges, StreamInfo, Streams} from '../../transport/streams-contract.ts'
import {counted, formatBytes} from './units.ts'

/** The messages that the new limits remove, such as `12,400 messages`; undefined if they remove none. */
export async function lossText(
  streams: Streams,
  {config, state}: StreamInfo,
  changes: StreamChanges,
): Promise<string | undefined> {
  const {maxMsgs = Infinity, maxBytes = Infinity, maxAgeMs = Infinity, maxMsgsPerSubject: most} = changes
  const {messages, bytes, firstTime = Infinity} = state
  let beyond = Math.max(0, messages - maxMsgs)
  if (most !== undefined && most < (config.maxMsgsPerSubject ?? Infinity)) {
    const counts = [...(await streams.subjects(config.name)).values()]
    beyond = Math.max(
      beyond,
      counts.reduce((sum, count) => sum + Math.max(0, count - most), 0),
    )
  }
  const losses = [
    ...(beyond > 0 ? [counted(beyond, 'message')] : []),
    ...(bytes > maxBytes ? [`the oldest ${formatBytes(bytes - maxBytes)}`] : []),
    ...(firstTime < Date.now() - maxAgeMs ? [`messages older than ${durationText(maxAgeMs)}`] : []),
  ]
  return enumeration(losses) || undefined
}
