/** Acknowledgements that streams send to the reply subject of stored messages (ADR-13). */
import type {Message} from '../../core/message.ts'

const longest = 2048
const brace = 0x7b
const members = new Set(['type', 'stream', 'seq', 'domain', 'duplicate', 'error', 'val', 'batch', 'count'])

export interface StoredReply {
  readonly stream: string
  /** Why the stream did not store the message. */
  readonly refusal?: string | undefined
}

/**
 * Parses a reply as an acknowledgement; undefined for any other reply, including one with a member that no acknowledgement has.
 */
export function storedReply(message: Message): StoredReply | undefined {
  const {payload, headers} = message
  if (payload.length > longest || headers.length > 0 || payload[0] !== brace) return
  const {text} = message
  if (!text.includes('"stream"')) return
  try {
    const {stream, seq, error, ...others} = JSON.parse(text)
    if (typeof stream !== 'string' || typeof seq !== 'number') return
    if (Object.keys(others).some((name) => !members.has(name))) return
    return {stream, refusal: error?.description}
  } catch {
    // Not JSON, so it is an ordinary reply.
    return
  }
}
