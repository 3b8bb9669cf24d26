/**
 * What stands between subscriptions and applications: a plugin for each way of reaching them, and the callbacks by which
 * it tells of connections and answers. The manager decides who gets what; a plugin only carries.
 */
import type {Outgoing} from '../../core/message.ts'
import type {Event, SubscriptionRef} from './event.ts'
import type {EventFilter} from './filter.ts'
import type {EventSubscription, Options} from './subscription.ts'

/** A way to reach applications. `init` gets the callbacks by which it tells of connections and answers. */
export interface EventPlugin<Config = unknown> extends AsyncDisposable {
  /** What the `transport` of a subscription says. Unique among the plugins of a gateway. */
  readonly name: string
  /** Its configuration with defaults. Throws `usage`. */
  initConfig(given: Partial<Config>): Config
  /** Begins to take connections; resolves when it does. */
  init(config: Config, callbacks: Callbacks): Promise<void>
  readonly capabilities: Capabilities
  /** The options of a subscription with this plugin's defaults. Throws `usage` for what it cannot do. */
  validateOptions(options: unknown): Options
  /**
   * Hands a delivery to a connection; the answer comes by `deliveryResponse`. Throwing is a rejection. It may be called
   * for a connection that has just been closed, and then does nothing.
   */
  deliveryRequest(connection: string, delivery: EventDelivery): void
  /** Nothing more is delivered on this subscription until it is changed: why. */
  subscriptionStopped?(connection: string, subscription: EventSubscription, reason: string): void
}

/** What a plugin can carry. */
export interface Capabilities {
  /** Several events in one delivery. */
  readonly batchDelivery: boolean
}

/** What a connection is handed: one event, or a batch that is answered as one. */
export interface EventDelivery {
  /** What the response names: the id of the event or of the batch. */
  readonly id: string
  readonly subscription: EventSubscription
  /** One, unless the subscription has batches. */
  readonly events: readonly Event[]
}

/** What a plugin tells its manager. */
export interface Callbacks {
  /**
   * A connection that takes what matches; again, to change what does. Throws `usage` for an id that another plugin has.
   */
  registerConnection(connection: string, matches: (subscription: EventSubscription) => boolean): void
  /** A subscription that lives as long as its connection, which must be registered. */
  ephemeralSubscription(
    connection: string,
    namespace: string,
    filter: EventFilter,
    options: Options,
  ): Promise<SubscriptionRef>
  /** Whatever is in flight on it goes to whom stands by. */
  connectionClosed(connection: string): void
  /** For what is not in flight (any more) nothing but a warning. */
  deliveryResponse(connection: string, response: DeliveryResponse): void
}

/** The answer to a delivery. */
export interface DeliveryResponse {
  /** Of the event or batch; absent: the one that waits longest. */
  readonly id?: string | undefined
  readonly rejected?: boolean | undefined
  /** Why it was rejected, for people. */
  readonly info?: string | undefined
  /** Earliest time for the next attempt, in milliseconds from now. */
  readonly retryAfterMs?: number | undefined
  readonly subscription: Pick<SubscriptionRef, 'namespace' | 'name'>
  /** Published with the event's id as its correlation id; its default subject stands in a header of the event. */
  readonly reply?: (Omit<Outgoing, 'subject'> & {readonly subject?: string | undefined}) | undefined
}
