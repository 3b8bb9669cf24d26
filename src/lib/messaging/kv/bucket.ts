/**
 * A key-value bucket (ADR-8) over the streams of any bus: a stream `KV_<bucket>` that keeps the last messages of each subject
 * `$KV.<bucket>.<key>`. One implementation serves all buses, and other clients can use the bucket. `@nats-io/kv` needs a
 * connection of nats.js and would not support the bus file.
 */
import {BusError, isFailure} from '../../core/errors.ts'
import type {Message, Outgoing} from '../../core/message.ts'
import {shellWord} from '../../core/text/shell-word.ts'
import {ttlText} from '../../core/time/ttl.ts'
import type {Subscription} from '../../transport/contract.ts'
import {codeOf, jetStreamErrors} from '../../transport/shared/jetstream-errors.ts'
import {type StreamInfo, type Streams, storeHeaders} from '../../transport/streams-contract.ts'
import {KvEntry, kvHeaders} from './entry.ts'

export interface KvWriteOptions {
  /** Only if the key still has this revision; 0 if it has none. */
  readonly revision?: number | undefined
  /** The value, or the marker of a purge, expires after this time. */
  readonly ttlMs?: number | undefined
  readonly headers?: Outgoing['headers']
}

export interface KvReadOptions {
  /** Keys and patterns; by default all keys. */
  readonly patterns?: readonly string[] | undefined
  /** The last change of each key, all changes that are stored, or only later ones. Default `last`. */
  readonly from?: 'last' | 'all' | 'new' | undefined
  /** Continues with later changes. */
  readonly follow?: boolean | undefined
  /** Values are not needed, only their sizes. */
  readonly withoutValues?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

const pageSize = 256

export class Bucket {
  readonly name: string
  readonly #streams: Streams
  readonly #stream: string
  readonly #prefix: string

  /** The name must be valid. */
  constructor(streams: Streams, name: string) {
    this.name = name
    this.#streams = streams
    this.#stream = `KV_${name}`
    this.#prefix = `$KV.${name}.`
  }

  /** The stream of the bucket. Fails with `notFound`. */
  info(): Promise<StreamInfo> {
    return this.#known(this.#streams.info(this.#stream))
  }

  /** Undefined if it does not exist or was removed. */
  async get(key: string): Promise<KvEntry | undefined> {
    const entry = await this.last(key)
    return entry?.operation === 'put' ? entry : undefined
  }

  /**
   * The last change of a key, even a removal; undefined if there is none. With `direct`, any replica may answer, which is faster,
   * but it may be a moment behind.
   */
  last(key: string, {direct = false} = {}): Promise<KvEntry | undefined> {
    return this.#found(this.#streams.last(this.#stream, this.#prefix + key, {direct}))
  }

  /** The change with this revision; undefined if it is not stored, or is one of another key. */
  async at(key: string, revision: number): Promise<KvEntry | undefined> {
    const entry = await this.#found(this.#streams.get(this.#stream, revision))
    return entry?.key === key ? entry : undefined
  }

  /** Returns the revision. */
  async put(key: string, value: Outgoing['data'], options: KvWriteOptions = {}): Promise<number> {
    return (await this.#known(this.#streams.publish(this.message(key, value, options)))).seq
  }

  /**
   * Like `put`, but only if the key still has this revision, or with 0, if it does not exist. Undefined if the condition fails.
   */
  async update(
    key: string,
    value: Outgoing['data'],
    revision: number,
    options: KvWriteOptions = {},
  ): Promise<number | undefined> {
    const done = await this.#if(this.message(key, value, {...options, revision}))
    if (done !== undefined || revision !== 0) return done
    // The marker of a removal has a revision too.
    const last = await this.last(key)
    if (last === undefined || last.operation === 'put') return undefined
    return this.#if(this.message(key, value, {...options, revision: last.revision}))
  }

  /** Marks the key as removed; `purge` also removes its history. Undefined if it no longer has the revision. */
  remove(key: string, {purge = false, ...options}: KvWriteOptions & {readonly purge?: boolean} = {}) {
    return this.#if(this.removal(key, purge ? 'PURGE' : 'DEL', options))
  }

  /** The message that sets a key. */
  message(key: string, data: Outgoing['data'], {revision, ttlMs, headers = []}: KvWriteOptions = {}): Outgoing {
    const subject = this.#prefix + key
    if (revision === undefined && ttlMs === undefined && headers.length === 0) return {subject, data}
    const all = [...headers]
    if (revision !== undefined) all.push([storeHeaders.expectedLastSubjectSeq, String(revision)])
    if (ttlMs !== undefined) all.push([kvHeaders.ttl, ttlText(ttlMs)])
    return {subject, data, headers: all}
  }

  /** The message that marks a key as removed. */
  removal(key: string, operation: 'DEL' | 'PURGE', options: KvWriteOptions = {}): Outgoing {
    const rollup = operation === 'PURGE' ? [[kvHeaders.rollup, 'sub'] as const] : []
    return this.message(key, '', {...options, headers: [[kvHeaders.operation, operation], ...rollup]})
  }

  /** The entries whose keys match a pattern, in the order of their last changes. */
  async entries(pattern: string): Promise<readonly KvEntry[]> {
    const found: KvEntry[] = []
    const reading = await this.read({patterns: [pattern]}).catch((error: unknown) => {
      if (isFailure(error, 'notFound')) return undefined
      throw error
    })
    if (reading === undefined) return found
    for await (const entry of this.#each(reading)) if (entry.operation === 'put') found.push(entry)
    return found
  }

  /** Changes after this revision, as they arrive, until the signal aborts. */
  async *changes(pattern: string, after: number, signal: AbortSignal): AsyncIterable<KvEntry> {
    const range = {from: {seq: after + 1}, filters: [this.#prefix + pattern], follow: true, signal}
    yield* this.#each(await this.#streams.read(this.#stream, range))
  }

  /** The stored messages of a selection of changes; `entry` translates them. */
  async read({patterns = ['>'], from = 'last', follow, withoutValues, signal}: KvReadOptions): Promise<Subscription> {
    const options = {filters: patterns.map((pattern) => this.#prefix + pattern), withoutPayload: withoutValues, signal}
    const read = (range: object) => this.#streams.read(this.#stream, {...options, ...range})
    if (from === 'all') return this.#known(read({follow}))
    if (!follow) return this.#known(read({lastPerSubject: true}))
    const {lastSeq} = (await this.info()).state
    const later = () => read({from: {seq: lastSeq + 1}, follow})
    if (from === 'new' || lastSeq === 0) return later()
    const {JoinedSubscription} = await import('./joined.ts')
    // A key that changes during the read is left out of the first part, and is in the second.
    return new JoinedSubscription(await read({lastPerSubject: true, to: {seq: lastSeq}}), later)
  }

  entry(message: Message): KvEntry {
    return new KvEntry(message.subject.slice(this.#prefix.length), message)
  }

  async *#each(reading: Subscription): AsyncIterable<KvEntry> {
    await using source = reading
    for (;;) {
      const messages = await source.take(pageSize)
      if (messages.length === 0) return
      for (const message of messages) yield this.entry(message)
    }
  }

  async #found(search: Promise<Message>): Promise<KvEntry | undefined> {
    try {
      return this.entry(await this.#known(search))
    } catch (error) {
      if (codeOf(error) !== jetStreamErrors.messageNotFound.code) throw error
      return undefined
    }
  }

  async #if(message: Outgoing): Promise<number | undefined> {
    try {
      return (await this.#known(this.#streams.publish(message))).seq
    } catch (error) {
      if (isFailure(error, 'remote') && wrongLastSequence.has(Number(codeOf(error)))) return undefined
      throw error
    }
  }

  /** Says which bucket does not exist, or why nothing can be written to it. */
  async #known<T>(wait: Promise<T>): Promise<T> {
    try {
      return await wait
    } catch (error) {
      if (!isFailure(error, 'notFound') || codeOf(error) === jetStreamErrors.messageNotFound.code) throw error
      const info: unknown = await this.#streams.info(this.#stream).catch((failure: unknown) => failure)
      if (!isFailure(info, 'notFound') || codeOf(info) !== jetStreamErrors.streamNotFound.code) throw error
      const sentence = info.message.replace(`stream ${this.#stream}`, `bucket ${this.name}`)
      throw new BusError('notFound', sentence, {
        cause: error,
        data: info.data ?? {},
        try: ['bus kv ls', `bus kv add ${shellWord(this.name)}`],
      })
    }
  }
}

/** JetStream's `err_code` for a key that was changed by another client: before 2.12, and since. */
const wrongLastSequence: ReadonlySet<number> = new Set<number>([
  jetStreamErrors.wrongSeq.code,
  jetStreamErrors.wrongSeqUnsaid.code,
])

/** With `make` the bucket is created if it does not exist; without it a missing bucket appears empty. */
export async function openBucket(
  streams: Streams,
  name: string,
  {make, description}: {readonly make: boolean; readonly description?: string},
): Promise<Bucket> {
  const bucket = new Bucket(streams, name)
  await bucket.info().catch(async (error: unknown) => {
    if (!isFailure(error, 'notFound')) throw error
    // Fails on a bus that has no streams at all.
    if (!make) return void (await streams.keeping(`$KV.${name}.any`))
    const {bucketStream} = await import('./settings.ts')
    await streams.add(bucketStream({name, description})).catch((failure: unknown) => {
      // Another client created it at the same time.
      if (!isFailure(failure, 'usage')) throw failure
    })
  })
  return bucket
}
