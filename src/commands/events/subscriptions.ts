/** Event subscriptions from flags, and as text and JSON. */

import {bodyFlags} from '../../lib/cli/flags/body.ts'
import type {FlagValues} from '../../lib/cli/flags/kinds.ts'
import {choice, count, countOrZero, duration, text, toggle, variant} from '../../lib/cli/flags/kinds.ts'
import {webhookFlags, webhookJson} from '../../lib/cli/flags/webhook.ts'
import type {Column} from '../../lib/cli/render/table.ts'
import {formatCount, formatMoment} from '../../lib/cli/render/units.ts'
import {BusError, isFailure} from '../../lib/core/errors.ts'
import {shownWebhook} from '../../lib/messaging/sinks/webhook-options.ts'
import {type EventFilter, parseEventFilter} from '../../lib/protocols/event-delivery/filter.ts'
import type {Wish} from '../../lib/protocols/event-delivery/registry.ts'
import {type EventSubscription, subscriptionJson} from '../../lib/protocols/event-delivery/subscription.ts'
import type {Streams} from '../../lib/transport/streams-contract.ts'

/** The flags for the filter and options of a subscription. */
export const subscriptionFlags = {
  topic: text('only events whose subject matches this regular expression', '<regex>'),
  events: text('only events whose type matches', '<regex>'),
  tag: text('only events whose header Bus-Tag matches', '<regex>'),
  group: text('only events whose header Bus-Group matches', '<regex>'),
  author: text('only events whose header Bus-Author matches', '<regex>'),
  'transaction-type': text('only events whose header Bus-Transaction-Type matches', '<regex>'),
  'first-event': text('where to start: oldest, newest, or after a sequence (default: newest)', '<place>'),
  'read-ahead': countOrZero(
    'events to send ahead of the first unacknowledged one (default: 0, or 50 with --batch); with more than 0, webhooks may receive them out of order',
  ),
  batch: toggle('deliver several events at a time'),
  'batch-timeout': duration('how long to collect events for a batch (default: 50ms)', {dependsOn: ['batch']}),
}

/** The flags of a durable subscription. */
export const durableFlags = {
  ...subscriptionFlags,
  'with-data': toggle('include payload and headers in events (default for all transports except websockets)', {
    allowNo: true,
  }),
  'max-rejects': count('give up on an event after this many rejections (default: never)'),
  'dead-letter': text(
    'publish abandoned events to this subject, such as dead.{subject} (default: stop the subscription)',
    '<subject>',
    {dependsOn: ['max-rejects']},
  ),
  transport: choice('how events are delivered (default: websockets)', [
    'websockets',
    'webhooks',
    'exec',
    'stdout',
  ] as string[]),
  ...webhookFlags,
  fastack: toggle('acknowledge before the webhook is called', {
    dependsOn: ['webhook'],
    exclusive: ['with-reply', 'reply'],
  }),
  'with-reply': toggle('publish the response of the webhook to the reply subject of the event', {
    dependsOn: ['webhook'],
  }),
  reply: variant(bodyFlags.reply, {
    description: 'publish the reply of the webhook to this subject',
    dependsOn: ['webhook'],
  }),
}

type SubscriptionFlags = FlagValues<typeof subscriptionFlags>

/** A subscription in JSON output; see docs/json-output.md. */
export interface SubscriptionDocument {
  readonly [member: string]: unknown
  readonly status: {readonly currentOffset: number; readonly lastSequence?: number | undefined}
}

export function filterOf(values: SubscriptionFlags): EventFilter {
  const {topic, events, tag, group, author, 'transaction-type': type} = values
  return parseEventFilter({topic, events, message: {tag, group, author}, transaction: {type}})
}

/** The options of the protocol. */
export function optionsOf(values: SubscriptionFlags & {readonly 'with-data'?: boolean | undefined}) {
  const {'batch-timeout': batchMs} = values
  return {
    firstEvent: values['first-event'],
    readAhead: values['read-ahead'],
    withData: values['with-data'],
    batch: values.batch,
    batchTimeout: batchMs === undefined ? undefined : `${batchMs}ms`,
  }
}

/** The durable subscription that the flags describe. Fails with `usage`. */
export async function wishOf(namespace: string, name: string, values: FlagValues<typeof durableFlags>): Promise<Wish> {
  const {webhook, transport = webhook === undefined ? 'websockets' : 'webhooks'} = values
  if ((webhook === undefined) === (transport === 'webhooks'))
    throw new BusError('usage', '--webhook URL is needed with --transport webhooks, and only there')
  const json = {
    ...optionsOf(values),
    maxRejects: values['max-rejects'],
    deadLetter: values['dead-letter'],
    ...(webhook !== undefined && {
      ...webhookJson(values),
      url: webhook,
      ...(values.fastack && {fastack: true}),
      ...((values['with-reply'] || values.reply !== undefined) && {reply: true}),
      ...(values.reply !== undefined && {replySubject: values.reply}),
    }),
  }
  const filter = filterOf(values)
  const {durableOptions} = await import('../../lib/protocols/event-delivery/described.ts')
  return {namespace, name, transport, filter, options: await durableOptions(transport, json)}
}

/** A subscription with its offset and the last sequence of its stream, if that still exists. */
export async function subscriptionDocument(
  subscription: EventSubscription,
  currentOffset: number,
  streams: Streams,
): Promise<SubscriptionDocument> {
  const info = await streams.info(subscription.namespace).catch((error: unknown) => {
    if (!isFailure(error, 'notFound')) throw error
  })
  const json = subscriptionJson(subscription)
  const options =
    subscription.transport === 'webhooks' ? shownWebhook(json['options'] as Record<string, unknown>) : json['options']
  return {...json, options, status: {currentOffset, lastSequence: info?.state.lastSeq}}
}

export const subscriptionColumns: readonly Column[] = [
  {head: 'namespace'},
  {head: 'name'},
  {head: 'transport'},
  {head: 'offset', align: 'right'},
  {head: 'last', align: 'right'},
  {head: 'filter'},
]

export function subscriptionRow({namespace, name, transport, filter, status}: SubscriptionDocument): string[] {
  return [
    String(namespace),
    String(name),
    String(transport),
    `#${status.currentOffset}`,
    status.lastSequence === undefined ? 'no stream' : `#${status.lastSequence}`,
    filterText(filter),
  ]
}

export function subscriptionFacts(document: SubscriptionDocument): Record<string, string | undefined> {
  const {namespace, name, transport, filter, id, created, updated, status} = document
  const options = document['options'] as Readonly<Record<string, unknown>>
  const {url, method = 'POST', batch, batchTimeout, readAhead, withData, maxRejects, deadLetter, firstEvent} = options
  const rejects = maxRejects === 0 ? 'retried without limit' : `dead letter after ${maxRejects}`
  return {
    subscription: String(name),
    namespace: String(namespace),
    transport: String(transport),
    webhook: url === undefined ? undefined : `${method} ${url}`,
    filter: filterText(filter),
    offset: `#${status.currentOffset}`,
    'last sequence': status.lastSequence === undefined ? 'the stream does not exist' : `#${status.lastSequence}`,
    'started after': `#${firstEvent}`,
    'in flight': batch
      ? `batches of up to ${readAhead}, at most ${batchTimeout} apart`
      : formatCount(1 + Number(readAhead)),
    data: withData ? 'with each event' : 'none',
    rejections: deadLetter === undefined ? rejects : `${rejects}, to ${deadLetter}`,
    id: String(id),
    created: formatMoment(Date.parse(String(created))),
    updated: created === updated ? undefined : formatMoment(Date.parse(String(updated))),
  }
}

/** `topic=^orders message.tag=red`, or `everything`. */
function filterText(filter: unknown): string {
  const parts = Object.entries((filter ?? {}) as Record<string, unknown>).flatMap(([name, value]) =>
    typeof value === 'string'
      ? [`${name}=${value}`]
      : Object.entries((value ?? {}) as Record<string, unknown>).map(
          ([inner, pattern]) => `${name}.${inner}=${pattern}`,
        ),
  )
  return parts.join(' ') || 'everything'
}
