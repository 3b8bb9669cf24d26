/**
 * The checks of a stream before it stores a message, on buses that implement streams themselves: the headers with expectations
 * of publishers, message ids, and limits, in JetStream's order and with its codes.
 */
import type {BusError} from '../../core/errors.ts'
import {type Headers, headerOf, type Outgoing, sizeOf} from '../../core/message.ts'
import {milliseconds} from '../../core/time/go-duration.ts'
import {type Stored, type StreamConfig, storeHeaders} from '../streams-contract.ts'
import {jetStreamErrors} from './jetstream-errors.ts'
import {refused} from './stream-errors.ts'

/** Why a message is refused. */
type Refusal = {
  [Name in keyof typeof jetStreamErrors]: (typeof jetStreamErrors)[Name] extends {readonly text: string} ? Name : never
}[keyof typeof jetStreamErrors]

/** The subject of an expected last sequence; by default that of the message. */
const expectedSubject = 'Nats-Expected-Last-Subject-Sequence-Subject'

/** Headers for features that these streams lack. Storing such a message would promise the feature. */
const unfulfilled: readonly (readonly [header: RegExp, why: Refusal])[] = [
  [/^nats-ttl$/i, 'ttl'],
  [/^nats-rollup$/i, 'rollup'],
  [/^nats-incr$/i, 'counter'],
  [/^nats-schedule(r|-.+)?$/i, 'schedule'],
  [/^nats-batch-.+$/i, 'batch'],
  [/^nats-stream-source$/i, 'source'],
]

/** The current state of the stream of a message. */
export interface StreamNow {
  readonly url: string
  readonly config: StreamConfig
  /** The subject of the message. */
  readonly subject: string
  readonly lastSeq: number
  /** Message id of the last message, or empty. */
  readonly lastId: string
  /** The message is part of a batch, and carries its headers. */
  readonly isInBatch?: boolean | undefined
  /** The sequence of the last message with the subject; 0 if there is none. */
  lastOfSubject(): number
  /** The sequence of a remembered message id. */
  seqOf(id: string): number | undefined
}

/** The message id of a message, if it has one. */
export function msgIdOf(headers: Headers): string | undefined {
  return headerOf(headers, storeHeaders.msgId) || undefined
}

/** What a message replaces: earlier messages of its subject, or all of them. */
export function rollupOf(headers: Headers | undefined): 'sub' | 'all' | undefined {
  const value = headers === undefined ? undefined : headerOf(headers, storeHeaders.rollup)
  return value === 'sub' || value === 'all' ? value : undefined
}

function allows({allowRollup, allowTtl}: StreamConfig, feature: Refusal): boolean {
  return (feature === 'rollup' && allowRollup === true) || (feature === 'ttl' && allowTtl === true)
}

/** A duration in Go's format, as the server parses it. */
const goDuration = /^\+?((\d+(\.\d*)?|\.\d+)(h|ms|m|s|us|\u00b5s|ns))+$/
/** The longest of them: 2^63 nanoseconds. */
const mostGoMs = 2 ** 63 / 1e6

/**
 * The TTL of a message in milliseconds, whole seconds of at least one: undefined if it has none, `Infinity` for `never`, NaN if it
 * is invalid. In a stream with markers, the TTL is at least that of the markers, unless the stream keeps one message per subject.
 */
export function ttlOf(headers: Headers | undefined, {markerTtlMs = 0, ...config}: StreamConfig): number | undefined {
  const value = headers === undefined ? undefined : headerOf(headers, storeHeaders.ttl)
  if (!value) return undefined
  if (/^never$/i.test(value)) return Number.POSITIVE_INFINITY
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : goDurationMs(value)
  if (!(ms >= 1000)) return Number.NaN
  return Math.max(Math.floor(ms / 1000) * 1000, config.maxMsgsPerSubject === 1 ? 0 : markerTtlMs)
}

/** The headers of the marker that replaces the last message of a subject when it expires. */
export function markerHeaders(ttlMs: number): Headers {
  return [
    ['Nats-Marker-Reason', 'MaxAge'],
    ['Nats-TTL', `${Math.floor(ttlMs / 1000)}s`],
    ['Nats-Rollup', 'sub'],
  ]
}

function goDurationMs(text: string): number {
  if (!goDuration.test(text)) return Number.NaN
  const ms = milliseconds(text)
  return ms > mostGoMs ? Number.NaN : ms
}

/** Why the message is not to be stored: it requests an unsupported feature, an expectation is not met, or it is a duplicate. */
export function unlessExpected(headers: Headers, stream: StreamNow): Stored | BusError | undefined {
  if (headers.length === 0 || stream.config.sealed) return undefined
  for (const [header] of headers) {
    const wish = unfulfilled.find(([pattern]) => pattern.test(header))
    if (wish === undefined || allows(stream.config, wish[1])) continue
    if (wish[1] !== 'batch' || !stream.config.allowAtomic) return refusal(stream, wish[1])
    if (!stream.isInBatch) return refusal(stream, 'batchByHeaders')
  }
  if (stream.config.allowTtl && Number.isNaN(ttlOf(headers, stream.config))) return refusal(stream, 'badTtl')
  const rollup = headerOf(headers, storeHeaders.rollup)
  if (rollup && rollupOf(headers) === undefined) return refusal(stream, 'badRollup', JSON.stringify(rollup))
  const subject = headerOf(headers, expectedSubject)
  if (subject !== undefined) {
    if (headerOf(headers, storeHeaders.expectedLastSubjectSeq) === undefined) return refusal(stream, 'noSubjectSeq')
    if (subject !== stream.subject) return refusal(stream, 'otherSubject')
  }
  const {name} = stream.config
  const expected = (header: string, actual: () => number | string) => {
    const value = headerOf(headers, header)
    if (value === undefined) return undefined
    const is = actual()
    return (typeof is === 'number' ? Number(value) : value) === is ? undefined : String(is)
  }
  if (expected(storeHeaders.expectedStream, () => name) !== undefined) return refusal(stream, 'wrongStream')
  const id = msgIdOf(headers)
  const known = id === undefined ? undefined : stream.seqOf(id)
  if (known !== undefined) return {stream: name, seq: known, duplicate: true}
  const seq =
    expected(storeHeaders.expectedLastSubjectSeq, () => stream.lastOfSubject()) ??
    expected(storeHeaders.expectedLastSeq, () => stream.lastSeq)
  if (seq !== undefined) return refusal(stream, 'wrongSeq', seq)
  const lastId = expected(storeHeaders.expectedLastMsgId, () => stream.lastId)
  return lastId === undefined ? undefined : refusal(stream, 'wrongMsgId', lastId)
}

/** The limit that a message would exceed. `bytes` is its size in the stream, `has` the current totals of the stream and of the subject. */
export function brokenLimit(
  stream: Pick<StreamNow, 'url' | 'config'>,
  message: Outgoing,
  bytes: number,
  has: {readonly messages: number; readonly bytes: number; ofSubject(): number},
): BusError | undefined {
  if (stream.config.sealed) return refusal(stream, 'sealed')
  const {maxMsgSize, maxMsgs, maxBytes, discard, discardNewPerSubject, maxMsgsPerSubject = Infinity} = stream.config
  if (maxMsgSize !== undefined && wireSize(message) > maxMsgSize) return refusal(stream, 'tooLarge')
  if (discard === 'old') return undefined
  if (maxMsgs !== undefined && has.messages >= maxMsgs) return refusal(stream, 'tooMany')
  if (maxBytes !== undefined && has.bytes + bytes > maxBytes) return refusal(stream, 'tooManyBytes')
  return discardNewPerSubject && has.ofSubject() >= maxMsgsPerSubject ? refusal(stream, 'tooManyOfSubject') : undefined
}

/** The size of payload and headers as NATS counts it. */
export function wireSize({data, headers = []}: Outgoing): number {
  let size = sizeOf(data)
  if (headers.length > 0) size += 14
  for (const [name, value] of headers) size += Buffer.byteLength(name) + Buffer.byteLength(value) + 4
  return size
}

export function refusal({url, config}: Pick<StreamNow, 'url' | 'config'>, why: Refusal, actual?: string): BusError {
  const {code, text} = jetStreamErrors[why]
  return refused(url, config.name, code, actual === undefined ? text : `${text}: ${actual}`)
}
