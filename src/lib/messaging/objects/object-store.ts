/**
 * A bucket of objects (ADR-20) over the streams of any bus: a stream `OBJ_<bucket>`, in which the content of an object is the
 * messages of `$O.<bucket>.C.<nuid>`, and its metadata the last message of `$O.<bucket>.M.<name>`. Content of any size goes
 * through in chunks, so that it needs little memory.
 */
import {BusError, isFailure} from '../../core/errors.ts'
import type {Message} from '../../core/message.ts'
import {shellWord} from '../../core/text/shell-word.ts'
import type {Subscription} from '../../transport/contract.ts'
import {codeOf, jetStreamErrors} from '../../transport/shared/jetstream-errors.ts'
import {type StreamInfo, type Streams, storeHeaders} from '../../transport/streams-contract.ts'
import {JoinedSubscription} from '../kv/joined.ts'
import {checkBucketName} from '../kv/names.ts'
import {chunked, isSameDigest, newNuid, padded, Tally, usualChunk} from './chunks.ts'
import {type ObjectInfo, type ObjectMeta, objectInfoJson, parseObjectInfo} from './object-info.ts'
import {objectPrefix} from './settings.ts'

export interface PutOptions {
  /** Default 128 KiB. */
  readonly chunkSize?: number | undefined
  /** What the bus takes in one message. */
  readonly maxPayload: number
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** Called with the number of bytes that are on their way. */
  readonly onProgress?: ((bytes: number) => void) | undefined
}

/** Chunks on their way: enough for a network, little for the memory. */
const window = 32
/** Of links that lead to links. */
const mostLinks = 8
/** Attempts to write the metadata while other clients write it, too. */
const mostAttempts = 20

export class ObjectStore {
  readonly name: string
  readonly #streams: Streams
  readonly #stream: string
  readonly #prefix: string

  /** Throws `usage` for an invalid name. */
  constructor(streams: Streams, name: string) {
    this.name = checkBucketName(name)
    this.#streams = streams
    this.#stream = `${objectPrefix}${name}`
    this.#prefix = `$O.${name}.`
  }

  /** The stream of the bucket. Fails with `notFound`. */
  async info(): Promise<StreamInfo> {
    try {
      return await this.#streams.info(this.#stream)
    } catch (error) {
      if (!isFailure(error, 'notFound') || codeOf(error) !== jetStreamErrors.streamNotFound.code) throw error
      const sentence = error.message.replace(`stream ${this.#stream}`, `object bucket ${this.name}`)
      throw new BusError('notFound', sentence, {
        cause: error,
        data: error.data ?? {},
        try: ['bus object ls', `bus object add ${shellWord(this.name)}`],
      })
    }
  }

  /** The metadata of an object, even of a deleted one; undefined if there never was one. */
  async find(name: string): Promise<ObjectInfo | undefined> {
    if (name === '') throw new BusError('usage', 'the name of the object is empty')
    try {
      return parseObjectInfo(await this.#streams.last(this.#stream, this.#metaSubject(name)))
    } catch (error) {
      if (codeOf(error) === jetStreamErrors.messageNotFound.code) return undefined
      if (isFailure(error, 'notFound')) await this.info()
      throw error
    }
  }

  /** Like `find`, but fails with `notFound` if it does not exist or was deleted. */
  async get(name: string): Promise<ObjectInfo> {
    const info = await this.find(name)
    if (info !== undefined && !info.deleted) return info
    const what = info === undefined ? `has no object ${name}` : `no longer has the object ${name}, which was deleted`
    throw new BusError('notFound', `the object bucket ${this.name} ${what}`, {
      data: {bucket: this.name, name, ...(info && {deleted: true})},
      try: [`bus object ls ${shellWord(this.name)}`],
    })
  }

  /** The object behind a link, or the object itself. Fails with `usage` for a link to a bucket. */
  async follow(info: ObjectInfo): Promise<{readonly store: ObjectStore; readonly info: ObjectInfo}> {
    let [store, target]: [ObjectStore, ObjectInfo] = [this, info]
    for (let links = 0; target.link !== undefined; links++) {
      const {bucket, name} = target.link
      if (name === undefined)
        throw new BusError('usage', `${target.name} is a link to the bucket ${bucket}`, {
          try: [`bus object ls ${shellWord(bucket)}`],
        })
      if (links === mostLinks) throw new BusError('remote', `${info.name} is a link to more than ${mostLinks} links`)
      store = new ObjectStore(this.#streams, bucket)
      target = await store.get(name)
    }
    return {store, info: target}
  }

  /**
   * The content, in chunks. Fails with `remote` at the end if it does not have the size and the digest of the object, and with
   * `interrupted` if the signal aborts.
   */
  async *content({name, nuid, size, chunks, digest}: ObjectInfo, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    const tally = new Tally()
    if (size > 0 && nuid !== '') {
      await using reading = await this.#streams.read(this.#stream, {filters: [this.#chunkSubject(nuid)], signal})
      while (tally.size < size) {
        const messages = await reading.take(window)
        if (messages.length === 0) break
        for (const {data} of messages) {
          tally.add(data)
          yield data
        }
      }
    }
    if (signal?.aborted) throw new BusError('interrupted', 'interrupted before it was done')
    const what = `the object ${name} of ${this.name} is damaged`
    const data = {size: tally.size, expected: {size, chunks, digest}}
    if (tally.size !== size) {
      const text = `${what}: it has ${tally.size} of ${size} bytes. It may have been replaced during the read`
      throw new BusError('remote', text, {
        data,
        try: ['run it again', `bus object info ${shellWord(this.name)} ${shellWord(name)}`],
      })
    }
    const is = tally.digest()
    if (!isSameDigest(is, digest))
      throw new BusError('remote', `${what}: its digest is ${is}, not ${digest}`, {data: {...data, digest: is}})
  }

  /** Stores an object in place of one with the same name. If it fails, that one stays, and nothing of this one. */
  async put(meta: ObjectMeta, source: AsyncIterable<Uint8Array>, options: PutOptions): Promise<ObjectInfo> {
    if (meta.name === '') throw new BusError('usage', 'the name of the object is empty')
    await this.info()
    const nuid = newNuid()
    const chunkSize = Math.min(options.chunkSize ?? usualChunk, options.maxPayload)
    try {
      const tally = await this.#send(nuid, chunked(source, chunkSize), options)
      const {size, chunks} = tally
      const rest = {nuid, size, chunks, digest: tally.digest(), time: Date.now(), deleted: false, chunkSize}
      return await this.#announce({...meta, bucket: this.name, ...rest})
    } catch (error) {
      // What made it fail is reported, not that the bus is still out of reach.
      await this.#streams.purge(this.#stream, {pattern: this.#chunkSubject(nuid)}).catch(() => {})
      throw error
    }
  }

  /** Deletes an object; a marker stays, which watchers see. Fails with `notFound`. */
  async remove(name: string): Promise<ObjectInfo> {
    const info = await this.get(name)
    return this.#announce({...info, size: 0, chunks: 0, digest: '', time: Date.now(), deleted: true})
  }

  /** The metadata of all objects, of those that were changed from now on, or both; `entry` reads it. */
  async read({from = 'last', follow = false, signal}: {from?: 'last' | 'new'; follow?: boolean; signal?: AbortSignal}) {
    const {lastSeq} = (await this.info()).state
    const read = (range: object): Promise<Subscription> =>
      this.#streams.read(this.#stream, {filters: [`${this.#prefix}M.>`], signal, ...range})
    if (!follow) return read({lastPerSubject: true})
    const later = () => read({from: {seq: lastSeq + 1}, follow})
    if (from === 'new' || lastSeq === 0) return later()
    return new JoinedSubscription(await read({lastPerSubject: true, to: {seq: lastSeq}}), later)
  }

  /** The metadata in a message; undefined if it cannot be read, which is reported. */
  entry(message: Message, warn: (sentence: string) => void): ObjectInfo | undefined {
    try {
      return parseObjectInfo(message)
    } catch (error) {
      if (!(error instanceof BusError)) throw error
      warn(error.message)
      return undefined
    }
  }

  /** Publishes the chunks. Fails if they were not stored in order, as may happen while a cluster elects a leader. */
  async #send(nuid: string, source: AsyncIterable<Uint8Array>, options: PutOptions): Promise<Tally> {
    const {timeoutMs, signal, onProgress} = options
    const subject = this.#chunkSubject(nuid)
    const tally = new Tally()
    const seqs: number[] = []
    const onStored = (index: number, {seq}: {readonly seq: number}) => {
      seqs[index] = seq
    }
    await using publisher = this.#streams.publisher({window, timeoutMs, signal, onStored})
    for await (const data of source) {
      tally.add(data)
      const room = publisher.push({subject, data})
      if (room !== undefined) await room
      onProgress?.(tally.size)
    }
    await publisher.flush()
    if (signal?.aborted) throw new BusError('interrupted', 'interrupted before it was done')
    const isOrdered = seqs.every((seq, i) => i === 0 || seq > (seqs[i - 1] ?? 0))
    if (isOrdered && seqs.length === tally.chunks) return tally
    throw new BusError('remote', `the chunks were not stored in order in ${this.name}: nothing was changed`, {
      try: ['run it again'],
    })
  }

  /** Replaces the metadata, and then removes the chunks to which the earlier one belonged. */
  async #announce(info: Omit<ObjectInfo, 'revision'>): Promise<ObjectInfo> {
    const subject = this.#metaSubject(info.name)
    const data = objectInfoJson(info)
    for (let attempt = 1; ; attempt++) {
      const before = await this.find(info.name)
      const expected = [storeHeaders.expectedLastSubjectSeq, String(before?.revision ?? 0)] as const
      try {
        const {seq} = await this.#streams.publish({subject, data, headers: [['Nats-Rollup', 'sub'], expected]})
        await this.#forget(before, info)
        return {...info, revision: seq}
      } catch (error) {
        const code = codeOf(error)
        const isRace = code === jetStreamErrors.wrongSeq.code || code === jetStreamErrors.wrongSeqUnsaid.code
        if (!isRace || attempt === mostAttempts) throw error
      }
    }
  }

  async #forget(before: ObjectInfo | undefined, {nuid, deleted}: Omit<ObjectInfo, 'revision'>): Promise<void> {
    if (before === undefined || before.nuid === '' || (before.nuid === nuid && !deleted)) return
    await this.#streams.purge(this.#stream, {pattern: this.#chunkSubject(before.nuid)})
  }

  #chunkSubject(nuid: string): string {
    return `${this.#prefix}C.${nuid}`
  }

  #metaSubject(name: string): string {
    return `${this.#prefix}M.${padded(Buffer.from(name))}`
  }
}
