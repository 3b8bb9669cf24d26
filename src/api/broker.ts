/** Publish, subscribe and durable subscriptions for applications, from one small configuration; and the steps of a pipeline. */
export {Broker, type BrokerOptions, type Handler, type SubjectHandler} from '../lib/broker/broker.ts'
export {type BrokerConfig, type FullBrokerConfig, validate as validateBroker} from '../lib/broker/config.ts'
export {
  type PublishOutput,
  type PublishParams,
  PublishStep,
  type SubscribeOutput,
  type SubscribeParams,
  SubscribeStep,
} from '../lib/broker/steps.ts'
