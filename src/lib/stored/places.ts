/** From positions, as people write them, to what the streams of a bus understand. */
import type {Position} from '../position.ts'
import type {DeliverPolicy, Start, Streams} from '../transport/streams.ts'

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

/** Where a new consumer begins. The last so many are counted now, among those that pass its filters. */
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
