/** Durable subscriptions and their offsets, in a bucket on the bus: `subscription.<namespace>.<name>`, `offset.<id>`. */

import {randomUUID} from 'node:crypto'
import {BusError} from '../../core/errors.ts'
import {isObject, objectIn, parseJson} from '../../core/text/json-text.ts'
import {shellWord} from '../../core/text/shell-word.ts'
import {type Bucket, openBucket} from '../../messaging/kv/bucket.ts'
import type {KvEntry} from '../../messaging/kv/entry.ts'
import {type Streams, unlessMissing} from '../../transport/streams-contract.ts'
import {compileEventFilter, type EventFilter} from './filter.ts'
import {
  checkSubscriptionName,
  type EventSubscription,
  lockFirstEvent,
  type Options,
  parseSubscription,
  subscriptionJson,
} from './subscription.ts'

/** The bucket of the subscriptions. */
export const eventsBucket = 'bus-events'

/** The settings of a new subscription. */
export interface Wish {
  readonly namespace: string
  readonly name: string
  readonly transport: string
  readonly filter: EventFilter
  readonly options: Options
}

export interface Change {
  readonly namespace: string
  readonly name: string
  /** Undefined if it was removed. */
  readonly subscription: EventSubscription | undefined
}

export interface Snapshot {
  readonly subscriptions: readonly EventSubscription[]
  readonly revision: number
}

/** The durable subscriptions of a bus: adds, changes, lists and removes them. */
export class Registry {
  readonly bucket: Bucket
  readonly #streams: Streams
  readonly #onInvalid: ((sentence: string) => void) | undefined

  constructor(bucket: Bucket, streams: Streams, onInvalid?: (sentence: string) => void) {
    this.bucket = bucket
    this.#streams = streams
    this.#onInvalid = onInvalid
  }

  /**
   * Adds a subscription; `firstEvent` is resolved to a number now. If one with the same name exists, it is returned if its
   * settings are the same, changed with `replace` (and keeps its offset), and refused with `usage` otherwise.
   */
  async add(
    wish: Wish,
    {replace = false} = {},
  ): Promise<{readonly subscription: EventSubscription; readonly made: boolean}> {
    checkSubscriptionName(wish.name)
    await compileEventFilter(wish.filter)
    const {id: stream, state} = await this.#streams.info(wish.namespace)
    const before = await this.#entry(wish.namespace, wish.name)
    if (before === undefined) {
      const firstEvent = String(lockFirstEvent(wish.options.firstEvent, state.lastSeq))
      const now = new Date().toISOString()
      const options = {...wish.options, firstEvent}
      const made = {...wish, id: randomUUID(), options, ephemeral: false, created: now, updated: now}
      const subscription = await this.#put(made, 0)
      const offset = offsetText({offset: Number(firstEvent), stream, writer: ''})
      await this.bucket.update(offsetKey(subscription), offset, 0)
      return {subscription, made: true}
    }
    const {subscription: old, revision} = before
    const wanted = changedSubscription(old, wish)
    if (wanted === undefined) return {subscription: old, made: false}
    if (replace)
      return {subscription: await this.#put({...wanted, updated: new Date().toISOString()}, revision), made: false}
    throw new BusError('usage', `subscription ${wish.name} of ${wish.namespace} exists with other settings`, {
      try: [
        '--replace, to change it and keep its offset',
        `bus events info ${shellWord(wish.namespace)} ${shellWord(wish.name)}`,
      ],
    })
  }

  /** Fails with `notFound`. */
  async get(namespace: string, name: string): Promise<EventSubscription> {
    return (await this.#entry(namespace, name))?.subscription ?? missing(namespace, name)
  }

  /** Sorted by namespace and name. */
  async list(): Promise<readonly EventSubscription[]> {
    return (await this.snapshot()).subscriptions
  }

  /** All subscriptions, and the revision up to which they are known. */
  async snapshot(): Promise<Snapshot> {
    const entries = await this.bucket.entries('subscription.>')
    const subscriptions = entries.flatMap((entry) => this.#read(entry) ?? [])
    subscriptions.sort((a, b) =>
      a.namespace === b.namespace ? order(a.name, b.name) : order(a.namespace, b.namespace),
    )
    return {subscriptions, revision: Math.max(0, ...entries.map(({revision}) => revision))}
  }

  /** Subscriptions added, changed and removed since the snapshot, until the signal aborts. */
  async *changes({subscriptions, revision}: Snapshot, signal: AbortSignal): AsyncIterable<Change> {
    const names = new Map(subscriptions.map((one) => [keyOf(one.namespace, one.name), one]))
    for await (const entry of this.bucket.changes('subscription.>', revision, signal)) {
      const subscription = this.#read(entry)
      const isInvalid = subscription === undefined && entry.value !== undefined
      const known = isInvalid ? undefined : (subscription ?? names.get(entry.key))
      if (subscription !== undefined) names.set(entry.key, subscription)
      if (known !== undefined) yield {namespace: known.namespace, name: known.name, subscription}
    }
  }

  /** Fails with `notFound`. */
  async remove(namespace: string, name: string): Promise<EventSubscription> {
    const subscription = await this.get(namespace, name)
    await this.bucket.remove(keyOf(namespace, name))
    await this.bucket.remove(offsetKey(subscription))
    return subscription
  }

  /** The sequence up to which everything is done. */
  async offset(subscription: EventSubscription): Promise<number> {
    const {offset, stream} = offsetIn(await this.bucket.get(offsetKey(subscription)), subscription)
    if (stream === undefined) return offset
    const now = await this.#streams.info(subscription.namespace).catch(unlessMissing)
    return now === undefined || now.id === stream ? offset : 0
  }

  /** Undefined for a removed entry, and for an invalid one, which is reported. */
  #read(entry: KvEntry): EventSubscription | undefined {
    try {
      return subscriptionOf(entry)
    } catch (error) {
      if (!(error instanceof BusError) || this.#onInvalid === undefined) throw error
      this.#onInvalid(error.message)
      return undefined
    }
  }

  async #entry(
    namespace: string,
    name: string,
  ): Promise<{readonly subscription: EventSubscription; readonly revision: number} | undefined> {
    const entry = await this.bucket.get(keyOf(namespace, checkSubscriptionName(name)))
    const subscription = entry && subscriptionOf(entry)
    return entry === undefined || subscription === undefined ? undefined : {subscription, revision: entry.revision}
  }

  async #put(subscription: EventSubscription, revision: number): Promise<EventSubscription> {
    const {namespace, name} = subscription
    const json = JSON.stringify(subscriptionJson(subscription))
    if ((await this.bucket.update(keyOf(namespace, name), json, revision)) !== undefined) return subscription
    throw new BusError(
      'remote',
      `subscription ${name} of ${namespace} was changed by another client at the same time`,
      {
        try: ['run the same command again'],
      },
    )
  }
}

/**
 * Opens the durable subscriptions of a bus. Their bucket is created if it does not exist, unless `make` is false. `onInvalid` is
 * called for a stored subscription that cannot be read, which lists omit; without it they fail. Fails with `notFound` on a bus
 * without streams.
 */
export async function openRegistry(
  streams: Streams,
  {make = true, onInvalid}: {readonly make?: boolean; readonly onInvalid?: (sentence: string) => void} = {},
): Promise<Registry> {
  return new Registry(
    await openBucket(streams, eventsBucket, {make, description: 'subscriptions of bus events'}),
    streams,
    onInvalid,
  )
}

export function offsetKey({id}: Pick<EventSubscription, 'id'>): string {
  return `offset.${keyPart(id)}`
}

/** The stored offset of a subscription. */
export interface StoredOffset {
  readonly offset: number
  /** The id of the stream that the offset belongs to; undefined if an earlier version wrote it. */
  readonly stream: string | undefined
}

/** A stored offset names its writer too, so that a writer recognises its own. */
export function offsetText(stored: StoredOffset & {readonly writer: string}): string {
  const {offset, writer, stream} = stored
  return JSON.stringify({offset, writer, stream})
}

/** The stored offset, or the start of the subscription. */
export function offsetIn(entry: KvEntry | undefined, {namespace, name, options}: EventSubscription): StoredOffset {
  const first = Number(options.firstEvent)
  if (entry?.value === undefined) return {offset: first, stream: undefined}
  const {offset = first, stream} = storedOffset(entry.value)
  if (Number.isSafeInteger(offset) && Number(offset) >= 0)
    return {offset: Number(offset), stream: typeof stream === 'string' ? stream : undefined}
  throw new BusError(
    'remote',
    `another program wrote the offset of ${name}: ${JSON.stringify(entry.value.slice(0, 60))}`,
    {
      try: [`bus events info ${shellWord(namespace)} ${shellWord(name)}`, 'find the program that writes to its bucket'],
    },
  )
}

/** Parses an entry; undefined if another program wrote it. */
export function storedOffset(value: string): {
  readonly offset?: unknown
  readonly stream?: unknown
  readonly writer?: unknown
} {
  return objectIn(value) ?? {offset: null}
}

function keyOf(namespace: string, name: string): string {
  return `subscription.${keyPart(namespace)}.${keyPart(name)}`
}

/** Undefined for a removed entry. Fails with `remote` for one that is invalid, as another program may have written it. */
function subscriptionOf({key, value}: KvEntry): EventSubscription | undefined {
  try {
    return value === undefined ? undefined : parseSubscription(parseJson(value))
  } catch (cause) {
    const sentence = `the stored subscription ${key} cannot be read: ${(cause as Error).message}`
    throw new BusError('remote', sentence, {cause, try: ['find the program that writes to its bucket']})
  }
}

/** The subscription with these settings, which keeps its start; undefined if it has them. */
export function changedSubscription(old: EventSubscription, wish: Wish): EventSubscription | undefined {
  const {firstEvent} = old.options
  const wanted = {...old, ...wish, options: {...wish.options, firstEvent}}
  return sameWish(old, wanted) ? undefined : wanted
}

function sameWish(a: EventSubscription, b: EventSubscription): boolean {
  const wish = (one: EventSubscription) => {
    const {transport, filter, options} = subscriptionJson(one)
    return JSON.stringify([transport, sorted(filter), sorted(options)])
  }
  return wish(a) === wish(b)
}

function sorted(value: unknown): unknown {
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => order(a, b))
      .map(([name, inner]) => [name, sorted(inner)]),
  )
}

function order(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

function missing(namespace: string, name: string): never {
  throw new BusError('notFound', `no subscription ${name} of ${namespace}`, {try: ['bus events ls']})
}

/** Encodes text as part of a key: letters, digits, `-`, `_` and `.` unchanged, other bytes as `=` and hexadecimal digits. */
function keyPart(text: string): string {
  return text.replace(/[^A-Za-z0-9._-]/gu, (char) => `=${Buffer.from(char).toString('hex').toUpperCase()}`)
}
