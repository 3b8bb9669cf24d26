/** The plugin for webhooks: events are POSTed to the `url` of their subscription, and acknowledged if the response is 2xx. */
import {BusError} from '../../core/errors.ts'
import type {Message} from '../../core/message.ts'
import {webhookSink} from '../../messaging/sinks/webhook.ts'
import {eventId} from './event.ts'
import type {DeliveryResponse, EventPlugin} from './plugin.ts'
import {type SinkPluginConfig, sinkPlugin, type Target} from './sink-plugin.ts'
import type {EventSubscription, Options} from './subscription.ts'

interface WebhookOptions {
  readonly url: string
  /** Acknowledge before the event is POSTed: failed events are lost. */
  readonly fastack: boolean
  /** Publish the response. */
  readonly reply: boolean
  /** The subject to publish it to, instead of the one in the event. */
  readonly replySubject: string | undefined
}

/** The plugin of transport `webhooks`: POSTs events and waits up to `timeoutMs` for each response. */
export function webhooks({timeoutMs}: {readonly timeoutMs: number}): EventPlugin<SinkPluginConfig> {
  return sinkPlugin({
    name: 'webhooks',
    checkOptions: (options) => void webhookSink({url: webhookOptions(options).url, concurrency: 1, timeoutMs}),
    open: (subscription) => open(subscription, timeoutMs),
  })
}

function open(subscription: EventSubscription, timeoutMs: number): Target {
  const {url, fastack, reply, replySubject} = webhookOptions(subscription.options)
  const answers = new WeakMap<Message, NonNullable<DeliveryResponse['reply']>>()
  const {namespace, name} = subscription
  const sink = webhookSink({
    url,
    timeoutMs,
    concurrency: 1 + subscription.options.readAhead,
    headers: (message) => ({
      'Bus-Event': eventId(namespace, message),
      'Bus-Stream': namespace,
      'Bus-Subscription': name,
    }),
    onAnswer: (message, {text, contentType}) => {
      const headers = contentType === undefined ? [] : ([['Content-Type', contentType]] as const)
      if (reply) answers.set(message, {subject: replySubject, data: text, headers})
    },
  })
  return {sink, isHasty: fastack, replyTo: (message) => answers.get(message)}
}

function webhookOptions({plugin}: Options): WebhookOptions {
  const {url, fastack = false, reply = false, replySubject, ...rest} = plugin
  const [unknown] = Object.keys(rest)
  if (unknown !== undefined) throw new BusError('usage', `the option "${unknown}" is not one of webhooks`)
  if (typeof url !== 'string')
    throw new BusError('usage', 'a webhook needs a URL', {try: ['--url http://127.0.0.1:8080/events']})
  if (typeof fastack !== 'boolean' || typeof reply !== 'boolean')
    throw new BusError('usage', 'the options "fastack" and "reply" are true or false')
  if (fastack && reply) throw new BusError('usage', 'a webhook that is acknowledged before it answers has no reply')
  if (replySubject !== undefined && typeof replySubject !== 'string')
    throw new BusError('usage', 'the option "replySubject" is not a subject')
  return {url, fastack, reply, replySubject}
}
