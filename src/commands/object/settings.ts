/** A bucket of objects from flags, and as text and JSON. */
import {age, argument, type FlagValues, size} from '../../lib/cli/flags/kinds.ts'
import {storageFlags, streamFlags} from '../../lib/cli/flags/stream.ts'
import type {Column} from '../../lib/cli/render/table.ts'
import {formatAgo, formatBytes, formatMoment} from '../../lib/cli/render/units.ts'
import {durationText} from '../../lib/core/time/duration.ts'
import {isoTime} from '../../lib/core/time/timestamp.ts'
import {type ObjectStoreSettings, objectStoreSettings} from '../../lib/messaging/objects/settings.ts'
import type {StreamInfo} from '../../lib/transport/streams-contract.ts'

export const storeArgs = {bucket: argument({description: 'name of the object bucket', required: true})}

/** The flags for the configuration of a bucket of objects. */
export const storeFlags = {
  ttl: age('remove objects that were stored longer ago than this'),
  'max-bytes': size('maximum total size'),
  ...storageFlags,
  description: streamFlags.description,
}

export function storeSettingsOf(name: string, flags: FlagValues<typeof storeFlags>): ObjectStoreSettings {
  const {ttl: ttlMs, 'max-bytes': maxBytes, storage, replicas, description} = flags
  return {name, ttlMs, maxBytes, storage, replicas, description}
}

/** A bucket of objects in JSON output; see docs/json-output.md. */
export interface StoreDocument extends Omit<ObjectStoreSettings, 'name'> {
  readonly bucket: string
  readonly stream: string
  readonly bytes: number
  readonly created: string
  readonly changed?: string | undefined
  /** Settings of its stream that buckets do not have. */
  readonly other?: Readonly<Record<string, unknown>> | undefined
}

export function storeDocument({config, state, created}: StreamInfo): StoreDocument {
  const {name: bucket, ...settings} = objectStoreSettings(config)
  return {
    bucket,
    stream: config.name,
    ...settings,
    bytes: state.bytes,
    created: isoTime(created),
    ...(state.lastTime !== undefined && {changed: isoTime(state.lastTime)}),
    ...(config.other && {other: config.other}),
  }
}

export const storeColumns: readonly Column[] = [
  {head: 'bucket'},
  {head: 'size', align: 'right'},
  {head: 'ttl'},
  {head: 'last change'},
]

export function storeRow({config, state}: StreamInfo): string[] {
  const {name, ttlMs} = objectStoreSettings(config)
  const {lastTime, messages} = state
  return [
    name,
    formatBytes(state.bytes),
    ttlMs === undefined ? 'none' : durationText(ttlMs),
    lastTime === undefined || messages === 0 ? 'none' : formatAgo(lastTime),
  ]
}

export function storeFacts({config, state, created}: StreamInfo): Record<string, string | undefined> {
  const {name, description, ttlMs, maxBytes, storage, replicas = 1} = objectStoreSettings(config)
  const {lastTime, lastSeq} = state
  return {
    bucket: name,
    description,
    size: formatBytes(state.bytes),
    'last change': lastSeq === 0 || lastTime === undefined ? 'none' : formatMoment(lastTime),
    ttl: ttlMs === undefined ? 'none' : durationText(ttlMs),
    limits: maxBytes === undefined ? 'none' : formatBytes(maxBytes),
    storage: replicas > 1 ? `${storage}, ${replicas} replicas` : storage,
    stream: config.name,
    created: formatMoment(created),
  }
}
