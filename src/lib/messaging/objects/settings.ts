/** The settings of a bucket of objects, as the settings of its stream (ADR-20). */
import type {StreamConfig, StreamSettings} from '../../transport/streams-contract.ts'
import {checkBucketName} from '../kv/names.ts'

/** The name of the stream of a bucket of objects begins with this. */
export const objectPrefix = 'OBJ_'

/** An absent limit means unlimited. */
export interface ObjectStoreSettings {
  readonly name: string
  readonly description?: string | undefined
  /** How long an object is kept. */
  readonly ttlMs?: number | undefined
  readonly maxBytes?: number | undefined
  readonly storage?: 'file' | 'memory' | undefined
  readonly replicas?: number | undefined
}

/** Throws `usage`. */
export function objectStream(settings: ObjectStoreSettings): StreamSettings {
  const {name, description, ttlMs, maxBytes, storage, replicas} = settings
  checkBucketName(name)
  return {
    name: `${objectPrefix}${name}`,
    subjects: [`$O.${name}.C.>`, `$O.${name}.M.>`],
    description,
    maxAgeMs: ttlMs,
    maxBytes,
    storage,
    replicas,
    discard: 'new',
    allowRollup: true,
    allowDirect: true,
  }
}

/** The settings of the bucket that has this stream. */
export function objectStoreSettings(config: StreamConfig): ObjectStoreSettings {
  const {name, description, maxAgeMs, maxBytes, storage, replicas} = config
  return {name: name.slice(objectPrefix.length), description, ttlMs: maxAgeMs, maxBytes, storage, replicas}
}
