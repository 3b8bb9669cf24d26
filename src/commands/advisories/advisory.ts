/** Advisories and metrics of JetStream, and events of connections, as lines and as JSON. */
import {rounded} from '../../lib/cli/render/units.ts'
import {BusError} from '../../lib/core/errors.ts'
import type {Message} from '../../lib/core/message.ts'
import {isObject, objectIn} from '../../lib/core/text/json-text.ts'
import {nearest} from '../../lib/core/text/nearest.ts'
import {isoTime} from '../../lib/core/time/timestamp.ts'

/** What `--json` prints, one per line. What an advisory does not tell is absent. */
export interface AdvisoryDocument {
  /** The last part of its type: `max-deliver`, `stream-leader-elected`; `unknown` if it has none. */
  readonly kind: string
  readonly time: string
  readonly subject: string
  readonly stream?: string | undefined
  readonly consumer?: string | undefined
  /** The rest of it, as text. */
  readonly details: string
  /** Its own document, or its text if that is not JSON. */
  readonly raw: unknown
}

export const apiAudit = 'api-audit'

/** The kinds of advisories of nats-server 2.15 (`server/jetstream_events.go`, `server/events.go`). */
export const advisoryKinds = [
  ...['max-deliver', 'terminated', 'nak', 'consumer-ack', 'consumer-action', 'consumer-pause'],
  ...['consumer-leader-elected', 'consumer-quorum-lost', 'consumer-group-pinned', 'consumer-group-unpinned'],
  ...['stream-action', 'stream-leader-elected', 'stream-quorum-lost', 'stream-batch-abandoned'],
  ...['snapshot-create', 'snapshot-complete', 'restore-create', 'restore-complete'],
  ...['domain-leader-elected', 'meta-rescue', 'server-out-of-space', 'server-removed'],
  ...['api-limit-reached', apiAudit, 'client-connect', 'client-disconnect', 'unknown'],
] as const

/** Returns the kind. Throws `usage` if no advisory has it. */
export function checkKind(kind: string): string {
  if ((advisoryKinds as readonly string[]).includes(kind)) return kind
  const meant = nearest(kind, advisoryKinds)
  throw new BusError('usage', `there is no advisory of the kind ${JSON.stringify(kind)}`, {
    try: meant === undefined ? [] : [meant],
  })
}

export function advisoryIn(message: Message): AdvisoryDocument {
  const json = objectIn(message.text)
  const {type, timestamp, stream, consumer} = json ?? {}
  const kind = typeof type === 'string' ? (type.split('.').pop() ?? '').replaceAll('_', '-') : 'unknown'
  return {
    kind,
    time: typeof timestamp === 'string' ? timestamp : isoTime(message.time),
    subject: message.subject,
    ...(typeof stream === 'string' && {stream}),
    ...(typeof consumer === 'string' && {consumer}),
    details: json === undefined ? message.text : detailsOf(json),
    raw: json ?? message.text,
  }
}

/** `2026-11-20T10:00:00.000Z max-deliver ORDERS/billing #42 · 5 deliveries` */
export function advisoryLine({kind, time, stream, consumer, details}: AdvisoryDocument): string {
  const place = [stream, consumer].filter((name) => name !== undefined).join('/')
  return [time, kind, place, details].filter((part) => part !== '').join(' ')
}

function detailsOf(json: Readonly<Record<string, unknown>>): string {
  const {stream_seq: seq, deliveries, reason, action, leader, subject, paused, client, ack_time: ackTime} = json
  const {account, user, name, host} = isObject(client)
    ? {...client, account: client['acc']}
    : ({} as Record<string, unknown>)
  const parts = [
    seq === undefined ? '' : `#${String(seq)}`,
    deliveries === undefined ? '' : `${String(deliveries)} ${deliveries === 1 ? 'delivery' : 'deliveries'}`,
    typeof ackTime === 'number' ? `acknowledged after ${rounded(ackTime / 1e6, 3)} ms` : '',
    action,
    typeof leader === 'string' ? `led by ${leader}` : '',
    typeof paused === 'boolean' ? (paused ? 'paused' : 'resumed') : '',
    subject,
    name,
    typeof account === 'string' ? `account ${account}` : '',
    typeof user === 'string' && user !== '' ? `user ${user}` : '',
    host,
    reason,
  ]
  return parts.filter((part) => typeof part === 'string' && part !== '').join(' · ')
}
