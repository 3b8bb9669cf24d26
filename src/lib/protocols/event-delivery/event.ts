/**
 * Events: stored messages as applications see them, in the JSON of Hyperledger FireFly's event plugin. A stream is the
 * namespace and the subject the topic; members without a counterpart in a message come from its headers (`eventHeaders`).
 */
import {hash} from 'node:crypto'
import {headerOf, type Message} from '../../core/message.ts'
import {headersJson, payloadJson} from '../../core/record.ts'
import {isoClock} from '../../core/time/timestamp.ts'

/** Headers of a message that determine its event. Each may be absent. */
export const eventHeaders = {
  /** Default `message`. */
  type: 'Bus-Event-Type',
  /** The id of the event that this one answers or belongs to. */
  correlator: 'Bus-Correlation-Id',
  /** The subject for replies, because a stream stores no reply subject. */
  replyTo: 'Bus-Reply-To',
  tag: 'Bus-Tag',
  group: 'Bus-Group',
  author: 'Bus-Author',
  transaction: 'Bus-Transaction',
  transactionType: 'Bus-Transaction-Type',
} as const

/** A stored message as an event. */
export interface Event {
  /** A UUID derived from stream, sequence and time: the same message always has the same id. */
  readonly id: string
  readonly sequence: number
  readonly type: string
  readonly namespace: string
  readonly topic: string
  readonly message: Message
}

/** The subscription of an event. An ephemeral one has its id as its name. */
export interface SubscriptionRef {
  readonly id: string
  readonly namespace: string
  readonly name: string
}

/** Message types of the protocol itself, which no event may have. */
const reserved: ReadonlySet<string> = new Set(['protocol_error', 'event_batch'])

export function eventOf(namespace: string, message: Message): Event {
  const sequence = message.seq ?? 0
  const given = message.headers.length === 0 ? undefined : headerOf(message.headers, eventHeaders.type)
  const type = given === undefined || given === '' || reserved.has(given) ? 'message' : given
  return {id: eventId(namespace, message), sequence, type, namespace, topic: message.subject, message}
}

/** The namespace of our ids, which RFC 9562 requires for version 5. */
const space = Buffer.from('6f0c3f6a5d0b4c0e9a5b2f6b5c1d7e83', 'hex').toString('latin1')

/**
 * Version 5 of RFC 9562 over `STREAM:SEQUENCE:MILLISECONDS`; the time is included because a recreated stream counts from 1
 * again.
 */
export function eventId(stream: string, {seq = 0, time}: Pick<Message, 'seq' | 'time'>): string {
  return uuid5(`${stream}:${seq}:${Math.floor(time)}`)
}

/** A new id for one delivery of a batch: delivered again, it may contain other events. */
export function newBatchId(): string {
  return uuid5(crypto.randomUUID())
}

/** Whether a gateway can have created this id, for an event or a batch. */
export function isOurId(id: string): boolean {
  return /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id)
}

function uuid5(text: string): string {
  const name = space + Buffer.from(text).toString('latin1')
  const hex = hash('sha1', Buffer.from(name, 'latin1'), 'hex')
  const variant = ((Number.parseInt(hex[16] ?? '0', 16) & 3) | 8).toString(16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

/**
 * Writes deliveries: the event and its subscription as one JSON object. With data its `data` has the members of a record for
 * headers and payload: `{"headers"?, "json"?, "text"?, "base64"?}`.
 */
export function deliveryWriter(ref: SubscriptionRef, withData: boolean): (event: Event) => string {
  const iso = isoClock()
  const tail = `,"subscription":${JSON.stringify({id: ref.id, namespace: ref.namespace, name: ref.name})}}`
  const space = JSON.stringify(ref.namespace)
  let topic: string | undefined
  let topicJson = ''
  return ({id, sequence, type, topic: subject, message}) => {
    if (subject !== topic) {
      topic = subject
      topicJson = JSON.stringify(subject)
    }
    const created = iso(message.time) ?? ''
    const kind = type === 'message' ? '"message"' : JSON.stringify(type)
    let line = `{"id":"${id}","sequence":${sequence},"type":${kind},"namespace":${space},"topic":${topicJson},"created":"${created}"`
    if (message.headers.length > 0) line += headedJson(message)
    if (withData) line += `,"data":${dataJson(message)}`
    return line + tail
  }
}

/** The members of an event that come from headers: `correlator`, `message` with its header, `transaction`. */
function headedJson(message: Message): string {
  const text = (name: keyof typeof eventHeaders) => headerOf(message.headers, eventHeaders[name])
  const correlator = text('correlator')
  const header = {
    id: headerOf(message.headers, 'Nats-Msg-Id'),
    tag: text('tag'),
    group: text('group'),
    author: text('author'),
  }
  const transaction = {id: text('transaction'), type: text('transactionType')}
  const has = (some: object) => Object.values(some).some((value) => value !== undefined)
  const parts = {
    ...(correlator !== undefined && {correlator}),
    ...(has(header) && {message: {header}}),
    ...(has(transaction) && {tx: transaction, transaction}),
  }
  const json = JSON.stringify(parts)
  return json === '{}' ? '' : `,${json.slice(1, -1)}`
}

function dataJson({headers, payload}: Message): string {
  const members =
    headers.length === 0 ? payloadJson(payload) : `,"headers":${headersJson(headers)}${payloadJson(payload)}`
  return `{${members.slice(1)}}`
}
