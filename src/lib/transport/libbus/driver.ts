/** Talks to the processes that use contenox libbus on one SQLite database: see docs/architecture.md. */

import {randomUUID} from 'node:crypto'
import {BusError, closedError, interruptedError} from '../../core/errors.ts'
import {Message, type Outgoing} from '../../core/message.ts'
import {checkPatterns, hasWildcard} from '../../core/subject.ts'
import {shellWord} from '../../core/text/shell-word.ts'
import type {
  Facts,
  ManyOptions,
  OpenOptions,
  RequestOptions,
  SubscribeOptions,
  Subscription,
  Transport,
} from '../contract.ts'
import {noStreams} from '../shared/lazy-streams.ts'
import {Mailbox} from '../shared/mailbox.ts'
import {checkOutgoing} from '../shared/outgoing.ts'
import {Requests} from '../shared/requests.ts'
import {timeRoundTrips} from '../shared/round-trips.ts'
import {busy, type Db, isBusy, Lock, LockTimeout, unsentError, whenFree} from '../sqlite/db.ts'
import {type LibbusAddress, parseLibbusUrl} from './address.ts'
import {startCleaning} from './cleaner.ts'
import {libbusError, nameOf, openDatabase} from './database.ts'
import {errorHeaders, errorReply} from './error-replies.ts'
import {EventReader, Events} from './events.ts'
import {Poll} from './poll.ts'
import {Requested, Server} from './requested.ts'
import {blobOf, payloadOf, replyPrefix} from './rows.ts'
import {WriteQueue} from './write-queue.ts'

const maxPayload = 64 * 1024 * 1024

/**
 * Opens the database of a `libbus:` URL. Fails with `usage` for the URL, with `notFound` if the database or its tables do not
 * exist, with `connect` or `denied`.
 */
export async function openLibbus(url: string, options: OpenOptions = {}): Promise<Transport> {
  const address = parseLibbusUrl(url)
  const lockTimeout = new LockTimeout(options)
  const db = await openDatabase(address, lockTimeout)
  try {
    // Preparing a statement reads the tables.
    return await whenFree(nameOf(address.path), lockTimeout, () => new Libbus(address, db, options))
  } catch (error) {
    db.close()
    throw libbusError(address.path, error)
  }
}

/** How a mailbox is filled. */
interface MailboxSource {
  /** All mailboxes that are filled in the same way. */
  readonly among: Set<Mailbox>
  readonly poll: Poll
  readonly next: (max: number) => readonly Message[] | typeof busy
  readonly drain: () => void
  readonly signal: AbortSignal | undefined
}

class Libbus implements Transport {
  readonly url: string
  readonly features = {
    wildcards: false,
    headers: false,
    queues: false,
    keepsForSlow: true,
    noResponders: false,
    requestsAreMessages: false,
    streams: false,
    failures: false,
  }
  readonly maxPayload = maxPayload
  readonly streams
  readonly #path: string
  readonly #db: Db
  readonly #options: OpenOptions
  readonly #lock: Lock
  readonly #lockTimeout: LockTimeout
  readonly #writes: WriteQueue
  readonly #events: Events
  readonly #requested: Requested
  readonly #requests: Requests
  readonly #addEvent
  readonly #eventPoll: Poll
  readonly #requestPoll: Poll
  readonly #cleaning: Disposable
  readonly #subscribers = new Set<Mailbox>()
  readonly #servers = new Set<Mailbox>()
  /** Requests waiting for their reply: their ids, and the functions that write them. */
  readonly #asked = new Map<string, () => void>()
  #isClosed = false

  constructor({path, eventsMs, requestsMs}: LibbusAddress, db: Db, options: OpenOptions) {
    this.url = `libbus:${path}`
    this.streams = noStreams(this.url)
    this.#path = path
    this.#db = db
    this.#options = options
    this.#lockTimeout = new LockTimeout(options)
    this.#lock = new Lock(db, nameOf(path), {lockTimeout: this.#lockTimeout})
    this.#events = new Events(db)
    this.#requested = new Requested(db)
    this.#addEvent = db.prepare<[string, Uint8Array]>('INSERT INTO bus_events (subject, data) VALUES (?, ?)')
    this.#writes = new WriteQueue({
      lock: this.#lock,
      committed: () => this.#look(),
      failed: (error) => {
        const failure = libbusError(path, error)
        this.#requests.failAll(failure)
        options.notify?.({kind: 'error', text: `not written: ${(failure as Error).message}`})
        return failure
      },
    })
    this.#requests = new Requests(
      this.url,
      () => replyPrefix,
      (message) => this.#ask(message),
      {
        token: randomUUID,
        late: (reply, timeoutMs) => this.#unwritten(reply.slice(replyPrefix.length), timeoutMs),
        over: (reply) => this.#forget(reply.slice(replyPrefix.length)),
      },
    )
    const failed = (error: unknown) => this.#fail(error)
    this.#eventPoll = new Poll({db, lock: this.#lock, everyMs: eventsMs, failed, look: () => wake(this.#subscribers)})
    this.#requestPoll = new Poll({
      db,
      lock: this.#lock,
      everyMs: requestsMs,
      failed,
      look: () => this.#lookForRequests(),
    })
    this.#cleaning = startCleaning(db, this.#lock, (error) => {
      const text = `cannot remove old rows: ${(libbusError(path, error) as Error).message}`
      options.notify?.({kind: 'error', text})
    })
  }

  publish(message: Outgoing): void {
    this.#check()
    const isReply = message.subject.startsWith(replyPrefix)
    const error = isReply && message.headers ? errorReply(message.headers) : undefined
    const {subject, data} = error === undefined ? this.#plain(message) : {...message, data: error}
    if (message.reply !== undefined)
      throw this.#cannot('a message has no reply subject', `bus req ${shellWord(subject)}`)
    if (isReply) this.#writes.push(() => this.#requested.answer(subject.slice(replyPrefix.length), data))
    else this.#writes.push(() => this.#addEvent.run(subject, blobOf(data)))
  }

  async flush(): Promise<void> {
    this.#check()
    return this.#writes.flush()
  }

  async subscribe(patterns: string | readonly string[], options: SubscribeOptions = {}): Promise<Subscription> {
    this.#check()
    const subjects = checkPatterns(patterns)
    const [wild] = subjects.filter(hasWildcard)
    const isServer = options.queue !== undefined
    if (wild !== undefined && (isServer || wild !== '>')) {
      const which = isServer ? 'requests have exact subjects' : 'events have exact subjects; ">" subscribes to all'
      throw this.#cannot(`${which}, so ${JSON.stringify(wild)} cannot be subscribed to`)
    }
    if (options.signal?.aborted) throw interruptedError()
    try {
      return await whenFree(nameOf(this.#path), this.#lockTimeout, () =>
        isServer ? this.#serve(subjects, options) : this.#follow(subjects, options),
      )
    } catch (error) {
      throw libbusError(this.#path, error)
    }
  }

  async request(message: Outgoing, options?: RequestOptions): Promise<Message> {
    this.#check()
    return this.#requests.one(message, options)
  }

  /** There is at most one reply. */
  requestMany(message: Outgoing, options?: ManyOptions): AsyncIterable<Message> {
    this.#check()
    return this.#requests.many(message, {...options, count: 1})
  }

  async facts(): Promise<Facts> {
    this.#check()
    await this.#writes.flush()
    const value = (sql: string) =>
      whenFree(nameOf(this.#path), this.#lockTimeout, () => this.#db.prepare(sql).pluck().get())
    try {
      return {
        software: 'SQLite',
        version: String(await value('SELECT sqlite_version()')),
        roundTripsMs: await timeRoundTrips(() => this.#lock.write(() => undefined)),
        bytes: Number(await value('SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()')),
        messages: Number(await value('SELECT count(*) FROM bus_events')),
      }
    } catch (error) {
      throw libbusError(this.#path, error)
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#requests.failAll(closedError(this.url))
    for (const mailbox of [...this.#subscribers, ...this.#servers]) await mailbox.close()
    try {
      await this.#writes.flush()
    } finally {
      this.#eventPoll.stop()
      this.#requestPoll.stop()
      this.#cleaning[Symbol.dispose]()
      this.#db.close()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #check(): void {
    if (this.#isClosed) throw closedError(this.url)
  }

  /** The message, if this bus can transport it. Throws `usage`. */
  #plain(message: Outgoing): Outgoing {
    checkOutgoing(message, maxPayload, this.url)
    if (message.headers?.length) throw this.#cannot('a message has no headers')
    return message
  }

  #cannot(what: string, hint?: string): BusError {
    return new BusError('usage', `on ${this.url} ${what}`, hint === undefined ? {} : {try: [hint]})
  }

  #ask(message: Outgoing): void {
    const {subject, data} = this.#plain(message)
    const id = message.reply?.slice(replyPrefix.length) ?? ''
    const write = () => this.#requested.ask(id, subject, data)
    this.#writes.push(write)
    this.#asked.set(id, write)
    this.#runPolls()
  }

  /** If a request could not be written in time, nothing is known about who serves it. */
  #unwritten(id: string, timeoutMs: number): BusError | undefined {
    const write = this.#asked.get(id)
    if (write === undefined || !this.#writes.withdraw(write)) return undefined
    this.#asked.delete(id)
    return unsentError('the request was not sent', nameOf(this.#path), timeoutMs)
  }

  #forget(id: string): void {
    const write = this.#asked.get(id)
    if (write === undefined) return
    this.#asked.delete(id)
    if (!this.#writes.withdraw(write)) this.#writes.push(() => this.#requested.forget(id))
    this.#runPolls()
  }

  #follow(subjects: readonly string[], {signal}: SubscribeOptions): Mailbox {
    const {notify} = this.#options
    const reader = new EventReader(this.#events, subjects, (first, last) =>
      notify?.({kind: 'gap', text: `the events ${first} to ${last} were removed before they were read`}),
    )
    const next = (max: number) => reader.next(max)
    const drain = () => this.#drained(() => reader.drain())
    return this.#mailbox({among: this.#subscribers, poll: this.#eventPoll, next, drain, signal})
  }

  #serve(subjects: readonly string[], {signal}: SubscribeOptions): Mailbox {
    const server = new Server(this.#requested, this.#lock, subjects)
    const next = () => server.claim()
    const drain = () => this.#drained(() => server.drain())
    return this.#mailbox({among: this.#servers, poll: this.#requestPoll, next, drain, signal})
  }

  /** A mailbox that is filled by `next` when a reader takes, and when its poll finds a change. */
  #mailbox({among, poll, next, drain, signal}: MailboxSource): Mailbox {
    const mailbox: Mailbox = new Mailbox({
      signal,
      refill: (max) => {
        const messages = this.#unlessBusy(() => next(max))
        if (messages === busy) {
          poll.again()
          return 'later'
        }
        for (const message of messages) mailbox.hold(message)
        return undefined
      },
      onDrain: drain,
      onClose: () => {
        among.delete(mailbox)
        this.#runPolls()
      },
    })
    among.add(mailbox)
    this.#runPolls()
    return mailbox
  }

  #drained(drain: () => void): void {
    try {
      this.#lock.readStatement(drain)
    } catch (error) {
      throw libbusError(this.#path, error)
    }
  }

  #unlessBusy<T>(read: () => T): T | typeof busy {
    try {
      return read()
    } catch (error) {
      if (isBusy(error)) return busy
      throw libbusError(this.#path, error)
    }
  }

  #runPolls(): void {
    this.#eventPoll.run(this.#subscribers.size > 0)
    this.#requestPoll.run(this.#servers.size > 0 || this.#asked.size > 0)
  }

  /** Our own commits are not found by a poll. */
  #look(): void {
    if (this.#isClosed) return
    try {
      wake(this.#subscribers)
      this.#lookForRequests()
    } catch (error) {
      if (isBusy(error)) this.#requestPoll.again()
      else this.#fail(error)
    }
  }

  #lookForRequests(): void {
    wake(this.#servers)
    if (this.#asked.size === 0) return
    for (const [id, data] of this.#requested.replies(this.#asked.keys())) {
      const payload = payloadOf(data)
      this.#requests.arrived(new Message(replyPrefix + id, payload, errorHeaders(payload)))
    }
  }

  /** A failed poll ends every wait. */
  #fail(error: unknown): void {
    if (this.#isClosed) return
    const failure = libbusError(this.#path, error)
    for (const mailbox of [...this.#subscribers, ...this.#servers]) mailbox.fail(failure)
    this.#requests.failAll(failure)
  }
}

function wake(mailboxes: ReadonlySet<Mailbox>): void {
  for (const mailbox of mailboxes) mailbox.wake()
}
