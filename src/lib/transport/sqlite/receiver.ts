/** The reading half of a connection to a bus file: its subscriptions, its queue members, and the replies to its requests. */
import type {Message, Outgoing} from '../../core/message.ts'
import {hasWildcard} from '../../core/subject.ts'
import type {ManyOptions, RequestOptions, SubscribeOptions, Subscription} from '../contract.ts'
import {Mailbox} from '../shared/mailbox.ts'
import {Requests} from '../shared/requests.ts'
import {ChangeWatcher} from './change-watcher.ts'
import type {OwnInterest} from './clients.ts'
import type {FileConnection} from './connection.ts'
import {busy, unsentError} from './db.ts'
import {type Cursor, type Gap, inboxRows, Log} from './log.ts'
import {QueueMember} from './queue.ts'
import {Reader, Subscriber} from './reader.ts'
import {inboxPrefix, toMessage} from './rows.ts'
import type {SqliteMember} from './streams/member.ts'
import {inboxWakeFile, wakeFileOf} from './wake-files.ts'

export class FileReceiver {
  readonly log: Log
  /** Woken after every commit: members of queue groups, and readers that follow streams. */
  readonly members = new Set<Mailbox>()
  readonly consuming = new Set<SqliteMember>()
  readonly #connection: FileConnection
  readonly #send: (message: Outgoing) => void
  readonly #withdraw: (reply: string) => boolean
  readonly #reader: Reader
  readonly #watcher: ChangeWatcher
  readonly #open = new Set<Mailbox>()
  #requests: Requests | undefined
  #inboxSeen = 0
  #isClosed = false

  /** `send` publishes a request and may throw; `withdraw` withdraws one by its reply subject, unless it is committed. */
  constructor(connection: FileConnection, send: (message: Outgoing) => void, withdraw: (reply: string) => boolean) {
    const {file, wakeFiles} = connection
    this.#connection = connection
    this.#send = send
    this.#withdraw = withdraw
    this.log = new Log(file.db, file.lock)
    this.#reader = new Reader(this.log, this)
    this.#watcher = new ChangeWatcher(file, wakeFiles, this)
  }

  /** There was a commit: delivers new messages. False if there were none for this connection. */
  changed(): boolean {
    if (this.#isClosed) return false
    try {
      let any = this.#requests !== undefined && this.#requests.size > 0 && this.#readInbox(this.#requests)
      any = this.#reader.run() || any
      for (const mailbox of this.members) any = mailbox.wake() || any
      for (const member of this.consuming) any = member.wake() || any
      return any
    } catch (error) {
      this.unreadable(error)
      return false
    }
  }

  /** If the file can no longer be read, every wait ends. */
  unreadable(error: unknown): void {
    if (this.#isClosed) return
    const failure = this.#connection.file.failure(error)
    for (const mailbox of [...this.#open, ...this.members]) mailbox.fail(failure)
    for (const member of this.consuming) member.fail(failure)
    this.failRequests(failure)
  }

  missed({first, last, messages}: Gap, passing: boolean): void {
    const which = passing ? 'messages to inboxes' : `messages between #${first} and #${last}`
    this.#connection.notify({kind: 'gap', text: `${messages} ${which} were removed before they were read`})
  }

  failRequests(failure: unknown): void {
    this.#requests?.failAll(failure)
  }

  noResponders({reply = '', subject}: Outgoing): void {
    this.#requests?.noResponders(reply, subject)
  }

  /** A reply was sent: the other side may answer in turn. */
  expect(): void {
    this.#watcher.expect()
  }

  /** From now on wakes up for commits that concern these subjects. */
  watch(patterns: readonly string[]): void {
    const isLiteral = patterns.every(
      (pattern) => !hasWildcard(pattern.split('.', 1)[0] ?? '') && !pattern.startsWith(inboxPrefix),
    )
    this.#watcher.watch(isLiteral ? patterns.map(wakeFileOf) : 'all')
  }

  subscribe(patterns: readonly string[], options: SubscribeOptions): Promise<Subscription> {
    const {file} = this.#connection
    if (options.queue !== undefined) file.lock.checkWritable()
    file.checkFollowable()
    this.watch(patterns)
    return options.queue === undefined
      ? this.#subscribe(patterns, options)
      : this.#join(patterns, options.queue, options)
  }

  request(message: Outgoing, options: RequestOptions | undefined): Promise<Message> {
    return this.#openInbox().one(message, options)
  }

  requestMany(message: Outgoing, options: ManyOptions | undefined): AsyncIterable<Message> {
    return this.#openInbox().many(message, options)
  }

  /** Ends all waits, in order. */
  async end(closed: unknown): Promise<void> {
    this.#isClosed = true
    this.failRequests(closed)
    for (const mailbox of [...this.#open, ...this.members]) await mailbox.close()
  }

  close(): void {
    this.#watcher.close()
  }

  async #subscribe(patterns: readonly string[], options: SubscribeOptions): Promise<Subscription> {
    const reader = this.#reader
    const interest: OwnInterest = {patterns, queue: undefined}
    const start = await this.#announce(interest)
    const mailbox: Mailbox = new Mailbox({
      signal: options.signal,
      failure: (error) => this.#connection.file.failure(error),
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
    const {log} = this
    const {file, clients} = this.#connection
    const member = new QueueMember(
      {db: file.db, lock: file.lock, clients, log, missed: (gap) => this.missed(gap, false)},
      queue,
      patterns,
    )
    const interest = {patterns, queue}
    log.want(patterns)
    await this.#announce(interest, (end) => member.join(end))
    const mailbox: Mailbox = new Mailbox({
      signal: options.signal,
      failure: (error) => file.failure(error),
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
        this.members.delete(mailbox)
        log.unwant(patterns)
        this.#leave(interest)
      },
    })
    this.members.add(mailbox)
    this.#open.add(mailbox)
    return mailbox
  }

  /** Announces an interest; messages committed after the returned cursor are for it, too. */
  #announce(interest: OwnInterest, also?: (end: Cursor) => void): Promise<Cursor> {
    const {file, clients} = this.#connection
    if (file.lock.isReadOnly) return Promise.resolve(this.log.end())
    return file.lock.write(() => {
      const end = this.log.end()
      also?.(end)
      clients.add(interest)
      return end
    })
  }

  #leave(interest: OwnInterest): void {
    const {file, clients} = this.#connection
    if (this.#isClosed || !clients.has(interest)) return
    file.lock.write(() => clients.remove(interest)).catch((error) => this.unreadable(error))
  }

  #openInbox(): Requests {
    const {file, clients, wakeFiles, inbox, url} = this.#connection
    if (this.#requests === undefined) {
      wakeFiles.makeInbox(clients.id)
      this.#watcher.watch([inboxWakeFile(clients.id)])
      this.#inboxSeen = this.log.end().passing
      this.#requests = new Requests(url, () => inbox, this.#send, {
        late: (reply, timeoutMs) =>
          this.#withdraw(reply) ? unsentError('the request was not sent', file.name, timeoutMs) : undefined,
        over: (reply) => void this.#withdraw(reply),
      })
    }
    this.#watcher.expect()
    return this.#requests
  }

  #readInbox(requests: Requests): boolean {
    const before = this.#inboxSeen
    for (;;) {
      const rows = this.log.inbox(this.#connection.clients.id, this.#inboxSeen)
      for (const row of rows) {
        this.#inboxSeen = row[0]
        requests.arrived(toMessage(row, row[1], false))
      }
      if (rows.length < inboxRows) return before !== this.#inboxSeen
    }
  }
}
