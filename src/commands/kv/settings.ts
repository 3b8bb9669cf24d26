/** The configuration of a bucket from flags, and a bucket as text and JSON. */
import {age, argument, count, type FlagValues, size} from '../../lib/cli/flags/kinds.ts'
import {storageFlags, streamFlags} from '../../lib/cli/flags/stream.ts'
import type {Column} from '../../lib/cli/render/table.ts'
import {counted, formatAgo, formatBytes, formatCount, formatMoment} from '../../lib/cli/render/units.ts'
import {durationText} from '../../lib/core/time/duration.ts'
import {isoTime} from '../../lib/core/time/timestamp.ts'
import {Bucket} from '../../lib/messaging/kv/bucket.ts'
import {checkBucketName} from '../../lib/messaging/kv/names.ts'
import {type BucketSettings, bucketSettings} from '../../lib/messaging/kv/settings.ts'
import type {StreamInfo, Streams} from '../../lib/transport/streams-contract.ts'

/** A bucket as named on the command line. Throws `usage` for an invalid name. */
export function bucketOn(streams: Streams, name: string): Bucket {
  return new Bucket(streams, checkBucketName(name))
}

export const bucketArgs = {bucket: argument({description: 'name of the bucket', required: true})}

/** The flags for the configuration of a bucket. */
export const bucketFlags = {
  history: count('how many changes of each key to keep, at most 64 (default: 1)'),
  ttl: age('remove values that were set longer ago than this'),
  'marker-ttl': age(
    'allow keys to expire (kv create --ttl), and keep the marker of an expired key for this long; a server must be 2.11 or newer',
  ),
  'max-bytes': size('maximum total size'),
  'max-value-size': size('maximum size of a value; larger ones are refused'),
  ...storageFlags,
  description: streamFlags.description,
}

export function bucketSettingsOf(name: string, flags: FlagValues<typeof bucketFlags>): BucketSettings {
  const {history, ttl: ttlMs, 'max-bytes': maxBytes, 'max-value-size': maxValueSize, ...rest} = flags
  const {'marker-ttl': markerTtlMs} = rest
  const {storage, replicas, description} = rest
  return {name, history, ttlMs, maxBytes, maxValueSize, storage, replicas, description, markerTtlMs}
}

/** A bucket in JSON output; see docs/json-output.md. */
export interface BucketDocument extends Omit<BucketSettings, 'name'> {
  readonly bucket: string
  readonly stream: string
  /** Keys, also those that were removed, and changes that are stored. */
  readonly keys: number
  readonly changes: number
  readonly bytes: number
  /** The revision of the last change; 0 if there was none. */
  readonly revision: number
  readonly created: string
  readonly changed?: string | undefined
  /** Settings of its stream that buckets do not have. */
  readonly other?: Readonly<Record<string, unknown>> | undefined
}

export function bucketDocument({config, state, created}: StreamInfo): BucketDocument {
  const {name: bucket, ...settings} = bucketSettings(config)
  return {
    bucket,
    stream: config.name,
    ...settings,
    keys: state.subjects,
    changes: state.messages,
    bytes: state.bytes,
    revision: state.lastSeq,
    created: isoTime(created),
    ...(state.lastTime !== undefined && {changed: isoTime(state.lastTime)}),
    ...(config.other && {other: config.other}),
  }
}

export const bucketColumns: readonly Column[] = [
  {head: 'bucket'},
  {head: 'keys', align: 'right'},
  {head: 'changes', align: 'right'},
  {head: 'size', align: 'right'},
  {head: 'history', align: 'right'},
  {head: 'ttl'},
  {head: 'last change'},
]

export function bucketRow({config, state}: StreamInfo): string[] {
  const {name, history, ttlMs} = bucketSettings(config)
  return [
    name,
    formatCount(state.subjects),
    formatCount(state.messages),
    formatBytes(state.bytes),
    formatCount(history),
    ttlMs === undefined ? 'none' : durationText(ttlMs),
    state.lastTime === undefined || state.messages === 0 ? 'none' : formatAgo(state.lastTime),
  ]
}

export function bucketFacts({config, state, created}: StreamInfo): Record<string, string | undefined> {
  const {name, description, history, ttlMs, maxBytes, maxValueSize, storage, replicas = 1} = bucketSettings(config)
  const limits = [maxBytes && formatBytes(maxBytes), maxValueSize && `${formatBytes(maxValueSize)} per value`]
  const {lastTime, lastSeq} = state
  return {
    bucket: name,
    description,
    keys: formatCount(state.subjects),
    changes: formatCount(state.messages),
    size: formatBytes(state.bytes),
    'last change': lastSeq === 0 || lastTime === undefined ? 'none' : `#${lastSeq} · ${formatMoment(lastTime)}`,
    history: counted(history, 'change'),
    ttl: ttlMs === undefined ? 'none' : durationText(ttlMs),
    limits: limits.filter(Boolean).join(' · ') || 'none',
    storage: replicas > 1 ? `${storage}, ${replicas} replicas` : storage,
    stream: config.name,
    created: formatMoment(created),
  }
}
