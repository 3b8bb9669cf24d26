/**
 * The one contract that every bus keeps; `test/conformance/` is its executable form. What a driver cannot do stands in
 * its `features`. Nothing above this folder asks which driver it has.
 */
import type {Headers, Message, Outgoing} from '../core/message.ts'
import type {Examination} from './examination.ts'
import type {Streams} from './streams-contract.ts'
import type {Subscription} from './subscription.ts'

/** What a bus can do. */
export interface Features {
  /** Patterns with `*` and `>`. */
  readonly wildcards: boolean
  readonly headers: boolean
  /** Queue groups. */
  readonly queues: boolean
  /** A subscriber that falls behind gets everything later; otherwise what passes its pending limit is dropped and counted. */
  readonly keepsForSlow: boolean
  /** A request that nobody serves fails at once. */
  readonly noResponders: boolean
  /**
   * A request is a message with a reply subject, as anybody may publish one: every subscription gets it, and it has as
   * many replies as come. Otherwise one member of a queue group, whatever its name, gets it and nobody else, its first
   * reply is the only one, and a published message has no reply subject.
   */
  readonly requestsAreMessages: boolean
  /** Stored messages; without them everything of `streams` fails with `notFound`. */
  readonly streams: boolean
}

/** A bus, from `open`. Leaving `await using` closes it. */
export interface Transport extends AsyncDisposable {
  /** As shown to people: secrets removed. */
  readonly url: string
  readonly features: Features
  /** The largest payload in bytes. */
  readonly maxPayload: number

  /**
   * Queues a message; it is on its way when `flush` resolves, and until then its bytes must not change. Throws `usage` for
   * a bad subject, header or size and for a closed bus. Later failures reject the next `flush`.
   */
  publish(message: Outgoing): void

  /** Resolves when all earlier publishes are with the server (NATS) or committed (bus file). */
  flush(): Promise<void>

  /**
   * Live when it resolves: whatever is published after that arrives. Several patterns deliver each message once; none
   * at all is `usage`.
   */
  subscribe(patterns: string | readonly string[], options?: SubscribeOptions): Promise<Subscription>

  /** The first reply. Fails with `noResponders` at once when nobody serves the subject, with `timeout` when time is up. */
  request(message: Outgoing, options?: RequestOptions): Promise<Message>

  /**
   * Replies until one of the bounds is met; the deadline ends it quietly. Fails with `noResponders` as `request` does.
   * Leaving the loop early is fine.
   */
  requestMany(message: Outgoing, options?: ManyOptions): AsyncIterable<Message>

  /** Patterns that clients listen to now; absent on a bus that does not know. */
  interests?(): Promise<readonly string[]>

  /** Stored messages. */
  readonly streams: Streams

  /** What the bus tells of itself, asked of it now. Fails as `flush` does. */
  facts(): Promise<Facts>
  /** What else may be wrong with it; takes longer than `facts` and writes nothing. Absent where there is no more to say. */
  examine?(): Promise<Examination>
  /** Does what repairs are safe at any time, and answers a sentence for each. */
  mend?(): Promise<readonly string[]>

  /** Flushes, ends all subscriptions and gives everything back. May be called again. */
  close(): Promise<void>
}

/** How a subscription takes messages. */
export interface SubscribeOptions {
  /** Queue group: each message goes to one of its members. */
  readonly queue?: string | undefined
  /** Most messages to hold for a slow reader (default 65,536). */
  readonly pendingLimit?: number | undefined
  /** Ends the subscription as `close` does. */
  readonly signal?: AbortSignal | undefined
}

/** How long a request waits. */
export interface RequestOptions {
  /** Milliseconds; default 5,000. */
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** Returns false for a message that is not a reply: it is passed over, and the wait continues. */
  readonly accept?: ((reply: Message) => boolean) | undefined
  /**
   * Takes the acknowledgement of a stream that stored the request for a reply (ADR-13). Otherwise it is passed over with
   * a notice of the kind `stored`.
   */
  readonly ackIsReply?: boolean | undefined
}

/** When the replies to a request are enough. */
export interface ManyOptions extends RequestOptions {
  /** End after this many replies. */
  readonly count?: number | undefined
  /** End after this many milliseconds without a further reply. */
  readonly idleMs?: number | undefined
  /** End at the first reply with an empty payload, which is not delivered. */
  readonly untilEmpty?: boolean | undefined
}

/** What keeps a bus, and how it is. What makes no sense for a bus is absent. */
export interface Facts {
  /** `nats-server`, `SQLite`, `memory`. */
  readonly software: string
  readonly version?: string | undefined
  /** Names of the server and of its cluster. */
  readonly server?: string | undefined
  readonly cluster?: string | undefined
  /** Milliseconds that the bus took to answer, or the file to be locked and written; several times in a row. */
  readonly roundTripsMs: readonly number[]
  /** Size of the file, and how many messages are in its log now. */
  readonly bytes?: number | undefined
  readonly messages?: number | undefined
  /** Stored messages on a server: what is used and how much may be, or why there are none. */
  readonly jetstream?: JetStreamFacts | {readonly missing: string} | undefined
}

/** What an account uses and what it may; a limit that is absent is none. Bytes. */
export interface JetStreamFacts {
  readonly memory: Usage
  readonly storage: Usage
  readonly streams: Usage
  readonly consumers: Usage
}

/** How much is used; an absent limit is none. */
export interface Usage {
  readonly used: number
  readonly limit?: number | undefined
}

/** Something that happened to the connection, for people to know of. */
export interface Notice {
  readonly kind: 'slowConsumer' | 'disconnected' | 'reconnected' | 'lameDuck' | 'election' | 'gap' | 'stored' | 'error'
  readonly text: string
}

/** How to open a bus, and the callback for events. */
export interface OpenOptions extends ServerOptions {
  /** Name shown in lists of clients, such as `bus sub`. */
  readonly name?: string | undefined
  readonly notify?: ((notice: Notice) => void) | undefined
  /**
   * Ends the attempt to open. A bus that is open is closed by `close`, but a flush no longer waits for a connection that is
   * lost to come back.
   */
  readonly signal?: AbortSignal | undefined
}

/** How to reach a server and who one is there; a bus without a server ignores it. */
export interface ServerOptions {
  /** Milliseconds for each server of the list; default 5,000. */
  readonly connectTimeoutMs?: number | undefined
  /** Attempts for each server to come back once the connection is lost; 0 gives up at once; default without end. */
  readonly maxReconnects?: number | undefined
  /** What the reply subjects of requests begin with; default `_INBOX`. */
  readonly inboxPrefix?: string | undefined
  /** Milliseconds between two looks whether the server is still there; after two without an answer it is not. Default 10,000. */
  readonly heartbeatMs?: number | undefined
  readonly login?: Login | undefined
  readonly tls?: TlsOptions | undefined
}

/** Who one is. A user, password or token in the URL comes before those given here. Texts are secrets and never shown. */
export interface Login {
  readonly user?: string | undefined
  readonly password?: string | undefined
  readonly token?: string | undefined
  /** Path of a credentials file (JWT and seed). It is read again at each reconnect. */
  readonly credsFile?: string | undefined
  /** The text of a credentials file. */
  readonly creds?: string | undefined
  /** Path of a file with an nkey seed, read as `credsFile` is. */
  readonly nkeyFile?: string | undefined
  /** The nkey seed; with `jwt`, the seed that belongs to it. */
  readonly seed?: string | undefined
  readonly jwt?: string | undefined
}

/** How a connection is encrypted, and who is trusted. */
export interface TlsOptions {
  /** Paths of PEM files: who may vouch for the server (instead of the system's), and who we are. */
  readonly caFile?: string | undefined
  readonly certFile?: string | undefined
  readonly keyFile?: string | undefined
  /** The server expects TLS before it says anything. */
  readonly first?: boolean | undefined
  /** Takes any certificate of the server. */
  readonly insecure?: boolean | undefined
}

export type {Headers, Message, Outgoing, Subscription}
