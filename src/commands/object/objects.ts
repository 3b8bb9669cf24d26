/** An object as text and JSON. */
import {argument} from '../../lib/cli/flags/kinds.ts'
import type {Column} from '../../lib/cli/render/table.ts'
import {formatAgo, formatBytes, formatCount, formatMoment} from '../../lib/cli/render/units.ts'
import type {Headers} from '../../lib/core/message.ts'
import {isoTime} from '../../lib/core/time/timestamp.ts'
import type {ObjectInfo} from '../../lib/messaging/objects/object-info.ts'
import {storeArgs} from './settings.ts'

export const objectArgs = {...storeArgs, name: argument({description: 'name of the object', required: true})}

/** An object in JSON output; see docs/json-output.md. */
export interface ObjectDocument extends Omit<ObjectInfo, 'time' | 'headers' | 'metadata'> {
  readonly time: string
  readonly metadata?: Readonly<Record<string, string>> | undefined
  readonly headers?: Headers | undefined
}

export function objectDocument({time, headers, metadata, ...info}: ObjectInfo): ObjectDocument {
  return {
    ...info,
    time: isoTime(time),
    ...(headers.length > 0 && {headers}),
    ...(Object.keys(metadata).length > 0 && {metadata}),
  }
}

export const objectColumns: readonly Column[] = [
  {head: 'object'},
  {head: 'size', align: 'right'},
  {head: 'description'},
  {head: 'changed'},
]

export function objectRow(info: ObjectInfo): string[] {
  return [info.name, sizeText(info), info.description ?? '', formatAgo(info.time)]
}

/** `1.5 MiB`, or what it is a link to. */
export function sizeText({size, link, deleted}: ObjectInfo): string {
  if (deleted) return 'deleted'
  return link === undefined ? formatBytes(size) : `link to ${[link.bucket, link.name ?? []].flat().join('/')}`
}

export function objectFacts(info: ObjectInfo): Record<string, string | undefined> {
  const {name, bucket, description, chunks, digest, time, headers, metadata} = info
  const pairs = Object.entries(metadata).map(([key, value]) => `${key}: ${value}`)
  return {
    object: name,
    bucket,
    description,
    size: sizeText(info),
    chunks: formatCount(chunks),
    digest: digest || undefined,
    headers: headers.map(([key, value]) => `${key}: ${value}`).join(' · ') || undefined,
    metadata: pairs.join(' · ') || undefined,
    changed: formatMoment(time),
  }
}
