/** Publish, subscribe and durable subscriptions for applications, from one small configuration, and the steps of a pipeline. */
export {Broker, type BrokerOptions, type Handler, type SubjectHandler} from '../lib/protocols/broker/broker.ts'
export {type BrokerConfig, type FullBrokerConfig, validate as validateBroker} from '../lib/protocols/broker/config.ts'
export {
  type PublishOutput,
  type PublishParams,
  PublishStep,
  type SubscribeOutput,
  type SubscribeParams,
  SubscribeStep,
} from '../lib/protocols/broker/steps.ts'
