/** Publish, subscribe and durable subscriptions for applications, from one small configuration, and the steps of a pipeline. */
export {
  Broker,
  type BrokerCall,
  type BrokerOptions,
  type DurableCall,
  type Handler,
  type SubjectHandler,
} from '../lib/protocols/broker/broker.ts'
export {type BrokerConfig, type FullBrokerConfig, validate as validateBroker} from '../lib/protocols/broker/config.ts'
export {
  Plugin,
  type PublishOutput,
  type PublishParams,
  PublishStep,
  type SubscribeOutput,
  type SubscribeParams,
  SubscribeStep,
} from '../lib/protocols/broker/steps.ts'
