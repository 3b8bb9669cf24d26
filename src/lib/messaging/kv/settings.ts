/** The settings of a bucket, as the settings of its stream (ADR-8). */
import {BusError, isFailure} from '../../core/errors.ts'
import type {StreamConfig, StreamInfo, StreamSettings, Streams} from '../../transport/streams-contract.ts'
import {checkBucketName} from './names.ts'

/** The name of the stream of a bucket begins with this. */
export const kvPrefix = 'KV_'

/** An absent limit means unlimited. */
export interface BucketSettings {
  readonly name: string
  readonly description?: string | undefined
  /** How many changes of each key are kept; default 1, at most 64. */
  readonly history?: number | undefined
  /** How long a value is kept. */
  readonly ttlMs?: number | undefined
  readonly maxBytes?: number | undefined
  readonly maxValueSize?: number | undefined
  readonly storage?: 'file' | 'memory' | undefined
  readonly replicas?: number | undefined
  /** Keys may expire on their own, and their markers are kept for this long. */
  readonly markerTtlMs?: number | undefined
}

const mostHistory = 64

/** Throws `usage`. */
export function bucketStream(settings: BucketSettings): StreamSettings {
  const {name, description, history = 1, ttlMs, maxBytes, maxValueSize, storage, replicas, markerTtlMs} = settings
  checkBucketName(name)
  if (history > mostHistory)
    throw new BusError('usage', `a bucket keeps at most ${mostHistory} changes of each key, not ${history}`)
  return {
    name: `${kvPrefix}${name}`,
    subjects: [`$KV.${name}.>`],
    description,
    maxMsgsPerSubject: history,
    maxAgeMs: ttlMs,
    maxBytes,
    maxMsgSize: maxValueSize,
    storage,
    replicas,
    discard: 'new',
    allowRollup: true,
    allowDirect: true,
    denyDelete: true,
    ...(markerTtlMs !== undefined && {allowTtl: true, markerTtlMs}),
  }
}

/** Names of settings of a stream, as those of a bucket. */
const bucketWords: readonly (readonly [RegExp, string])[] = [
  [/max-msgs-per-subject/g, 'history'],
  [/max-age/g, 'ttl'],
  [/max-msg-size/g, 'max-value-size'],
]

/** Creates the stream of a bucket. Fails as `Streams.add` does, in the words of buckets. */
export async function addBucket(
  streams: Pick<Streams, 'add'>,
  stream: StreamSettings,
  kind: {readonly prefix: string; readonly name: string; readonly hint: string},
): Promise<StreamInfo> {
  try {
    return await streams.add(stream)
  } catch (error) {
    if (!isFailure(error, 'usage')) throw error
    const bucket = stream.name.slice(kind.prefix.length)
    const sentence = bucketWords.reduce((text, [from, to]) => text.replace(from, to), error.message)
    throw new BusError('usage', sentence.replace(`stream ${stream.name} `, `${kind.name} ${bucket} `), {
      cause: error,
      data: error.data ?? {},
      try: sentence.includes('another configuration') ? [kind.hint] : error.try,
    })
  }
}

/** The settings of the bucket that has this stream. */
export function bucketSettings(config: StreamConfig): BucketSettings & {readonly history: number} {
  const {
    name,
    description,
    maxMsgsPerSubject = 1,
    maxAgeMs,
    maxBytes,
    maxMsgSize,
    storage,
    replicas,
    markerTtlMs,
  } = config
  return {
    name: name.slice(kvPrefix.length),
    description,
    history: maxMsgsPerSubject,
    ttlMs: maxAgeMs,
    maxBytes,
    maxValueSize: maxMsgSize,
    storage,
    replicas,
    ...(markerTtlMs !== undefined && {markerTtlMs}),
  }
}
