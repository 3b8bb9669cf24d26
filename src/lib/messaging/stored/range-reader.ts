/** Reads stored messages of some subjects and continues with new ones, as `sub --from` does. */
import type {Position, Range} from '../../core/position.ts'
import {checkPatterns} from '../../core/subject.ts'
import type {Subscription} from '../../transport/contract.ts'
import type {Streams} from '../../transport/streams-contract.ts'
import {findStream} from './find.ts'
import {startAt} from './places.ts'

export interface ReadingOptions {
  readonly from: Position
  /** `end` is the current end of the stream; without it reading continues live. */
  readonly to?: Range['to'] | 'end'
  /** By default the stream that stores the subjects. */
  readonly stream?: string | undefined
  readonly signal?: AbortSignal | undefined
}

export interface Reading {
  readonly stream: string
  readonly isLive: boolean
  /** The stream stores messages under other subjects than those to which they are published. */
  readonly renames: boolean
  readonly subscription: Subscription
}

/** Fails as `findStream` and `Streams.read` do. */
export async function openReading(
  streams: Streams,
  patterns: readonly string[],
  {from, to, stream: wanted, signal}: ReadingOptions,
): Promise<Reading> {
  const filters = checkPatterns(patterns)
  const stream = await findStream(streams, filters, wanted)
  const start = await startAt(streams, stream, from)
  const isLive = to === undefined
  const range = {from: start, to: to === 'end' ? undefined : to, filters, follow: isLive, signal}
  const [{config}, subscription] = await Promise.all([streams.info(stream), streams.read(stream, range)])
  return {stream, isLive, renames: config.other?.['subject_transform'] !== undefined, subscription}
}
