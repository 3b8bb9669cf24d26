/**
 * Stores the offsets of subscriptions. Applications do not wait for it: the latest value is written, and events after an offset
 * that was not yet written when a process dies are delivered again. Writing is fenced: a gateway stops when it finds that
 * another one has written.
 */
import {sleep} from '../../core/time/timer.ts'
import type {Bucket} from '../../messaging/kv/bucket.ts'
import {offsetIn, offsetKey, offsetText, type StoredOffset, storedOffset} from './registry.ts'
import type {EventSubscription} from './subscription.ts'

export interface Place {
  /** The sequence up to which everything is done. */
  readonly offset: number
  /** The id of the stream that the offset belongs to, once it is known. */
  readonly stream: string | undefined
  /** Aborts when another gateway has taken over the subscription. */
  readonly lost: AbortSignal
  /** Schedules an offset to be written. */
  commit(offset: number): void
  /** Schedules a change of the stream: from now on offsets belong to `stream`, starting after `offset`. */
  moveTo(stream: string, offset: number): void
  /** Resolves when everything committed is written, or cannot be written. */
  flush(): Promise<void>
}

/**
 * The minimum interval between two writes; it is also at least four times as long as a write takes, so that a busy gateway does
 * not write for each event.
 */
const pauseMs = 20
const retryMs = 250

/** The place of an ephemeral subscription. */
export function passingPlace(offset: number): Place {
  const place = {
    offset,
    stream: undefined as string | undefined,
    lost: new AbortController().signal,
    commit() {},
    moveTo(stream: string) {
      place.stream = stream
    },
    async flush() {},
  }
  return place
}

export class Offsets {
  readonly #bucket: Bucket
  readonly #notify: (line: string) => void
  readonly #dirty = new Set<StoredPlace>()
  #writing: Promise<void> | undefined
  #closed = false

  constructor(bucket: Bucket, notify: (line: string) => void) {
    this.#bucket = bucket
    this.#notify = notify
  }

  /** The place of a durable subscription; from now on only its latest opener can write it. */
  async open(subscription: EventSubscription): Promise<Place> {
    const key = offsetKey(subscription)
    for (;;) {
      const entry = await this.#bucket.get(key)
      const stored = offsetIn(entry, subscription)
      const writer = crypto.randomUUID()
      const revision = await this.#bucket.update(key, offsetText({...stored, writer}), entry?.revision ?? 0)
      if (revision === undefined) continue
      const write = (place: StoredPlace) => this.#write(place)
      return new StoredPlace({bucket: this.#bucket, key, writer, write}, stored, revision)
    }
  }

  /** Makes a last attempt to write what is not written. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#writing
  }

  #write(place: StoredPlace): void {
    this.#dirty.add(place)
    this.#writing ??= this.#run()
  }

  async #run(): Promise<void> {
    // Offsets committed in one turn of the event loop are written together.
    await undefined
    while (this.#dirty.size > 0) {
      const places = [...this.#dirty]
      this.#dirty.clear()
      const start = performance.now()
      const failed = await Promise.all(places.map((place) => this.#try(place)))
      const isFailing = failed.some((one) => one)
      if (!this.#closed) await sleep(isFailing ? retryMs : Math.max(pauseMs, 4 * (performance.now() - start)))
    }
    this.#writing = undefined
  }

  /** True if it should be retried. */
  async #try(place: StoredPlace): Promise<boolean> {
    try {
      await place.write()
      return false
    } catch (error) {
      this.#notify(`an offset could not be written: ${(error as Error).message}`)
      if (this.#closed) place.giveUp()
      else this.#dirty.add(place)
      return true
    }
  }
}

interface StoredDeps {
  readonly bucket: Bucket
  readonly key: string
  readonly writer: string
  readonly write: (place: StoredPlace) => void
}

class StoredPlace implements Place {
  readonly offset: number
  readonly #deps: StoredDeps
  readonly #lost = new AbortController()
  #revision: number
  #wanted: StoredOffset
  #written: StoredOffset
  readonly #waiting: (() => void)[] = []

  constructor(deps: StoredDeps, stored: StoredOffset, revision: number) {
    this.#deps = deps
    this.offset = stored.offset
    this.#wanted = stored
    this.#written = stored
    this.#revision = revision
  }

  get lost(): AbortSignal {
    return this.#lost.signal
  }

  get stream(): string | undefined {
    return this.#wanted.stream
  }

  commit(offset: number): void {
    if (offset > this.#wanted.offset) this.#want({...this.#wanted, offset})
  }

  moveTo(stream: string, offset: number): void {
    this.#want({stream, offset})
  }

  flush(): Promise<void> {
    if (this.#written === this.#wanted || this.#lost.signal.aborted) return Promise.resolve()
    const {promise, resolve} = Promise.withResolvers<void>()
    this.#waiting.push(resolve)
    return promise
  }

  /** Releases those who wait for the write. */
  giveUp(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  /** Fails as the bus does. */
  async write(): Promise<void> {
    const wanted = this.#wanted
    if (wanted === this.#written || this.#lost.signal.aborted) return
    const {bucket, key, writer} = this.#deps
    const text = offsetText({...wanted, writer})
    const revision = (await bucket.update(key, text, this.#revision)) ?? (await this.#earlier(text))
    if (revision === undefined) {
      this.#lost.abort()
      return this.giveUp()
    }
    this.#revision = revision
    this.#written = wanted
    if (wanted === this.#wanted) this.giveUp()
  }

  #want(stored: StoredOffset): void {
    this.#wanted = stored
    this.#deps.write(this)
  }

  /** The revision of an earlier attempt of ours that succeeded without a confirmation. */
  async #earlier(text: string): Promise<number | undefined> {
    const {bucket, key, writer} = this.#deps
    const entry = await bucket.get(key)
    if (entry?.value === undefined || storedOffset(entry.value).writer !== writer) return undefined
    return entry.value === text ? entry.revision : bucket.update(key, text, entry.revision)
  }
}
