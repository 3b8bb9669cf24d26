/** The changes in a file, as messages to publish and compared with what a bucket has. */
import {createHash} from 'node:crypto'
import type {Outgoing} from '../../lib/core/message.ts'
import type {Bucket} from '../../lib/messaging/kv/bucket.ts'
import {type KvChange, parseEntries} from '../../lib/messaging/kv/entry-json.ts'
import {splitLines} from '../../lib/messaging/pubsub/lines.ts'
import type {Numbered} from '../../lib/messaging/pubsub/sources.ts'

export type Changes = AsyncIterable<readonly KvChange[]>

/** A line may contain a value twice, with each byte as `\\u00ff`, and it has headers. */
const moreBytes = 16 * 1024 * 1024

export function changesIn(chunks: AsyncIterable<Uint8Array>, name: string, maxPayload: number): Changes {
  return parseEntries(splitLines(chunks, {delimiter: '\n', longest: 12 * maxPayload + moreBytes}), name)
}

/** Headers that belong to how a change was made, not to the value. */
const ofChange = /^(Nats-Msg-Id|Nats-Expected-.*|Nats-Rollup|KV-Operation)$/i

export async function* messagesOf(bucket: Bucket, changes: Changes): AsyncGenerator<(Outgoing & Numbered)[]> {
  for await (const batch of changes) yield batch.map((change) => ({...messageOf(bucket, change), line: change.line}))
}

function messageOf(bucket: Bucket, {key, operation, value, headers}: KvChange): Outgoing {
  if (operation === 'put')
    return bucket.message(key, value, {headers: headers.filter(([name]) => !ofChange.test(name))})
  return bucket.removal(key, operation === 'del' ? 'DEL' : 'PURGE')
}

/** How a bucket would change, by key. */
export interface Differences {
  readonly added: readonly string[]
  readonly changed: readonly string[]
  readonly removed: readonly string[]
  readonly unchanged: number
}

/** Compares the values that the changes lead to with those of the bucket. */
export async function compareWith(bucket: Bucket, changes: Changes): Promise<Differences> {
  const wanted = new Map<string, string | undefined>()
  for await (const batch of changes) for (const change of batch) wanted.set(change.key, digestOf(change))
  const has = new Map<string, string>()
  await using reading = await bucket.read({})
  for await (const message of reading) {
    const {key, operation} = bucket.entry(message)
    if (operation === 'put' && wanted.has(key)) has.set(key, digest(message.payload))
  }
  const keys = [...wanted.keys()]
  const added = keys.filter((key) => wanted.get(key) !== undefined && !has.has(key))
  const removed = keys.filter((key) => wanted.get(key) === undefined && has.has(key))
  const changed = keys.filter((key) => {
    const [one, other] = [wanted.get(key), has.get(key)]
    return one !== undefined && other !== undefined && one !== other
  })
  return {added, changed, removed, unchanged: keys.length - added.length - removed.length - changed.length}
}

function digestOf({operation, value = ''}: KvChange): string | undefined {
  return operation === 'put' ? digest(value) : undefined
}

function digest(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('base64')
}
