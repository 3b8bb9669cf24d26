/** The gateway for events. */
import {argument, text} from './kinds.ts'

/** On `events` commands `--token` is this one; the login for the bus comes from NATS_TOKEN, the URL or a context. */
export const gatewayToken = text('bearer token that clients must present; safer in BUS_EVENTS_TOKEN', '<text>')

export const subscriptionArgs = {
  namespace: argument({description: 'name of the stream', required: true}),
  name: argument({description: 'name of the subscription', required: true}),
}
