/** The plugin for webhooks: events are sent to the `url` of their subscription, and acknowledged if the response is 2xx. */
import {BusError} from '../../core/errors.ts'
import type {Message} from '../../core/message.ts'
import {isSecretReference} from '../../core/secret-reference.ts'
import {isHttpUrl, parseWebhookOptions, type WebhookOptions} from '../../messaging/sinks/webhook-options.ts'
import {eventId} from './event.ts'
import type {DeliveryResponse, EventPlugin} from './plugin.ts'
import {type SinkPluginConfig, sinkPlugin, type Target} from './sink-plugin.ts'
import type {EventSubscription, Options} from './subscription.ts'

interface SubscriptionWebhook {
  readonly url: string
  readonly options: WebhookOptions
  /** Acknowledge before the event is sent: failed events are lost. */
  readonly fastack: boolean
  /** Publish the response. */
  readonly reply: boolean
  /** The subject to publish it to, instead of the one in the event. */
  readonly replySubject: string | undefined
}

/** What all webhooks of a gateway have in common. */
export interface WebhooksConfig {
  /** Milliseconds for each request, unless its subscription sets another limit. */
  readonly timeoutMs: number
  /** Default `busline`. */
  readonly userAgent?: string | undefined
}

/** The plugin of transport `webhooks`: sends events, and waits for each response. */
export function webhooks(config: WebhooksConfig): EventPlugin<SinkPluginConfig> {
  return sinkPlugin({
    name: 'webhooks',
    checkOptions: (options) => void webhookOf(options),
    open: (subscription) => open(subscription, config),
  })
}

async function open(subscription: EventSubscription, config: WebhooksConfig): Promise<Target> {
  const {url, options, fastack, reply, replySubject} = webhookOf(subscription.options)
  const answers = new WeakMap<Message, NonNullable<DeliveryResponse['reply']>>()
  const {namespace, name} = subscription
  const {webhookSink} = await import('../../messaging/sinks/webhook.ts')
  const sink = webhookSink({
    ...{url, options, ...config},
    concurrency: 1 + subscription.options.readAhead,
    headers: (message) => ({
      'Bus-Event': eventId(namespace, message),
      'Bus-Stream': namespace,
      'Bus-Subscription': name,
    }),
    ...(reply && {
      onAnswer: (message, {data, contentType}) => {
        const headers = contentType === undefined ? [] : ([['Content-Type', contentType]] as const)
        answers.set(message, {subject: replySubject, data, headers})
      },
    }),
  })
  return {sink, isHasty: fastack, replyTo: (message) => answers.get(message)}
}

/** Throws `usage` for options that webhooks do not have. */
function webhookOf({plugin, batch, withData}: Options): SubscriptionWebhook {
  const {options, others} = parseWebhookOptions(plugin)
  const {url, fastack = false, reply = false, replySubject, ...rest} = others
  const [unknown] = Object.keys(rest)
  if (unknown !== undefined)
    throw new BusError('usage', `webhooks have no option "${unknown}"`, {try: ['see docs/delivery.md']})
  if (typeof url !== 'string')
    throw new BusError('usage', 'a webhook needs a URL', {try: ['--url http://127.0.0.1:8080/events']})
  if (!isSecretReference(url) && !isHttpUrl(url))
    throw new BusError('usage', 'the URL of the webhook is not an HTTP URL', {
      try: ['--webhook http://127.0.0.1:8080/events'],
    })
  if (typeof fastack !== 'boolean' || typeof reply !== 'boolean')
    throw new BusError('usage', 'the options "fastack" and "reply" are true or false')
  if (fastack && reply) throw new BusError('usage', 'a webhook that is acknowledged before it answers has no reply')
  if (replySubject !== undefined && typeof replySubject !== 'string')
    throw new BusError('usage', 'the option "replySubject" is not a subject')
  if (Object.keys(options.input).length > 0 && (batch || !withData))
    throw new BusError('usage', 'the option "input" needs single events with their data')
  return {url, options, fastack, reply, replySubject}
}
