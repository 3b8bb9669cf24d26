/** The bus file: any number of processes on one host, no server. */
import {realpathSync} from 'node:fs'
import {closedError} from '../../core/errors.ts'
import type {Outgoing} from '../../core/message.ts'
import {checkPatterns, hasWildcard} from '../../core/subject.ts'
import type {
  Facts,
  ManyOptions,
  OpenOptions,
  RequestOptions,
  SubscribeOptions,
  Subscription,
  Transport,
} from '../contract.ts'
import type {Examination} from '../examination.ts'
import {lazyStreams, type StoredStreams} from '../shared/lazy-streams.ts'
import {Mailbox} from '../shared/mailbox.ts'
import {checkOutgoing, checkSize} from '../shared/outgoing.ts'
import {interruptedError, Requests} from '../shared/requests.ts'
import type {Streams} from '../streams-contract.ts'
import {Ears} from './change-watcher.ts'
import {Clients, type Interest} from './clients.ts'
import {makeClock} from './clock.ts'
import {type Db, fileError, openFile, rowError} from './file.ts'
import {Guard} from './guard.ts'
import {busy, Lock} from './lock.ts'
import {type Cursor, inboxRows, Log} from './log.ts'
import {Publisher, type Sink} from './publisher.ts'
import {QueueMember} from './queue.ts'
import {Reader, Subscriber} from './reader.ts'
import {inboxPrefix, toMessage} from './rows.ts'
import {Catalogue} from './streams/catalogue.ts'
import {Limits} from './streams/limits.ts'
import type {SqliteMember} from './streams/member.ts'
import {SqliteStreamPublisher} from './streams/stream-publisher.ts'
import {Bells, bellOf, inboxBell} from './wake-files.ts'
import {Chain} from './wal-chain.ts'

const maxPayload = 64 * 1024 * 1024

/** Opens the bus file at `path`, made on first use. Fails with `connect` or `denied`. `isSynchronous` as for `openFile`. */
export async function openSqlite(path: string, options: OpenOptions = {}, isSynchronous = false): Promise<Transport> {
  const db = openFile(path, isSynchronous)
  try {
    return new SqliteBus(path, db, options)
  } catch (error) {
    db.close()
    throw fileError(path, error)
  }
}

class SqliteBus implements Transport {
  readonly url: string
  readonly features = {
    wildcards: true,
    headers: true,
    queues: true,
    keepsForSlow: true,
    noResponders: true,
    requestsAreMessages: true,
    streams: true,
  }
  readonly maxPayload = maxPayload
  readonly streams: Streams
  #stored: StoredStreams | undefined
  readonly #path: string
  readonly #db: Db
  readonly #guard: Guard
  readonly #lock: Lock
  readonly #bells: Bells
  readonly #clients: Clients
  readonly #catalogue: Catalogue
  readonly #limits: Limits
  readonly #publisher: Publisher
  readonly #requests: Requests
  readonly #inbox: string
  readonly #open = new Set<Mailbox>()
  /** Woken after every commit: members of queue groups, and readers of streams that follow. */
  readonly #members = new Set<Mailbox>()
  readonly #consuming = new Set<SqliteMember>()
  #reading: {log: Log; reader: Reader; ears: Ears} | undefined
  #inboxSeen: number | undefined
  #isClosed = false

  constructor(path: string, db: Db, options: OpenOptions) {
    this.url = `sqlite:${path}`
    this.#path = path
    this.#db = db
    const real = realpathSync.native(path)
    this.#guard = new Guard(path, real)
    const chain = new Chain(db)
    this.#lock = new Lock(db, path, () => {
      this.#guard.check()
      chain.extend()
    })
    this.#bells = new Bells(real)
    this.#clients = new Clients(db, this.#lock, options.name)
    this.#inbox = `${inboxPrefix}${this.#clients.id.toString(36)}.`
    this.#requests = new Requests(this.url, this.#inbox, (message) => this.publish(message))
    this.#catalogue = new Catalogue(this.url, db)
    this.#limits = new Limits(db, this.#catalogue)
    this.streams = lazyStreams(
      (call) => this.#told(async () => call(await this.#openStreams())),
      (options) => {
        this.#check()
        return new SqliteStreamPublisher(this.url, this.#push, options)
      },
    )
    this.#publisher = new Publisher({
      db,
      catalogue: this.#catalogue,
      limits: this.#limits,
      lock: this.#lock,
      bells: this.#bells,
      clients: this.#clients,
      clock: makeClock(),
      inbox: this.#inbox,
      committed: () => this.#wake(),
      noResponders: ({reply, subject}) => this.#requests.noResponders(reply ?? '', subject),
      failed: (error) => {
        const failure = this.#failure(error)
        this.#requests.failAll(failure)
        return failure
      },
    })
  }

  publish(message: Outgoing): void {
    this.#push(message)
  }

  readonly #push = (message: Outgoing, sink?: Sink): void => {
    this.#check()
    if (isBare(message) && this.#publisher.knows(message.subject)) checkSize(message.data, maxPayload, this.url)
    else checkOutgoing(message, maxPayload, this.url)
    this.#publisher.push(message, sink)
    if (message.subject.startsWith(inboxPrefix)) this.#reading?.ears.expect()
  }

  async flush(): Promise<void> {
    this.#check()
    return this.#publisher.flush()
  }

  async subscribe(patterns: string | readonly string[], options: SubscribeOptions = {}): Promise<Subscription> {
    this.#check()
    const wanted = checkPatterns(patterns)
    if (options.signal?.aborted) throw interruptedError()
    this.#listen(wanted)
    try {
      return await (options.queue === undefined
        ? this.#subscribe(wanted, options)
        : this.#join(wanted, options.queue, options))
    } catch (error) {
      throw this.#failure(error)
    }
  }

  async request(message: Outgoing, options?: RequestOptions) {
    this.#check()
    this.#openInbox().expect()
    return this.#requests.one(message, options)
  }

  requestMany(message: Outgoing, options?: ManyOptions) {
    this.#check()
    this.#openInbox().expect()
    return this.#requests.many(message, options)
  }

  async interests(): Promise<readonly string[]> {
    this.#check()
    return this.#told(async () => this.#clients.patterns())
  }

  async facts(): Promise<Facts> {
    this.#check()
    await this.#publisher.flush()
    const {sqliteFacts} = await import('./facts.ts')
    return this.#told(() => sqliteFacts(this.#db, this.#lock))
  }

  async examine(): Promise<Examination> {
    this.#check()
    const {examineFile} = await import('./examine.ts')
    return this.#told(async () => examineFile(this.#path, this.#db, this.#lock, this.#clients))
  }

  async mend(): Promise<readonly string[]> {
    this.#check()
    const {mendFile} = await import('./repair.ts')
    return this.#told(() => mendFile(this.#path, this.#db, this.#lock, this.#clients))
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#requests.failAll(closedError(this.url))
    for (const mailbox of [...this.#open, ...this.#members]) await mailbox.close()
    try {
      for (const member of [...this.#consuming]) await member.close()
      await this.#publisher.flush()
      await this.#lock.write(() => this.#clients.removeAll())
    } catch (error) {
      throw this.#failure(error)
    } finally {
      this.#reading?.ears.close()
      this.#clients.stop()
      this.#bells.close()
      this.#db.close()
      this.#guard.putAway()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #failure(error: unknown): unknown {
    return rowError(this.#db, this.#path, error)
  }

  async #told<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw this.#failure(error)
    }
  }

  #check(): void {
    if (this.#isClosed) throw closedError(this.url)
  }

  async #subscribe(patterns: readonly string[], options: SubscribeOptions): Promise<Subscription> {
    const {reader} = this.#startReading()
    const interest: Interest = {patterns, queue: undefined}
    const start = await this.#announce(interest)
    const mailbox: Mailbox = new Mailbox({
      signal: options.signal,
      failure: (error) => this.#failure(error),
      refill: () => {
        reader.refill(subscriber)
        return undefined
      },
      onDrain: () => {
        reader.drain(subscriber)
        this.#leave(interest)
      },
      onClose: () => {
        this.#open.delete(mailbox)
        reader.remove(subscriber)
        this.#leave(interest)
      },
    })
    const subscriber = new Subscriber(patterns, start, mailbox)
    reader.add(subscriber)
    this.#open.add(mailbox)
    return mailbox
  }

  async #join(patterns: readonly string[], queue: string, options: SubscribeOptions): Promise<Subscription> {
    const {log} = this.#startReading()
    const parts = {db: this.#db, lock: this.#lock, clients: this.#clients, log}
    const member = new QueueMember(parts, queue, patterns)
    const interest = {patterns, queue}
    log.want(patterns)
    await this.#announce(interest, (end) => member.join(end))
    const mailbox: Mailbox = new Mailbox({
      signal: options.signal,
      failure: (error) => this.#failure(error),
      refill: (max) => {
        const claimed = member.claim(max)
        if (claimed === busy) {
          setImmediate(() => mailbox.wake())
          return 'later'
        }
        for (const message of claimed) mailbox.hold(message)
        return undefined
      },
      onDrain: () => {
        member.end = log.end()
        this.#leave(interest)
      },
      onClose: () => {
        this.#open.delete(mailbox)
        this.#members.delete(mailbox)
        log.unwant(patterns)
        this.#leave(interest)
      },
    })
    this.#members.add(mailbox)
    this.#open.add(mailbox)
    return mailbox
  }

  /** Makes an interest known; what is committed after the cursor it answers is meant for it too. */
  async #announce(interest: Interest, also?: (end: Cursor) => void): Promise<Cursor> {
    const {log} = this.#startReading()
    return this.#lock.write(() => {
      const end = log.end()
      also?.(end)
      this.#clients.add(interest)
      return end
    })
  }

  #leave(interest: Interest): void {
    if (this.#isClosed) return
    this.#lock.write(() => this.#clients.remove(interest)).catch((error) => this.#fail(error))
  }

  #listen(patterns: readonly string[]): void {
    const {ears} = this.#startReading()
    const literal = patterns.every(
      (pattern) => !hasWildcard(pattern.split('.', 1)[0] ?? '') && !pattern.startsWith(inboxPrefix),
    )
    ears.listen(literal ? patterns.map(bellOf) : 'all')
  }

  /** The code of streams is loaded with the first call: most processes only publish and subscribe. */
  async #openStreams(): Promise<StoredStreams> {
    this.#check()
    const {SqliteStreams} = await import('./streams/streams.ts')
    this.#stored ??= new SqliteStreams({
      url: this.url,
      db: this.#db,
      lock: this.#lock,
      log: this.#startReading().log,
      clients: this.#clients,
      catalogue: this.#catalogue,
      limits: this.#limits,
      push: this.#push,
      failure: (error) => this.#failure(error),
      ring: (bell) => this.#bells.ring(bell),
      listen: (patterns) => this.#listen(patterns),
      readers: this.#members,
      members: this.#consuming,
    })
    return this.#stored
  }

  #openInbox(): Ears {
    const {log, ears} = this.#startReading()
    if (this.#inboxSeen !== undefined) return ears
    try {
      this.#bells.makeInbox(this.#clients.id)
      ears.listen([inboxBell(this.#clients.id)])
      this.#inboxSeen = log.end().passing
    } catch (error) {
      throw this.#failure(error)
    }
    return ears
  }

  #startReading() {
    if (this.#reading !== undefined) return this.#reading
    const log = this.#makeLog()
    const reader = new Reader(log, (error) => this.#fail(error))
    const ears = new Ears(this.#bells, log, {
      wake: () => this.#wake(),
      check: this.#guard.check,
      failed: (error) => this.#fail(error),
    })
    this.#reading = {log, reader, ears}
    return this.#reading
  }

  /** Its statements meet the tables as they are. */
  #makeLog(): Log {
    try {
      return new Log(this.#db, this.#lock)
    } catch (error) {
      throw this.#failure(error)
    }
  }

  /** Somebody committed: hands on what is new. False when there was nothing for us. */
  #wake(): boolean {
    if (this.#reading === undefined || this.#isClosed) return false
    const {log, reader} = this.#reading
    try {
      let any = this.#requests.size > 0 && this.#readInbox(log)
      any = reader.run() || any
      for (const mailbox of this.#members) any = mailbox.wake() || any
      for (const member of this.#consuming) any = member.wake() || any
      return any
    } catch (error) {
      this.#fail(error)
      return false
    }
  }

  #readInbox(log: Log): boolean {
    const before = this.#inboxSeen
    for (;;) {
      const rows = log.inbox(this.#clients.id, this.#inboxSeen ?? 0)
      for (const row of rows) {
        this.#inboxSeen = row[0]
        this.#requests.arrived(toMessage(row, row[1], false))
      }
      if (rows.length < inboxRows) return before !== this.#inboxSeen
    }
  }

  /** What can no longer be read ends every wait on it. */
  #fail(error: unknown): void {
    if (this.#isClosed) return
    const failure = this.#failure(error)
    for (const mailbox of [...this.#open, ...this.#members]) mailbox.fail(failure)
    for (const member of this.#consuming) member.fail(failure)
    this.#requests.failAll(failure)
  }
}

function isBare(message: Outgoing): boolean {
  return message.reply === undefined && message.headers === undefined
}
