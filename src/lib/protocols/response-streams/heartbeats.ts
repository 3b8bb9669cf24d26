/**
 * The heartbeats of the later dialect. The producer sends `{"ActiveStreamIds":{"<request subject>":["<token>"]}}` to the
 * consumer, which replies with those that it no longer wants: `{"NonActiveStreamIds":{…}}`.
 */
import {utf8Text} from '../../core/text/encoding.ts'
import {member, objectOf} from '../../core/text/json-members.ts'

/** Tokens of response streams by the subject on which they were requested. */
export type TokensBySubject = ReadonlyMap<string, readonly string[]>

export function encodeHeartbeat(active: TokensBySubject): string {
  return `{"ActiveStreamIds":${encodeTokens(active)}}`
}

export function encodeHeartbeatReply(unwanted: TokensBySubject): string {
  return `{"NonActiveStreamIds":${encodeTokens(unwanted)}}`
}

/** The response streams of a producer; undefined if it is not a heartbeat. */
export function decodeHeartbeat(payload: Uint8Array | string): TokensBySubject | undefined {
  return decodeTokens(payload, 'ActiveStreamIds')
}

/** The response streams that a consumer no longer wants; undefined if it is not a reply to a heartbeat. */
export function decodeHeartbeatReply(payload: Uint8Array | string): TokensBySubject | undefined {
  return decodeTokens(payload, 'NonActiveStreamIds')
}

/** Not built as an object, which would put numbers first and drop a subject `__proto__`. */
function encodeTokens(tokens: TokensBySubject): string {
  const members = [...tokens].map(([subject, list]) => `${JSON.stringify(subject)}:${JSON.stringify(list)}`)
  return `{${members.join(',')}}`
}

function decodeTokens(payload: Uint8Array | string, name: string): TokensBySubject | undefined {
  try {
    const bySubject = objectOf(member(objectOf(JSON.parse(utf8Text(payload) ?? ''), ''), name) ?? null, name)
    const entries = Object.entries(bySubject).map(([subject, list]) => [subject, list ?? []] as const)
    return entries.every((entry): entry is [string, string[]] => isTexts(entry[1])) ? new Map(entries) : undefined
  } catch {
    // Not a heartbeat, and not answered.
    return undefined
  }
}

function isTexts(list: unknown): list is string[] {
  return Array.isArray(list) && list.every((one) => typeof one === 'string')
}
