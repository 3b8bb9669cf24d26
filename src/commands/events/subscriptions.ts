/** Subscriptions of events on the command line: from flags to a wish, and from what is stored to people and programs. */

import {excluding, needing} from '../../lib/cli/base/flag-rules.ts'
import type {Column} from '../../lib/cli/render/table.ts'
import {formatCount} from '../../lib/cli/render/units.ts'
import {BusError} from '../../lib/core/errors.ts'
import {type Filter, parseFilter} from '../../lib/protocols/event-delivery/filter.ts'
import type {Wish} from '../../lib/protocols/event-delivery/registry.ts'
import {parseOptions, type Subscription, subscriptionJson} from '../../lib/protocols/event-delivery/subscription.ts'
import type {Streams} from '../../lib/transport/streams-contract.ts'

export interface FilterFlags {
  readonly topic?: string | undefined
  readonly events?: string | undefined
  readonly tag?: string | undefined
  readonly group?: string | undefined
  readonly author?: string | undefined
  readonly 'transaction-type'?: string | undefined
}

export interface SubscriptionFlags extends FilterFlags {
  readonly 'first-event'?: string | undefined
  readonly 'read-ahead'?: number | undefined
  readonly 'with-data'?: boolean | undefined
  readonly batch?: boolean | undefined
  readonly 'batch-timeout'?: number | undefined
}

export interface AddFlags extends SubscriptionFlags {
  readonly transport?: string | undefined
  readonly webhook?: string | undefined
  readonly fastack?: boolean | undefined
  readonly 'with-reply'?: boolean | undefined
  readonly reply?: string | undefined
  readonly 'max-rejects'?: number | undefined
  readonly 'dead-letter'?: string | undefined
}

/** What `--json` prints of a subscription; see docs/json-output.md. */
export interface SubscriptionDocument {
  readonly [member: string]: unknown
  readonly status: {readonly currentOffset: number; readonly lastSequence?: number | undefined}
}

export function filterOf(flags: FilterFlags): Filter {
  const {topic, events, tag, group, author, 'transaction-type': type} = flags
  return parseFilter({topic, events, message: {tag, group, author}, transaction: {type}})
}

/** As the protocol has them, without what is not given. */
export function optionsOf(flags: SubscriptionFlags): Record<string, unknown> {
  needing(flags, 'batch-timeout', 'batch')
  const {'batch-timeout': batchMs} = flags
  return {
    firstEvent: flags['first-event'],
    readAhead: flags['read-ahead'],
    withData: flags['with-data'],
    batch: flags.batch,
    batchTimeout: batchMs === undefined ? undefined : `${batchMs}ms`,
  }
}

/** Fails with `usage` for flags that do not go together. */
export async function wishOf(namespace: string, name: string, flags: AddFlags): Promise<Wish> {
  for (const one of ['fastack', 'with-reply', 'reply'] as const) needing(flags, one, 'webhook')
  excluding(flags, 'fastack', 'with-reply', 'reply')
  needing(flags, 'dead-letter', 'max-rejects')
  const {webhook, transport = webhook === undefined ? 'websockets' : 'webhooks'} = flags
  if ((webhook === undefined) === (transport === 'webhooks'))
    throw new BusError('usage', '--transport webhooks goes with --webhook URL, and the others without')
  const json = {
    ...optionsOf(flags),
    maxRejects: flags['max-rejects'],
    deadLetter: flags['dead-letter'],
    ...(webhook !== undefined && {
      url: webhook,
      ...(flags.fastack && {fastack: true}),
      ...((flags['with-reply'] || flags.reply !== undefined) && {reply: true}),
      ...(flags.reply !== undefined && {replySubject: flags.reply}),
    }),
  }
  const filter = filterOf(flags)
  if (transport !== 'webhooks')
    return {namespace, name, transport, filter, options: parseOptions(json, {withData: transport !== 'websockets'})}
  const {webhooks} = await import('../../lib/protocols/event-delivery/webhooks.ts')
  return {namespace, name, transport, filter, options: webhooks({timeoutMs: 1}).validateOptions(json)}
}

/** With where it is, and where its stream ends, if that is still there. */
export async function subscriptionDocument(
  subscription: Subscription,
  currentOffset: number,
  streams: Streams,
): Promise<SubscriptionDocument> {
  const info = await streams.info(subscription.namespace).catch(() => undefined)
  return {...subscriptionJson(subscription), status: {currentOffset, lastSequence: info?.state.lastSeq}}
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
  const {url, batch, batchTimeout, readAhead, withData, maxRejects, deadLetter, firstEvent} = options
  const rejects = maxRejects === 0 ? 'tried again without end' : `given up after ${maxRejects}`
  return {
    subscription: String(name),
    namespace: String(namespace),
    transport: String(transport),
    webhook: url === undefined ? undefined : String(url).replace(/\/\/[^@/]*@/, '//'),
    filter: filterText(filter),
    offset: `#${status.currentOffset}`,
    'stream ends at': status.lastSequence === undefined ? 'there is no such stream' : `#${status.lastSequence}`,
    'began after': `#${firstEvent}`,
    'in flight': batch ? `a batch of ${readAhead}, or of ${batchTimeout}` : formatCount(1 + Number(readAhead)),
    data: withData ? 'with each event' : 'none',
    rejections: deadLetter === undefined ? rejects : `${rejects}, to ${deadLetter}`,
    id: String(id),
    created: String(created),
    updated: created === updated ? undefined : String(updated),
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
