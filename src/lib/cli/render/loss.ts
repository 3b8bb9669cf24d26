/** What the change of a stream removes. */
import {enumeration} from '../../core/text/enumeration.ts'
import {durationText} from '../../core/time/duration.ts'
import type {StreamChanges, StreamInfo, Streams} from '../../transport/streams-contract.ts'
import {counted, formatBytes} from './units.ts'

/** The messages that the new limits or the retention remove, such as `12,400 messages`; undefined if they remove none. */
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
    ...(changes.retention === 'interest' && config.retention !== 'interest'
      ? await unneeded(streams, config.name, messages)
      : []),
  ]
  return enumeration(losses) || undefined
}

/** The messages that retention interest removes. A consumer needs those that are pending, in flight, or at its limit of deliveries. */
async function unneeded(streams: Streams, stream: string, messages: number): Promise<readonly string[]> {
  const consumers = await streams.consumers.list(stream)
  const needed = consumers.map(({pending, ackPending, givenUp = 0}) => pending + ackPending + givenUp)
  const most = messages - Math.max(0, ...needed)
  if (most <= 0) return []
  return [
    consumers.length === 0 ? counted(most, 'message') : `up to ${counted(most, 'message')} that no consumer needs`,
  ]
}
