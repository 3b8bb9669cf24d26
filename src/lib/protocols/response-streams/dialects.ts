/**
 * The two forms of a request for a response stream. The first (bacalhau 1.2.2 to 1.3.1) consists of the caller's bytes; frames
 * go to the reply subject. The later one (from 1.3.2) is JSON that repeats the reply subject, and names a subject on which the
 * producer asks regularly whether its response streams are still wanted. A server distinguishes them by their content.
 */
import {BusError} from '../../core/errors.ts'
import {checkSubject} from '../../core/subject.ts'
import {toBase64, utf8Text} from '../../core/text/encoding.ts'
import {member, objectOf, textOf} from '../../core/text/json-members.ts'
import {looksLikeJson} from '../../core/text/json-text.ts'
import type {Transport} from '../../transport/contract.ts'
import {bytesOf} from './frames.ts'

/** Throws `usage` on a bus where a request has only one reply. */
export function checkManyReplies({url, features}: Transport): void {
  if (features.wildcards && features.requestsAreMessages) return
  throw new BusError('usage', `${url} has no response streams: a request there has only one reply`, {
    try: ['a bus file or a server'],
  })
}

/** The version of the protocol: that of the first implementation, or the later one with heartbeats. */
export type Dialect = 'first' | 'later'

export interface OpenRequest {
  /** The consumer's inbox with its trailing dot, `_SINBOX.<22>.`. */
  readonly inbox: string
  readonly token: string
  readonly body: Uint8Array | string
}

export interface ReadRequest {
  readonly dialect: Dialect
  readonly body: Uint8Array | string
  /** In the later dialect: the consumer, and where to ask whether the response stream is still wanted. */
  readonly consumer?: Consumer | undefined
}

export interface Consumer {
  /** Its inbox with the trailing dot. */
  readonly inbox: string
  readonly token: string
  readonly heartbeat: string
}

/** The subject on which a consumer is asked whether response streams are still wanted. */
export function heartbeatSubject(inbox: string): string {
  return `_HEARTBEAT.${inbox.slice(0, -1)}`
}

/** The payload of a request for a response stream. */
export function encodeOpenRequest(dialect: Dialect, {inbox, token, body}: OpenRequest): Uint8Array | string {
  if (dialect === 'first') return body
  const head = JSON.stringify({consumerId: inbox, streamId: token, heartBeatRequestSub: heartbeatSubject(inbox)})
  return `${head.slice(0, -1)},"body":"${toBase64(body)}"}`
}

/** Parses a request in either dialect; returns a string with the fault if an invalid one is clearly of the later dialect. */
export function decodeOpenRequest(payload: Uint8Array | string): ReadRequest | string {
  const request = laterRequest(payload)
  if (request === undefined) return {dialect: 'first', body: payload}
  try {
    const consumer = {
      inbox: textOf(member(request, 'consumerId'), 'consumerId'),
      token: textOf(member(request, 'streamId'), 'streamId'),
      heartbeat: textOf(member(request, 'heartBeatRequestSub'), 'heartBeatRequestSub'),
    }
    if (consumer.heartbeat !== '') checkNamed('heartBeatRequestSub', consumer.heartbeat)
    return {dialect: 'later', body: bytesOf(member(request, 'body'), 'body'), consumer}
  } catch (error) {
    return (error as Error).message
  }
}

function checkNamed(name: string, subject: string): void {
  try {
    checkSubject(subject)
  } catch (error) {
    throw new Error(`${name}: ${(error as Error).message}`)
  }
}

/** An object with all three names is a request of the later dialect; anything else may be arbitrary bytes. */
function laterRequest(payload: Uint8Array | string): object | undefined {
  const text = utf8Text(payload)
  if (text === undefined || !text.includes('"consumerId"') || !looksLikeJson(text)) return undefined
  try {
    const request = objectOf(JSON.parse(text), 'the request')
    return ['consumerId', 'streamId', 'heartBeatRequestSub'].every((name) => Object.hasOwn(request, name))
      ? request
      : undefined
  } catch {
    // Not JSON, so it is the body of a request of the first dialect.
    return undefined
  }
}
