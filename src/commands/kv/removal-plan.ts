/** Removing keys: what the commands del and purge have in common. */
import {confirm} from '../../lib/cli/base/confirm.ts'
import {count} from '../../lib/cli/flags/kinds.ts'
import {streamFlags} from '../../lib/cli/flags/stream.ts'
import {counted} from '../../lib/cli/render/units.ts'
import {BusError} from '../../lib/core/errors.ts'
import {hasWildcard} from '../../lib/core/subject.ts'
import type {Bucket} from '../../lib/messaging/kv/bucket.ts'
import {checkKeyPattern} from '../../lib/messaging/kv/names.ts'
import {lostRace, noKeys} from './entries.ts'

export const removalFlags = {
  revision: count('only if the key still has this revision'),
  yes: streamFlags.yes,
}

export interface KeyRemoval {
  readonly keys: readonly string[]
  readonly operation: 'DEL' | 'PURGE'
  readonly revision?: number | undefined
  readonly ttlMs?: number | undefined
  readonly yes: boolean
  readonly signal: AbortSignal
}

/** What `--json` prints. */
export interface KvRemovalResult {
  readonly bucket: string
  readonly removed: readonly string[]
}

/** Checks keys and patterns. Throws `usage`. */
export function checkRemoval(keys: readonly string[], revision: number | undefined): readonly string[] {
  const checked = keys.map(checkKeyPattern)
  if (revision !== undefined && (checked.length > 1 || checked.some(hasWildcard)))
    throw new BusError('usage', 'a revision belongs to one key', {try: ['one KEY without wildcards']})
  return checked
}

/**
 * Marks keys as removed, and returns them. Keys that a pattern matches are counted and confirmed first. Fails with `notFound` if
 * there are none, with `expectation` if the key has another revision.
 */
export async function removeKeys(bucket: Bucket, removal: KeyRemoval): Promise<readonly string[]> {
  const {keys, operation, revision, ttlMs, yes, signal} = removal
  const isPurge = operation === 'PURGE'
  const [key = ''] = keys
  if (revision !== undefined) {
    const done = await bucket.remove(key, {purge: isPurge, revision, ttlMs})
    if (done === undefined) throw await lostRace(bucket, key, revision)
    return [key]
  }
  const isKnown = !keys.some(hasWildcard)
  // A key with only a marker may still be purged.
  const found = await existing(bucket, keys, isPurge && isKnown)
  const missing = found.length === 0 ? keys : isKnown ? keys.filter((one) => !found.includes(one)) : []
  if (missing.length > 0) throw noKeys(bucket.name, missing)
  const what = `${isPurge ? 'purge' : 'delete'} ${counted(found.length, 'key')} of ${bucket.name}`
  if (!isKnown) await confirm(`${what}: ${few(found)}`, {yes, signal})
  for (const one of found) await bucket.remove(one, {purge: isPurge, ttlMs})
  return found
}

async function existing(bucket: Bucket, patterns: readonly string[], withMarkers: boolean): Promise<string[]> {
  await using reading = await bucket.read({patterns, withoutValues: true})
  const found: string[] = []
  for await (const message of reading) {
    const {key, operation} = bucket.entry(message)
    if (withMarkers || operation === 'put') found.push(key)
  }
  return found
}

/** The first names. */
function few(names: readonly string[]): string {
  const shown = names.slice(0, 5).join(', ')
  return names.length > 5 ? `${shown} and others` : shown
}
