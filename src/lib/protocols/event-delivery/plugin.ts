/**
 * The interface between subscriptions and applications: a plugin for each transport, and the callbacks by which it reports
 * connections and answers. The manager decides who receives what; a plugin only transports.
 */
import type {Outgoing} from '../../core/message.ts'
import type {Event, SubscriptionRef} from './event.ts'
import type {EventFilter} from './filter.ts'
import type {EventSubscription, Options} from './subscription.ts'

/** A transport to applications. `init` gets the callbacks for connections and answers. */
export interface EventPlugin<Config = unknown> extends AsyncDisposable {
  /** The value of `transport` in a subscription. Unique among the plugins of a gateway. */
  readonly name: string
  /** Adds defaults to its configuration. Throws `usage`. */
  initConfig(given: Partial<Config>): Config
  /** Starts to accept connections; resolves when it does. */
  init(config: Config, callbacks: Callbacks): Promise<void>
  readonly capabilities: Capabilities
  /** The options of a subscription with this plugin's defaults. Throws `usage` for unsupported options. */
  validateOptions(options: unknown): Options
  /**
   * Passes a delivery to a connection; the answer arrives through `deliveryResponse`. An exception counts as a rejection. It
   * may be called for a connection that has just been closed, and then does nothing. A returned promise resolves when the
   * delivery has left this process; until then its bytes count as in flight, even if it was answered.
   */
  deliveryRequest(connection: string, delivery: EventDelivery): void | Promise<void>
  /** Called with the reason when nothing more is delivered on this subscription until it is changed. */
  subscriptionStopped?(connection: string, subscription: EventSubscription, reason: string): void
}

/** The abilities of a plugin. */
export interface Capabilities {
  /** Several events in one delivery. */
  readonly batchDelivery: boolean
  /** Whether each connection is a separate client, with one limit on bytes for all of its subscriptions. */
  readonly limitsConnections?: boolean
}

/** One event, or a batch of events that is answered as a whole. */
export interface EventDelivery {
  /** The id that the response refers to: that of the event or of the batch. */
  readonly id: string
  readonly subscription: EventSubscription
  /** One event, unless the subscription has batches. */
  readonly events: readonly Event[]
}

/** The callbacks of the manager. */
export interface Callbacks {
  /**
   * Registers a connection that takes matching subscriptions; calling it again replaces `matches`. Throws `usage` for an id of
   * another plugin.
   */
  registerConnection(connection: string, matches: (subscription: EventSubscription) => boolean): void
  /** Starts a subscription that ends with its connection, which must be registered. */
  ephemeralSubscription(
    connection: string,
    namespace: string,
    filter: EventFilter,
    options: Options,
  ): Promise<SubscriptionRef>
  /**
   * Why a connection gets nothing of a durable subscription that it started, in one sentence; undefined if it is served. Never
   * rejects.
   */
  whyWaiting(connection: string, subscription: Pick<SubscriptionRef, 'namespace' | 'name'>): Promise<string | undefined>
  /** Events in flight on the connection are delivered to a standby. */
  connectionClosed(connection: string): void
  /** A response to something that is not, or no longer, in flight is ignored, with one warning. */
  deliveryResponse(connection: string, response: DeliveryResponse): void
}

/** The answer to a delivery. */
export interface DeliveryResponse {
  /** The id of the event or batch; if absent, the one that has waited longest. */
  readonly id?: string | undefined
  readonly rejected?: boolean | undefined
  /** Why it was rejected, as text. */
  readonly info?: string | undefined
  /** Earliest time for the next attempt, in milliseconds from now. */
  readonly retryAfterMs?: number | undefined
  readonly subscription: Pick<SubscriptionRef, 'namespace' | 'name'>
  /** Published with the event's id as its correlation id; the default subject is in a header of the event. */
  readonly reply?: (Omit<Outgoing, 'subject'> & {readonly subject?: string | undefined}) | undefined
}
