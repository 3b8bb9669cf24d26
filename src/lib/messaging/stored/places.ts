/** From positions, as people write them, to what the streams of a bus understand. */
import type {Position} from '../../core/position.ts'
import type {ConsumerInfo, DeliverPolicy, ReadOptions, Start, Streams} from '../../transport/streams-contract.ts'

/** Where a reading begins; `end` is past the last message as it is now. */
export async function startAt(streams: Streams, stream: string, position: Position): Promise<Start | undefined> {
  if (position === 'first') return undefined
  if (position !== 'end') return position
  return {seq: (await streams.info(stream)).state.lastSeq + 1}
}

/** Where a consumer is moved to. */
export function resetAt(position: Position): Start | undefined {
  if (position === 'first') return {seq: 1}
  return position === 'end' ? undefined : position
}

/** Where a new consumer begins. The last N are counted now, among those that pass its filters. */
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

/** The sequence of the first message that is there from a place on; undefined when there is none. */
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
 * What a consumer has not acknowledged, as a range of its stream; undefined when there is nothing. Buses tell no ack
 * floor of a consumer that has acknowledged nothing: it is then found by where the consumer began.
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
