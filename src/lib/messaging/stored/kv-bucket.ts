/**
 * A key-value bucket (ADR-8) over the streams of any bus: a stream `KV_<bucket>` that keeps the last message of each subject
 * `$KV.<bucket>.<key>`. One implementation serves all buses, and the tools of NATS can read the bucket. `@nats-io/kv` needs a
 * connection of nats.js and would not support the bus file.
 */
import {isFailure} from '../../core/errors.ts'
import type {Message} from '../../core/message.ts'
import type {Subscription} from '../../transport/contract.ts'
import {jetStreamErrors} from '../../transport/shared/jetstream-errors.ts'
import {type Streams, storeHeaders} from '../../transport/streams-contract.ts'

export interface BucketEntry {
  readonly key: string
  /** Undefined if it was removed. */
  readonly value: string | undefined
  /** Sequence of the bucket's stream. */
  readonly revision: number
}

export interface Bucket {
  /** Undefined if it does not exist. */
  get(key: string): Promise<BucketEntry | undefined>
  /** Returns the revision. */
  put(key: string, value: string): Promise<number>
  /**
   * Like `put`, but only if the key still has this revision, or with 0, if it does not exist. Undefined if the condition fails.
   */
  update(key: string, value: string, revision: number): Promise<number | undefined>
  remove(key: string): Promise<void>
  /** The entries whose keys match a pattern, in the order of their last changes. */
  entries(pattern: string): Promise<readonly BucketEntry[]>
  /** Changes after this revision, as they arrive, until the signal aborts. */
  changes(pattern: string, after: number, signal: AbortSignal): AsyncIterable<BucketEntry>
}

/** Encodes text as part of a key: letters, digits, `-`, `_` and `.` unchanged, other bytes as `=` and hexadecimal digits. */
export function keyPart(text: string): string {
  return text.replace(/[^A-Za-z0-9._-]/gu, (char) => `=${Buffer.from(char).toString('hex').toUpperCase()}`)
}

/** With `make` the bucket is created if it does not exist; without it a missing bucket appears empty. */
export async function openBucket(streams: Streams, name: string, {make}: {readonly make: boolean}): Promise<Bucket> {
  const stream = `KV_${name}`
  const settings = {name: stream, subjects: [`$KV.${name}.>`], maxMsgsPerSubject: 1, discard: 'new'} as const
  await streams.info(stream).catch(async (error: unknown) => {
    if (!isFailure(error, 'notFound')) throw error
    // Fails on a bus that has no streams at all.
    if (!make) return void (await streams.keeping(`$KV.${name}.any`))
    await streams.add({...settings, description: 'subscriptions of bus events'}).catch((failure: unknown) => {
      // Another client created it at the same time.
      if (!isFailure(failure, 'usage')) throw failure
    })
  })
  return new StreamBucket(streams, name)
}

/** JetStream's `err_code` for a key that was changed by another client: before 2.12, and since. */
const wrongLastSequence: ReadonlySet<number> = new Set<number>([
  jetStreamErrors.wrongSeq.code,
  jetStreamErrors.wrongSeqUnsaid.code,
])

const operation = 'KV-Operation'
const pageSize = 256

class StreamBucket implements Bucket {
  readonly #streams: Streams
  readonly #stream: string
  readonly #prefix: string

  constructor(streams: Streams, name: string) {
    this.#streams = streams
    this.#stream = `KV_${name}`
    this.#prefix = `$KV.${name}.`
  }

  async get(key: string): Promise<BucketEntry | undefined> {
    const entry = await this.#last(key)
    return entry?.value === undefined ? undefined : entry
  }

  async put(key: string, value: string): Promise<number> {
    return (await this.#streams.publish({subject: this.#prefix + key, data: value})).seq
  }

  async update(key: string, value: string, revision: number): Promise<number | undefined> {
    const done = await this.#publishIf(key, value, revision)
    if (done !== undefined || revision !== 0) return done
    // The marker of a removal has a revision too.
    const last = await this.#last(key)
    return last === undefined || last.value !== undefined ? undefined : this.#publishIf(key, value, last.revision)
  }

  async remove(key: string): Promise<void> {
    await this.#streams.publish({subject: this.#prefix + key, headers: [[operation, 'DEL']]})
  }

  async entries(pattern: string): Promise<readonly BucketEntry[]> {
    const found: BucketEntry[] = []
    const range = {filters: [this.#prefix + pattern], lastPerSubject: true}
    await using reading = await this.#streams.read(this.#stream, range).catch((error: unknown) => {
      if (isFailure(error, 'notFound')) return undefined
      throw error
    })
    if (reading === undefined) return found
    for await (const entry of this.#read(reading)) if (entry.value !== undefined) found.push(entry)
    return found
  }

  async *changes(pattern: string, after: number, signal: AbortSignal): AsyncIterable<BucketEntry> {
    const filters = [this.#prefix + pattern]
    await using reading = await this.#streams.read(this.#stream, {
      from: {seq: after + 1},
      filters,
      follow: true,
      signal,
    })
    yield* this.#read(reading)
  }

  async *#read(reading: Subscription): AsyncIterable<BucketEntry> {
    for (;;) {
      const messages = await reading.take(pageSize)
      if (messages.length === 0) return
      for (const message of messages) yield this.#entry(message)
    }
  }

  async #last(key: string): Promise<BucketEntry | undefined> {
    try {
      return this.#entry(await this.#streams.last(this.#stream, this.#prefix + key))
    } catch (error) {
      if (isFailure(error, 'notFound')) return undefined
      throw error
    }
  }

  async #publishIf(key: string, value: string, revision: number): Promise<number | undefined> {
    const headers = [[storeHeaders.expectedLastSubjectSeq, String(revision)]] as const
    try {
      return (await this.#streams.publish({subject: this.#prefix + key, data: value, headers})).seq
    } catch (error) {
      if (isFailure(error, 'remote') && wrongLastSequence.has(Number(error.data?.['code']))) return undefined
      throw error
    }
  }

  #entry(message: Message): BucketEntry {
    const removed = message.headers.length > 0 && message.header(operation) !== undefined
    const value = removed ? undefined : message.text
    return {key: message.subject.slice(this.#prefix.length), value, revision: message.seq ?? 0}
  }
}
