/** Events of a stream for applications that speak WebSocket or HTTP: durable subscriptions, acknowledged in order. */
export {type Address, type Admission, parseAddress} from '../lib/protocols/event-delivery/admission.ts'
export {
  type ClientOptions,
  connectEvents,
  type Delivered,
  type DeliveredEvent,
  type EventClient,
} from '../lib/protocols/event-delivery/client.ts'
export {type Event as BusEvent, eventHeaders, type SubscriptionRef} from '../lib/protocols/event-delivery/event.ts'
export {type EventFilter, parseEventFilter} from '../lib/protocols/event-delivery/filter.ts'
export {EventManager, type ManagerOptions} from '../lib/protocols/event-delivery/manager.ts'
export type {
  Callbacks,
  Capabilities,
  DeliveryResponse,
  EventDelivery,
  EventPlugin,
} from '../lib/protocols/event-delivery/plugin.ts'
export {openRegistry, Registry, type Wish as EventWish} from '../lib/protocols/event-delivery/registry.ts'
export {
  type SinkPluginConfig,
  type SinkPluginParts,
  sinkPlugin,
  type Target,
} from '../lib/protocols/event-delivery/sink-plugin.ts'
export {
  type EventSubscription,
  type Options as EventOptions,
  parseOptions as parseEventOptions,
} from '../lib/protocols/event-delivery/subscription.ts'
export {type WebhooksConfig, webhooks} from '../lib/protocols/event-delivery/webhooks.ts'
export {type WebSockets, type WebSocketsConfig, websockets} from '../lib/protocols/event-delivery/websockets.ts'
