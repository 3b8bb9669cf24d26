/** A bus inside this process, and one connection to it. */
import {type BusError, closedError, interruptedError} from '../../core/errors.ts'
import {Message, noHeaders, type Outgoing} from '../../core/message.ts'
import {checkPattern, checkPatterns, overlaps, SubjectTrie} from '../../core/subject.ts'
import type {Interest, OpenOptions, SubscribeOptions} from '../contract.ts'
import {asBatch} from '../shared/batch.ts'
import {withServerSpelling} from '../shared/header-names.ts'
import {Mailbox} from '../shared/mailbox.ts'
import {checkOutgoing, noRespondersHeaders, streamInboxPrefix} from '../shared/outgoing.ts'
import {Requests} from '../shared/requests.ts'
import {notKept} from '../shared/stream-errors.ts'
import type {Stored, StoredBatch} from '../streams-contract.ts'
import type {MemoryConsumer} from './consumer.ts'
import type {MemoryStream} from './stream.ts'

export const maxPayload = 64 * 1024 * 1024

interface Subscriber {
  readonly owner: MemoryConnection
  readonly patterns: readonly string[]
  readonly queue: string | undefined
  readonly deliver: (message: Message) => void
}

/** A stream and its durable consumers. */
export interface StreamEntry {
  readonly stream: MemoryStream
  readonly consumers: Map<string, MemoryConsumer>
}

class Hub {
  readonly url: string
  readonly streams = new Map<string, StreamEntry>()
  readonly #subscribers = new SubjectTrie<Subscriber>()
  readonly #all = new Set<Subscriber>()
  #turn = 0
  #clients = 0

  constructor(url: string) {
    this.url = url
  }

  get isUnused(): boolean {
    return this.#subscribers.size === 0 && this.streams.size === 0
  }

  nextClient(): number {
    return ++this.#clients
  }

  add(subscriber: Subscriber): void {
    this.#all.add(subscriber)
    for (const pattern of subscriber.patterns) this.#subscribers.add(pattern, subscriber)
  }

  remove(subscriber: Subscriber): void {
    if (!this.#all.delete(subscriber)) return
    for (const pattern of subscriber.patterns) this.#subscribers.remove(pattern, subscriber)
  }

  get subscribers(): ReadonlySet<Subscriber> {
    return this.#all
  }

  /** Delivers a message to every subscription once and to one member of each group; false if nobody received it. */
  deliver(message: Message): boolean {
    const found = new Set(this.#subscribers.match(message.subject))
    const groups = new Map<string, Subscriber[]>()
    for (const subscriber of found) {
      if (subscriber.queue === undefined) subscriber.deliver(message)
      else groups.set(subscriber.queue, [...(groups.get(subscriber.queue) ?? []), subscriber])
    }
    for (const group of groups.values()) group[this.#turn++ % group.length]?.deliver(message)
    return found.size > 0
  }

  /** Stores messages in the stream of the first, all or none. */
  storeBatch(batch: readonly Message[]): StoredBatch {
    const [{subject} = {subject: ''}] = batch
    for (const {stream} of this.streams.values()) if (stream.keeps(subject)) return stream.storeBatch(batch)
    throw notKept(this.url, subject)
  }

  /** Stores a message in the stream of its subject. */
  store(message: Message): Stored | BusError {
    for (const {stream} of this.streams.values()) if (stream.keeps(message.subject)) return stream.store(message)
    return notKept(this.url, message.subject)
  }
}

/** The buses of this process by name, so that several `open` calls share one. */
const hubs = new Map<string, Hub>()

const longestIntervalMs = 2 ** 31 - 1

export class MemoryConnection {
  readonly url: string
  readonly requests: Requests
  /** Closed together with the connection. */
  readonly open = new Set<{close(): Promise<void>}>()
  readonly #hub: Hub
  readonly #options: OpenOptions
  readonly #replies: Subscriber
  /** An open bus keeps its process alive, like a connection. */
  readonly #alive = setInterval(() => undefined, longestIntervalMs)
  #isClosed = false

  constructor(url: string, options: OpenOptions) {
    this.url = url
    this.#options = options
    this.#hub = hubs.get(url) ?? new Hub(url)
    hubs.set(url, this.#hub)
    const inbox = `_INBOX.m${this.#hub.nextClient()}.`
    this.requests = new Requests(
      url,
      () => inbox,
      (message) => {
        const {isServed} = this.send(message)
        if (!isServed) this.requests.noResponders(message.reply ?? '', message.subject)
      },
    )
    const deliver = (message: Message) => this.requests.arrived(message)
    this.#replies = {owner: this, patterns: [`${inbox}>`], queue: undefined, deliver}
    this.#hub.add(this.#replies)
  }

  get streams(): Map<string, StreamEntry> {
    return this.#hub.streams
  }

  /** Throws `usage` if it is closed. */
  check(): void {
    if (this.#isClosed) throw closedError(this.url)
  }

  /** Stores messages, all or none, and delivers them. Throws `usage`. */
  sendBatch(messages: readonly Outgoing[]): StoredBatch {
    this.check()
    const batch = asBatch(messages, maxPayload, this.url).map(copied)
    const stored = this.#hub.storeBatch(batch)
    for (const message of batch) this.#hub.deliver(message)
    return stored
  }

  /** Delivers and stores a message, and returns both results. Throws `usage`. */
  send(message: Outgoing): {readonly isServed: boolean; readonly outcome: Stored | BusError} {
    this.check()
    checkOutgoing(message, maxPayload, this.url)
    const {reply} = message
    const sent = copied(message)
    const outcome = this.#hub.store(sent)
    const isServed = this.#hub.deliver(sent)
    if (!isServed && reply?.startsWith(streamInboxPrefix))
      this.#hub.deliver(new Message(reply, '', noRespondersHeaders))
    return {isServed, outcome}
  }

  async subscribe(patterns: string | readonly string[], options: SubscribeOptions = {}): Promise<Mailbox> {
    this.check()
    if (options.signal?.aborted) throw interruptedError()
    // A draining member takes no more messages: they go to the other members.
    const leave = () => this.#hub.remove(subscriber)
    const mailbox: Mailbox = new Mailbox({
      limit: options.pendingLimit,
      signal: options.signal,
      onDrop: (dropped) =>
        this.#options.notify?.({kind: 'slowConsumer', text: `slow consumer: ${dropped} dropped so far`}),
      onDrain: leave,
      onClose: () => {
        this.open.delete(mailbox)
        leave()
      },
    })
    const deliver = (message: Message) => void mailbox.push(message)
    const subscriber: Subscriber = {owner: this, patterns: checkPatterns(patterns), queue: options.queue, deliver}
    this.#hub.add(subscriber)
    this.open.add(mailbox)
    return mailbox
  }

  /** The subscriptions of all connections that overlap with a pattern, without the inboxes of requests. */
  interests(wanted: string): Interest[] {
    this.check()
    checkPattern(wanted)
    return [...this.#hub.subscribers].flatMap((subscriber) => {
      const {owner, patterns, queue} = subscriber
      if (subscriber === owner.#replies) return []
      const client = {isOwn: owner === this, name: owner.#options.name}
      return patterns.filter((pattern) => overlaps(pattern, wanted)).map((pattern) => ({pattern, queue, client}))
    })
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    clearInterval(this.#alive)
    this.#hub.remove(this.#replies)
    this.requests.failAll(closedError(this.url))
    for (const each of [...this.open]) await each.close()
    if (this.#hub.isUnused) hubs.delete(this.url)
  }
}

/** Copied, as on the other buses: the publisher may reuse its buffer. */
function copied({subject, data, headers = noHeaders, reply}: Outgoing): Message {
  const bytes = typeof data === 'string' ? data : new Uint8Array(data ?? [])
  return new Message(subject, bytes, withServerSpelling(headers), reply)
}
