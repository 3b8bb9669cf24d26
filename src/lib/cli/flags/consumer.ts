/** What happens to stored messages. */
import {argument, count, toggle} from './kinds.ts'
import {streamArgs} from './stream.ts'

export const consumerFlags = {
  'max-deliver': count('deliver a message at most this many times'),
  ack: toggle('acknowledge each message once it is written (the default)'),
  nak: toggle('return each message for redelivery'),
  peek: toggle('show unacknowledged messages without changing the consumer'),
  'accept-loss': toggle('take from a push consumer even if messages that are not taken lose a delivery'),
  step: toggle('ask what to do with each message'),
  'dry-run': toggle('only show what would be replayed'),
}

export const consumerArgs = {
  ...streamArgs,
  consumer: argument({description: 'name of the consumer', required: true}),
}
