/** Where a run over a durable consumer ends. The end is a state of the consumer, not a number of deliveries. */
import {isFailure} from '../../core/errors.ts'
import type {ConsumerInfo, Streams} from '../../transport/streams-contract.ts'

export interface ConsumerEnd {
  /** The last sequence of the stream at the start. */
  readonly seq: number
  /**
   * The consumer may report that nothing is pending although something is: on a new leader that lags behind, and while it holds
   * a message back to deliver it at the original pace.
   */
  readonly mayHide: boolean
}

export const endless: ConsumerEnd = {seq: Number.POSITIVE_INFINITY, mayHide: false}

/** Endless if this login may not read the stream, in which case a busy stream prolongs the run. */
export async function endOf(streams: Streams, {stream, config: {other}}: ConsumerInfo): Promise<ConsumerEnd> {
  try {
    const {state, config} = await streams.info(stream)
    return {seq: state.lastSeq, mayHide: config.replicas > 1 || other?.['replay_policy'] === 'original'}
  } catch (error) {
    if (isFailure(error, 'denied')) return endless
    throw error
  }
}

/** Whether the consumer has delivered everything up to the end; some of it may be unacknowledged. */
export async function isDelivered(streams: Streams, info: ConsumerInfo, end: ConsumerEnd): Promise<boolean> {
  if (info.deliveredSeq >= end.seq) return true
  return info.pending === 0 && !(end.mayHide && (await hasUndelivered(streams, info, end)))
}

/** Whether the stream has a message for the consumer after its last delivery, up to the end. */
async function hasUndelivered(
  streams: Streams,
  {stream, config, deliveredSeq}: ConsumerInfo,
  {seq}: ConsumerEnd,
): Promise<boolean> {
  try {
    const range = {from: {seq: deliveredSeq + 1}, to: {seq}, filters: config.filters}
    await using reading = await streams.read(stream, range)
    return (await reading.take(1)).length > 0
  } catch (error) {
    // Without the permission to read, the answer of the consumer counts.
    if (isFailure(error, 'denied')) return false
    throw error
  }
}
