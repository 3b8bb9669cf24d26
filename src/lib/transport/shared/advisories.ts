/**
 * Advisories about messages that a consumer no longer delivers, as a server publishes them (ADR-13;
 * https://docs.nats.io/nats-concepts/jetstream/consumers#maxdeliver): subjects and JSON. A bus that is not a server does not
 * count the deliveries of a consumer, so `consumer_seq` is missing there.
 */
import type {Message, Outgoing} from '../../core/message.ts'

const prefix = '$JS.EVENT.ADVISORY.CONSUMER'
const types = {
  MAX_DELIVERIES: 'io.nats.jetstream.advisory.v1.max_deliver',
  MSG_TERMINATED: 'io.nats.jetstream.advisory.v1.terminated',
} as const

type AdvisoryKind = keyof typeof types

/** The reason of a failure that is a limit of deliveries. */
export const maxDeliverReason = 'max deliver'

/** What an advisory says. */
export interface FailureAdvisory {
  readonly stream: string
  readonly consumer: string
  readonly seq: number
  readonly deliveries: number
  /** `maxDeliverReason`, or the reason for which it was terminated; `terminated` without one. */
  readonly reason: string
}

/** The subjects of the advisories: of one consumer, or of all. */
export function failureSubjects(stream = '*', consumer = '*'): readonly string[] {
  return Object.keys(types).map((kind) => `${prefix}.${kind}.${stream}.${consumer}`)
}

/** The advisory of a failure that happens now. */
export function failureAdvisory({stream, consumer, seq, deliveries, reason}: FailureAdvisory): Outgoing {
  const kind: AdvisoryKind = reason === maxDeliverReason ? 'MAX_DELIVERIES' : 'MSG_TERMINATED'
  const document = {
    type: types[kind],
    id: crypto.randomUUID().replaceAll('-', ''),
    timestamp: new Date().toISOString(),
    stream,
    consumer,
    stream_seq: seq,
    deliveries,
    ...(kind === 'MSG_TERMINATED' && reason !== 'terminated' && {reason}),
  }
  return {subject: `${prefix}.${kind}.${stream}.${consumer}`, data: JSON.stringify(document)}
}

/** What a message says if it is such an advisory; undefined for anything else. */
export function readFailure({subject, text}: Message): FailureAdvisory | undefined {
  const kind = subject.slice(prefix.length + 1).split('.', 1)[0] ?? ''
  if (!(kind in types)) return undefined
  const {stream, consumer, stream_seq: seq, deliveries, reason} = membersOf(text)
  if (typeof stream !== 'string' || typeof consumer !== 'string') return undefined
  if (!Number.isSafeInteger(seq) || !Number.isSafeInteger(deliveries)) return undefined
  const why = typeof reason === 'string' && reason !== '' ? reason : 'terminated'
  return {
    stream,
    consumer,
    seq: seq as number,
    deliveries: deliveries as number,
    reason: kind === 'MAX_DELIVERIES' ? maxDeliverReason : why,
  }
}

function membersOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const json: unknown = JSON.parse(text)
    return typeof json === 'object' && json !== null ? (json as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}
