/**
 * The bus file: any number of processes on one host, no server. A connection has two halves, each created at its first use: one
 * publishes (batch-publisher.ts), one reads (receiver.ts).
 */
import {closedError, interruptedError} from '../../core/errors.ts'
import type {Message, Outgoing} from '../../core/message.ts'
import {checkPattern, checkPatterns} from '../../core/subject.ts'
import type {
  Facts,
  Interests,
  ManyOptions,
  OpenOptions,
  RequestOptions,
  SubscribeOptions,
  Subscription,
  Transport,
} from '../contract.ts'
import type {Examination} from '../examination.ts'
import {lazyStreams, type StoredStreams} from '../shared/lazy-streams.ts'
import {checkOutgoing, checkSize} from '../shared/outgoing.ts'
import type {Streams} from '../streams-contract.ts'
import {BatchPublisher, type CommitListener, type PublishEvents} from './batch-publisher.ts'
import {FileConnection} from './connection.ts'
import {LockTimeout} from './db.ts'
import {openFileWhenFree} from './file.ts'
import {FileReceiver} from './receiver.ts'
import {checkStoredHeaders, inboxPrefix, mostBytes} from './rows.ts'
import {SqliteStreamPublisher, type StoreQueue} from './streams/stream-publisher.ts'

/**
 * Opens the bus file at `path`, which is created if it does not exist. Fails with `connect` or `denied`. `isSynchronous` as for
 * `openFile`.
 */
export async function openSqlite(path: string, options: OpenOptions = {}, isSynchronous = false): Promise<Transport> {
  const {readOnly: isReadOnly} = options
  const file = await openFileWhenFree(path, {isSynchronous, isReadOnly, lockTimeout: new LockTimeout(options)})
  return new SqliteBus(new FileConnection(file, options))
}

class SqliteBus implements Transport, PublishEvents {
  readonly url: string
  readonly features = {
    wildcards: true,
    headers: true,
    queues: true,
    keepsForSlow: true,
    noResponders: true,
    requestsAreMessages: true,
    streams: true,
    failures: true,
  }
  readonly maxPayload = mostBytes
  readonly #connection: FileConnection
  #publisher: BatchPublisher | undefined
  #receiver: FileReceiver | undefined
  #streams: Streams | undefined
  #stored: StoredStreams | undefined
  #isClosed = false

  constructor(connection: FileConnection) {
    this.url = connection.url
    this.#connection = connection
  }

  publish(message: Outgoing): void {
    this.#push(message)
  }

  withdraw(message: Outgoing): boolean {
    return this.#publisher?.withdraw((queued) => queued === message) ?? false
  }

  async flush(): Promise<void> {
    this.#check()
    return this.#publisher?.flush()
  }

  async subscribe(patterns: string | readonly string[], options: SubscribeOptions = {}): Promise<Subscription> {
    this.#check()
    const wanted = checkPatterns(patterns)
    if (options.signal?.aborted) throw interruptedError()
    return this.#translated(() => this.#reading().subscribe(wanted, options))
  }

  async request(message: Outgoing, options?: RequestOptions): Promise<Message> {
    this.checkWritable()
    return this.#reading().request(message, options)
  }

  requestMany(message: Outgoing, options?: ManyOptions): AsyncIterable<Message> {
    this.checkWritable()
    return this.#reading().requestMany(message, options)
  }

  checkWritable(): void {
    this.#check()
    this.#connection.file.lock.checkWritable()
  }

  get streams(): Streams {
    this.#streams ??= lazyStreams(
      (call) => this.#translated(async () => call(await this.#openStreams())),
      (options) => {
        this.#check()
        return new SqliteStreamPublisher(this.#queue, options)
      },
    )
    return this.#streams
  }

  async interests(pattern = '>'): Promise<Interests> {
    this.#check()
    checkPattern(pattern)
    return this.#translated(async () => ({known: this.#connection.clients.interests(pattern)}))
  }

  async facts(): Promise<Facts> {
    await this.flush()
    const {sqliteFacts} = await import('./examine.ts')
    return this.#translated(() => sqliteFacts(this.#connection.file))
  }

  async examine(): Promise<Examination> {
    this.#check()
    const {examineFile} = await import('./examine.ts')
    return this.#translated(async () => examineFile(this.#connection))
  }

  async repair(): Promise<readonly string[]> {
    this.#check()
    const {repairFile} = await import('./examine.ts')
    return this.#translated(() => repairFile(this.#connection))
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    const receiver = this.#receiver
    await receiver?.end(closedError(this.url))
    try {
      for (const member of [...(receiver?.consuming ?? [])]) await member.close()
      await this.#publisher?.flush()
      await this.#connection.leave()
    } catch (error) {
      throw this.#failure(error)
    } finally {
      receiver?.close()
      this.#connection.close()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  changed(): void {
    this.#receiver?.changed()
  }

  failed(error: unknown): unknown {
    const failure = this.#failure(error)
    this.#receiver?.failRequests(failure)
    return failure
  }

  noResponders(request: Outgoing): void {
    this.#receiver?.noResponders(request)
  }

  readonly #push = (message: Outgoing, listener?: CommitListener): void => {
    this.#check()
    this.#publisher ??= this.#startPublishing()
    const isBare = message.reply === undefined && message.headers === undefined
    if (isBare && this.#publisher.knows(message.subject)) checkSize(message.data, mostBytes, this.url)
    else checkOutgoing(message, mostBytes, this.url)
    if (message.headers !== undefined) checkStoredHeaders(message.headers, this.url)
    this.#publisher.push(message, listener)
    if (message.subject.startsWith(inboxPrefix)) this.#receiver?.expect()
  }

  get #queue(): StoreQueue {
    return {
      url: this.url,
      file: this.#connection.file.name,
      push: this.#push,
      publish: (message) => {
        this.#publisher ??= new BatchPublisher(this.#connection, this)
        this.#publisher.push(message)
      },
      tryBatch: (batch, check) => {
        this.#check()
        this.#publisher ??= this.#startPublishing()
        return this.#publisher.tryTogether(batch, check)
      },
      flush: async () => this.#publisher?.flush(),
      withdraw: (listener) => this.#publisher?.withdrawAll(listener) ?? 0,
    }
  }

  #startPublishing(): BatchPublisher {
    this.checkWritable()
    try {
      return new BatchPublisher(this.#connection, this)
    } catch (error) {
      throw this.#failure(error)
    }
  }

  #reading(): FileReceiver {
    try {
      this.#receiver ??= new FileReceiver(
        this.#connection,
        this.#push,
        (reply) => this.#publisher?.withdraw((message) => message.reply === reply) ?? false,
      )
      return this.#receiver
    } catch (error) {
      throw this.#failure(error)
    }
  }

  async #openStreams(): Promise<StoredStreams> {
    this.#check()
    const {SqliteStreams} = await import('./streams/streams.ts')
    if (this.#stored !== undefined) return this.#stored
    const receiver = this.#reading()
    const {file, clients, streams, wakeFiles} = this.#connection
    this.#stored = new SqliteStreams({
      url: this.url,
      db: file.db,
      lock: file.lock,
      log: receiver.log,
      clients,
      ...streams,
      queue: this.#queue,
      failure: (error) => this.#failure(error),
      touch: (wakeFile) => wakeFiles.touch(wakeFile),
      watch: (patterns) => {
        file.checkFollowable()
        receiver.watch(patterns)
      },
      readers: receiver.members,
      members: receiver.consuming,
    })
    return this.#stored
  }

  #failure(error: unknown): unknown {
    return this.#connection.file.failure(error)
  }

  async #translated<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw this.#failure(error)
    }
  }

  #check(): void {
    if (this.#isClosed) throw closedError(this.url)
  }
}
