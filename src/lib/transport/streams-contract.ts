/**
 * Stored messages: streams, their messages, and durable consumers, in JetStream's terms and with its defaults (docs.nats.io,
 * "JetStream"; ADR-8, ADR-13, ADR-15) on every bus. `test/conformance/streams/` is its executable form. Times are Unix
 * milliseconds, durations milliseconds; an absent limit means unlimited. One file, because a driver implements all of it.
 */
import {isFailure} from '../core/errors.ts'
import {Message, type Outgoing} from '../core/message.ts'
import type {WaitBounds} from './shared/bounded.ts'
import type {Subscription} from './subscription.ts'

/** Every method fails with `notFound` if the stream or consumer does not exist, or on a bus without streams. */
export interface Streams {
  /**
   * Creates a stream. Fails with `usage` for an invalid configuration, if its subjects overlap with another stream's (which is
   * named), and if a stream with this name exists with another configuration; one with the same configuration is returned.
   */
  add(config: StreamSettings): Promise<StreamInfo>
  /**
   * Changes settings; those that are absent stay, and those that are `undefined` get their defaults. Messages beyond a new limit
   * are removed. Fails with `usage` for a change that is not possible, and with `denied` for a sealed stream.
   */
  update(stream: string, changes: StreamChanges): Promise<StreamInfo>
  info(stream: string): Promise<StreamInfo>
  /** Sorted by name. */
  list(options?: ListOptions): Promise<readonly StreamInfo[]>
  /** The names of the streams that store messages with this subject or, for a pattern, some subject that it matches. */
  keeping(pattern: string): Promise<readonly string[]>
  /**
   * The number of messages of each matching subject. With `onPage` they are passed to it a page at a time, sorted by subject, and
   * the result is empty: any number of them takes little memory. The next page is read when its promise resolves.
   */
  subjects(stream: string, pattern?: string, onPage?: OnSubjectPage): Promise<ReadonlyMap<string, number>>
  /** Removes the stream, its messages and its consumers. */
  remove(stream: string): Promise<void>
  /** Removes messages and returns their number. */
  purge(stream: string, which?: PurgeOptions): Promise<number>
  /** Erases one message. Fails with `notFound` if there is none, and with `denied` if the stream refuses it. */
  erase(stream: string, seq: number): Promise<void>

  /**
   * Publishes and waits until a stream has stored the message. Its headers `storeHeaders` are obeyed. Fails with `notFound` if
   * no stream stores the subject, `timeout`, or `remote` if the stream refuses it; `data.code` is then JetStream's `err_code`.
   * After a timeout or an abort it is not sent any more; if it was sent before, it may be stored.
   */
  publish(message: Outgoing, options?: WaitBounds): Promise<Stored>
  /**
   * Stores all messages in one stream, or none: an atomic batch (ADR-50), of 1 to 1,000 messages. Each gets the headers of its
   * batch, and other clients see all of them at the same time. Fails like `publish`, and with `usage` if the stream does not accept
   * batches, does not store one of the subjects, or a server is older than 2.12; a `Nats-Msg-Id` that it remembers is `remote`.
   * `data.index` is the index of the message that was refused, if it is known. Expected sequences are those before the batch. After
   * a failure nothing is stored; after `timeout`, `connect` or `interrupted`, all of it may be, unless `data.written` is false.
   */
  publishBatch(messages: readonly Outgoing[], options?: WaitBounds): Promise<StoredBatch>
  /** Publishes many messages: pipelined, each acknowledged, at the cost of a counter per message. */
  publisher(options?: PublisherOptions): StreamPublisher

  /** The message with this sequence. */
  get(stream: string, seq: number, options?: GetOptions): Promise<Message>
  /** The last message of a subject, or of a pattern. */
  last(stream: string, pattern: string, options?: GetOptions): Promise<Message>
  /** Reads stored messages in order without side effects. Each has `seq` and `time`. Ends at the end, unless it follows. */
  read(stream: string, range?: ReadOptions): Promise<Subscription>

  readonly consumers: Consumers
}

/**
 * The settings of a stream. Absent settings have their defaults, an absent limit means unlimited. Times are milliseconds, sizes
 * bytes.
 */
export interface StreamSettings {
  /** Without spaces, `.`, `*`, `>`, `/`, `\`. */
  readonly name: string
  /** Patterns; default the name itself. */
  readonly subjects?: readonly string[] | undefined
  readonly description?: string | undefined
  /** Default `file`. A bus file stores everything in the file. */
  readonly storage?: 'file' | 'memory' | undefined
  /** At a limit, remove the oldest messages or refuse new ones. Default `old`. */
  readonly discard?: 'old' | 'new' | undefined
  readonly maxAgeMs?: number | undefined
  readonly maxMsgs?: number | undefined
  readonly maxBytes?: number | undefined
  readonly maxMsgsPerSubject?: number | undefined
  readonly maxMsgSize?: number | undefined
  /** How long message ids are remembered; default two minutes (not longer than `maxAgeMs`). */
  readonly dedupeMs?: number | undefined
  /** Default 1; more needs a cluster. */
  readonly replicas?: number | undefined
  /** Names and values of your own. */
  readonly metadata?: Readonly<Record<string, string>> | undefined
  /** With `discard` new: refuse a message also if its subject has `maxMsgsPerSubject`, instead of removing the oldest of them. */
  readonly discardNewPerSubject?: boolean | undefined
  /** Accept `storeHeaders.rollup`. Not together with `denyPurge`. */
  readonly allowRollup?: boolean | undefined
  /** Refuse to delete single messages, or to purge. */
  readonly denyDelete?: boolean | undefined
  readonly denyPurge?: boolean | undefined
  /** Refuse every change from now on, for good. A stream cannot be created so. */
  readonly sealed?: boolean | undefined
  /** Every server with a copy answers direct reads. A bus file is always read directly. */
  readonly allowDirect?: boolean | undefined
  /** Accept batches (`Streams.publishBatch`). Needs a server of 2.12 or newer (`usage`). */
  readonly allowAtomic?: boolean | undefined
  /**
   * `workqueue`: a message is removed when its consumer has acknowledged or terminated it. `interest`: a message is removed when every
   * consumer with a matching filter has done so, and is not stored if there is no such consumer. Default `limits`: only limits remove messages.
   */
  readonly retention?: 'limits' | 'interest' | 'workqueue' | undefined
  /** Remove messages after the time in their header `storeHeaders.ttl`. Cannot be turned off again. Needs a server of 2.11 or newer (`usage`). */
  readonly allowTtl?: boolean | undefined
  /**
   * When the last message of a subject expires, store a marker in its place for this long: a message without payload and with
   * the header `Nats-Marker-Reason`. At least a second. Implies `allowTtl` and `allowRollup`. Shorter TTLs of messages are raised to
   * this time, unless `maxMsgsPerSubject` is 1.
   */
  readonly markerTtlMs?: number | undefined
  /** The options that only a server has, by their names in its API, unless they have their defaults. */
  readonly other?: Readonly<Record<string, unknown>> | undefined
}

/** Changes of the settings of a stream. Each member of `other` changes one option; `undefined` is its default. */
export type StreamChanges = Partial<Omit<StreamSettings, 'name'>>

/** A stream's configuration with its defaults filled in. */
export interface StreamConfig extends StreamSettings {
  readonly subjects: readonly string[]
  readonly storage: 'file' | 'memory'
  readonly discard: 'old' | 'new'
  readonly dedupeMs: number
  readonly replicas: number
  readonly retention: 'limits' | 'interest' | 'workqueue'
}

/** A stream and its current state. */
export interface StreamInfo {
  /**
   * Distinguishes the stream from every other one, including one of another bus, and one with the same name after it was
   * recreated. The same for every connection and as long as the stream exists.
   */
  readonly id: string
  readonly config: StreamConfig
  readonly created: number
  readonly state: StreamState
  /** The server that leads it, on a cluster. */
  readonly leader?: string | undefined
  /** The other servers that have a copy of it, on a cluster. */
  readonly peers?: readonly StreamPeer[] | undefined
  /** The streams from which the server copies its messages. */
  readonly origins?: readonly StreamOrigin[] | undefined
  /** The document of a server; absent in lists. */
  readonly raw?: unknown
}

/** A server with a replica. */
export interface StreamPeer {
  readonly server: string
  readonly state: 'current' | 'behind' | 'offline'
  /** How many operations of the leader it does not have yet, if the server reports any. */
  readonly lag?: number | undefined
  /** The time since it was heard from. */
  readonly silentMs: number
}

/** The stream of a mirror, or a source. */
export interface StreamOrigin {
  readonly stream: string
  /** How many of its messages are not copied yet, as far as known. */
  readonly lag: number
  /** The time since it was heard from; absent if it never was. */
  readonly silentMs?: number | undefined
  readonly error?: string | undefined
}

/** The state of a stream. Times are Unix milliseconds. */
export interface StreamState {
  readonly messages: number
  /** As counted by the bus: payloads, subjects and headers. */
  readonly bytes: number
  /** One more than `lastSeq` if it is empty. Sequences only grow; those of a bus file have gaps. */
  readonly firstSeq: number
  readonly lastSeq: number
  readonly firstTime?: number | undefined
  readonly lastTime?: number | undefined
  /** The number of different subjects. */
  readonly subjects: number
  readonly consumers: number
  /** On a server: the number of sequences between the first and the last one whose messages were removed, if there are any. */
  readonly deleted?: number | undefined
  /**
   * On a bus file: about how many messages left the stream and still take space, with their bytes. Publishers remove them, a few
   * at a time, an hour after they were published. Absent if there are none.
   */
  readonly reclaimable?: {readonly messages: number; readonly bytes: number} | undefined
}

/** How to handle streams and consumers of servers that do not answer. */
export interface ListOptions {
  /** Called with their names; without it the list fails with `timeout`. */
  readonly onUnreachable?: ((names: readonly string[]) => void) | undefined
}

/** Which messages to remove; without options, all of them. */
export interface PurgeOptions {
  /** Only messages with matching subjects. */
  readonly pattern?: string | undefined
  /** Only messages before this sequence. */
  readonly beforeSeq?: number | undefined
  /** Number of newest messages to keep. Not together with `beforeSeq`. */
  readonly keep?: number | undefined
}

/** Receives the next subjects and the number of messages of each. */
export type OnSubjectPage = (page: ReadonlyMap<string, number>) => Promise<void>

/** Headers that a stream obeys (ADR-13). */
export const storeHeaders = {
  msgId: 'Nats-Msg-Id',
  expectedStream: 'Nats-Expected-Stream',
  expectedLastSeq: 'Nats-Expected-Last-Sequence',
  expectedLastMsgId: 'Nats-Expected-Last-Msg-Id',
  expectedLastSubjectSeq: 'Nats-Expected-Last-Subject-Sequence',
  /** `sub` or `all`: the message replaces all earlier ones of its subject, or of the stream. */
  rollup: 'Nats-Rollup',
  /** How long the message is stored: `30s`, `1h30m`, a number of seconds, or `never`, which also exempts it from `maxAgeMs`. */
  ttl: 'Nats-TTL',
} as const

/** A stream's acknowledgement. */
export interface Stored {
  readonly stream: string
  readonly seq: number
  /** A message with this id had been stored before, as `seq`; this one was not stored. */
  readonly duplicate: boolean
}

/** A stream's acknowledgement of a batch. */
export interface StoredBatch {
  readonly stream: string
  /** The sequence of its last message; the others have those before it. */
  readonly seq: number
  readonly count: number
}

/** The options of a publisher. */
export interface PublisherOptions {
  /**
   * Largest number of unacknowledged messages; default 1,000, and on a slow network up to 8,000. Messages that are sent again, for example during an election, are
   * stored after others that were in flight with them: only 1 always keeps the order.
   */
  readonly window?: number | undefined
  /** How long an acknowledgement may take; default 5,000. */
  readonly timeoutMs?: number | undefined
  /** Called for each acknowledgement, in any order, with the message's index among those pushed, from 0. */
  readonly onStored?: ((index: number, stored: Stored) => void) | undefined
  /** Called for each message that was not stored, which then fails neither `push` nor `flush`. */
  readonly onRefused?: ((index: number, error: unknown) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** Publishes many messages, each acknowledged by a stream. */
export interface StreamPublisher extends AsyncDisposable {
  /**
   * Queues a message; its bytes must not change until it is acknowledged. Returns a promise if the window is full: await it
   * before the next. Throws as `publish` does for an invalid message.
   */
  push(message: Outgoing): Promise<void> | undefined
  /**
   * Resolves when everything pushed is acknowledged. Rejects with the first failure, as `Streams.publish` does; its
   * `data.index` is the message's index among those pushed, from 0.
   */
  flush(): Promise<void>
  readonly acknowledged: number
  readonly duplicates: number
  /** The highest acknowledged sequence, and its stream. */
  readonly last: Stored | undefined
}

/** How to get a single message. */
export interface GetOptions {
  /** Any replica may answer, if the stream allows it: faster, but it may be a moment behind. */
  readonly direct?: boolean | undefined
}

/**
 * Where to start: at a sequence or the next existing one, at a time or the first message after it, or at the last N messages
 * (that pass the filters, if there are any).
 */
export type Start = {readonly seq: number} | {readonly timeMs: number} | {readonly last: number}

/** Which messages of a stream to read. */
export interface ReadOptions {
  /** By default the first message. */
  readonly from?: Start | undefined
  /**
   * Up to and including this sequence, or everything stored before this time. By default the messages that exist at the start.
   */
  readonly to?: {readonly seq: number} | {readonly timeMs: number} | undefined
  /** Patterns; by default everything. */
  readonly filters?: readonly string[] | undefined
  /** Only the last message of each subject at the start. Not together with `from`, `to` by time, or `follow`. */
  readonly lastPerSubject?: boolean | undefined
  /** Payloads are not needed: a server then sends only their sizes, in the header `Nats-Msg-Size`. */
  readonly withoutPayload?: boolean | undefined
  /** Continues with messages stored later. Not together with `to`. */
  readonly follow?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/** The durable consumers of streams. */
export interface Consumers {
  /**
   * Creates a durable consumer. Fails with `usage` for an invalid configuration and if one with this name exists with another
   * configuration; one with the same configuration is returned.
   */
  add(stream: string, config: ConsumerSettings): Promise<ConsumerInfo>
  /**
   * Changes settings; those that are absent stay, and those that are `undefined` get their defaults. Members that take part
   * follow. Fails with `usage` for a change that is not possible.
   */
  update(stream: string, consumer: string, changes: ConsumerChanges): Promise<ConsumerInfo>
  /** Delivers nothing until this time; without one, it continues. Members stay. On servers of 2.11 and later. */
  pause(stream: string, consumer: string, untilMs?: number): Promise<ConsumerInfo>
  /** On a server: another client of the priority group may be pinned. */
  unpin(stream: string, consumer: string, group: string): Promise<void>
  info(stream: string, consumer: string): Promise<ConsumerInfo>
  /** Sorted by name. */
  list(stream: string, options?: ListOptions): Promise<readonly ConsumerInfo[]>
  remove(stream: string, consumer: string): Promise<void>
  /**
   * Moves a durable consumer: the next message is the one at `to`, whatever was acknowledged before; `undefined` is the end, as is
   * every position after it.
   * Messages in flight no longer count. On servers that cannot move a consumer it is recreated with the same configuration
   * except for its start. Fails with `denied`, before anything is done, if a server knows that a client uses it.
   */
  reset(stream: string, consumer: string, to: Start | undefined): Promise<ConsumerInfo>
  /**
   * Takes messages as a member of the consumer; several members share the messages. A push consumer must not be bound elsewhere
   * (`denied`).
   */
  consume(stream: string, consumer: string, options?: ConsumeOptions): Promise<Consuming>
  /**
   * Messages that reached their limit of deliveries or were terminated: the next ones after this sequence, none at the end. For
   * each an advisory is published (`shared/advisories.ts`). Fails with `usage` without `features.failures`.
   */
  failures(stream: string, consumer: string, afterSeq: number): Promise<readonly FailedMessage[]>
  /** Removes messages from that list. */
  forget(stream: string, consumer: string, seqs: readonly number[]): Promise<void>
}

/** A message that its consumer no longer delivers although nobody acknowledged it. */
export interface FailedMessage {
  readonly seq: number
  readonly deliveries: number
  /** `max deliver`, or the reason for which it was terminated. */
  readonly reason: string
  /** The message; undefined if it is no longer in the stream and the bus has no copy of it. */
  readonly message: Message | undefined
  /** Whether it is still in the stream. */
  readonly isThere: boolean
}

/** Where a new consumer starts. */
export type DeliverPolicy = Start | 'all' | 'new' | 'last' | 'lastPerSubject'

/** The settings of a durable consumer. Absent settings have their defaults. Times are milliseconds. */
export interface ConsumerSettings {
  /** The durable name; rules as for a stream's. */
  readonly name: string
  readonly description?: string | undefined
  /** Patterns; by default everything in the stream. Several need a server of 2.10 or newer (`usage`). */
  readonly filters?: readonly string[] | undefined
  /** Where it starts; default `all`. A sequence after the end is `new`. `{last}` is not possible here. */
  readonly deliver?: DeliverPolicy | undefined
  /** Default `explicit`. With `all`, an acknowledgement covers earlier messages. */
  readonly ack?: 'explicit' | 'all' | 'none' | undefined
  /** The ack wait: a message that is not acknowledged in this time is redelivered; default 30,000. */
  readonly ackWaitMs?: number | undefined
  /** Largest number of deliveries of one message. */
  readonly maxDeliver?: number | undefined
  /** Largest number of unacknowledged messages of all members together; default 1,000. Absent in a configuration: unlimited. */
  readonly maxAckPending?: number | undefined
  /** On a server: a push consumer, to an inbox of its own. Other buses have none, and ignore it. */
  readonly isPush?: boolean | undefined
  /** Replaces `ackWaitMs` for the first, second, … delivery; the last value applies to all further ones. */
  readonly backoffMs?: readonly number[] | undefined
  /** Names and values of your own. */
  readonly metadata?: Readonly<Record<string, string>> | undefined
  /** The options that only a server has, by their names in its API, unless they have their defaults. */
  readonly other?: Readonly<Record<string, unknown>> | undefined
}

/** Changes of the settings of a consumer. Each member of `other` changes one option; `undefined` is its default. */
export type ConsumerChanges = Partial<Omit<ConsumerSettings, 'name' | 'isPush'>>

/** A consumer's configuration with its defaults filled in. */
export interface ConsumerConfig extends ConsumerSettings {
  readonly filters: readonly string[]
  readonly deliver: DeliverPolicy
  readonly ack: 'explicit' | 'all' | 'none'
  readonly ackWaitMs: number
  readonly backoffMs: readonly number[]
  readonly durable: boolean
  /** The server delivers headers only. A member reads the messages, so that its deliveries are complete. */
  readonly headersOnly?: boolean | undefined
  /** Largest number of pull requests that wait at the same time, if it is not the server's default. */
  readonly maxWaiting?: number | undefined
  /** The policy of its priority groups: the server prefers some of the clients. */
  readonly priority?: string | undefined
  readonly groups?: readonly string[] | undefined
  /** A push consumer: the subject to which the server sends, and its queue group. */
  readonly push?: {readonly subject: string; readonly queue?: string | undefined} | undefined
}

/** A consumer and its current state. Times are Unix milliseconds. */
export interface ConsumerInfo {
  readonly stream: string
  readonly config: ConsumerConfig
  readonly created: number
  /**
   * The last delivered message, and the ack floor: sequences of the stream, 0 for none. For a consumer that begins later, or that
   * was moved, and has delivered nothing since: the position before that at which it continues.
   */
  readonly deliveredSeq: number
  readonly ackFloor: number
  /** Not yet delivered. */
  readonly pending: number
  /** Delivered and not yet acknowledged. */
  readonly ackPending: number
  /** How many of them were delivered more than once. */
  readonly redelivered: number
  /**
   * Messages that reached their limit of deliveries without an acknowledgement, since the consumer was created or moved. A
   * server no longer counts them once a later message is acknowledged; with a limit of one delivery it reports only an upper
   * bound.
   */
  readonly givenUp?: number | undefined
  /** The time of its last delivery or acknowledgement. */
  readonly lastActive?: number | undefined
  /** For a push consumer: whether a client is subscribed. */
  readonly bound?: boolean | undefined
  /** Until then it delivers nothing. Absent if it is not paused. */
  readonly pausedUntil?: number | undefined
  /** For each priority group with one, the id of the only client that gets messages. */
  readonly pinned?: readonly {readonly group: string; readonly client: string}[] | undefined
  /** The number of pull requests that wait for messages. */
  readonly waiting?: number | undefined
  /** The server that leads it and the others with a copy, on a cluster. */
  readonly leader?: string | undefined
  readonly peers?: readonly StreamPeer[] | undefined
  /** The document of a server; absent in lists. */
  readonly raw?: unknown
}

/** The options of a member. */
export interface ConsumeOptions {
  /** Messages to fetch ahead of those taken; default 512, and not more than `max`. */
  readonly prefetch?: number | undefined
  /** Total number of messages to take; no more are claimed. */
  readonly max?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** A member's access to its consumer. One reader at a time. */
export interface Consuming extends AsyncDisposable {
  /**
   * Up to `max` deliveries as soon as there is one; none if nothing arrived for `waitMs` (unlimited by default), and when
   * `ended`.
   */
  take(max: number, waitMs?: number): Promise<readonly Delivery[]>
  /** It was closed, its signal aborted, or `max` were taken. */
  readonly ended: boolean
  /** The consumer as it was when this member joined. */
  readonly joined: Pick<ConsumerInfo, 'deliveredSeq' | 'ackPending'>
  /** How many messages between those taken here were delivered to other members, as far as known. */
  readonly gaps: number
  /** By this id the server knows this member as the pinned client of a priority group. */
  readonly pin?: string | undefined
  /** The server does not confirm that it has this member's requests for messages. */
  readonly isUnheard?: boolean | undefined
  /** Sequences of messages that reached their limit of deliveries since this member joined, if the bus reports them. */
  readonly exhausted?: ReadonlySet<number> | undefined
  /**
   * Acknowledges. On an `all` consumer this covers all earlier messages; on a `none` consumer it does nothing. Queued: see
   * `flush`.
   */
  ack(delivery: Delivery): void
  /** Requests redelivery, immediately or after a delay. */
  nak(delivery: Delivery, delayMs?: number): void
  /** Terminates the message: it is never redelivered. */
  term(delivery: Delivery, reason?: string): void
  /** Reports progress: the ack wait starts again. */
  working(delivery: Delivery): void
  /**
   * Resolves when the server has all of these, or they are committed. While the connection is lost it waits for a reconnect, but
   * not after `leave` has aborted; it then fails with `connect`.
   */
  flush(leave?: AbortSignal): Promise<void>
  /**
   * Claims no more messages, and ends. Delivered ones that would lose a delivery if they were returned can still be taken: on a
   * server, if deliveries are limited or not acknowledged. Resolves to true if there are any.
   */
  finish(): Promise<boolean>
  /** Returns messages that were not taken, flushes, and leaves the consumer unchanged. */
  close(): Promise<void>
}

/** A message delivered by a consumer. */
export class Delivery extends Message {
  readonly from: Consuming
  readonly stream: string
  readonly consumer: string
  /** 1 for the first delivery. */
  override readonly deliveries: number
  /** How many undelivered messages the consumer has, as of this delivery. */
  readonly pending: number

  constructor(
    from: Consuming,
    place: {
      readonly stream: string
      readonly consumer: string
      readonly seq: number
      readonly time: number
      readonly deliveries: number
      readonly pending: number
    },
    message: Pick<Message, 'subject' | 'payload'> & Partial<Pick<Message, 'headers' | 'reply'>>,
  ) {
    super(message.subject, message.payload, message.headers, message.reply, place.seq, place.time)
    this.from = from
    this.stream = place.stream
    this.consumer = place.consumer
    this.deliveries = place.deliveries
    this.pending = place.pending
  }

  ack(): void {
    this.from.ack(this)
  }

  nak(delayMs?: number): void {
    this.from.nak(this, delayMs)
  }

  term(reason?: string): void {
    this.from.term(this, reason)
  }

  working(): void {
    this.from.working(this)
  }
}

/** For `catch`: returns undefined if the error is that something does not exist, and throws any other error again. */
export function unlessMissing(error: unknown): undefined {
  if (!isFailure(error, 'notFound')) throw error
}
