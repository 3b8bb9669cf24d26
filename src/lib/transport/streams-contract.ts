/**
 * Stored messages: streams, what is in them, and durable consumers, in JetStream's words and with its defaults
 * (docs.nats.io, "JetStream"; ADR-8, ADR-13, ADR-15) on every bus. `test/conformance/streams/` is its executable form.
 * Times are Unix milliseconds, durations milliseconds; an absent limit is none.
 */
import {Message, type Outgoing} from '../core/message.ts'
import type {Subscription} from './subscription.ts'

/** Everything fails with `notFound` for a stream or consumer that is not there, or when the bus keeps no streams. */
export interface Streams {
  /**
   * Makes a stream. Fails with `usage` for a bad configuration, when its subjects overlap another stream's (which is
   * named), and when a stream of this name exists with another configuration; one with the same is answered as it is.
   */
  add(config: StreamSettings): Promise<StreamInfo>
  info(stream: string): Promise<StreamInfo>
  /** By name. */
  list(options?: ListOptions): Promise<readonly StreamInfo[]>
  /** The names of the streams that keep a message to this subject or, for a pattern, some that it matches. */
  keeping(pattern: string): Promise<readonly string[]>
  /** How many messages it has of each subject that matches. */
  subjects(stream: string, pattern?: string): Promise<ReadonlyMap<string, number>>
  /** Removes the stream, its messages and its consumers. */
  remove(stream: string): Promise<void>
  /** Removes messages and answers how many. */
  purge(stream: string, which?: PurgeOptions): Promise<number>

  /**
   * Publishes and waits until a stream has stored it. The headers `storeHeaders` of the message are obeyed. Fails with
   * `notFound` when no stream keeps the subject, `timeout`, or `remote` when the stream refuses it; `data.code` is then
   * JetStream's `err_code`.
   */
  publish(message: Outgoing, options?: {readonly timeoutMs?: number | undefined}): Promise<Stored>
  /** Publishes many: pipelined, each acknowledged, at the cost of a counter a message. */
  publisher(options?: PublisherOptions): StreamPublisher

  /** The message with this sequence. */
  get(stream: string, seq: number): Promise<Message>
  /** The last message of a subject, or of a pattern. */
  last(stream: string, pattern: string): Promise<Message>
  /** Reads stored messages in order and disturbs nobody. Each has `seq` and `time`. Ends at the end, unless it follows. */
  read(stream: string, range?: ReadOptions): Promise<Subscription>

  readonly consumers: Consumers
}

/**
 * How a stream is to be; what is absent has its default, an absent limit is none. Times are milliseconds, sizes
 * bytes.
 */
export interface StreamSettings {
  /** Without spaces, `.`, `*`, `>`, `/`, `\`. */
  readonly name: string
  /** Patterns; default the name itself. */
  readonly subjects?: readonly string[] | undefined
  readonly description?: string | undefined
  /** Default `file`. A bus file keeps everything in the file. */
  readonly storage?: 'file' | 'memory' | undefined
  /** What goes when a limit is reached: the oldest, or the new one is refused. Default `old`. */
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
}

/** A stream's configuration with its defaults filled in. */
export interface StreamConfig extends StreamSettings {
  readonly subjects: readonly string[]
  readonly storage: 'file' | 'memory'
  readonly discard: 'old' | 'new'
  readonly dedupeMs: number
  readonly replicas: number
  /** Streams of other clients may remove what was consumed; those that we make keep to their limits. */
  readonly retention: 'limits' | 'interest' | 'workqueue'
}

/** A stream as it is now. */
export interface StreamInfo {
  /**
   * Tells the stream from every other one: of another bus, or of the same name after it was recreated. The
   * same for every connection and as long as the stream exists.
   */
  readonly id: string
  readonly config: StreamConfig
  readonly created: number
  readonly state: StreamState
  /** Where it lives, on a cluster. */
  readonly leader?: string | undefined
}

/** What is in a stream. Times are Unix milliseconds. */
export interface StreamState {
  readonly messages: number
  /** As its bus counts them: payloads, subjects and headers. */
  readonly bytes: number
  /** One more than `lastSeq` when it is empty. Sequences only grow; a bus file's have gaps between the stream's own. */
  readonly firstSeq: number
  readonly lastSeq: number
  readonly firstTime?: number | undefined
  readonly lastTime?: number | undefined
  /** Different subjects that it has messages of. */
  readonly subjects: number
  readonly consumers: number
}

/** What to do about streams and consumers of servers that do not answer. */
export interface ListOptions {
  /** Called with their names; without it the list fails with `timeout`. */
  readonly onUnreachable?: ((names: readonly string[]) => void) | undefined
}

/** Which messages go; without any, all of them. */
export interface PurgeOptions {
  /** Only what matches. */
  readonly pattern?: string | undefined
  /** Only what comes before this sequence. */
  readonly beforeSeq?: number | undefined
  /** Number of newest messages to keep. Not together with `beforeSeq`. */
  readonly keep?: number | undefined
}

/** Headers by which a publisher says what it expects of a stream (ADR-13). */
export const storeHeaders = {
  msgId: 'Nats-Msg-Id',
  expectedStream: 'Nats-Expected-Stream',
  expectedLastSeq: 'Nats-Expected-Last-Sequence',
  expectedLastMsgId: 'Nats-Expected-Last-Msg-Id',
  expectedLastSubjectSeq: 'Nats-Expected-Last-Subject-Sequence',
} as const

/** A stream's acknowledgement. */
export interface Stored {
  readonly stream: string
  readonly seq: number
  /** A message with this id was stored before, as `seq`; this one was not. */
  readonly duplicate: boolean
}

/** How a publisher waits for acknowledgements. */
export interface PublisherOptions {
  /**
   * Most messages that may be without their acknowledgement; default 1,000. Messages that are sent again, as during an
   * election, are stored after others that were in flight with them: only 1 keeps the order always.
   */
  readonly window?: number | undefined
  /** How long an acknowledgement may take; default 5,000. */
  readonly timeoutMs?: number | undefined
  /** Told of each acknowledgement, in any order: the message's place among those pushed, from 0. */
  readonly onStored?: ((index: number, stored: Stored) => void) | undefined
  /** Told of each message that was not stored, which then fails neither `push` nor `flush`. */
  readonly onRefused?: ((index: number, error: unknown) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** Publishes many messages, each acknowledged by a stream. */
export interface StreamPublisher extends AsyncDisposable {
  /**
   * Queues a message; its bytes must not change until it is acknowledged. Returns a promise when the window is full:
   * wait for it before the next. Throws as `publish` does for a bad message.
   */
  push(message: Outgoing): Promise<void> | undefined
  /**
   * Resolves when all that was pushed is acknowledged. Rejects with the first failure, as `Streams.publish` does;
   * its `data.index` is the message's place among those pushed, from 0.
   */
  flush(): Promise<void>
  readonly acknowledged: number
  readonly duplicates: number
  /** The highest sequence that was acknowledged, and in which stream. */
  readonly last: Stored | undefined
}

/**
 * Where to begin: at a sequence or the next one that is there, at a time or the first message after, or the last N
 * (where there are filters: of those that match).
 */
export type Start = {readonly seq: number} | {readonly timeMs: number} | {readonly last: number}

/** What of a stream is read. */
export interface ReadOptions {
  /** Default the first message. */
  readonly from?: Start | undefined
  /** Up to and including this sequence, or everything stored before this time. Default what is there when it begins. */
  readonly to?: {readonly seq: number} | {readonly timeMs: number} | undefined
  /** Patterns; default everything. */
  readonly filters?: readonly string[] | undefined
  /** Only the last message of each subject, as it is when the reading begins. Not together with `from`, `to` by time, or `follow`. */
  readonly lastPerSubject?: boolean | undefined
  /** Continues with messages stored later. Not together with `to`. */
  readonly follow?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/** The durable consumers of streams. */
export interface Consumers {
  /**
   * Makes a durable consumer. Fails with `usage` for a bad configuration and when one of this name exists with another
   * configuration; one with the same is answered as it is.
   */
  add(stream: string, config: ConsumerSettings): Promise<ConsumerInfo>
  info(stream: string, consumer: string): Promise<ConsumerInfo>
  /** By name. */
  list(stream: string, options?: ListOptions): Promise<readonly ConsumerInfo[]>
  remove(stream: string, consumer: string): Promise<void>
  /**
   * Moves a durable consumer: the next message is the one at `to`, whatever was acknowledged before; `undefined` is the
   * end. What was in flight no longer counts. On servers that cannot do it the consumer is recreated with its
   * configuration, so that only its start is another. Fails with `denied`, before anything is done, when a server knows
   * that a client uses it.
   */
  reset(stream: string, consumer: string, to: Start | undefined): Promise<ConsumerInfo>
  /** Takes messages as a member of the consumer; several members share the work. A push consumer must not be bound elsewhere (`denied`). */
  consume(stream: string, consumer: string, options?: ConsumeOptions): Promise<Consuming>
}

/** Where a consumer begins when it is made. */
export type DeliverPolicy = Start | 'all' | 'new' | 'last' | 'lastPerSubject'

/** How a durable consumer is to be; what is absent has its default. Times are milliseconds. */
export interface ConsumerSettings {
  /** The durable name; rules as for a stream's. */
  readonly name: string
  readonly description?: string | undefined
  /** Patterns; default everything in the stream. Several need a server of 2.10 (`usage`). */
  readonly filters?: readonly string[] | undefined
  /** Where it begins when it is made; default `all`. `{last}` is not possible here. */
  readonly deliver?: DeliverPolicy | undefined
  /** Default `explicit`. `all`: acknowledging one acknowledges those before it. */
  readonly ack?: 'explicit' | 'all' | 'none' | undefined
  /** Time to acknowledge before a message is delivered again; default 30,000. */
  readonly ackWaitMs?: number | undefined
  /** Deliveries of one message, at most. */
  readonly maxDeliver?: number | undefined
  /** Messages without acknowledgement, at most, in the hands of all members; default 1,000. */
  readonly maxAckPending?: number | undefined
  /** Instead of `ackWaitMs` for the first, second, … delivery; the last one stays. */
  readonly backoffMs?: readonly number[] | undefined
}

/** A consumer's configuration with its defaults filled in. */
export interface ConsumerConfig extends ConsumerSettings {
  readonly filters: readonly string[]
  readonly deliver: DeliverPolicy
  readonly ack: 'explicit' | 'all' | 'none'
  readonly ackWaitMs: number
  readonly maxAckPending: number
  readonly backoffMs: readonly number[]
  readonly durable: boolean
  /** Its server delivers headers only. A member reads the messages, so that its deliveries are whole. */
  readonly headersOnly?: boolean | undefined
  /** A push consumer: where its server sends, and to which queue group. */
  readonly push?: {readonly subject: string; readonly queue?: string | undefined} | undefined
}

/** A consumer as it is now. Times are Unix milliseconds. */
export interface ConsumerInfo {
  readonly stream: string
  readonly config: ConsumerConfig
  readonly created: number
  /** The last message that was delivered, and up to where all are acknowledged without a gap: sequences of the stream, 0 for none. */
  readonly deliveredSeq: number
  readonly ackFloor: number
  /** Not yet delivered. */
  readonly pending: number
  /** Delivered and not yet acknowledged. */
  readonly ackPending: number
  /** Of those, delivered more than once. */
  readonly redelivered: number
  /**
   * Delivered as often as allowed and never acknowledged, as far as it is known: a server forgets them once a later
   * message is acknowledged.
   */
  readonly givenUp?: number | undefined
  /** When it last delivered or was acknowledged. */
  readonly lastActive?: number | undefined
  /** For a push consumer: somebody listens. */
  readonly bound?: boolean | undefined
}

/** How a member takes from its consumer. */
export interface ConsumeOptions {
  /** Messages to have ready beyond those that were taken; default 512, and not more than `max`. */
  readonly prefetch?: number | undefined
  /** Total number to take; no more are claimed. */
  readonly max?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** What a member has of its consumer. One reader at a time. */
export interface Consuming extends AsyncDisposable {
  /** Up to `max` deliveries as soon as there is one; none when nothing came for `waitMs` (default: without end), and when `ended`. */
  take(max: number, waitMs?: number): Promise<readonly Delivery[]>
  /** It was closed, its signal aborted, or `max` were taken. */
  readonly ended: boolean
  /** Done. On an `all` consumer with all before it; on a `none` consumer nothing. Queued: see `flush`. */
  ack(delivery: Delivery): void
  /** Not done: deliver it again, now or after a while. */
  nak(delivery: Delivery, delayMs?: number): void
  /** Never deliver it again. */
  term(delivery: Delivery, reason?: string): void
  /** Still at work: the time to acknowledge begins anew. */
  working(delivery: Delivery): void
  /** All of these so far are with the server, or committed. */
  flush(): Promise<void>
  /** Gives back what was not taken, flushes, and leaves the consumer as it is. */
  close(): Promise<void>
}

/** A message that came from a consumer. */
export class Delivery extends Message {
  readonly from: Consuming
  readonly stream: string
  readonly consumer: string
  /** 1 the first time. */
  readonly deliveries: number
  /** How many more the consumer has that were not delivered, as of this one. */
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
