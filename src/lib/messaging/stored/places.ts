/** Translates positions into the terms of a bus's streams. */
import type {Position} from '../../core/position.ts'
import type {ConsumerInfo, DeliverPolicy, ReadOptions, Start, Streams} from '../../transport/streams-contract.ts'

/** The start of a read; `end` is after the current last message. */
export async function startAt(streams: Streams, stream: string, position: Position): Promise<Start | undefined> {
  if (position === 'first') return undefined
  if (position !== 'end') return position
  return {seq: (await streams.info(stream)).state.lastSeq + 1}
}

/** The new position of a consumer. */
export function resetAt(position: Position): Start | undefined {
  if (position === 'first') return {seq: 1}
  return position === 'end' ? undefined : position
}

/** The start of a new consumer. The last N messages are counted now, among those that pass its filters. */
export async function deliverAt(
  streams: Streams,
  stream: string,
  wish: DeliverPolicy,
  filters: readonly string[] | undefined,
): Promise<DeliverPolicy> {
  if (typeof wish === 'string' || !('last' in wish)) return wish
  const seq = await firstFrom(streams, stream, wish, filters)
  return seq === undefined ? 'all' : {seq}
}

/** The sequence of the first message from a position on; undefined if there is none. */
export async function firstFrom(
  streams: Streams,
  stream: string,
  from: Start,
  filters: readonly string[] | undefined,
): Promise<number | undefined> {
  await using reading = await streams.read(stream, {from, filters})
  const [first] = await reading.take(1)
  return first?.seq
}

/**
 * The unacknowledged messages of a consumer as a range of its stream; undefined if there are none. A bus does not report the
 * ack floor of a consumer that has acknowledged nothing, so the start of the consumer is used.
 */
export function unacknowledged(info: ConsumerInfo): ReadOptions | undefined {
  const {config, pending, ackPending, ackFloor, deliveredSeq} = info
  const {filters} = config
  if (pending + ackPending === 0) return undefined
  const done = ackPending === 0 ? Math.max(ackFloor, deliveredSeq) : ackFloor
  if (done > 0) return {from: {seq: done + 1}, filters}
  if (config.deliver === 'lastPerSubject') return {lastPerSubject: true, filters}
  return {from: deliveredSeq === 0 ? {last: pending} : beganAt(info), filters}
}

function beganAt({config: {deliver}, created, pending, ackPending}: ConsumerInfo): Start | undefined {
  if (deliver === 'all') return undefined
  if (deliver === 'new') return {timeMs: created}
  return typeof deliver === 'string' ? {last: pending + ackPending} : deliver
}
