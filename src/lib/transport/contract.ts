/**
 * The contract of every bus; `test/conformance/` is its executable form. A driver declares what it cannot do in `features`.
 * Nothing above this folder asks which driver it has.
 */
import type {BusError} from '../core/errors.ts'
import type {Headers, Message, Outgoing} from '../core/message.ts'
import type {Secret} from '../core/secrets.ts'
import type {Examination} from './examination.ts'
import type {InterestOptions, ServerRequests} from './server-requests.ts'
import type {StreamInfo, Streams} from './streams-contract.ts'
import type {Subscription} from './subscription.ts'
import type {TracedServer, TraceOptions} from './trace.ts'

/** What a bus can do. */
export interface Features {
  /** Patterns with `*` and `>`. */
  readonly wildcards: boolean
  readonly headers: boolean
  /** Queue groups. */
  readonly queues: boolean
  /** A slow subscriber gets everything later; otherwise messages beyond its pending limit are dropped and counted. */
  readonly keepsForSlow: boolean
  /** A request that nobody serves fails immediately. */
  readonly noResponders: boolean
  /**
   * A request is an ordinary message with a reply subject: every subscription gets it, and it may have any number of replies.
   * Otherwise only one member of a queue group, whatever the group's name, gets it, only its first reply counts, and a
   * published message has no reply subject.
   */
  readonly requestsAreMessages: boolean
  /** Stored messages; without them all methods of `streams` fail with `notFound`. */
  readonly streams: boolean
  /** `streams.consumers` has lists of failed messages. Otherwise there are only advisories, as on a server. */
  readonly failures: boolean
}

/** A bus, from `open`. It supports `await using`. */
export interface Transport extends AsyncDisposable {
  /** The URL without secrets. */
  readonly url: string
  readonly features: Features
  /** The largest payload in bytes. */
  readonly maxPayload: number
  /** How often the connection was lost while there were subscriptions; absent on a bus without a connection. */
  readonly gaps?: number

  /**
   * Queues a message, which has been sent when `flush` resolves; until then its bytes must not change. Throws `usage` for an
   * invalid subject, header or size and for a closed bus. Later failures reject the next `flush`.
   */
  publish(message: Outgoing): void
  /**
   * Takes back a message that waits for the connection or a lock, and returns true: it will not be sent. False if it was sent, or
   * may have been. Absent on a bus that sends at once.
   */
  withdraw?(message: Outgoing): boolean

  /** Resolves when the server (NATS) has all earlier messages, or they are committed (bus file). */
  flush(): Promise<void>

  /**
   * Live when it resolves: messages published after that arrive. With several patterns each message is delivered once; without
   * any it fails with `usage`.
   */
  subscribe(patterns: string | readonly string[], options?: SubscribeOptions): Promise<Subscription>

  /** The first reply. Fails with `noResponders` immediately if nobody serves the subject, or with `timeout`. */
  request(message: Outgoing, options?: RequestOptions): Promise<Message>

  /**
   * Replies until one of the bounds is reached; it ends without an error at the deadline. Fails with `noResponders` as
   * `request` does. The loop may be left early.
   */
  requestMany(message: Outgoing, options?: ManyOptions): AsyncIterable<Message>

  /**
   * The subscriptions of all clients that share a subject with `pattern`, by default all of them. Absent on a bus that never
   * knows them. Inboxes of clients may be among them.
   */
  interests?(pattern?: string, options?: InterestOptions): Promise<Interests>

  /**
   * The way of a message through the servers. It is not delivered or stored, unless the options say so. Absent on a bus without
   * servers. Fails with `usage` on a server before 2.11.
   */
  trace?(message: Outgoing, options?: TraceOptions): Promise<TracedServer>

  /** Throws `denied` if nothing can be published or changed; absent if only an attempt can show that. */
  checkWritable?(): void

  /** Stored messages. */
  readonly streams: Streams

  /** Snapshots of streams in the format of a server; absent on other buses. */
  readonly snapshots?: Snapshots

  /** The servers of the bus; absent on a bus without servers. */
  readonly servers?: ServerRequests

  /** The properties of the bus, requested now. Fails as `flush` does. */
  facts(): Promise<Facts>
  /** Examines the bus for problems; takes longer than `facts` and writes nothing. Absent if there is nothing to examine. */
  examine?(): Promise<Examination>
  /** Makes all repairs that are safe at any time, and returns a sentence for each. */
  repair?(): Promise<readonly string[]>

  /** Flushes, ends all subscriptions and releases all resources. May be called again. */
  close(): Promise<void>
}

/** Snapshots of streams in the format of a server, with sequences, times and consumers. */
export interface Snapshots {
  /** Fails with `notFound`, with `remote` if the stream is in memory, and with `timeout`; `chunks` then fails with these too. */
  take(stream: string, options: SnapshotOptions): Promise<StreamSnapshot>
  /** Creates the stream that `head.config` names. Fails with `usage` if it exists, with `remote` if the snapshot is not valid. */
  restore(head: SnapshotHead, chunks: AsyncIterable<Uint8Array>, options: SnapshotOptions): Promise<StreamInfo>
}

export interface SnapshotOptions {
  readonly signal?: AbortSignal | undefined
}

/** The configuration and the state of a stream, as a server describes them. */
export interface SnapshotHead {
  readonly config: {readonly name: string} & object
  readonly state: object
}

export interface StreamSnapshot {
  readonly head: SnapshotHead
  /** All of it has to be read, or the loop left. */
  readonly chunks: AsyncIterable<Uint8Array>
}

/** The options of a subscription. */
export interface SubscribeOptions {
  /** Queue group: each message goes to one of its members. */
  readonly queue?: string | undefined
  /** Largest number of messages held for a slow reader; by default they are limited by their bytes, 256 MiB, only. */
  readonly pendingLimit?: number | undefined
  /** Ends the subscription as `close` does. */
  readonly signal?: AbortSignal | undefined
}

/** The options of a request. */
export interface RequestOptions {
  /** Milliseconds; default 5,000. */
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** Returns false for a message that is not a reply: it is skipped, and the wait continues. */
  readonly accept?: ((reply: Message) => boolean) | undefined
  /**
   * Accept the acknowledgement of a stream that stored the request as a reply (ADR-13). Otherwise it is skipped with a notice
   * of the kind `stored`.
   */
  readonly ackIsReply?: boolean | undefined
}

/** The bounds of the replies to a request. */
export interface ManyOptions extends RequestOptions {
  /** End after this many replies. */
  readonly count?: number | undefined
  /** End after this many milliseconds without a further reply. */
  readonly idleMs?: number | undefined
  /** End at the first reply with an empty payload, which is not returned. */
  readonly untilEmpty?: boolean | undefined
}

/** The subscriptions, or why the bus does not tell them. */
export type Interests =
  | {
      readonly known: readonly Interest[]
      /** The subscribers that are not among them, if there may be any. */
      readonly unseen?: string | undefined
    }
  | {readonly unknown: BusError}

/** A subscription: one pattern of one client. */
export interface Interest {
  readonly pattern: string
  readonly queue?: string | undefined
  readonly client: InterestedClient
}

/** A client as the bus knows it. Properties that it does not know are absent. */
export interface InterestedClient {
  /** It is the connection that asks. */
  readonly isOwn: boolean
  readonly name?: string | undefined
  /** The process on this host. */
  readonly pid?: number | undefined
  /** On a server: the number of the connection, and the name of the server. */
  readonly connection?: number | undefined
  readonly server?: string | undefined
  /** A leaf node, which subscribes for clients of its own. */
  readonly isLeafNode?: boolean | undefined
  /** The client library, such as `nats.js`, and its version. */
  readonly language?: string | undefined
  readonly version?: string | undefined
  /** `HOST:PORT` */
  readonly address?: string | undefined
  /** Bytes that the server has not sent to it yet. */
  readonly pendingBytes?: number | undefined
  readonly roundTripMs?: number | undefined
}

/** The properties of a bus. Properties that do not apply are absent. */
export interface Facts {
  /** `nats-server`, `SQLite`, `memory`. */
  readonly software: string
  readonly version?: string | undefined
  /** Names of the server and of its cluster. */
  readonly server?: string | undefined
  readonly cluster?: string | undefined
  /** Milliseconds of several round trips: a reply of the server, or locking and writing the file. */
  readonly roundTripsMs: readonly number[]
  /** Size of the file, and the number of messages in its log. */
  readonly bytes?: number | undefined
  readonly messages?: number | undefined
  /** The prefix of its JetStream API, if it is not the usual one. */
  readonly apiPrefix?: string | undefined
  /** Usage and limits of JetStream on a server, or why it is missing. */
  readonly jetstream?: JetStreamFacts | {readonly missing: string} | undefined
}

/** Usage and limits of an account, in bytes; an absent limit means unlimited. */
export interface JetStreamFacts {
  readonly memory: Usage
  readonly storage: Usage
  readonly streams: Usage
  readonly consumers: Usage
}

/** An amount in use and its limit; an absent limit means unlimited. */
export interface Usage {
  readonly used: number
  readonly limit?: number | undefined
}

/** An event of the connection to report to users. */
export interface Notice {
  readonly kind: 'slowConsumer' | 'disconnected' | 'reconnected' | 'lameDuck' | 'election' | 'gap' | 'stored' | 'error'
  readonly text: string
}

/** How to open a bus, and the callback for events. */
export interface OpenOptions extends ServerOptions {
  /**
   * Opens a bus file read-only: nothing is created or written, and every write fails with `denied`. This is also the case
   * if the user has no permission to write. Fails with `usage` for any other bus.
   */
  readonly readOnly?: boolean | undefined
  /** Name shown in lists of clients, such as `bus sub`. */
  readonly name?: string | undefined
  readonly notify?: ((notice: Notice) => void) | undefined
  /**
   * How long to wait for others, in milliseconds. A server has to confirm subscriptions and flushes and to answer in JetStream
   * within this time, or its connection counts as lost; default 5,000. Another process may lock the file of the bus for this
   * long; 10,000 by default and at most. Once `signal` has aborted, the wait for a lock ends after half a second.
   */
  readonly timeoutMs?: number | undefined
  /** Aborts opening. An open bus is closed by `close`; after an abort, a flush no longer waits for a lost connection. */
  readonly signal?: AbortSignal | undefined
}

/** How to reach a server and log in; other buses ignore it. */
export interface ServerOptions {
  /** Milliseconds for each server of the list; default 5,000. */
  readonly connectTimeoutMs?: number | undefined
  /** Reconnect attempts for each server after the connection is lost; 0 gives up immediately; unlimited by default. */
  readonly maxReconnects?: number | undefined
  /** The prefix of the reply subjects of requests; default `_INBOX`. */
  readonly inboxPrefix?: string | undefined
  /** The domain of JetStream, or the prefix of the subjects of its API; default `$JS.API`. */
  readonly jetStream?: {readonly domain: string} | {readonly apiPrefix: string} | undefined
  /** Milliseconds between two heartbeats; after two without a reply the connection counts as lost. Default 10,000. */
  readonly heartbeatMs?: number | undefined
  readonly login?: Login | undefined
  readonly tls?: TlsOptions | undefined
}

/** A login. A user, password or token in the URL takes precedence. Only the user and paths are ever shown. */
export interface Login {
  readonly user?: string | undefined
  readonly password?: string | Secret | undefined
  readonly token?: string | Secret | undefined
  /** Path of a credentials file (JWT and seed). It is read again at each reconnect. */
  readonly credsFile?: string | undefined
  /** The text of a credentials file. */
  readonly creds?: string | Secret | undefined
  /** Path of a file with an nkey seed, read again like `credsFile`. */
  readonly nkeyFile?: string | undefined
  /** The nkey seed; with `jwt`, the seed that belongs to it. */
  readonly seed?: string | Secret | undefined
  readonly jwt?: string | Secret | undefined
}

/** Encryption of a connection, and trusted certificates. */
export interface TlsOptions {
  /** Paths of PEM files: trusted CA certificates (instead of the system's), and the client certificate and its key. */
  readonly caFile?: string | undefined
  readonly certFile?: string | undefined
  readonly keyFile?: string | undefined
  /** The server expects TLS before it sends anything. */
  readonly first?: boolean | undefined
  /** Accept any certificate of the server. */
  readonly insecure?: boolean | undefined
}

export type {Headers, Message, Outgoing, Subscription}
