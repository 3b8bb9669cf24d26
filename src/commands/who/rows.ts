/** The audience of a subject as JSON and as a table. */

import type {Column} from '../../lib/cli/render/table.ts'
import {formatBytes, formatCount, formatDuration, rounded} from '../../lib/cli/render/units.ts'
import type {Audience, KeepingStream, MatchingConsumer, ServingInstance} from '../../lib/messaging/audience.ts'
import type {Interest, InterestedClient} from '../../lib/transport/contract.ts'

/** What `--json` prints. */
export interface WhoDocument {
  readonly subject: string
  /** Absent if the bus does not tell. */
  readonly subscribers?: readonly SubscriberDocument[] | undefined
  readonly streams: readonly KeepingStream[]
  readonly consumers: readonly MatchingConsumer[]
  readonly services: readonly ServingInstance[]
  /** Sentences about what is not known. */
  readonly unknown?: readonly string[] | undefined
}

interface SubscriberDocument extends Omit<InterestedClient, 'isOwn'> {
  readonly pattern: string
  readonly queue?: string | undefined
}

export function whoDocument(subject: string, audience: Audience): WhoDocument {
  const {subscribers, streams, consumers, services, failures} = audience
  return {
    subject,
    subscribers: subscribers?.map(subscriberDocument),
    streams,
    consumers,
    services,
    ...(failures.length > 0 && {unknown: failures.map(({message}) => message)}),
  }
}

function subscriberDocument({pattern, queue, client}: Interest): SubscriberDocument {
  const {isOwn: _, roundTripMs, ...rest} = client
  return {pattern, queue, ...rest, ...(roundTripMs !== undefined && {roundTripMs: rounded(roundTripMs, 3)})}
}

export const whoColumns: readonly Column[] = [
  {head: 'kind'},
  {head: 'name'},
  {head: 'subject'},
  {head: 'queue'},
  {head: 'details'},
]

export function whoRows({subscribers = [], streams, consumers, services}: Audience): string[][] {
  return [
    ...subscribers.map(subscriberRow).sort(byText),
    ...streams.map(({stream, subjects, messages}) => [
      ...['stream', stream, subjects.join(' '), ''],
      `${formatCount(messages)} message${messages === 1 ? '' : 's'}`,
    ]),
    ...consumers.map(({stream, consumer, filters, durable, lag}) => [
      ...['consumer', `${stream}/${consumer}`, filters.join(' '), ''],
      `lag ${formatCount(lag)}${durable ? '' : ' · ephemeral'}`,
    ]),
    ...services.map(({service, id, version, subject, queue}) => [
      ...['service', service, subject, queue ?? ''],
      [version, id].filter((part) => part !== undefined).join(' · '),
    ]),
  ]
}

function subscriberRow({pattern, queue, client}: Interest): string[] {
  const {name, connection, isLeafNode} = client
  const called = name ?? (connection === undefined ? '' : `connection ${connection}`)
  return [isLeafNode ? 'leaf node' : 'subscriber', called, pattern, queue ?? '', clientText(client)]
}

/** `nats.js 3.4.0 · 127.0.0.1:36430 · pending 0 B · rtt 1.2 ms`, or `process 4711`. */
function clientText({pid, language, version, address, server, pendingBytes, roundTripMs}: InterestedClient): string {
  const parts = [
    pid === undefined ? undefined : `process ${pid}`,
    language === undefined ? undefined : [language, version].filter(Boolean).join(' '),
    address,
    server === undefined ? undefined : `at ${server}`,
    pendingBytes === undefined ? undefined : `pending ${formatBytes(pendingBytes)}`,
    roundTripMs === undefined ? undefined : `rtt ${formatDuration(roundTripMs)}`,
  ]
  return parts.filter((part) => part !== undefined).join(' · ')
}

function byText(one: readonly string[], other: readonly string[]): number {
  return one.join(' ') < other.join(' ') ? -1 : 1
}
