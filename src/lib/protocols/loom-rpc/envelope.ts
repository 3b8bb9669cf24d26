/**
 * The envelopes of Loom RPC: JSON in both directions, with the members in the order of the Go implementation. Payloads are JSON
 * and are passed on as source text, so that no number is rounded.
 */
import {utf8Text} from '../../core/text/encoding.ts'
import {member, objectOf, textOf} from '../../core/text/json-members.ts'
import {parseExact} from '../../core/text/json-text.ts'

/** The content of a request. */
export interface RpcRequest {
  readonly method: string
  readonly callerId: string
  /** JSON; undefined for a request without one. */
  readonly payload: string | undefined
  readonly traceId?: string | undefined
}

/** The content of a response, or of whatever arrived in its place; payloads are JSON. */
export type RpcResponse =
  | {readonly kind: 'ok'; readonly payload: string | undefined}
  | {readonly kind: 'error'; readonly error: string}
  /** No response, but the word of a JetStream stream that captures the subject. */
  | {readonly kind: 'captured'; readonly stream: string; readonly seq: number}
  | {readonly kind: 'bad'; readonly reason: string}

/** `payload` is JSON; a missing one is sent as null. */
export function encodeRequest({method, callerId, payload = 'null', traceId}: RpcRequest): string {
  const trace = traceId === undefined || traceId === '' ? '' : `,"trace_id":${JSON.stringify(traceId)}`
  return `{"method":${JSON.stringify(method)},"caller_id":${JSON.stringify(callerId)},"payload":${payload}${trace}}`
}

/** A successful response; `payload` is JSON. */
export function ok(payload = 'null'): string {
  return `{"ok":true,"payload":${payload}}`
}

/** A failed response with its reason. */
export function err(error: string): string {
  return error === '' ? '{"ok":false}' : `{"ok":false,"error":${JSON.stringify(error)}}`
}

/** Whether a response made here is a success. */
export function isOk(response: string): boolean {
  return response.startsWith(okHead)
}

/** Parses a request; returns a string with the fault if it is invalid. */
export function decodeRequest(envelope: Uint8Array | string): RpcRequest | string {
  try {
    const text = textIn(envelope)
    const request = objectOf(JSON.parse(text), 'the envelope')
    const traceId = textOf(member(request, 'trace_id'), 'trace_id')
    return {
      method: textOf(member(request, 'method'), 'method'),
      callerId: textOf(member(request, 'caller_id'), 'caller_id'),
      payload: payloadIn(request, text),
      ...(traceId !== '' && {traceId}),
    }
  } catch (error) {
    return (error as Error).message
  }
}

/** Parses a response, or whatever arrived in its place. */
export function decodeResponse(envelope: Uint8Array | string): RpcResponse {
  try {
    const text = textIn(envelope)
    const plain = plainPayload(text)
    if (plain !== undefined) return {kind: 'ok', payload: plain}
    const response = objectOf(JSON.parse(text), 'the envelope')
    const isOk = member(response, 'ok') ?? undefined
    if (isOk === undefined) {
      const captured = capturedBy(response)
      if (captured !== undefined) return captured
    }
    if (isOk === true) return {kind: 'ok', payload: payloadIn(response, text)}
    if (isOk !== undefined && isOk !== false) throw new Error('ok is neither true nor false')
    return {kind: 'error', error: textOf(member(response, 'error'), 'error')}
  } catch (error) {
    return {kind: 'bad', reason: (error as Error).message}
  }
}

const okHead = '{"ok":true,"payload":'

/** The payload of a response in its usual form; undefined for any other form, which is parsed. */
function plainPayload(text: string): string | undefined {
  if (!text.startsWith(okHead) || !text.endsWith('}')) return undefined
  const payload = text.slice(okHead.length, -1)
  try {
    JSON.parse(payload)
    return payload
  } catch {
    // It is parsed as a whole.
    return undefined
  }
}

/** `{"stream":"LOOM","seq":12}`, a publish acknowledgement. */
function capturedBy(response: object): RpcResponse | undefined {
  const [stream, seq] = [member(response, 'stream'), member(response, 'seq')]
  if (typeof stream !== 'string' || !Number.isSafeInteger(seq)) return undefined
  return {kind: 'captured', stream, seq: seq as number}
}

/** The source text of the payload, with its numbers unchanged. */
function payloadIn(envelope: object, text: string): string | undefined {
  const payload = member(envelope, 'payload')
  if (payload === undefined) return undefined
  const compact = JSON.stringify(payload)
  if (text.includes(`"payload":${compact},"`) || text.endsWith(`"payload":${compact}}`)) return compact
  return JSON.stringify(member(objectOf(parseExact(text), ''), 'payload'))
}

/** Bytes that are not UTF-8 are read as U+FFFD, as in Go. */
function textIn(envelope: Uint8Array | string): string {
  return utf8Text(envelope) ?? Buffer.from(envelope).toString('utf8')
}
