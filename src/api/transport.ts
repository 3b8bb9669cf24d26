/** A bus behind one contract: a NATS server or cluster, a bus file, the tables of libbus, or memory. */
export {type Headers, headerOf, Message, type Outgoing} from '../lib/core/message.ts'
export type {
  Facts,
  Features,
  Interest,
  InterestedClient,
  Interests,
  JetStreamFacts,
  Login,
  ManyOptions,
  Notice,
  OpenOptions,
  RequestOptions,
  ServerOptions,
  SubscribeOptions,
  TlsOptions,
  Transport,
  Usage,
} from '../lib/transport/contract.ts'
export {open} from '../lib/transport/open.ts'
export type {InterestOptions, ServerReply, ServerRequests} from '../lib/transport/server-requests.ts'
export {
  type ConsumeOptions,
  type ConsumerConfig,
  type ConsumerInfo,
  type ConsumerSettings,
  type Consumers,
  type Consuming,
  type DeliverPolicy,
  Delivery,
  type PublisherOptions,
  type PurgeOptions,
  type ReadOptions,
  type Start,
  type Stored,
  type StoredBatch,
  type StreamConfig,
  type StreamInfo,
  type StreamPublisher,
  type StreamSettings,
  type StreamState,
  type Streams,
  storeHeaders,
} from '../lib/transport/streams-contract.ts'
export type {Subscription} from '../lib/transport/subscription.ts'
export type {
  GroupStep,
  ServerStep,
  StreamStep,
  SubscriberStep,
  TracedServer,
  TraceOptions,
  TraceStep,
} from '../lib/transport/trace.ts'
